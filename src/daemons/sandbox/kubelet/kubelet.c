#include "app.h"
#include "core/file.h"
#include "core/log.h"
#include "core/map.h"
#include "faults/faults.h"
#include "kubelet/parts.h"
#include "kubelet/pod.h"
#include "kubelet/voldir.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { API_PORT = 6443, REFRESH_MS = 60 * 1000, STOP_GRACE_MS = 10 * 1000, WATCHES = 3 };

struct Kubelet {
    App *app;
    HostNet *host;
    SiteNet *site;
    Services *services;
    NodeStatus *node;
    Map *pods; /* uid -> Pod */
    StoreWatch *watches[WATCHES];
    Timer *refresh;
    void (*stopped)(void *ctx); /* set: we are ending */
    void *stopped_ctx;
    bool all_still;
};

SiteNet *kubelet_sitenet(Kubelet *k)
{
    return k->site;
}

Pod *kubelet_pod(App *app, const char *uid)
{
    const Kubelet *k = app->kubelet;
    return k ? map_get(k->pods, uid) : NULL;
}

/* ---- before anything else ---- */

/* A socket on the gateway's address, for pods that call the API. */
static ErrCode listen_on_gateway(App *app, uint32_t gateway, Error *err)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    app->net.api_port = app->cfg.api_port ? app->cfg.api_port : API_PORT;
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)app->net.api_port),
                             .sin_addr.s_addr = htonl(gateway)};
    if (fd < 0)
        return err_errno(err, errno, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(fd, SOMAXCONN) < 0) {
        ErrCode rc = err_errno(err, errno, "listen on the site's gateway");
        close(fd);
        return rc;
    }
    app->net.api_fd = fd;
    return ERR_OK;
}

/* What must not reach a disk lives in a tmpfs that nobody else sees and that ends with us. */
static ErrCode mount_run(const App *app, Error *err)
{
    AUTO_ARENA a = arena_new();
    const char *dir = arena_printf(a, "%s/run", app->cfg.state_dir);
    ErrCode rc = file_mkdirs(dir, 0755, err);
    if (!rc && mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
        rc = err_errno(err, errno, "mount a tmpfs on %s", dir);
    return rc;
}

static void raise_limits(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

ErrCode kubelet_prepare(App *app, Error *err)
{
    Kubelet *k = xnew(Kubelet);
    k->app = app;
    k->pods = map_new();
    app->kubelet = k;
    raise_limits();
    ErrCode rc = runner_check(err);
    if (!rc)
        rc = hostnet_enter(&k->host, err);
    if (!rc)
        rc = sitenet_open(sitenet_base(app->cfg.site), &k->site, err);
    if (!rc)
        rc = mount_run(app, err);
    if (rc)
        return err_wrap(err, "site %s", app->cfg.site);
    app->pid = hostnet_pid(k->host);
    uint32_t gateway = sitenet_gateway(k->site), services = sitenet_services(k->site);
    char ip[IP_TEXT];
    ip_text(app->net.gateway, gateway);
    ip_text(ip, gateway - 1);
    snprintf(app->net.pod_cidr, sizeof app->net.pod_cidr, "%s/%d", ip, SITENET_PREFIX + 1);
    ip_text(ip, services);
    snprintf(app->net.service_cidr, sizeof app->net.service_cidr, "%s/%d", ip, SITENET_PREFIX + 1);
    return listen_on_gateway(app, gateway, err);
}

bool kubelet_port_free(void *ctx, int port)
{
    const Kubelet *k = ((App *)ctx)->kubelet;
    Error err;
    int fd;
    if (!k || hostnet_bind(k->host, port, &fd, &err))
        return !k;
    close(fd);
    return true;
}

/* ---- pods come, change and go ---- */

static bool is_ours(const Kubelet *k, const Obj *o)
{
    return str_eq(js_text(o->json, "spec.nodeName"), k->app->node_name);
}

static void see(Kubelet *k, const Obj *o)
{
    Pod *p = map_get(k->pods, o->uid);
    if (p)
        pod_update(p, o);
    else if (is_ours(k, o) && !k->stopped)
        map_put(k->pods, o->uid, pod_new(k, k->app, o));
}

static void on_pod(void *ctx, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)old;
    Kubelet *k = ctx;
    if (ch != STORE_DELETED) {
        see(k, now);
        return;
    }
    Pod *p = map_remove(k->pods, now->uid);
    if (p)
        pod_removed(p);
}

static void on_config(void *ctx, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)ch;
    (void)old;
    Kubelet *k = ctx;
    for (MapIter it = {0}; map_next(k->pods, &it);) {
        Pod *p = it.value;
        if (str_eq(p->ns, now->ns) && volumes_use(p->obj->json, now->kind, now->name))
            pod_refresh(p);
    }
}

/* Tokens that run out; a claim that became bound; whatever was missed. */
static void on_refresh(void *ctx)
{
    Kubelet *k = ctx;
    for (MapIter it = {0}; map_next(k->pods, &it);)
        pod_refresh(it.value);
}

/* Folders of pods whose objects went while we were not there. */
static void sweep(Kubelet *k)
{
    AUTO_ARENA a = arena_new();
    const char *dir = arena_printf(a, "%s/pods", k->app->cfg.state_dir);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && !map_get(k->pods, e->d_name))
            voldir_remove_later(k->app->loop, arena_printf(a, "%s/%s", dir, e->d_name));
    if (d)
        closedir(d);
}

ErrCode kubelet_start(App *app, Error *err)
{
    Kubelet *k = app->kubelet;
    AUTO_ARENA a = arena_new();
    ErrCode rc = file_mkdirs(app->log_dir, 0755, err);
    if (rc)
        return rc;
    app->faults = faults_new(app);
    k->node = node_start(app);
    k->services = services_start(app, k->host);
    rc = services_forward(k->services, sitenet_gateway(k->site), err);
    if (rc)
        return rc;
    k->watches[0] = store_watch(app->store, K(POD), on_pod, k);
    k->watches[1] = store_watch(app->store, K(CONFIGMAP), on_config, k);
    k->watches[2] = store_watch(app->store, K(SECRET), on_config, k);
    k->refresh = timer_start(app->loop, REFRESH_MS, REFRESH_MS, on_refresh, k);
    const Obj **pods = store_list(app->store, a, &(StoreQuery){.kind = K(POD)}, NULL);
    for (; *pods; pods++)
        see(k, *pods);
    sweep(k);
    log_info("kubelet", "node is up", "gateway=%s pods=%zu", app->net.gateway, map_count(k->pods));
    return ERR_OK;
}

/* ---- the end ---- */

static void stop_now(void *ctx)
{
    Kubelet *k = ctx;
    void (*stopped)(void *) = k->stopped;
    void *their = k->stopped_ctx;
    for (int i = 0; i < WATCHES; i++)
        store_watch_stop(k->watches[i]);
    timer_stop(k->refresh);
    faults_free(k->app->faults);
    k->app->faults = NULL;
    for (MapIter it = {0}; map_next(k->pods, &it);)
        pod_free(it.value);
    map_free(k->pods);
    services_stop(k->services);
    node_stop(k->node);
    sitenet_free(k->site);
    hostnet_free(k->host);
    k->app->kubelet = NULL;
    free(k);
    stopped(their);
}

void kubelet_pod_over(Kubelet *k, Pod *p)
{
    (void)p;
    if (!k->stopped || k->all_still)
        return;
    for (MapIter it = {0}; map_next(k->pods, &it);)
        if (!pod_is_still(it.value))
            return;
    k->all_still = true;
    loop_defer(k->app->loop, stop_now, k);
}

/* As long as the pod asks for, but nobody waits longer than this for a laptop's sandbox. */
static uint64_t end_grace(const Pod *p)
{
    int64_t ms = js_int(p->obj->json, "spec.terminationGracePeriodSeconds", 30) * 1000;
    return ms > STOP_GRACE_MS ? STOP_GRACE_MS : ms > 0 ? (uint64_t)ms : 0;
}

void kubelet_stop(App *app, void (*done)(void *ctx), void *ctx)
{
    Kubelet *k = app->kubelet;
    if (!k || k->stopped)
        return;
    k->stopped = done; /* from here on no pod is taken in */
    k->stopped_ctx = ctx;
    bool any = false;
    for (MapIter it = {0}; map_next(k->pods, &it);) {
        if (pod_is_still(it.value))
            continue;
        any = true;
        pod_stop(it.value, end_grace(it.value), true);
    }
    if (!any) {
        k->all_still = true;
        loop_defer(app->loop, stop_now, k);
    }
}
