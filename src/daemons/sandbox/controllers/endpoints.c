#include "controllers/ctl.h"

#define SERVICE_NAME "metadata.labels[kubernetes.io/service-name]"

typedef struct Eps {
    Ctl *c;
    Arena *a;
    const Obj *svc;
    const Obj **pods; /* selected, with an address */
    size_t n;
    bool publish_all;
} Eps;

static bool counts(const Obj *pod)
{
    return !pod_ended(pod) && js_str(pod->json, "status.podIP");
}

static bool is_ready(const Eps *e, const Obj *pod)
{
    return e->publish_all || (pod_ready(pod) && !obj_deleting(pod));
}

static void read_pods(Eps *e)
{
    const Selector *sel = selector_from_map(e->a, js_at(e->svc->json, "spec.selector"));
    size_t n;
    StoreQuery q = {.kind = K(POD), .ns = e->svc->ns, .labels = sel};
    e->pods = store_list(e->c->store, e->a, &q, &n);
    e->publish_all = js_bool(e->svc->json, "spec.publishNotReadyAddresses", false);
    for (size_t i = 0; i < n; i++)
        if (counts(e->pods[i]))
            e->pods[e->n++] = e->pods[i];
}

/* targetPort is a number, the name of a container's port, or absent (then it is the port). */
static int target_port(const Eps *e, const cJSON *port)
{
    const cJSON *t = js_get(port, "targetPort"), *ctr;
    const char *name = cJSON_GetStringValue(t);
    if (!name)
        return (int)js_int(port, "targetPort", js_int(port, "port", 0));
    for (size_t i = 0; i < e->n; i++) {
        js_each(ctr, js_at(e->pods[i]->json, "spec.containers"))
        {
            const cJSON *p = js_find(js_get(ctr, "ports"), "name", name);
            if (p)
                return (int)js_int(p, "containerPort", 0);
        }
    }
    return 0;
}

/* In a slice every port has a name, if only an empty one; newer kubectl count on it. */
static cJSON *ports_of(const Eps *e, bool slice)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *port;
    js_each(port, js_at(e->svc->json, "spec.ports"))
    {
        int number = target_port(e, port);
        if (!number)
            continue;
        cJSON *p = cJSON_CreateObject();
        if (slice || *js_text(port, "name"))
            js_set_str(p, "name", js_text(port, "name"));
        js_set_int(p, "port", number);
        js_set_str(p, "protocol", str_or(js_str(port, "protocol"), "TCP"));
        cJSON_AddItemToArray(list, p);
    }
    return list;
}

static cJSON *pod_reference(const Obj *pod)
{
    cJSON *ref = cJSON_CreateObject();
    js_set_str(ref, "kind", "Pod");
    js_set_str(ref, "namespace", pod->ns);
    js_set_str(ref, "name", pod->name);
    js_set_str(ref, "uid", pod->uid);
    return ref;
}

/* Its name below the Service, which it has only below the one that is its subdomain. */
static const char *host_name(const Eps *e, const Obj *pod)
{
    bool own = str_eq(js_str(pod->json, "spec.subdomain"), e->svc->name);
    return own ? js_str(pod->json, "spec.hostname") : NULL;
}

static cJSON *subset_of(const Eps *e)
{
    cJSON *subset = cJSON_CreateObject();
    for (size_t i = 0; i < e->n; i++) {
        const Obj *pod = e->pods[i];
        cJSON *addr = cJSON_CreateObject();
        js_set_str(addr, "ip", js_text(pod->json, "status.podIP"));
        if (host_name(e, pod))
            js_set_str(addr, "hostname", host_name(e, pod));
        js_set_str(addr, "nodeName", js_text(pod->json, "spec.nodeName"));
        js_set(addr, "targetRef", pod_reference(pod));
        cJSON_AddItemToArray(js_arr(subset, is_ready(e, pod) ? "addresses" : "notReadyAddresses"),
                             addr);
    }
    js_set(subset, "ports", ports_of(e, false));
    return subset;
}

static cJSON *endpoints_of(const Eps *e)
{
    cJSON *o = cJSON_CreateObject();
    const cJSON *labels = js_at(e->svc->json, "metadata.labels");
    js_set_str(o, "metadata.name", e->svc->name);
    js_set_str(o, "metadata.namespace", e->svc->ns);
    if (labels)
        js_set(o, "metadata.labels", js_dup(labels));
    if (str_eq(js_str(e->svc->json, "spec.clusterIP"), "None"))
        js_set_str(o, "metadata.labels[service.kubernetes.io/headless]", "");
    cJSON *subsets = js_arr(o, "subsets");
    if (e->n)
        cJSON_AddItemToArray(subsets, subset_of(e));
    return o;
}

static cJSON *slice_endpoint(const Eps *e, const Obj *pod)
{
    cJSON *ep = cJSON_CreateObject();
    cJSON_AddItemToArray(js_arr(ep, "addresses"),
                         cJSON_CreateString(js_text(pod->json, "status.podIP")));
    js_set_bool(ep, "conditions.ready", is_ready(e, pod));
    js_set_bool(ep, "conditions.serving", pod_ready(pod));
    js_set_bool(ep, "conditions.terminating", obj_deleting(pod));
    if (host_name(e, pod))
        js_set_str(ep, "hostname", host_name(e, pod));
    js_set_str(ep, "nodeName", js_text(pod->json, "spec.nodeName"));
    js_set(ep, "targetRef", pod_reference(pod));
    return ep;
}

static cJSON *slice_of(const Eps *e, const char *name)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    js_set_str(o, "metadata.name", name);
    js_set_str(o, "metadata.namespace", e->svc->ns);
    const cJSON *labels = js_at(e->svc->json, "metadata.labels");
    if (labels)
        js_set(o, "metadata.labels", js_dup(labels));
    js_set_str(o, SERVICE_NAME, e->svc->name);
    js_set_str(o, "metadata.labels[endpointslice.kubernetes.io/managed-by]",
               "endpointslice-controller.k8s.io");
    js_set_str(o, "addressType", "IPv4");
    for (size_t i = 0; i < e->n; i++)
        cJSON_AddItemToArray(list, slice_endpoint(e, e->pods[i]));
    js_set(o, "endpoints", list);
    js_set(o, "ports", ports_of(e, true));
    return o;
}

/* Make it so; a write that changes nothing is none. Takes obj over. */
static ErrCode put(const Eps *e, const Kind *k, const char *name, cJSON *obj, Error *err)
{
    cJSON *refs = cJSON_CreateArray();
    cJSON_AddItemToArray(refs, obj_owner_reference(e->svc));
    const Obj *have = store_get(e->c->store, e->a, k, e->svc->ns, name);
    if (k == K(ENDPOINTSLICE))
        js_set(obj, "metadata.ownerReferences", refs);
    else
        cJSON_Delete(refs);
    if (!have)
        return ctl_create(e->c, k, e->svc->ns, obj, err);
    js_set_str(obj, "apiVersion", kind_api_version(k));
    js_set_str(obj, "kind", k->kind);
    StoreWrite w = {.kind = k, .ns = e->svc->ns, .name = name, .obj = obj};
    ErrCode rc = store_update(e->c->store, e->a, &w, NULL, err);
    cJSON_Delete(obj);
    return rc;
}

/* Its Endpoints carry no owner, as on a real cluster: they go by name. */
static ErrCode remove_endpoints(Ctl *c, Arena *a, const CtlKey *key, Error *err)
{
    const Obj *o = store_get(c->store, a, K(ENDPOINTS), key->ns, key->name);
    return o ? ctl_delete(c, o, err) : ERR_OK;
}

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    Eps e = {.c = c, .a = a, .svc = store_get(c->store, a, K(SERVICE), key->ns, key->name)};
    if (!e.svc)
        return remove_endpoints(c, a, key, err);
    if (js_count(e.svc->json, "spec.selector") == 0 || obj_deleting(e.svc))
        return ERR_OK;
    const Obj *ns = store_get(c->store, a, K(NAMESPACE), "", key->ns);
    if (!ns || obj_deleting(ns))
        return ERR_OK;
    read_pods(&e);
    const char *slice = arena_printf(a, "%s-%.5s", e.svc->name, e.svc->uid);
    ErrCode rc = put(&e, K(ENDPOINTS), e.svc->name, endpoints_of(&e), err);
    return rc ? rc : put(&e, K(ENDPOINTSLICE), slice, slice_of(&e, slice), err);
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)ch;
    if (now->kind != K(POD))
        return;
    const Obj **svcs =
        store_list(c->store, a, &(StoreQuery){.kind = K(SERVICE), .ns = now->ns}, NULL);
    for (; *svcs; svcs++) {
        const Selector *sel = selector_from_map(a, js_at((*svcs)->json, "spec.selector"));
        if (selector_matches(sel, js_at(now->json, "metadata.labels")) ||
            (old && selector_matches(sel, js_at(old->json, "metadata.labels"))))
            ctl_enqueue(c, CTL_ENDPOINTS, now->ns, (*svcs)->name);
    }
}

const Controller ctl_endpoints = {"endpoints", K(SERVICE), reconcile, on_change};
