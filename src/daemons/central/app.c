#include "app.h"

#include "api/api.h"
#include "core/clock.h"
#include "core/ident.h"
#include "core/log.h"
#include "fleet/fleet.h"
#include "fleet/housekeeping.h"
#include "fleet/ingest.h"
#include "fleet/opclock.h"
#include "gitstore/gitstore.h"
#include "hub/hub.h"
#include "pg/migrate.h"
#include "svc/auth.h"
#include "svc/placement.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DRAIN_MS = 5000, FAREWELL_MS = 2000, POOL_SIZE = 6, WRITERS_SIZE = 4, RETRY_MS = 1000 };

extern const PgMigration migrations_central[];

/* One answer to wait for, at start. */
typedef struct Wait {
    bool done;
    Error err;
    int version;
    Ca *ca;
} Wait;

static void note(Wait *w, const Error *err)
{
    w->done = true;
    w->err = err ? *err : (Error){0};
}

/* ---- the database ---- */

static void migrated(void *ctx, const Error *err, const PgMigrateResult *r)
{
    Wait *w = ctx;
    if (r && r->applied)
        log_info("app", "database migrated", "from=%d to=%d", r->from, r->to);
    w->version = r ? r->to : 0;
    note(w, err);
}

static void slept(void *ctx)
{
    *(bool *)ctx = true;
}

static ErrCode migrate(App *app, uint64_t wait_ms, Error *err)
{
    uint64_t start = clock_mono_ms();
    for (;;) {
        Wait w = {0};
        bool woke = false;
        pg_migrate(app->loop, app->cfg->database_url, migrations_central, migrated, &w);
        loop_run_until(app->loop, &w.done, 0);
        if (!w.err.code) {
            app->schema_version = w.version;
            return ERR_OK;
        }
        if (w.err.code != ERR_UNAVAILABLE || (wait_ms && clock_mono_ms() - start > wait_ms))
            return err_copy(err, &w.err);
        log_warn("app", "waiting for the database", "err=%s", log_quote(w.err.msg));
        Timer *t = timer_start(app->loop, RETRY_MS, 0, slept, &woke);
        loop_run_until(app->loop, &woke, 0);
        timer_stop(t);
    }
}

static void open_pools(App *app)
{
    PgPoolConfig cfg = {.conninfo = app->cfg->database_url,
                        .size = POOL_SIZE,
                        .application_name = "pg-swarm-central"};
    app->pool = pg_pool_new(app->loop, &cfg);
    cfg.size = WRITERS_SIZE;
    cfg.application_name = "pg-swarm-central writers";
    cfg.queue_limit = 20000; /* every satellite may have an answer to store at once */
    app->writers = pg_pool_new(app->loop, &cfg);
}

static void ca_opened(void *ctx, const Error *err, Ca *ca)
{
    Wait *w = ctx;
    w->ca = ca;
    note(w, err);
}

/* A satellite is a descriptor, and programs are started with room for a thousand. */
static void raise_limits(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur == r.rlim_max)
        return;
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r))
        log_warn("app", "the limit of open files stays low", "limit=%llu",
                 (unsigned long long)r.rlim_cur);
}

ErrCode app_open(const Config *cfg, bool create_key, uint64_t wait_ms, App **ret, Error *err)
{
    App *app = xnew(App);
    Wait w = {0};
    app->cfg = cfg;
    raise_limits();
    app->loop = loop_new();
    app->started_at_us = clock_wall_us();
    uuid_new(app->central_id);
    gitstore_init();
    if (sealer_open(cfg->key_file, create_key, &app->sealer, err) || migrate(app, wait_ms, err)) {
        app_free(app);
        return err->code;
    }
    open_pools(app);
    ca_open(app->loop, app->pool, app->sealer, ca_opened, &w);
    loop_run_until(app->loop, &w.done, 0);
    app->ca = w.ca;
    if (w.err.code) {
        app_free(app);
        return err_copy(err, &w.err);
    }
    *ret = app;
    return ERR_OK;
}

/* ---- serving ---- */

static void query_noted(void *ctx, const Error *err, PgResult *r)
{
    (void)r;
    note(ctx, err);
}

/* Our row must be there before the first stream names it. */
static ErrCode announce(App *app, Error *err)
{
    Wait w = {0};
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    pg_query(app->pool, "INSERT INTO centrals (id, host, version) VALUES ($1, $2, $3)",
             PG_PARAMS(pg_text(app->central_id), pg_text(host), pg_text(PGSWARM_VERSION)),
             query_noted, &w);
    loop_run_until(app->loop, &w.done, 0);
    return w.err.code ? err_copy(err, &w.err) : ERR_OK;
}

static ErrCode listen_grpc(App *app, TlsCtx *tls, Error *err)
{
    GrpcServerConfig cfg = {
        .addr = app->cfg->grpc_addr, .tls = tls, .methods = fleet_methods(app->fleet, false)};
    if (grpc_server_start(app->loop, &cfg, &app->grpc, err))
        return err_wrap(err, "gRPC %s", cfg.addr);
    log_info("app", "listening for satellites", "port=%d tls=on", grpc_server_port(app->grpc));
    if (str_empty(app->cfg->grpc_plaintext_addr))
        return ERR_OK;
    cfg.addr = app->cfg->grpc_plaintext_addr;
    cfg.tls = NULL;
    cfg.methods = fleet_methods(app->fleet, true);
    if (grpc_server_start(app->loop, &cfg, &app->grpc_plain, err))
        return err_wrap(err, "gRPC %s", cfg.addr);
    log_info("app", "listening for satellites", "port=%d tls=off",
             grpc_server_port(app->grpc_plain));
    return ERR_OK;
}

static ErrCode listen_http(App *app, TlsCtx *tls, Error *err)
{
    HttpServerConfig cfg = {.addr = app->cfg->http_addr,
                            .tls = app->cfg->http_tls ? tls : NULL,
                            .handler = api_handler,
                            .body_limit_for = api_body_limit,
                            .ctx = app->api};
    if (http_server_start(app->loop, &cfg, &app->http, err))
        return err_wrap(err, "HTTP %s", cfg.addr);
    log_info("app", "listening for people", "port=%d tls=%s", http_server_port(app->http),
             app->cfg->http_tls ? "on" : "off");
    return ERR_OK;
}

ErrCode app_serve(App *app, Error *err)
{
    AUTO_ARENA a = arena_new();
    TlsCtx *http_tls, *grpc_tls;
    if (announce(app, err) ||
        ca_serve(app->ca, config_sans(a, app->cfg), &http_tls, &grpc_tls, err))
        return err->code;
    app->fan_out = placement_fan_out;
    app->changes = changes_new(app->loop, app->cfg->database_url);
    app->ingest = ingest_new(app);
    app->fan_out = placement_fan_out;
    app->fleet = fleet_new(app);
    app->housekeeping = housekeeping_new(app);
    app->opclock = opclock_new(app);
    app->hub = hub_new(app);
    app->api = api_new(app);
    if (listen_grpc(app, grpc_tls, err) || listen_http(app, http_tls, err))
        return err->code;
    log_info("app", "central is up", "version=%s schema=%d id=%s", PGSWARM_VERSION,
             app->schema_version, app->central_id);
    return ERR_OK;
}

/* ---- the end ---- */

static void said_farewell(void *ctx, const Error *err, PgResult *r)
{
    App *app = ctx;
    (void)err;
    (void)r;
    loop_stop(app->loop);
}

static void gave_up(void *ctx)
{
    loop_stop(((App *)ctx)->loop);
}

/* Our row goes, and with it the streams that were ours: nobody waits 30 s to see them gone. Streams
 * before satellites, as everywhere: the ends of streams are being stored at the same time. */
static void drained(void *ctx)
{
    App *app = ctx;
    timer_start(app->loop, FAREWELL_MS, 0, gave_up, app);
    pg_query(app->pool,
             "WITH gone AS (DELETE FROM streams WHERE central_id = $1 RETURNING satellite_id,"
             " seen_at), s AS (UPDATE satellites SET last_seen = greatest(last_seen, gone.seen_at)"
             " FROM gone WHERE gone.satellite_id = id)"
             " DELETE FROM centrals WHERE id = $1",
             PG_PARAMS(pg_text(app->central_id)), said_farewell, app);
}

static void on_signal(void *ctx, int signum)
{
    App *app = ctx;
    if (app->draining) {
        loop_stop(app->loop); /* asked twice */
        return;
    }
    app->draining = true;
    log_info("app", "draining", "signal=%d", signum);
    http_server_drain(app->http, DRAIN_MS, NULL, NULL);
    if (app->grpc_plain)
        grpc_server_drain(app->grpc_plain, DRAIN_MS, NULL, NULL);
    grpc_server_drain(app->grpc, DRAIN_MS, drained, app);
}

void app_run(App *app)
{
    app->signals[0] = sigwatch_start(app->loop, SIGTERM, on_signal, app);
    app->signals[1] = sigwatch_start(app->loop, SIGINT, on_signal, app);
    loop_run(app->loop);
    log_info("app", "central ends", "draining=%s", app->draining ? "yes" : "no");
}

/* Servers first (every call ends), then the database (every query ends), then those who waited for
 * either. */
void app_free(App *app)
{
    if (!app)
        return;
    sigwatch_stop(app->signals[0]);
    sigwatch_stop(app->signals[1]);
    http_server_free(app->http);
    grpc_server_free(app->grpc);
    grpc_server_free(app->grpc_plain);
    changes_free(app->changes);
    pg_pool_free(app->writers);
    pg_pool_free(app->pool);
    api_free(app->api);
    hub_free(app->hub);
    fleet_free(app->fleet);
    housekeeping_free(app->housekeeping);
    opclock_free(app->opclock);
    ingest_free(app->ingest);
    auth_free();
    ca_free(app->ca);
    sealer_free(app->sealer);
    loop_free(app->loop);
    gitstore_done();
    free(app);
}
