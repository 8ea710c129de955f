#include "core/ident.h"
#include "store/admit.h"

static void qos(cJSON *pod)
{
    static const char *const lists[] = {"spec.initContainers", "spec.containers"};
    static const char *const what[] = {"cpu", "memory"};
    bool any = false, all = true;
    for (size_t l = 0; l < 2; l++) {
        const cJSON *k;
        js_each(k, js_at(pod, lists[l]))
        {
            for (size_t i = 0; i < 2; i++) {
                const cJSON *r = js_get(js_at(k, "resources.requests"), what[i]);
                const cJSON *m = js_get(js_at(k, "resources.limits"), what[i]);
                any = any || r || m;
                all = all && r && m && js_equal(r, m);
            }
        }
    }
    js_set_str(pod, "status.qosClass", !any ? "BestEffort" : all ? "Guaranteed" : "Burstable");
}

static void default_tolerations(cJSON *spec)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    cJSON *list = js_arr(spec, "tolerations");
    for (size_t i = 0; i < 2; i++) {
        if (!js_find(list, "key", keys[i])) {
            cJSON *t = cJSON_CreateObject();
            js_set_str(t, "key", keys[i]);
            js_set_str(t, "operator", "Exists");
            js_set_str(t, "effect", "NoExecute");
            js_set_int(t, "tolerationSeconds", 300);
            cJSON_AddItemToArray(list, t);
        }
    }
}

static const char token_volume[] =
    "{\"name\":\"\",\"projected\":{\"defaultMode\":420,\"sources\":[{\"serviceAccountToken\":"
    "{\"expirationSeconds\":3607,\"path\":\"token\"}},{\"configMap\":{\"items\":[{\"key\":"
    "\"ca.crt\",\"path\":\"ca.crt\"}],\"name\":\"kube-root-ca.crt\"}},{\"downwardAPI\":{\"items\":"
    "[{\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":\"metadata.namespace\"},\"path\":"
    "\"namespace\"}]}}]}}";
static const char token_dir[] = "/var/run/secrets/kubernetes.io/serviceaccount";

static void mount_token(cJSON *spec)
{
    static const char *const lists[] = {"initContainers", "containers"};
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    unsigned char rnd[5];
    random_bytes(rnd, sizeof rnd);
    char name[] = "kube-api-access-.....";
    for (size_t i = 0; i < 5; i++) {
        name[16 + i] = alphabet[rnd[i] % (sizeof alphabet - 1)];
    }
    bool used = false;
    for (size_t l = 0; l < 2; l++) {
        cJSON *k;
        js_each(k, js_get(spec, lists[l]))
        {
            if (js_find(js_get(k, "volumeMounts"), "mountPath", token_dir)) {
                continue;
            }
            cJSON *m = cJSON_CreateObject();
            js_set_str(m, "name", name);
            js_set_bool(m, "readOnly", true);
            js_set_str(m, "mountPath", token_dir);
            cJSON_AddItemToArray(js_arr(k, "volumeMounts"), m);
            used = true;
        }
    }
    if (used) {
        cJSON *v = cJSON_Parse(token_volume);
        js_set_str(v, "name", name);
        cJSON_AddItemToArray(js_arr(spec, "volumes"), v);
    }
}

ErrCode pod_admit(Admission *ad)
{
    if (ad->old) {
        return ERR_OK;
    }
    cJSON *spec = js_obj(ad->obj, "spec");
    const char *ns = js_text(ad->obj, "metadata.namespace");
    const char *sa = str_or(js_str(spec, "serviceAccountName"), "default");
    const Obj *account = store_get(ad->store, ad->a, K(SERVICEACCOUNT), ns, sa);
    if (!account) {
        return err_set(ad->err, ERR_FORBIDDEN,
                       "pods \"%s\" is forbidden: error looking up service account %s/%s: "
                       "serviceaccount \"%s\" not found",
                       js_text(ad->obj, "metadata.name"), ns, sa, sa);
    }
    js_set_str(spec, "serviceAccountName", account->name);
    js_set_str(spec, "serviceAccount", account->name);
    bool mount = js_bool(account->json, "automountServiceAccountToken", true);
    if (js_bool(spec, "automountServiceAccountToken", mount)) {
        mount_token(spec);
    }
    default_tolerations(spec);
    if (!js_get(spec, "priority")) {
        const char *pc = js_str(spec, "priorityClassName");
        const Obj *cls = pc ? store_get(ad->store, ad->a, K(PRIORITYCLASS), "", pc) : NULL;
        if (pc && !cls) {
            return err_set(ad->err, ERR_FORBIDDEN,
                           "pods \"%s\" is forbidden: no PriorityClass with name %s was found",
                           js_text(ad->obj, "metadata.name"), pc);
        }
        js_set_int(spec, "priority", cls ? js_int(cls->json, "value", 0) : 0);
    }
    if (!js_get(spec, "preemptionPolicy")) {
        js_set_str(spec, "preemptionPolicy", "PreemptLowerPriority");
    }
    qos(ad->obj);
    return ERR_OK;
}
