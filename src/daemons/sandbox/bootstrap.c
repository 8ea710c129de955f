#include "bootstrap.h"
#include "core/log.h"
#include "store/admit.h"

enum { EVENT_SWEEP_MS = 60 * 1000 };
static const int64_t EVENT_TTL_US = 3600LL * 1000000;

static const struct {
    KindId kind;
    const char *ns, *json;
} objects[] = {
    {KIND_NAMESPACE, "", "{\"metadata\":{\"name\":\"default\"}}"},
    {KIND_NAMESPACE, "", "{\"metadata\":{\"name\":\"kube-system\"}}"},
    {KIND_NAMESPACE, "", "{\"metadata\":{\"name\":\"kube-public\"}}"},
    {KIND_NAMESPACE, "", "{\"metadata\":{\"name\":\"kube-node-lease\"}}"},
    {KIND_SERVICE, "default",
     "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"component\":\"apiserver\",\"provider\":"
     "\"kubernetes\"}},\"spec\":{\"ports\":[{\"name\":\"https\",\"port\":443,\"targetPort\":6443}]}"
     "}"},
    {KIND_STORAGECLASS, "",
     "{\"metadata\":{\"name\":\"standard\",\"annotations\":{\"storageclass.kubernetes.io/"
     "is-default-class\":\"true\"}},\"provisioner\":\"pg-swarm.io/sandbox\",\"reclaimPolicy\":"
     "\"Delete\",\"volumeBindingMode\":\"WaitForFirstConsumer\",\"allowVolumeExpansion\":true}"},
    {KIND_STORAGECLASS, "",
     "{\"metadata\":{\"name\":\"limited\"},\"provisioner\":\"pg-swarm.io/sandbox\",\"parameters\":{"
     "\"medium\":\"Memory\"},\"reclaimPolicy\":\"Delete\",\"volumeBindingMode\":"
     "\"WaitForFirstConsumer\",\"allowVolumeExpansion\":false}"},
    {KIND_CLUSTERROLE, "",
     "{\"metadata\":{\"name\":\"cluster-admin\"},\"rules\":[{\"apiGroups\":[\"*\"],\"resources\":["
     "\"*\"],\"verbs\":[\"*\"]},{\"nonResourceURLs\":[\"*\"],\"verbs\":[\"*\"]}]}"},
    {KIND_CLUSTERROLE, "",
     "{\"metadata\":{\"name\":\"system:discovery\"},\"rules\":[{\"nonResourceURLs\":[\"/api\","
     "\"/api/*\",\"/apis\",\"/apis/*\",\"/healthz\",\"/livez\",\"/openapi\",\"/openapi/*\","
     "\"/readyz\",\"/version\",\"/version/\"],\"verbs\":[\"get\"]}]}"},
    {KIND_CLUSTERROLE, "",
     "{\"metadata\":{\"name\":\"system:public-info-viewer\"},\"rules\":[{\"nonResourceURLs\":["
     "\"/healthz\",\"/livez\",\"/readyz\",\"/version\",\"/version/\"],\"verbs\":[\"get\"]}]}"},
    {KIND_CLUSTERROLE, "",
     "{\"metadata\":{\"name\":\"system:basic-user\"},\"rules\":[{\"apiGroups\":[\"authorization."
     "k8s.io\"],\"resources\":[\"selfsubjectaccessreviews\",\"selfsubjectrulesreviews\"],"
     "\"verbs\":[\"create\"]},{\"apiGroups\":[\"authentication.k8s.io\"],\"resources\":["
     "\"selfsubjectreviews\"],\"verbs\":[\"create\"]}]}"},
#define EVERYTHING_READ                                                                            \
    "{\"apiGroups\":[\"\"],\"resources\":[\"configmaps\",\"endpoints\",\"events\",\"namespaces\"," \
    "\"persistentvolumeclaims\",\"pods\",\"pods/log\",\"pods/status\",\"resourcequotas\","         \
    "\"serviceaccounts\",\"services\"],\"verbs\":[\"get\",\"list\",\"watch\"]},{\"apiGroups\":["   \
    "\"apps\",\"batch\",\"coordination.k8s.io\",\"discovery.k8s.io\",\"networking.k8s.io\","       \
    "\"policy\"],\"resources\":[\"*\"],\"verbs\":[\"get\",\"list\",\"watch\"]}"
#define EVERYTHING_WRITE                                                                      \
    "{\"apiGroups\":[\"\"],\"resources\":[\"configmaps\",\"endpoints\",\"events\","           \
    "\"persistentvolumeclaims\",\"pods\",\"pods/eviction\",\"secrets\",\"serviceaccounts\","  \
    "\"services\"],\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\","   \
    "\"patch\",\"update\",\"watch\"]},{\"apiGroups\":[\"apps\",\"batch\",\"coordination.k8s." \
    "io\",\"discovery.k8s.io\",\"networking.k8s.io\",\"policy\"],\"resources\":[\"*\"],"      \
    "\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"patch\",\"update\"]}"
    {KIND_CLUSTERROLE, "", "{\"metadata\":{\"name\":\"view\"},\"rules\":[" EVERYTHING_READ "]}"},
    {KIND_CLUSTERROLE, "",
     "{\"metadata\":{\"name\":\"edit\"},\"rules\":[" EVERYTHING_READ "," EVERYTHING_WRITE "]}"},
    {KIND_CLUSTERROLE, "",
     "{\"metadata\":{\"name\":\"admin\"},\"rules\":[" EVERYTHING_READ "," EVERYTHING_WRITE
     ",{\"apiGroups\":[\"rbac.authorization.k8s.io\"],\"resources\":[\"roles\",\"rolebindings\"],"
     "\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\","
     "\"watch\"]}]}"},
#define BIND(name, group)                                                                       \
    {                                                                                           \
        KIND_CLUSTERROLEBINDING, "",                                                            \
            "{\"metadata\":{\"name\":\"" name                                                   \
            "\"},\"subjects\":[{\"kind\":\"Group\",\"apiGroup\":"                               \
            "\"rbac.authorization.k8s.io\",\"name\":\"" group "\"}],\"roleRef\":{\"apiGroup\":" \
            "\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"" name "\"}}"    \
    }
    BIND("cluster-admin", "system:masters"),
    BIND("system:discovery", "system:authenticated"),
    BIND("system:basic-user", "system:authenticated"),
    {KIND_CLUSTERROLEBINDING, "",
     "{\"metadata\":{\"name\":\"system:public-info-viewer\"},\"subjects\":[{\"kind\":\"Group\","
     "\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"system:authenticated\"},{\"kind\":"
     "\"Group\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"system:unauthenticated\"}],"
     "\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":"
     "\"system:public-info-viewer\"}}"},
};

ErrCode bootstrap_objects(App *app, Error *err)
{
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        AUTO_JSON o = cJSON_Parse(objects[i].json);
        if (!o) {
            BUG("built-in object %zu is not JSON", i);
        }
        const StoreWrite w = {.kind = &kinds[objects[i].kind], .ns = objects[i].ns, .obj = o};
        ErrCode rc = store_create(app->store, a, &w, NULL, err);
        if (rc && rc != ERR_EXISTS) {
            return err_wrap(err, "built-in object %s", js_text(o, "metadata.name"));
        }
    }
    return ERR_OK;
}

ErrCode bootstrap_endpoints(App *app, Error *err)
{
    AUTO_ARENA a = arena_new();
    AUTO_JSON o = cJSON_CreateObject();
    js_set_str(o, "metadata.name", "kubernetes");
    cJSON *subset = cJSON_CreateObject(), *addr = cJSON_CreateObject(),
          *port = cJSON_CreateObject();
    js_set_str(addr, "ip", *app->net.gateway ? app->net.gateway : "127.0.0.1");
    js_set_str(port, "name", "https");
    js_set_int(port, "port", app->net.api_port);
    js_set_str(port, "protocol", "TCP");
    cJSON_AddItemToArray(js_arr(subset, "addresses"), addr);
    cJSON_AddItemToArray(js_arr(subset, "ports"), port);
    cJSON_AddItemToArray(js_arr(o, "subsets"), subset);
    StoreWrite w = {.kind = K(ENDPOINTS), .ns = "default", .name = "kubernetes", .obj = o};
    ErrCode rc = store_update(app->store, a, &w, NULL, err);
    return rc == ERR_NOT_FOUND ? store_create(app->store, a, &w, NULL, err) : rc;
}

/* ---- quota status ---- */

static void on_change(void *ctx, StoreChange ch, const Obj *now, const Obj *old)
{
    App *app = ctx;
    AUTO_ARENA a = arena_new();
    const StoreQuery q = {.kind = K(RESOURCEQUOTA), .ns = now->ns};
    if (!*now->ns || (now->kind == K(RESOURCEQUOTA) && ch == STORE_DELETED)) {
        return;
    }
    for (const Obj **o = store_list(app->store, a, &q, NULL); *o; o++) {
        Error err = {0};
        cJSON *status = cJSON_CreateObject();
        const cJSON *hard = js_at((*o)->json, "spec.hard");
        if (hard) {
            js_set(status, "hard", js_dup(hard));
        }
        js_set(status, "used", quota_used(app->store, *o));
        if (store_set_status(app->store, *o, status, &err)) {
            log_warn("quota", "status not written", "error=%s", log_quote(err.msg));
        }
    }
    (void)old;
}

/* ---- events end after an hour, as in Kubernetes ---- */

static void drop_old_events(void *ctx)
{
    App *app = ctx;
    AUTO_ARENA a = arena_new();
    int64_t at, now = store_now_us(app->store);
    for (const Obj **e = store_list(app->store, a, &(StoreQuery){.kind = K(EVENT)}, NULL); *e;
         e++) {
        const char *last = js_str((*e)->json, "lastTimestamp");
        last = last ? last : js_str((*e)->json, "metadata.creationTimestamp");
        const StoreDelete d = {.kind = K(EVENT), .ns = (*e)->ns, .name = (*e)->name};
        if (clock_parse_rfc3339(str_or(last, ""), &at) && now - at > EVENT_TTL_US &&
            store_delete(app->store, a, &d, NULL, NULL)) {
            log_warn("events", "an old event was not dropped", "name=%s", log_quote((*e)->name));
        }
    }
}

void bootstrap_watch(App *app)
{
    store_watch(app->store, NULL, on_change, app);
    timer_start(app->loop, EVENT_SWEEP_MS, EVENT_SWEEP_MS, drop_old_events, app);
}
