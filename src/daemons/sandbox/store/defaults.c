#include "core/ident.h"
#include "store/admit.h"
#include <stdlib.h>

/* ---- pods and pod templates ---- */

static void container_defaults(cJSON *k)
{
    const char *image = js_text(k, "image");
    const char *slash = strrchr(image, '/'), *name = slash ? slash + 1 : image;
    const char *tag = strchr(name, ':');
    bool latest = !strchr(name, '@') && (!tag || str_eq(tag, ":latest"));
    if (!js_get(k, "imagePullPolicy")) {
        js_set_str(k, "imagePullPolicy", latest ? "Always" : "IfNotPresent");
    }
    const cJSON *l;
    js_each(l, js_at(k, "resources.limits"))
    {
        cJSON *requests = js_obj(k, "resources.requests");
        if (!js_get(requests, l->string)) {
            cJSON_AddItemToObject(requests, l->string, js_dup(l));
        }
    }
}

void pod_spec_defaults(cJSON *spec)
{
    static const char *const lists[] = {"initContainers", "containers"};
    for (size_t i = 0; i < 2; i++) {
        cJSON *k;
        js_each(k, js_get(spec, lists[i]))
        {
            container_defaults(k);
        }
    }
    cJSON *v;
    js_each(v, js_get(spec, "volumes"))
    {
        if (cJSON_GetArraySize(v) == 1) {
            js_obj(v, "emptyDir");
        }
    }
    const char *sa = js_str(spec, "serviceAccountName"), *old = js_str(spec, "serviceAccount");
    if (sa || old) { /* the second is the deprecated name of the first */
        char *name = xstrdup(sa ? sa : old);
        js_set_str(spec, "serviceAccountName", name);
        js_set_str(spec, "serviceAccount", name);
        free(name);
    }
}

static void template_defaults(Admission *ad)
{
    pod_spec_defaults(js_at(ad->obj, "spec.template.spec"));
}

static void pod_defaults(Admission *ad)
{
    cJSON *spec = js_obj(ad->obj, "spec");
    pod_spec_defaults(spec);
    if (!js_get(spec, "enableServiceLinks")) {
        js_set_bool(spec, "enableServiceLinks", true);
    }
}

/* ---- workloads ---- */

static void statefulset_defaults(Admission *ad)
{
    template_defaults(ad);
    cJSON *st = js_obj(ad->obj, "spec.updateStrategy");
    if (str_eq(js_str(st, "type"), "RollingUpdate") && !js_at(st, "rollingUpdate.partition")) {
        js_set_int(st, "rollingUpdate.partition", 0);
    }
    cJSON *t;
    js_each(t, js_at(ad->obj, "spec.volumeClaimTemplates"))
    {
        js_set_str(t, "apiVersion", "v1");
        js_set_str(t, "kind", "PersistentVolumeClaim");
        js_set_str(t, "status.phase", "Pending");
    }
}

static void deployment_defaults(Admission *ad)
{
    template_defaults(ad);
    cJSON *st = js_at(ad->obj, "spec.strategy");
    if (str_eq(js_str(st, "type"), "RollingUpdate") && !js_get(st, "rollingUpdate")) {
        js_set_str(st, "rollingUpdate.maxUnavailable", "25%");
        js_set_str(st, "rollingUpdate.maxSurge", "25%");
    }
}

static void job_before(Admission *ad)
{
    if (!js_at(ad->obj, "spec.completions") && !js_at(ad->obj, "spec.parallelism")) {
        js_set_int(ad->obj, "spec.completions", 1);
    }
}

static void job_defaults(Admission *ad)
{
    template_defaults(ad);
    if (ad->old || js_bool(ad->obj, "spec.manualSelector", false)) {
        return;
    }
    const char *uid = js_text(ad->obj, "metadata.uid"), *name = js_text(ad->obj, "metadata.name");
    const char *const labels[][2] = {{"batch.kubernetes.io/controller-uid", uid},
                                     {"batch.kubernetes.io/job-name", name},
                                     {"controller-uid", uid},
                                     {"job-name", name}};
    cJSON *of_template = js_obj(ad->obj, "spec.template.metadata.labels");
    cJSON *own = js_obj(ad->obj, "metadata.labels");
    for (size_t i = 0; i < 4; i++) {
        cJSON_DeleteItemFromObjectCaseSensitive(of_template, labels[i][0]);
        cJSON_AddStringToObject(of_template, labels[i][0], labels[i][1]);
        if (!js_get(own, labels[i][0])) {
            cJSON_AddStringToObject(own, labels[i][0], labels[i][1]);
        }
    }
    js_set_str(ad->obj, "spec.selector.matchLabels[batch.kubernetes.io/controller-uid]", uid);
}

/* ---- the rest ---- */

static void add_finalizer(cJSON *obj, const char *path, const char *name)
{
    cJSON *list = js_arr(obj, path);
    const cJSON *f;
    js_each(f, list)
    {
        if (str_eq(cJSON_GetStringValue(f), name)) {
            return;
        }
    }
    cJSON_AddItemToArray(list, cJSON_CreateString(name));
}

static void namespace_defaults(Admission *ad)
{
    js_set_str(ad->obj, "metadata.labels[kubernetes.io/metadata.name]",
               js_text(ad->obj, "metadata.name"));
    if (!ad->old) {
        add_finalizer(ad->obj, "spec.finalizers", "kubernetes");
    }
}

static void secret_defaults(Admission *ad)
{
    const cJSON *m;
    js_each(m, js_get(ad->obj, "stringData"))
    {
        const char *text = m->valuestring;
        cJSON *data = js_obj(ad->obj, "data");
        cJSON_DeleteItemFromObjectCaseSensitive(data, m->string);
        cJSON_AddStringToObject(data, m->string, base64_encode(ad->a, text, strlen(text)));
    }
    js_del(ad->obj, "stringData");
}

static const char *default_class(Admission *ad)
{
    const Obj **all = store_list(ad->store, ad->a, &(StoreQuery){.kind = K(STORAGECLASS)}, NULL);
    for (; *all; all++) {
        if (str_eq(js_str((*all)->json, "metadata.annotations[storageclass.kubernetes.io/"
                                        "is-default-class]"),
                   "true")) {
            return (*all)->name;
        }
    }
    return NULL;
}

static void pvc_defaults(Admission *ad)
{
    if (ad->old) {
        return;
    }
    const char *dflt = default_class(ad);
    if (!js_at(ad->obj, "spec.storageClassName") && dflt) {
        js_set_str(ad->obj, "spec.storageClassName", dflt);
    }
    add_finalizer(ad->obj, "metadata.finalizers", "kubernetes.io/pvc-protection");
}

static void pv_defaults(Admission *ad)
{
    if (!ad->old) {
        add_finalizer(ad->obj, "metadata.finalizers", "kubernetes.io/pv-protection");
    }
}

static void binding_defaults(Admission *ad)
{
    cJSON *s;
    js_each(s, js_get(ad->obj, "subjects"))
    {
        if (!js_get(s, "apiGroup") && !str_eq(js_str(s, "kind"), "ServiceAccount")) {
            js_set_str(s, "apiGroup", "rbac.authorization.k8s.io");
        }
    }
}

static void policy_defaults(Admission *ad)
{
    cJSON *spec = js_obj(ad->obj, "spec");
    if (!js_count(spec, "policyTypes")) {
        cJSON *types = js_arr(spec, "policyTypes");
        cJSON_AddItemToArray(types, cJSON_CreateString("Ingress"));
        if (js_count(spec, "egress")) {
            cJSON_AddItemToArray(types, cJSON_CreateString("Egress"));
        }
    }
}

void defaults_before(Admission *ad)
{
    if (ad->kind == K(JOB) && !ad->old) {
        job_before(ad);
    }
}

ErrCode defaults_after(Admission *ad)
{
    static void (*const rows[KIND_COUNT])(Admission *) = {
        [KIND_POD] = pod_defaults,
        [KIND_STATEFULSET] = statefulset_defaults,
        [KIND_DEPLOYMENT] = deployment_defaults,
        [KIND_REPLICASET] = template_defaults,
        [KIND_JOB] = job_defaults,
        [KIND_NAMESPACE] = namespace_defaults,
        [KIND_SECRET] = secret_defaults,
        [KIND_PVC] = pvc_defaults,
        [KIND_PV] = pv_defaults,
        [KIND_NETWORKPOLICY] = policy_defaults,
        [KIND_ROLEBINDING] = binding_defaults,
        [KIND_CLUSTERROLEBINDING] = binding_defaults,
    };
    static const struct {
        KindId kind;
        const char *path, *phase;
    } first_status[] = {{KIND_POD, "status.phase", "Pending"},
                        {KIND_PVC, "status.phase", "Pending"},
                        {KIND_PV, "status.phase", "Pending"}};
    if (rows[kind_id(ad->kind)]) {
        rows[kind_id(ad->kind)](ad);
    }
    for (size_t i = 0; i < 3 && !ad->old; i++) {
        if (first_status[i].kind == kind_id(ad->kind)) {
            js_set_str(ad->obj, first_status[i].path, first_status[i].phase);
        }
    }
    return ad->kind == K(SERVICE) ? service_admit(ad) : ad->kind == K(POD) ? pod_admit(ad) : ERR_OK;
}
