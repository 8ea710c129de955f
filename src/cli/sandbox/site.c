/* One site of the sandbox: pg-swarm-sandbox as its Kubernetes, and a satellite in it that central
 * has approved. */
#include "sandbox.h"

#include "api/routes.h"
#include "core/file.h"
#include "core/limits.h"
#include "kube/kube.h"
#include "satellite_manifest.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { API_PORT_FIRST = 6443, NODE_PORTS_PER_SITE = 60 };
static const char SATELLITE_IMAGE[] = "pg-swarm/satellite:dev",
                  SIDECAR_IMAGE[] = "pg-swarm/failover-sidecar:dev";

/* ---- images: names that stand for folders of this machine ---- */

static void add_image(cJSON *all, const char *ref, const char *root, const char *bind)
{
    cJSON *o = cJSON_AddObjectToObject(all, ref);
    cJSON_AddStringToObject(o, "root", root);
    cJSON_AddNumberToObject(o, "user", 999);
    if (bind)
        cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "binds"), cJSON_CreateString(bind));
}

ErrCode images_write(Sandbox *s, Error *err)
{
    static const int MAJORS[] = {13, 14, 15, 16, 17, 18};
    Arena *a = s->c->arena;
    cJSON *all = json_own(a, cJSON_CreateObject());
    const char *cache = getenv("XDG_CACHE_HOME");
    cache =
        !str_empty(cache) ? cache : arena_printf(a, "%s/.cache", str_or(getenv("HOME"), "/tmp"));
    for (size_t i = 0; i < sizeof MAJORS / sizeof *MAJORS; i++) {
        const char *ref = arena_printf(a, "postgres:%d", MAJORS[i]);
        const char *root = getenv(arena_printf(a, "PGSWARM_PG%d_ROOT", MAJORS[i]));
        if (str_empty(root))
            root = arena_printf(a, "%s/pgswarm/images/postgres-%d", cache, MAJORS[i]);
        if (file_exists(arena_printf(a, "/usr/lib/postgresql/%d/bin/postgres", MAJORS[i])))
            add_image(all, ref, "/", NULL);
        else if (file_exists(
                     arena_printf(a, "%s/usr/lib/postgresql/%d/bin/postgres", root, MAJORS[i])))
            add_image(all, ref, root, NULL);
    }
    const char *bind = arena_printf(a, "%s:/usr/local/bin", s->bin);
    add_image(all, SATELLITE_IMAGE, "/", bind);
    add_image(all, SIDECAR_IMAGE, "/", bind);
    return file_write_atomic(sandbox_path(s, "images.json"), sv(json_text(a, all)), 0644, err);
}

/* ---- calls to the site's API, one after the other ---- */

typedef struct Call {
    Arena *arena;
    StrView body;
    Error err;
    bool done;
} Call;

static void call_done(void *ctx, const Error *err, int status, StrView body)
{
    Call *call = ctx;
    call->done = true;
    call->body = sv_n(sv_dup(call->arena, body), body.n);
    if (err)
        call->err = *err;
    else if (status >= 300)
        kube_status_error(status, body, &call->err);
}

static ErrCode call(Sandbox *s, Kube *k, const KubeRaw *req, StrView *ret, Error *err)
{
    Call c = {.arena = s->c->arena};
    kube_raw(k, req, call_done, &c);
    loop_run_until(s->c->loop, &c.done, 0);
    if (c.err.code)
        return err_copy(err, &c.err);
    if (ret)
        *ret = c.body;
    return ERR_OK;
}

static ErrCode site_kube(Sandbox *s, const Site *site, Kube **ret, Error *err)
{
    KubeConfig cfg = {0};
    ErrCode rc = kube_config_file(s->c->arena,
                                  arena_printf(s->c->arena, "%s/kubeconfig", site->dir), &cfg, err);
    return rc ? rc : kube_new(s->c->loop, &cfg, ret, err);
}

/* ---- the Kubernetes of the site ---- */

typedef struct Wait {
    Sandbox *s;
    const Site *site;
    Error err;
} Wait;

static bool site_ready(void *ctx)
{
    Wait *w = ctx;
    Kube *k;
    if (!file_exists(arena_printf(w->s->c->arena, "%s/kubeconfig", w->site->dir)) ||
        site_kube(w->s, w->site, &k, &w->err))
        return false;
    ErrCode rc = call(w->s, k, &(KubeRaw){.method = "GET", .path = "/readyz"}, NULL, &w->err);
    kube_free(k);
    return rc == ERR_OK;
}

ErrCode site_up(Sandbox *s, Site *site, Error *err)
{
    Arena *a = s->c->arena;
    Wait w = {.s = s, .site = site};
    const char *pid_file = arena_printf(a, "%s/process.pid", site->dir);
    if (file_mkdirs(site->dir, 0700, err))
        return err->code;
    if (!daemon_pid(pid_file)) {
        site->api_port = free_port(site->api_port ? site->api_port : API_PORT_FIRST + site->index);
        unlink(arena_printf(a, "%s/kubeconfig", site->dir));
        if (sandbox_save(s, err))
            return err->code;
    }
    int lo = s->node_base + site->index * NODE_PORTS_PER_SITE;
    const char *const argv[] = {arena_printf(a, "%s/pg-swarm-sandbox", s->bin),
                                "--site",
                                site->name,
                                "--state",
                                site->dir,
                                "--api-port",
                                arena_printf(a, "%d", site->api_port),
                                "--node-ports",
                                arena_printf(a, "%d-%d", lo, lo + NODE_PORTS_PER_SITE - 1),
                                "--images",
                                sandbox_path(s, "images.json"),
                                "--forward",
                                arena_printf(a, "central=127.0.0.1:%d", s->grpc_port),
                                NULL};
    Daemon d = {.name = site->name,
                .pid_file = pid_file,
                .log_file = arena_printf(a, "%s/sandbox.log", site->dir),
                .argv = argv};
    if (daemon_start(s, &d, err))
        return err->code;
    WaitSpec spec = {.what = site->name,
                     .ms = 20000,
                     .ready = site_ready,
                     .ctx = &w,
                     .pid_file = pid_file,
                     .log_file = d.log_file};
    ErrCode rc = wait_for(s, &spec, err);
    return rc && w.err.code ? err_wrap(err, "%s", w.err.msg) : rc;
}

ErrCode site_ask(Sandbox *s, const Site *site, const SiteCall *req, StrView *ret, Error *err)
{
    Kube *k;
    ErrCode rc = site_kube(s, site, &k, err);
    if (rc)
        return err_wrap(err, "site %s", site->name);
    const KubeRaw raw = {.method = req->method, .path = req->path, .body = req->body};
    rc = call(s, k, &raw, ret, err);
    kube_free(k);
    return rc ? err_wrap(err, "site %s", site->name) : rc;
}

pid_t site_pid(Sandbox *s, const Site *site)
{
    return daemon_pid(arena_printf(s->c->arena, "%s/process.pid", site->dir));
}

Site *site_find(Sandbox *s, const char *name)
{
    for (size_t i = 0; i < s->nsites; i++)
        if (str_eq(s->sites[i].name, name))
            return &s->sites[i];
    return NULL;
}

void site_down(Sandbox *s, const Site *site)
{
    daemon_stop(arena_printf(s->c->arena, "%s/process.pid", site->dir), SIGTERM, 20000);
}

/* ---- its satellite ---- */

static const struct {
    const char *kind, *path; /* path: before /NAME; %s: the namespace */
} KINDS[] = {
    {"Namespace", "/api/v1/namespaces"},
    {"ServiceAccount", "/api/v1/namespaces/%s/serviceaccounts"},
    {"ConfigMap", "/api/v1/namespaces/%s/configmaps"},
    {"Service", "/api/v1/namespaces/%s/services"},
    {"ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles"},
    {"ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"},
    {"Deployment", "/apis/apps/v1/namespaces/%s/deployments"},
};

static ErrCode apply_doc(Sandbox *s, Kube *k, const cJSON *doc, Error *err)
{
    Arena *a = s->c->arena;
    const char *kind = json_str_at(doc, "kind", ""), *name = json_str_at(doc, "metadata.name", "");
    const char *ns = json_str_at(doc, "metadata.namespace", "");
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (!str_eq(KINDS[i].kind, kind))
            continue;
        const char *at = strstr(KINDS[i].path, "%s");
        const char *folder =
            at ? arena_printf(a, "%.*s%s%s", (int)(at - KINDS[i].path), KINDS[i].path, ns, at + 2)
               : KINDS[i].path;
        const char *path = arena_printf(a, "%s/%s?fieldManager=swarmctl&force=true", folder, name);
        ErrCode rc = call(s, k,
                          &(KubeRaw){.method = "PATCH",
                                     .path = path,
                                     .body = sv(json_text(a, doc)),
                                     .content_type = "application/apply-patch+yaml"},
                          NULL, err);
        return rc ? err_wrap(err, "apply %s/%s", kind, name) : ERR_OK;
    }
    return err_set(err, ERR_INTERNAL,
                   "the satellite's manifest holds a %s, which nothing here applies", kind);
}

/* The address under which pods reach this machine: the node's InternalIP. */
static ErrCode gateway_of(Sandbox *s, Kube *k, const char **ret, Error *err)
{
    StrView body;
    cJSON *nodes;
    if (call(s, k, &(KubeRaw){.method = "GET", .path = "/api/v1/nodes"}, &body, err) ||
        json_parse(s->c->arena, body, LIMIT_KUBE_OBJECT, &nodes, err))
        return err->code;
    const cJSON *addr;
    cJSON_ArrayForEach(
        addr, json_at(nodes, "items.0.status.addresses")) if (str_eq(json_str_at(addr, "type", ""),
                                                                     "InternalIP"))
    {
        *ret = json_str_at(addr, "address", "");
        return ERR_OK;
    }
    return err_set(err, ERR_UNAVAILABLE, "the node has no InternalIP yet");
}

static const char *label_of(Arena *a, const char *labels, const char *key)
{
    StrView rest = sv(labels);
    size_t n = strlen(key);
    while (rest.n) {
        StrView pair = sv_cut(&rest, ',');
        if (pair.n > n && memcmp(pair.p, key, n) == 0 && pair.p[n] == '=')
            return sv_dup(a, sv_n(pair.p + n + 1, pair.n - n - 1));
    }
    return "";
}

static ErrCode apply_satellite(Sandbox *s, const Site *site, Kube *k, Error *err)
{
    Arena *a = s->c->arena;
    const char *gateway = NULL;
    StrView ca;
    YamlDocs docs;
    if (gateway_of(s, k, &gateway, err) ||
        file_read(a, sandbox_path(s, "central/ca.crt"), 65536, &ca, err))
        return err->code;
    SatelliteSite filled = {.name = site->name,
                            .central = arena_printf(a, "%s:%d", gateway, s->grpc_port),
                            .central_name = "central",
                            .region = label_of(a, site->labels, "region"),
                            .labels = site->labels,
                            .service_type = "NodePort",
                            .ca_pem = ca.p};
    if (satellite_manifest(a, &filled, &docs, err))
        return err->code;
    for (size_t i = 0; i < docs.n; i++)
        if (apply_doc(s, k, docs.at[i], err))
            return err->code;
    return ERR_OK;
}

/* The satellite of that site in a state. */
static const cJSON *find_satellite(Sandbox *s, const Site *site, const char *state, Error *err)
{
    cJSON *items;
    if (rest_list(s->c, api_path(s->c->arena, API_SATELLITE_LIST, NULL), &items, err))
        return NULL;
    const cJSON *item;
    cJSON_ArrayForEach(item, items) if (str_eq(json_str_at(item, "k8s_cluster", ""), site->name) &&
                                        str_eq(json_str_at(item, "state", ""), state)) return item;
    return NULL;
}

static ErrCode approve(Sandbox *s, const Site *site, const char *id, Error *err)
{
    Reply r;
    cJSON *body = json_own(s->c->arena, cJSON_CreateObject());
    cJSON_AddStringToObject(body, "name", site->name);
    cJSON *labels = cJSON_AddObjectToObject(body, "labels");
    for (StrView rest = sv(site->labels); rest.n;) {
        StrView pair = sv_cut(&rest, ','), key = sv_cut(&pair, '=');
        cJSON_AddStringToObject(labels, sv_dup(s->c->arena, key), sv_dup(s->c->arena, pair));
    }
    return rest_call(
        s->c, &(RestReq){"POST", api_path(s->c->arena, API_SATELLITE_APPROVE, id, NULL), body}, &r,
        err);
}

/* Approves what waits, and is content when the approved one is connected. */
static bool enrolled(void *ctx)
{
    Wait *w = ctx;
    const cJSON *sat = find_satellite(w->s, w->site, "approved", &w->err);
    if (sat)
        return json_bool_at(sat, "connected", false);
    sat = find_satellite(w->s, w->site, "pending", &w->err);
    if (sat && approve(w->s, w->site, json_str_at(sat, "id", ""), &w->err) == ERR_OK)
        w->err.code = ERR_OK;
    return false;
}

ErrCode site_enrol(Sandbox *s, Site *site, Error *err)
{
    Kube *k;
    Wait w = {.s = s, .site = site};
    if (site_kube(s, site, &k, err))
        return err->code;
    ErrCode rc = apply_satellite(s, site, k, err);
    kube_free(k);
    if (rc == ERR_OK)
        rc = wait_for(s,
                      &(WaitSpec){.what = arena_printf(s->c->arena, "satellite of %s", site->name),
                                  .ms = 40000,
                                  .ready = enrolled,
                                  .ctx = &w},
                      err);
    return rc && w.err.code ? err_wrap(err, "%s", w.err.msg) : rc;
}
