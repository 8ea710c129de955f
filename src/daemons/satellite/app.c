#include "app.h"

#include "core/resident.h"
#include "operator/reconcile.h"
#include <signal.h>
#include <stdlib.h>

#define SERVICE_NAME "pg-swarm-satellite"
enum { SETTLE_MS = 5000 };

/* ---- from the operator ---- */

static void on_ack(void *ctx, const ConfigAck *ack)
{
    App *app = ctx;
    link_send(app->link, &(SatelliteUp){.id = "", .kind = UP_CONFIG_ACK, .config_ack = *ack});
}

static void on_event(void *ctx, const EventReport *e)
{
    App *app = ctx;
    if (!str_eq(e->kind, DECISION_EVENT))
        events_add(app->events, e);
    else if (app->events_loaded) /* numbers given before could still change */
        decisions_take(app->decisions, e, loop_now(app->loop));
}

static void on_decision_kept(void *ctx, const DecisionRecord *upto, const char *ns)
{
    App *app = ctx;
    sidecars_decision_ack(app->sidecars, ns, upto);
}

static void on_events_kept(void *ctx, uint64_t sequence)
{
    App *app = ctx;
    decisions_kept(app->decisions, sequence);
}

/* A while after something happened: what that needed goes back. */
static void on_settle(void *ctx)
{
    App *app = ctx;
    timer_stop(app->settle);
    app->settle = NULL;
    resident_settle();
}

static void settle_later(App *app)
{
    if (app->settle)
        timer_again(app->settle, SETTLE_MS);
    else
        app->settle = timer_start(app->loop, SETTLE_MS, 0, on_settle, app);
}

static void on_health(void *ctx, Cluster *c)
{
    App *app = ctx;
    settle_later(app);
    if (app->reporter)
        reporter_soon(app->reporter, c);
}

static void on_config(void *ctx, Cluster *c)
{
    App *app = ctx;
    sidecars_reload(app->sidecars, c);
}

/* The link waits for the site's own record: Hello says what is in force. */
static void start_link_when_ready(App *app)
{
    if (site_ready(app->site) && app->ops)
        ops_load(app->ops);
    if (!app->approved || !app->events_loaded || !app->ops_loaded || !site_ready(app->site) ||
        app->link_started)
        return;
    app->link_started = true;
    link_start(app->link);
}

static void on_storage_classes(void *ctx)
{
    App *app = ctx;
    settle_later(app);
    if (link_is_accepted(app->link))
        link_send(app->link, &(SatelliteUp){.id = "",
                                            .kind = UP_STORAGE_CLASSES,
                                            .storage_classes = app->site->storage_classes});
    start_link_when_ready(app);
}

/* ---- from the link ---- */

static void on_link_open(void *ctx)
{
    send_hello(ctx);
}

static void on_link_accepted(void *ctx)
{
    App *app = ctx;
    site_suspend(app->site, false, "");
    events_restart(app->events);
    ops_restart(app->ops);
    reporter_all(app->reporter);
}

static void on_link_message(void *ctx, const SatelliteDown *m)
{
    dispatch(ctx, m);
}

static void on_link_drain(void *ctx)
{
    App *app = ctx;
    events_resume(app->events);
    podlogs_resume(app->podlogs);
}

static void on_link_down(void *ctx)
{
    App *app = ctx;
    podlogs_end_all(app->podlogs);
}

static void on_link_refused(void *ctx, const char *why)
{
    App *app = ctx;
    site_suspend(app->site, true, why);
    identity_doubted(app->identity);
}

static bool send_event(void *ctx, const EventReport *e)
{
    App *app = ctx;
    return link_is_accepted(app->link) &&
           link_send(app->link, &(SatelliteUp){.id = "", .kind = UP_EVENT, .event = *e}) == ERR_OK;
}

static bool send_operation(void *ctx, const SatelliteUp *m)
{
    App *app = ctx;
    return link_is_accepted(app->link) && link_send(app->link, m) == ERR_OK;
}

static void on_ops_loaded(void *ctx)
{
    App *app = ctx;
    app->ops_loaded = true;
    start_link_when_ready(app);
}

static void on_events_loaded(void *ctx)
{
    App *app = ctx;
    app->events_loaded = true;
    start_link_when_ready(app);
}

/* ---- start, part by part ---- */

/* Pods must know where we are: the address of our own Service. */
static void start_site(App *app, const char *addr)
{
    Error err;
    SiteSpec spec = {
        .loop = app->loop,
        .kube = app->kube,
        .cfg = app->cfg,
        .satellite_addr = addr,
        .satellite_ca_pem = identity_sidecar_ca(app->identity),
        .ev = {on_ack, on_event, on_health, on_config, on_storage_classes, app},
    };
    app->site = site_new(&spec);
    SidecarServerSpec ss = {.loop = app->loop,
                            .site = app->site,
                            .listen = app->cfg->sidecar_listen,
                            .ca_pem = identity_sidecar_ca(app->identity),
                            .ca_key_pem = identity_sidecar_ca_key(app->identity),
                            .advertised = addr,
                            .ns = app->cfg->ns};
    if (sidecars_start(&ss, &app->sidecars, &err)) {
        log_error("app", "sidecars cannot be served", "err=%s", log_quote(err.msg));
        loop_stop(app->loop); /* the port is ours: whoever restarts us, tries again */
        app->failed = true;
        return;
    }
    app->ops = ops_new(&(OpsSpec){.loop = app->loop,
                                  .kube = app->kube,
                                  .site = app->site,
                                  .sidecars = app->sidecars,
                                  .on_loaded = on_ops_loaded,
                                  .send = send_operation,
                                  .on_event = on_event,
                                  .ctx = app});
    app->reporter = reporter_start(&(ReporterSpec){.loop = app->loop,
                                                   .site = app->site,
                                                   .link = app->link,
                                                   .registry = sidecars_registry(app->sidecars)});
    log_info("app", "sidecars are served", "listen=%s advertised=%s",
             log_quote(app->cfg->sidecar_listen), log_quote(addr));
}

static void find_service(void *ctx);

static void on_service(void *ctx, const Error *err, const cJSON *obj)
{
    App *app = ctx;
    AUTO_ARENA a = arena_new();
    app->service_call = NULL;
    const char *ip = kube_str(obj, "spec.clusterIP");
    if (err && err->code != ERR_NOT_FOUND) {
        uint64_t ms = 500 + backoff_next(&app->backoff);
        log_warn("app", "our Service cannot be read", "err=%s again_ms=%llu", log_quote(err->msg),
                 (unsigned long long)ms);
        timer_stop(app->retry);
        app->retry = timer_start(app->loop, ms, 0, find_service, app);
        return;
    }
    if (str_empty(ip) || str_eq(ip, "None")) {
        start_site(app, arena_printf(a, SERVICE_NAME ".%s.svc:9091", app->cfg->ns));
        return;
    }
    start_site(app, arena_printf(a, strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip,
                                 (int)kube_int(obj, "spec.ports[0].port", 9091)));
}

static void find_service(void *ctx)
{
    App *app = ctx;
    app->service_call =
        kube_get(app->kube, &KUBE_SERVICE, app->cfg->ns, SERVICE_NAME, on_service, app);
}

static void on_identity_loaded(void *ctx)
{
    App *app = ctx;
    if (!str_empty(app->cfg->sidecar_addr))
        start_site(app, app->cfg->sidecar_addr);
    else
        find_service(app);
}

static void on_identity_approved(void *ctx)
{
    App *app = ctx;
    app->approved = true;
    start_link_when_ready(app);
}

static void on_signal(void *ctx, int signum)
{
    App *app = ctx;
    log_info("app", "stopping", "signal=%d", signum);
    loop_stop(app->loop);
}

ErrCode app_start(App *app, Loop *loop, SatConfig *cfg, Error *err)
{
    AUTO_ARENA a = arena_new();
    KubeConfig kc;
    *app = (App){.loop = loop, .cfg = cfg, .started_us = clock_wall_us()};
    app->backoff = (Backoff){.base_ms = 1000, .max_ms = 30000};
    if (kube_config_any(a, cfg->kubeconfig, &kc, err) || kube_new(loop, &kc, &app->kube, err))
        return err->code;
    if (str_empty(cfg->ns))
        cfg->ns = app->own_ns = xstrdup(str_or(kc.namespace_, "pgswarm-system"));
    app->sigterm = sigwatch_start(loop, SIGTERM, on_signal, app);
    app->sigint = sigwatch_start(loop, SIGINT, on_signal, app);
    app->identity = identity_start(
        loop, app->kube, cfg, &(IdentityEvents){on_identity_loaded, on_identity_approved, app});
    LinkEvents le = {on_link_open,
                     on_link_accepted,
                     on_link_message,
                     on_link_drain,
                     on_link_down,
                     on_link_refused,
                     app};
    app->link = link_new(loop, cfg, app->identity, &le);
    app->logstream = logstream_start(loop, app->link);
    app->podlogs = podlogs_new(app->kube, app->link);
    app->events = events_new(&(EventsSpec){.loop = loop,
                                           .kube = app->kube,
                                           .ns = cfg->ns,
                                           .on_loaded = on_events_loaded,
                                           .send = send_event,
                                           .on_kept = on_events_kept,
                                           .ctx = app});
    app->decisions =
        decisions_new(&(DecisionsSpec){.events = app->events, .ack = on_decision_kept, .ctx = app});
    return health_http_start(app, err);
}

void app_stop(App *app)
{
    logstream_free(app->logstream);
    app->logstream = NULL;
    http_server_free(app->http);
    podlogs_free(app->podlogs);
    link_free(app->link);
    reporter_free(app->reporter);
    ops_free(app->ops);
    sidecars_free(app->sidecars);
    site_free(app->site);
    decisions_free(app->decisions);
    app->decisions = NULL;
    events_free(app->events);
    identity_free(app->identity);
    timer_stop(app->retry);
    timer_stop(app->settle);
    sigwatch_stop(app->sigterm);
    sigwatch_stop(app->sigint);
    kube_cancel(app->service_call);
    kube_free(app->kube);
    free(app->own_ns);
}
