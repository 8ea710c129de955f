#include "api/request.h"
#include "core/clock.h"
#include <stdio.h>

/* What `kubectl get` shows: the columns of each kind, printed here as a real API server does. */

typedef void (*CellFn)(StrBuf *b, const cJSON *o, int64_t now_us);
typedef struct Column {
    const char *name, *type;
    int priority;     /* 1: only with -o wide */
    const char *path; /* a value, the number of its members when it is a list or map; or: */
    CellFn cell;
} Column;

/* "5d4h", "37s": as kubectl's duration.HumanDuration. */
static void human(StrBuf *b, int64_t s)
{
    if (s < 0) {
        s = 0;
    }
    int64_t m = s / 60, h = m / 60, d = h / 24;
    if (s < 120) {
        strbuf_addf(b, "%llds", (long long)s);
    } else if (m < 10 && s % 60) {
        strbuf_addf(b, "%lldm%llds", (long long)m, (long long)(s % 60));
    } else if (m < 180) {
        strbuf_addf(b, "%lldm", (long long)m);
    } else if (h < 8 && m % 60) {
        strbuf_addf(b, "%lldh%lldm", (long long)h, (long long)(m % 60));
    } else if (h < 48) {
        strbuf_addf(b, "%lldh", (long long)h);
    } else if (d < 8 && h % 24) {
        strbuf_addf(b, "%lldd%lldh", (long long)d, (long long)(h % 24));
    } else {
        strbuf_addf(b, "%lldd", (long long)d);
    }
}

static void since(StrBuf *b, const char *time, int64_t now_us)
{
    int64_t t;
    if (time && clock_parse_rfc3339(time, &t)) {
        human(b, (now_us - t) / 1000000);
    } else {
        strbuf_adds(b, "<unknown>");
    }
}

static void age(StrBuf *b, const cJSON *o, int64_t now_us)
{
    since(b, js_str(o, "metadata.creationTimestamp"), now_us);
}

static void join(StrBuf *b, const cJSON *list, const char *member)
{
    const cJSON *v;
    size_t at = b->n;
    js_each(v, list)
    {
        const char *t = cJSON_GetStringValue(member ? js_at(v, member) : v);
        strbuf_addf(b, "%s%s", b->n > at ? "," : "", str_or(t, ""));
    }
    if (b->n == at) {
        strbuf_adds(b, "<none>");
    }
}

static void join_map(StrBuf *b, const cJSON *map)
{
    const cJSON *v;
    size_t at = b->n;
    js_each(v, map)
    {
        strbuf_addf(b, "%s%s=%s", b->n > at ? "," : "", v->string,
                    str_or(cJSON_GetStringValue(v), ""));
    }
    if (b->n == at) {
        strbuf_adds(b, "<none>");
    }
}

/* ---- pods ---- */

static void pod_ready(StrBuf *b, const cJSON *o, int64_t now)
{
    int ready = 0;
    const cJSON *c;
    js_each(c, js_at(o, "status.containerStatuses"))
    {
        ready += js_bool(c, "ready", false);
    }
    strbuf_addf(b, "%d/%d", ready, js_count(o, "spec.containers"));
    (void)now;
}

static bool container_word(StrBuf *b, const cJSON *c, const char *prefix)
{
    const cJSON *end = js_at(c, "state.terminated");
    const char *why = js_str(c, "state.waiting.reason");
    why = why ? why : js_str(end, "reason");
    if (!str_empty(why)) {
        strbuf_reset(b);
        strbuf_addf(b, "%s%s", prefix, why);
        return true;
    }
    if (end) {
        strbuf_reset(b);
        strbuf_addf(b, "%sExitCode:%d", prefix, (int)js_int(end, "exitCode", 0));
    }
    return end != NULL;
}

/* The first init container that is not through says what the pod waits for. */
static bool init_word(StrBuf *b, const cJSON *o)
{
    int i = 0, n = js_count(o, "spec.initContainers");
    const cJSON *c;
    js_each(c, js_at(o, "status.initContainerStatuses"))
    {
        const cJSON *end = js_at(c, "state.terminated");
        if (end && js_int(end, "exitCode", 1) == 0) {
            i++;
            continue;
        }
        bool waits = str_eq(js_str(c, "state.waiting.reason"), "PodInitializing");
        if (waits || !container_word(b, c, "Init:")) {
            strbuf_reset(b);
            strbuf_addf(b, "Init:%d/%d", i, n);
        }
        return true;
    }
    return false;
}

static void pod_status(StrBuf *b, const cJSON *o, int64_t now)
{
    const char *reason = js_str(o, "status.reason");
    strbuf_adds(b, reason ? reason : js_text(o, "status.phase"));
    bool running = false;
    const cJSON *c;
    if (!init_word(b, o)) {
        js_each(c, js_at(o, "status.containerStatuses"))
        {
            container_word(b, c, "");
            running = running || js_bool(c, "ready", false);
        }
        if (running && str_eq(strbuf_str(b), "Completed")) {
            strbuf_reset(b);
            strbuf_adds(b, "Running");
        }
    }
    if (js_at(o, "metadata.deletionTimestamp")) {
        strbuf_reset(b);
        strbuf_adds(b, "Terminating");
    }
    (void)now;
}

static void pod_restarts(StrBuf *b, const cJSON *o, int64_t now)
{
    int n = 0;
    const char *last = NULL;
    const cJSON *c;
    js_each(c, js_at(o, "status.containerStatuses"))
    {
        n += (int)js_int(c, "restartCount", 0);
        const char *end = js_str(c, "lastState.terminated.finishedAt");
        last = end && (!last || strcmp(end, last) > 0) ? end : last;
    }
    strbuf_addf(b, "%d", n);
    if (n && last) {
        strbuf_adds(b, " (");
        since(b, last, now);
        strbuf_adds(b, " ago)");
    }
}

/* ---- others ---- */

static void ratio(StrBuf *b, const cJSON *o, const char *have, int64_t want)
{
    strbuf_addf(b, "%lld/%lld", (long long)js_int(o, have, 0), (long long)want);
}

static void ready_replicas(StrBuf *b, const cJSON *o, int64_t now)
{
    ratio(b, o, "status.readyReplicas", js_int(o, "spec.replicas", 0));
    (void)now;
}

static void containers(StrBuf *b, const cJSON *o, int64_t now)
{
    join(b, js_at(o, "spec.template.spec.containers"), "name");
    (void)now;
}

static void images(StrBuf *b, const cJSON *o, int64_t now)
{
    join(b, js_at(o, "spec.template.spec.containers"), "image");
    (void)now;
}

static void selector_cell(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *of_pods = js_at(o, "spec.podSelector"), *sel = js_at(o, "spec.selector");
    const cJSON *m = js_get(of_pods ? of_pods : sel, "matchLabels");
    join_map(b, m || of_pods ? m : sel); /* of a Service, sel is the map itself */
    (void)now;
}

static void job_completions(StrBuf *b, const cJSON *o, int64_t now)
{
    ratio(b, o, "status.succeeded", js_int(o, "spec.completions", 1));
    (void)now;
}

static void job_duration(StrBuf *b, const cJSON *o, int64_t now)
{
    int64_t end;
    const char *start = js_str(o, "status.startTime"), *done = js_str(o, "status.completionTime");
    if (start) {
        since(b, start, done && clock_parse_rfc3339(done, &end) ? end : now);
    }
}

static void svc_ports(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *p;
    js_each(p, js_at(o, "spec.ports"))
    {
        strbuf_addf(b, "%s%d", b->n ? "," : "", (int)js_int(p, "port", 0));
        if (js_int(p, "nodePort", 0)) {
            strbuf_addf(b, ":%d", (int)js_int(p, "nodePort", 0));
        }
        strbuf_addf(b, "/%s", js_text(p, "protocol"));
    }
    strbuf_adds(b, b->n ? "" : "<none>");
    (void)now;
}

static void svc_external(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *ips = js_at(o, "spec.externalIPs");
    bool lb = str_eq(js_str(o, "spec.type"), "LoadBalancer");
    if (lb && !js_count(o, "status.loadBalancer.ingress")) {
        strbuf_adds(b, "<pending>");
    } else if (lb) {
        join(b, js_at(o, "status.loadBalancer.ingress"), "ip");
    } else if (js_str(o, "spec.externalName")) {
        strbuf_adds(b, js_str(o, "spec.externalName"));
    } else {
        join(b, ips, NULL);
    }
    (void)now;
}

static void endpoints_cell(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *s, *a, *p;
    js_each(s, js_get(o, "subsets"))
    {
        js_each(a, js_get(s, "addresses"))
        {
            js_each(p, js_get(s, "ports"))
            {
                strbuf_addf(b, "%s%s:%d", b->n ? "," : "", js_text(a, "ip"),
                            (int)js_int(p, "port", 0));
            }
        }
    }
    strbuf_adds(b, b->n ? "" : "<none>");
    (void)now;
}

static void slice_ports(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *p;
    js_each(p, js_get(o, "ports"))
    {
        strbuf_addf(b, "%s%d", b->n ? "," : "", (int)js_int(p, "port", 0));
    }
    strbuf_adds(b, b->n ? "" : "<unset>");
    (void)now;
}

static void slice_endpoints(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *e;
    js_each(e, js_get(o, "endpoints"))
    {
        strbuf_addf(b, "%s%s", b->n ? "," : "", js_text(e, "addresses[0]"));
    }
    strbuf_adds(b, b->n ? "" : "<unset>");
    (void)now;
}

static void access_modes(StrBuf *b, const cJSON *o, int64_t now)
{
    static const char *const names[][2] = {{"ReadWriteOnce", "RWO"},
                                           {"ReadOnlyMany", "ROX"},
                                           {"ReadWriteMany", "RWX"},
                                           {"ReadWriteOncePod", "RWOP"}};
    bool volume = js_at(o, "spec.capacity") != NULL; /* a claim shows them once it is bound */
    const cJSON *m;
    js_each(m, js_at(o, volume ? "spec.accessModes" : "status.accessModes"))
    {
        for (size_t i = 0; i < 4; i++) {
            if (str_eq(m->valuestring, names[i][0])) {
                strbuf_addf(b, "%s%s", b->n ? "," : "", names[i][1]);
            }
        }
    }
    (void)now;
}

static void pv_claim(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *c = js_at(o, "spec.claimRef");
    if (c) {
        strbuf_addf(b, "%s/%s", js_text(c, "namespace"), js_text(c, "name"));
    }
    (void)now;
}

static void node_ready(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *c = js_find(js_at(o, "status.conditions"), "type", "Ready");
    strbuf_adds(b, str_eq(js_str(c, "status"), "True") ? "Ready" : "NotReady");
    strbuf_adds(b, js_bool(o, "spec.unschedulable", false) ? ",SchedulingDisabled" : "");
    (void)now;
}

static void node_roles(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *l;
    js_each(l, js_at(o, "metadata.labels"))
    {
        if (str_starts(l->string, "node-role.kubernetes.io/")) {
            strbuf_addf(b, "%s%s", b->n ? "," : "", l->string + 24);
        }
    }
    strbuf_adds(b, b->n ? "" : "<none>");
    (void)now;
}

static void node_address(StrBuf *b, const cJSON *o, const char *type)
{
    const cJSON *a = js_find(js_at(o, "status.addresses"), "type", type);
    strbuf_adds(b, str_or(js_str(a, "address"), "<none>"));
}

static void node_internal(StrBuf *b, const cJSON *o, int64_t now)
{
    node_address(b, o, "InternalIP");
    (void)now;
}

static void node_external(StrBuf *b, const cJSON *o, int64_t now)
{
    node_address(b, o, "ExternalIP");
    (void)now;
}

static void event_seen(StrBuf *b, const cJSON *o, int64_t now)
{
    const char *t = js_str(o, "lastTimestamp");
    since(b, t ? t : js_str(o, "eventTime"), now);
}

static void event_object(StrBuf *b, const cJSON *o, int64_t now)
{
    const char *kind = js_text(o, "involvedObject.kind");
    for (; *kind; kind++) {
        strbuf_addc(b, (char)(*kind >= 'A' && *kind <= 'Z' ? *kind + 32 : *kind));
    }
    strbuf_addf(b, "/%s", js_text(o, "involvedObject.name"));
    (void)now;
}

static void role_ref(StrBuf *b, const cJSON *o, int64_t now)
{
    strbuf_addf(b, "%s/%s", js_text(o, "roleRef.kind"), js_text(o, "roleRef.name"));
    (void)now;
}

static void subjects(StrBuf *b, const cJSON *o, const char *kind)
{
    const cJSON *s;
    js_each(s, js_get(o, "subjects"))
    {
        if (str_eq(js_str(s, "kind"), kind)) {
            const char *ns = js_text(s, "namespace");
            strbuf_addf(b, "%s%s%s%s", b->n ? ", " : "", ns, *ns ? "/" : "", js_text(s, "name"));
        }
    }
}

static void users(StrBuf *b, const cJSON *o, int64_t now)
{
    subjects(b, o, "User");
    (void)now;
}

static void groups(StrBuf *b, const cJSON *o, int64_t now)
{
    subjects(b, o, "Group");
    (void)now;
}

static void accounts(StrBuf *b, const cJSON *o, int64_t now)
{
    subjects(b, o, "ServiceAccount");
    (void)now;
}

static void created_at(StrBuf *b, const cJSON *o, int64_t now)
{
    strbuf_adds(b, js_text(o, "metadata.creationTimestamp"));
    (void)now;
}

static void sc_name(StrBuf *b, const cJSON *o, int64_t now)
{
    bool dflt = str_eq(
        js_str(o, "metadata.annotations[storageclass.kubernetes.io/is-default-class]"), "true");
    strbuf_addf(b, "%s%s", js_text(o, "metadata.name"), dflt ? " (default)" : "");
    (void)now;
}

static void quota_used_cell(StrBuf *b, const cJSON *o, int64_t now)
{
    const cJSON *h;
    js_each(h, js_at(o, "status.hard"))
    {
        const char *u = cJSON_GetStringValue(js_get(js_at(o, "status.used"), h->string));
        strbuf_addf(b, "%s%s: %s/%s", b->n ? ", " : "", h->string, str_or(u, "0"),
                    str_or(cJSON_GetStringValue(h), ""));
    }
    (void)now;
}

#define NAME                                       \
    {                                              \
        "Name", "string", 0, "metadata.name", NULL \
    }
#define AGE                           \
    {                                 \
        "Age", "string", 0, NULL, age \
    }
#define COL(n, p)               \
    {                           \
        n, "string", 0, p, NULL \
    }
#define NUM(n, p)                \
    {                            \
        n, "integer", 0, p, NULL \
    }
#define FN(n, f)                \
    {                           \
        n, "string", 0, NULL, f \
    }
#define WIDE(n, p)              \
    {                           \
        n, "string", 1, p, NULL \
    }
#define WIDE_FN(n, f)           \
    {                           \
        n, "string", 1, NULL, f \
    }

enum { COLUMNS = 12 };
static const Column columns[KIND_COUNT][COLUMNS] = {
    [KIND_NAMESPACE] = {NAME, COL("Status", "status.phase"), AGE},
    [KIND_POD] = {NAME, FN("Ready", pod_ready), FN("Status", pod_status),
                  FN("Restarts", pod_restarts), AGE, WIDE("IP", "status.podIP"),
                  WIDE("Node", "spec.nodeName"), WIDE("Nominated Node", "status.nominatedNodeName"),
                  WIDE("Readiness Gates", "spec.readinessGates[0].conditionType")},
    [KIND_SERVICE] = {NAME, COL("Type", "spec.type"), COL("Cluster-IP", "spec.clusterIP"),
                      FN("External-IP", svc_external), FN("Port(s)", svc_ports), AGE,
                      WIDE_FN("Selector", selector_cell)},
    [KIND_ENDPOINTS] = {NAME, FN("Endpoints", endpoints_cell), AGE},
    [KIND_CONFIGMAP] = {NAME, NUM("Data", "data"), AGE},
    [KIND_SECRET] = {NAME, COL("Type", "type"), NUM("Data", "data"), AGE},
    [KIND_SERVICEACCOUNT] = {NAME, NUM("Secrets", "secrets"), AGE},
    [KIND_PVC] = {NAME, COL("Status", "status.phase"), COL("Volume", "spec.volumeName"),
                  COL("Capacity", "status.capacity.storage"), FN("Access Modes", access_modes),
                  COL("StorageClass", "spec.storageClassName"), AGE,
                  WIDE("VolumeMode", "spec.volumeMode")},
    [KIND_PV] = {NAME, COL("Capacity", "spec.capacity.storage"), FN("Access Modes", access_modes),
                 COL("Reclaim Policy", "spec.persistentVolumeReclaimPolicy"),
                 COL("Status", "status.phase"), FN("Claim", pv_claim),
                 COL("StorageClass", "spec.storageClassName"), COL("Reason", "status.reason"), AGE,
                 WIDE("VolumeMode", "spec.volumeMode")},
    [KIND_EVENT] = {FN("Last Seen", event_seen), COL("Type", "type"), COL("Reason", "reason"),
                    FN("Object", event_object), WIDE("Subobject", "involvedObject.fieldPath"),
                    WIDE("Source", "source.component"), COL("Message", "message"),
                    WIDE("First Seen", "firstTimestamp"), WIDE("Count", "count"),
                    WIDE("Name", "metadata.name")},
    [KIND_NODE] = {NAME, FN("Status", node_ready), FN("Roles", node_roles), AGE,
                   COL("Version", "status.nodeInfo.kubeletVersion"),
                   WIDE_FN("Internal-IP", node_internal), WIDE_FN("External-IP", node_external),
                   WIDE("OS-Image", "status.nodeInfo.osImage"),
                   WIDE("Kernel-Version", "status.nodeInfo.kernelVersion"),
                   WIDE("Container-Runtime", "status.nodeInfo.containerRuntimeVersion")},
    [KIND_RESOURCEQUOTA] = {NAME, AGE, FN("Request", quota_used_cell)},
    [KIND_STATEFULSET] = {NAME, FN("Ready", ready_replicas), AGE, WIDE_FN("Containers", containers),
                          WIDE_FN("Images", images)},
    [KIND_DEPLOYMENT] = {NAME, FN("Ready", ready_replicas),
                         NUM("Up-to-date", "status.updatedReplicas"),
                         NUM("Available", "status.availableReplicas"), AGE,
                         WIDE_FN("Containers", containers), WIDE_FN("Images", images),
                         WIDE_FN("Selector", selector_cell)},
    [KIND_REPLICASET] = {NAME, NUM("Desired", "spec.replicas"), NUM("Current", "status.replicas"),
                         NUM("Ready", "status.readyReplicas"), AGE,
                         WIDE_FN("Containers", containers), WIDE_FN("Images", images),
                         WIDE_FN("Selector", selector_cell)},
    [KIND_CONTROLLERREVISION] = {NAME, COL("Controller", "metadata.ownerReferences[0].name"),
                                 NUM("Revision", "revision"), AGE},
    [KIND_JOB] = {NAME, FN("Completions", job_completions), FN("Duration", job_duration), AGE,
                  WIDE_FN("Containers", containers), WIDE_FN("Images", images),
                  WIDE_FN("Selector", selector_cell)},
    [KIND_LEASE] = {NAME, COL("Holder", "spec.holderIdentity"), AGE},
    [KIND_ENDPOINTSLICE] = {NAME, COL("AddressType", "addressType"), FN("Ports", slice_ports),
                            FN("Endpoints", slice_endpoints), AGE},
    [KIND_NETWORKPOLICY] = {NAME, FN("Pod-Selector", selector_cell), AGE},
    [KIND_PDB] = {NAME, COL("Min Available", "spec.minAvailable"),
                  COL("Max Unavailable", "spec.maxUnavailable"),
                  NUM("Allowed Disruptions", "status.disruptionsAllowed"), AGE},
    [KIND_ROLE] = {NAME, FN("Created At", created_at)},
    [KIND_CLUSTERROLE] = {NAME, FN("Created At", created_at)},
    [KIND_ROLEBINDING] = {NAME, FN("Role", role_ref), AGE, WIDE_FN("Users", users),
                          WIDE_FN("Groups", groups), WIDE_FN("ServiceAccounts", accounts)},
    [KIND_CLUSTERROLEBINDING] = {NAME, FN("Role", role_ref), AGE, WIDE_FN("Users", users),
                                 WIDE_FN("Groups", groups), WIDE_FN("ServiceAccounts", accounts)},
    [KIND_PRIORITYCLASS] = {NAME, NUM("Value", "value"), NUM("Global-Default", "globalDefault"),
                            AGE},
    [KIND_STORAGECLASS] = {FN("Name", sc_name), COL("Provisioner", "provisioner"),
                           COL("ReclaimPolicy", "reclaimPolicy"),
                           COL("VolumeBindingMode", "volumeBindingMode"),
                           NUM("AllowVolumeExpansion", "allowVolumeExpansion"), AGE},
};

cJSON *table_new(const Kind *k, bool with_columns)
{
    cJSON *t = cJSON_CreateObject();
    js_set_str(t, "kind", "Table");
    js_set_str(t, "apiVersion", "meta.k8s.io/v1");
    js_obj(t, "metadata");
    cJSON *defs = js_arr(t, "columnDefinitions");
    for (const Column *c = columns[kind_id(k)]; with_columns && c->name; c++) {
        cJSON *d = cJSON_CreateObject();
        js_set_str(d, "name", c->name);
        js_set_str(d, "type", c->type);
        js_set_str(d, "format", str_eq(c->name, "Name") ? "name" : "");
        js_set_str(d, "description", "");
        js_set_int(d, "priority", c->priority);
        cJSON_AddItemToArray(defs, d);
    }
    js_arr(t, "rows");
    return t;
}

static cJSON *cell_of(const Column *c, const cJSON *o, int64_t now_us)
{
    AUTO_STRBUF b = {0};
    if (c->cell) {
        c->cell(&b, o, now_us);
        return cJSON_CreateString(strbuf_str(&b));
    }
    const cJSON *v = js_at(o, c->path);
    bool number = str_eq(c->type, "integer");
    if (cJSON_IsArray(v) || (cJSON_IsObject(v) && number)) {
        return cJSON_CreateNumber(cJSON_GetArraySize(v));
    }
    return v ? js_dup(v)
           : number
               ? cJSON_CreateNumber(0)
               : cJSON_CreateString(c->priority || str_starts(c->path, "spec.m") ? "<none>" : "");
}

void table_add(cJSON *table, const Obj *o, int64_t now_us)
{
    cJSON *row = cJSON_CreateObject();
    cJSON *cells = js_arr(row, "cells");
    for (const Column *c = columns[kind_id(o->kind)]; c->name; c++) {
        cJSON_AddItemToArray(cells, cell_of(c, o->json, now_us));
    }
    js_set_str(row, "object.kind", "PartialObjectMetadata");
    js_set_str(row, "object.apiVersion", "meta.k8s.io/v1");
    js_set(row, "object.metadata", js_dup(js_get(o->json, "metadata")));
    cJSON_AddItemToArray(js_get(table, "rows"), row);
}
