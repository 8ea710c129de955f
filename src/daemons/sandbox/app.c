#include "app.h"
#include "api/api.h"
#include "auth/auth.h"
#include "bootstrap.h"
#include "core/file.h"
#include "core/ident.h"
#include "core/log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SYNC_MS = 1000, OPEN_TRIES = 500, OPEN_NAP_NS = 10 * 1000 * 1000 };

/* ---- files for others ---- */

static ErrCode write_in_state(const App *app, const char *name, const char *text, unsigned mode,
                              Error *err)
{
    AUTO_ARENA a = arena_new();
    return file_write_atomic(arena_printf(a, "%s/%s", app->cfg.state_dir, name), sv(text), mode,
                             err);
}

/* The kubeconfig last: whoever waits for it finds the others too. */
static ErrCode write_kubeconfig(App *app, Error *err)
{
    AUTO_ARENA a = arena_new();
    const char *ca = auth_ca_pem(app->auth), *site = app->cfg.site;
    const char *text = arena_printf(
        a,
        "apiVersion: v1\nkind: Config\ncurrent-context: %s\nclusters:\n- name: %s\n  cluster:\n"
        "    server: https://127.0.0.1:%d\n    certificate-authority-data: %s\n"
        "contexts:\n- name: %s\n  context: {cluster: %s, user: admin}\n"
        "users:\n- name: admin\n  user:\n    token: %s\n",
        site, site, api_port(app->api), base64_encode(a, ca, strlen(ca)), site, site,
        auth_admin_token(app->auth));
    char pid[24];
    snprintf(pid, sizeof pid, "%ld\n", app->pid);
    ErrCode rc = write_in_state(app, "ca.crt", ca, 0644, err);
    rc = rc ? rc : write_in_state(app, "pid", pid, 0644, err);
    return rc ? rc : write_in_state(app, "kubeconfig", text, 0600, err);
}

/* ---- the store's turn of the loop, and its disk ---- */

static void dispatch(void *ctx)
{
    store_dispatch(((App *)ctx)->store);
}

static void on_wake(void *ctx)
{
    App *app = ctx;
    loop_defer(app->loop, dispatch, app);
}

static void sync_work(void *ctx)
{
    int *fd = ctx;
    fdatasync(*fd); /* a failure shows at the next write */
}

static void sync_done(void *ctx)
{
    int *fd = ctx;
    close(*fd);
    free(fd);
}

static void on_sync(void *ctx)
{
    App *app = ctx;
    int fd = store_unsynced(app->store);
    if (fd >= 0) { /* a copy: the store may replace its file meanwhile */
        int *copy = xnew(int);
        *copy = dup(fd);
        loop_work(app->loop, sync_work, sync_done, copy);
    }
}

/* ---- start ---- */

static ErrCode listen_on_host(App *app, Error *err)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)app->cfg.api_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0) {
        return err_errno(err, errno, "socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) || listen(fd, SOMAXCONN)) {
        ErrCode rc = err_errno(err, errno, "listen on 127.0.0.1:%d", app->cfg.api_port);
        close(fd);
        return rc;
    }
    app->host_fd = fd;
    return ERR_OK;
}

/* A process that was killed has its lock until the kernel is through with it, and whoever killed it
 * may have started us meanwhile. */
static ErrCode open_when_free(const StoreConfig *cfg, Store **ret, Error *err)
{
    for (int i = 0;; i++) {
        ErrCode rc = store_open(cfg, ret, err);
        if (rc != ERR_UNAVAILABLE || i == OPEN_TRIES)
            return rc;
        nanosleep(&(struct timespec){.tv_nsec = OPEN_NAP_NS}, NULL);
    }
}

static ErrCode open_store(App *app, Error *err)
{
    AUTO_ARENA a = arena_new();
    const StoreConfig cfg = {.dir = arena_printf(a, "%s/objects", app->cfg.state_dir),
                             .service_cidr = app->net.service_cidr,
                             .node_port_lo = app->cfg.node_port_lo,
                             .node_port_hi = app->cfg.node_port_hi,
                             .node_port_free = app->cfg.no_node ? NULL : kubelet_port_free,
                             .node_port_ctx = app};
    ErrCode rc = open_when_free(&cfg, &app->store, err);
    if (rc) {
        return rc;
    }
    store_set_wake(app->store, on_wake, app);
    rc = auth_open(arena_printf(a, "%s/pki", app->cfg.state_dir), app->store, &app->auth, err);
    if (!rc) {
        app->ca_pem = xstrdup(auth_ca_pem(app->auth));
    }
    return rc;
}

static ErrCode start_parts(App *app, Error *err)
{
    ErrCode rc = bootstrap_objects(app, err);
    store_forget(app->store); /* as on a cluster: what made it is not told */
    rc = rc ? rc : api_start(app, &app->api, err);
    if (!rc && !app->net.api_port) {
        app->net.api_port = api_port(app->api);
    }
    bootstrap_watch(app);
    rc = rc ? rc : bootstrap_endpoints(app, err);
    rc = rc ? rc : controllers_start(app, err);
    if (!rc && !app->cfg.no_node) {
        rc = kubelet_start(app, err);
    }
    return rc ? rc : write_kubeconfig(app, err);
}

ErrCode app_new(const AppConfig *cfg, App **ret, Error *err)
{
    App *app = xnew(App);
    app->cfg = *cfg;
    app->pid = getpid();
    app->node_name = xasprintf("%s-node", cfg->site);
    app->log_dir = xasprintf("%s/logs", cfg->state_dir);
    snprintf(app->net.service_cidr, sizeof app->net.service_cidr, "198.18.8.0/21");
    ErrCode rc = file_mkdirs(cfg->state_dir, 0755, err);
    rc = rc ? rc : listen_on_host(app, err);
    if (!rc && !cfg->no_node) {
        rc = kubelet_prepare(app, err);
    }
    app->loop = loop_new();
    rc = rc ? rc : open_store(app, err);
    rc = rc ? rc : start_parts(app, err);
    if (rc) {
        app_free(app);
        return rc;
    }
    *ret = app;
    return ERR_OK;
}

/* ---- end ---- */

static void on_api_stopped(void *ctx)
{
    loop_stop(((App *)ctx)->loop);
}

static void on_kubelet_stopped(void *ctx)
{
    App *app = ctx;
    controllers_stop(app);
    api_stop(app->api, on_api_stopped, app);
}

static void on_signal(void *ctx, int signum)
{
    App *app = ctx;
    if (app->stopping) {
        return;
    }
    app->stopping = true;
    log_info("app", "stopping", "signal=%d", signum);
    if (app->cfg.no_node) {
        on_kubelet_stopped(app);
    } else {
        kubelet_stop(app, on_kubelet_stopped, app);
    }
}

void app_run(App *app)
{
    SigWatch *term = sigwatch_start(app->loop, SIGTERM, on_signal, app);
    SigWatch *intr = sigwatch_start(app->loop, SIGINT, on_signal, app);
    Timer *sync = timer_start(app->loop, SYNC_MS, SYNC_MS, on_sync, app);
    log_info("app", "site is up", "site=%s api=127.0.0.1:%d gateway=%s", app->cfg.site,
             api_port(app->api), app->net.gateway);
    loop_run(app->loop);
    timer_stop(sync);
    sigwatch_stop(term);
    sigwatch_stop(intr);
}

void app_free(App *app)
{
    if (!app) {
        return;
    }
    api_free(app->api);
    loop_free(app->loop);
    auth_free(app->auth);
    store_close(app->store);
    free(app->ca_pem);
    free(app->node_name);
    free(app->log_dir);
    free(app);
}
