#include "core/clock.h"
#include "core/log.h"
#include "kubelet/parts.h"
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { HEARTBEAT_MS = 60 * 1000, PODS_MAX = 110 };

struct NodeStatus {
    App *app;
    Timer *beat;
};

static void add_address(cJSON *list, const char *type, const char *address)
{
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "type", type);
    js_set_str(o, "address", address);
    cJSON_AddItemToArray(list, o);
}

static void add_condition(cJSON *list, const char *type, bool is, const char *reason)
{
    cJSON *c = js_find(list, "type", type);
    if (!c) {
        c = cJSON_CreateObject();
        js_set_str(c, "type", type);
        js_set(c, "lastTransitionTime", js_now(clock_wall_us()));
        cJSON_AddItemToArray(list, c);
    }
    js_set_str(c, "status", is ? "True" : "False");
    js_set_str(c, "reason", reason);
    js_set(c, "lastHeartbeatTime", js_now(clock_wall_us()));
}

static void set_room(Arena *a, cJSON *o)
{
    struct sysinfo si = {0};
    sysinfo(&si);
    unsigned long long kib = (unsigned long long)si.totalram * si.mem_unit / 1024;
    js_set_str(o, "cpu", arena_printf(a, "%ld", sysconf(_SC_NPROCESSORS_ONLN)));
    js_set_str(o, "memory", arena_printf(a, "%lluKi", kib));
    js_set_str(o, "pods", arena_printf(a, "%d", PODS_MAX));
}

static cJSON *status_of(Arena *a, const App *app, const cJSON *old)
{
    struct utsname u = {0};
    uname(&u);
    cJSON *st = old ? js_dup(old) : cJSON_CreateObject();
    set_room(a, js_obj(st, "capacity"));
    set_room(a, js_obj(st, "allocatable"));
    cJSON *addresses = cJSON_CreateArray(), *conditions = js_arr(st, "conditions");
    add_address(addresses, "InternalIP", app->net.gateway);
    add_address(addresses, "ExternalIP", "127.0.0.1");
    add_address(addresses, "Hostname", app->node_name);
    js_set(st, "addresses", addresses);
    add_condition(conditions, "MemoryPressure", false, "KubeletHasSufficientMemory");
    add_condition(conditions, "DiskPressure", false, "KubeletHasNoDiskPressure");
    add_condition(conditions, "PIDPressure", false, "KubeletHasSufficientPID");
    add_condition(conditions, "Ready", true, "KubeletReady");
    cJSON *info = js_obj(st, "nodeInfo");
    js_set_str(info, "kubeletVersion", app->cfg.version);
    js_set_str(info, "kubeProxyVersion", app->cfg.version);
    js_set_str(info, "kernelVersion", u.release);
    js_set_str(info, "osImage", "PG-Swarm sandbox");
    js_set_str(info, "containerRuntimeVersion", "bubblewrap://0.8");
    js_set_str(info, "operatingSystem", "linux");
    js_set_str(info, "architecture", str_eq(u.machine, "aarch64") ? "arm64" : "amd64");
    return st;
}

/* "k=v,k=v" of the configuration, and what every node has. */
static void set_labels(Arena *a, const App *app, cJSON *node)
{
    cJSON *labels = js_obj(node, "metadata.labels");
    const char *name = app->node_name;
    cJSON_AddStringToObject(labels, "kubernetes.io/hostname", name);
    cJSON_AddStringToObject(labels, "kubernetes.io/os", "linux");
    StrView rest = sv(str_or(app->cfg.labels, ""));
    while (rest.n) {
        StrView v = sv_cut(&rest, ','), k = sv_cut(&v, '=');
        if (k.n && !js_get(labels, sv_dup(a, k)))
            cJSON_AddStringToObject(labels, sv_dup(a, k), v.n ? sv_dup(a, v) : "");
    }
}

static const Obj *ensure(Arena *a, const App *app, Error *err)
{
    const Obj *o = store_get(app->store, a, K(NODE), "", app->node_name);
    if (o)
        return o;
    AUTO_JSON node = cJSON_CreateObject();
    js_set_str(node, "apiVersion", "v1");
    js_set_str(node, "kind", "Node");
    js_set_str(node, "metadata.name", app->node_name);
    set_labels(a, app, node);
    js_set_str(node, "spec.podCIDR", app->net.pod_cidr);
    js_set_str(node, "spec.providerID", arena_printf(a, "sandbox://%s", app->cfg.site));
    StoreWrite w = {.kind = K(NODE), .name = app->node_name, .obj = node};
    return store_create(app->store, a, &w, &o, err) ? NULL : o;
}

static void beat(void *ctx)
{
    NodeStatus *n = ctx;
    AUTO_ARENA a = arena_new();
    Error err;
    const Obj *o = ensure(a, n->app, &err);
    if (!o ||
        store_set_status(n->app->store, o, status_of(a, n->app, js_get(o->json, "status")), &err))
        log_warn("kubelet", "node not written", "error=%s", log_quote(err.msg));
}

NodeStatus *node_start(App *app)
{
    NodeStatus *n = xnew(NodeStatus);
    n->app = app;
    beat(n);
    n->beat = timer_start(app->loop, HEARTBEAT_MS, HEARTBEAT_MS, beat, n);
    return n;
}

void node_stop(NodeStatus *n)
{
    if (n)
        timer_stop(n->beat);
    free(n);
}
