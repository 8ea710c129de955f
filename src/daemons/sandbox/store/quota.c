#include "store/admit.h"
#include "store/quantity.h"

/* What one object takes of a resource that a quota counts, in thousandths. */
static int64_t sum_containers(const cJSON *pod, const char *list, const char *what)
{
    int64_t total = 0, one;
    const cJSON *k;
    js_each(k, js_at(pod, "spec.containers"))
    {
        const char *q = cJSON_GetStringValue(js_get(js_get(js_get(k, "resources"), list), what));
        total += q && quantity_parse(q, &one) ? one : 0;
    }
    return total;
}

static int64_t pod_takes(const cJSON *o, const char *resource)
{
    static const struct {
        const char *resource, *list, *what;
    } rows[] = {{"requests.cpu", "requests", "cpu"},       {"cpu", "requests", "cpu"},
                {"requests.memory", "requests", "memory"}, {"memory", "requests", "memory"},
                {"limits.cpu", "limits", "cpu"},           {"limits.memory", "limits", "memory"}};
    const char *phase = js_text(o, "status.phase");
    if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed")) {
        return 0;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (str_eq(rows[i].resource, resource)) {
            return sum_containers(o, rows[i].list, rows[i].what);
        }
    }
    return str_eq(resource, "pods") || str_eq(resource, "count/pods") ? 1000 : 0;
}

static int64_t takes(const Kind *k, const cJSON *o, const char *resource)
{
    int64_t v = 0;
    if (k == K(POD)) {
        return pod_takes(o, resource);
    }
    if (k == K(PVC) && str_eq(resource, "requests.storage")) {
        (void)quantity_parse(str_or(js_str(o, "spec.resources.requests.storage"), "0"), &v);
        return v;
    }
    if (k == K(SERVICE) && str_eq(resource, "services.nodeports")) {
        bool np = !str_eq(js_str(o, "spec.type"), "ClusterIP");
        return np ? 1000 * js_count(o, "spec.ports") : 0;
    }
    const char *plain = str_starts(resource, "count/") ? resource + 6 : resource;
    StrView rest = sv(plain), name = sv_cut(&rest, '.');
    return sv_eqs(name, k->plural) && sv_eq(rest.p ? rest : SV(""), sv(k->group)) ? 1000 : 0;
}

static int64_t used_of(Store *s, Arena *a, const char *ns, const char *resource)
{
    int64_t total = 0;
    const Obj **all = store_list_all(s, a, ns, NULL);
    for (; *all; all++) {
        total += takes((*all)->kind, (*all)->json, resource);
    }
    return total;
}

cJSON *quota_used(Store *s, const Obj *quota)
{
    AUTO_ARENA a = arena_new();
    cJSON *used = cJSON_CreateObject();
    const cJSON *h;
    js_each(h, js_at(quota->json, "spec.hard"))
    {
        bool bytes = strstr(h->string, "memory") || strstr(h->string, "storage");
        int64_t v = used_of(s, a, quota->ns, h->string);
        cJSON_AddStringToObject(used, h->string, quantity_text(a, v, bytes));
    }
    return used;
}

static bool must_be_given(const Admission *ad, const char *resource)
{
    return ad->kind == K(POD) && (strstr(resource, "cpu") || strstr(resource, "memory"));
}

/* Every resource that this quota limits and the object must say something about. */
static ErrCode check_given(Admission *ad, const Obj *quota)
{
    AUTO_STRBUF missing = {0};
    const cJSON *h;
    js_each(h, js_at(quota->json, "spec.hard"))
    {
        if (must_be_given(ad, h->string) && !ad->old && takes(ad->kind, ad->obj, h->string) == 0) {
            strbuf_addf(&missing, "%s%s", missing.n ? "," : "", h->string);
        }
    }
    if (!missing.n) {
        return ERR_OK;
    }
    return err_set(ad->err, ERR_FORBIDDEN,
                   "pods \"%s\" is forbidden: failed quota: %s: must specify %s for: %s",
                   js_text(ad->obj, "metadata.name"), quota->name, strbuf_str(&missing),
                   js_text(ad->obj, "spec.containers[0].name"));
}

static ErrCode check_quota(Admission *ad, const Obj *quota)
{
    AUTO_STRBUF requested = {0};
    AUTO_STRBUF in_use = {0};
    AUTO_STRBUF limited = {0};
    const cJSON *h;
    js_each(h, js_at(quota->json, "spec.hard"))
    {
        const char *res = h->string;
        bool bytes = strstr(res, "memory") || strstr(res, "storage");
        int64_t limit = 0, want = takes(ad->kind, ad->obj, res);
        int64_t had = ad->old ? takes(ad->kind, ad->old, res) : 0;
        int64_t used = want > had ? used_of(ad->store, ad->a, quota->ns, res) : 0;
        (void)quantity_parse(h->valuestring, &limit);
        if (want <= had || used - had + want <= limit) {
            continue;
        }
        const char *comma = requested.n ? "," : "";
        strbuf_addf(&requested, "%s%s=%s", comma, res, quantity_text(ad->a, want - had, bytes));
        strbuf_addf(&in_use, "%s%s=%s", comma, res, quantity_text(ad->a, used, bytes));
        strbuf_addf(&limited, "%s%s=%s", comma, res, h->valuestring);
    }
    if (!requested.n) {
        return ERR_OK;
    }
    return err_set(ad->err, ERR_FORBIDDEN,
                   "%s \"%s\" is forbidden: exceeded quota: %s, requested: %s, used: %s, "
                   "limited: %s",
                   ad->kind->plural, js_text(ad->obj, "metadata.name"), quota->name,
                   strbuf_str(&requested), strbuf_str(&in_use), strbuf_str(&limited));
}

ErrCode quota_admit(Admission *ad)
{
    if (!kind_namespaced(ad->kind)) {
        return ERR_OK;
    }
    const Obj **quotas = store_list(
        ad->store, ad->a,
        &(StoreQuery){.kind = K(RESOURCEQUOTA), .ns = js_text(ad->obj, "metadata.namespace")},
        NULL);
    for (; *quotas; quotas++) {
        ErrCode rc = check_given(ad, *quotas);
        rc = rc ? rc : check_quota(ad, *quotas);
        if (rc) {
            return rc;
        }
    }
    return ERR_OK;
}
