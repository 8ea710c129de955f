#include "member/instance.h"

#include "core/log.h"
#include "dbadmin/bootstrap.h"
#include <stdlib.h>

enum { BOOTSTRAP_RETRY_MS = 1000, STATEMENT_MS = 60 * 1000 };

/* Lives until the preparation was answered, which may be after the instance's end. */
typedef struct Preparing {
    Instance *of; /* NULL: it is gone */
} Preparing;

struct Instance {
    InstanceConfig ic;
    PgPool *pool;
    Probe *probe;
    PositionPoll *position;
    Timer *retry;
    Preparing *preparing;
    bool bootstrapped;
};

static void run_bootstrap(void *ctx);

static void prepared(Instance *i, const Error *err)
{
    i->bootstrapped = !err;
    if (err) {
        log_warn("instance", "the primary could not be prepared; again soon", "err=%s",
                 log_quote(err->msg));
        timer_again(i->retry, BOOTSTRAP_RETRY_MS);
        return;
    }
    log_info("instance", "the primary is prepared", "slots=%u", i->ic.cfg->replicas - 1);
    i->ic.on_change(i->ic.ctx);
}

static void on_bootstrap(void *ctx, const Error *err)
{
    Preparing *p = ctx;
    Instance *i = p->of;
    free(p);
    if (!i)
        return;
    i->preparing = NULL;
    prepared(i, err);
}

static void run_bootstrap(void *ctx)
{
    Instance *i = ctx;
    AUTO_ARENA a = arena_new_sized(512);
    Error err = {0};
    BootstrapSpec spec = {.replicas = i->ic.cfg->replicas, .ordinal = i->ic.cfg->ordinal};
    if (config_secret(a, i->ic.cfg, "replication-password", &spec.replication_password, &err)) {
        prepared(i, &err);
        return;
    }
    i->preparing = xnew(Preparing);
    i->preparing->of = i;
    bootstrap_run(i->pool, &spec, on_bootstrap, i->preparing);
}

static void on_probe(void *ctx)
{
    Instance *i = ctx;
    if (i->ic.primary && !i->bootstrapped && !i->preparing && probe_answered(i->probe) &&
        !probe_in_recovery(i->probe))
        run_bootstrap(i);
    i->ic.on_change(i->ic.ctx);
}

ErrCode instance_conninfo(Arena *a, const Config *cfg, const char **ret, Error *err)
{
    const char *password;
    if (config_secret(a, cfg, "superuser-password", &password, err))
        return err->code;
    const char *port = arena_printf(a, "%u", cfg->pg_port);
    *ret =
        pg_conninfo(a, (const char *const[]){"host", cfg->run_dir, "port", port, "user", "postgres",
                                             "password", password, "dbname", "postgres", NULL});
    return ERR_OK;
}

ErrCode instance_new(const InstanceConfig *ic, Instance **ret, Error *err)
{
    AUTO_ARENA a = arena_new_sized(1024);
    const char *conninfo;
    if (instance_conninfo(a, ic->cfg, &conninfo, err))
        return err->code;
    Instance *i = xnew(Instance);
    i->ic = *ic;
    i->pool = pg_pool_new(
        ic->loop,
        &(PgPoolConfig){.conninfo = conninfo,
                        .size = 2, /* a checkpoint or a slow look at the tables holds one */
                        .queue_limit = 16,
                        .statement_timeout_ms = STATEMENT_MS,
                        .application_name = "pg-swarm"});
    i->retry = timer_start(ic->loop, UINT32_MAX, 0, run_bootstrap, i);
    i->probe = probe_new(&(ProbeConfig){.loop = ic->loop,
                                        .pool = i->pool,
                                        .interval_ms = ic->cfg->health_seconds * 1000,
                                        .pg_major = ic->pg_major,
                                        .on_result = on_probe,
                                        .ctx = i});
    i->position = position_poll_new(ic->loop, i->pool, ic->on_change, ic->ctx);
    *ret = i;
    return ERR_OK;
}

void instance_free(Instance *i)
{
    if (!i)
        return;
    if (i->preparing)
        i->preparing->of = NULL;
    timer_stop(i->retry);
    position_poll_close(i->position);
    probe_free(i->probe); /* frees the pool as well */
    position_poll_free(i->position);
    free(i);
}

const Probe *instance_probe(const Instance *i)
{
    return i ? i->probe : NULL;
}

void instance_probe_now(Instance *i)
{
    if (i)
        probe_now(i->probe);
}

PgPool *instance_pool(const Instance *i)
{
    return i ? i->pool : NULL;
}

bool instance_bootstrapped(const Instance *i)
{
    return i && i->bootstrapped;
}

void instance_promoted(Instance *i)
{
    i->ic.primary = true;
    probe_now(i->probe);
}

bool instance_open(const Instance *i)
{
    return i && i->ic.primary && probe_answered(i->probe) && !probe_in_recovery(i->probe) &&
           (i->bootstrapped || i->ic.established);
}

bool instance_rogue(const Instance *i)
{
    return i && !i->ic.primary && probe_answered(i->probe) && !probe_in_recovery(i->probe);
}

bool instance_answered(const Instance *i)
{
    return i && probe_health(i->probe);
}

PositionPoll *instance_position(const Instance *i)
{
    return i ? i->position : NULL;
}

static const char *not_serving(const Instance *i)
{
    if (!i)
        return "PostgreSQL is not running";
    if (!probe_answered(i->probe))
        return probe_error(i->probe);
    if (i->ic.primary && probe_in_recovery(i->probe))
        return "PostgreSQL is still in recovery";
    if (i->ic.primary && probe_read_only(i->probe))
        return "default_transaction_read_only is on";
    if (i->ic.primary && !instance_open(i))
        return "the primary is not prepared yet";
    return NULL;
}

bool instance_serves(const Instance *i)
{
    return !not_serving(i);
}

bool instance_ready(const Instance *i, const char **ret_why)
{
    *ret_why = not_serving(i);
    if (!*ret_why && !i->ic.primary && !probe_health(i->probe)->wal_receiver_active)
        *ret_why = "the standby does not stream";
    return !*ret_why;
}
