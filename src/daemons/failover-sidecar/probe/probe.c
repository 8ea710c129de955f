#include "probe/probe.h"

#include "core/clock.h"
#include "probe/heavy.h"
#include "probe/sql.h"
#include <stdio.h>
#include <stdlib.h>

enum { HEAVY_MS = 30 * 1000, EAGER_MS = 200, PATIENCE_MS = 10 * 1000 };

struct Probe {
    ProbeConfig cfg;
    Timer *timer, *patience;
    char *sql;
    Arena *arena; /* texts of `health` */
    InstanceHealth health;
    bool has_health, answered, in_recovery, read_only, under_way, again, closing;
    uint64_t heavy_at;
    Error err;
    Heavy heavy;
};

static void start_query(Probe *p);

static void rearm(Probe *p)
{
    /* Eager until the first answer: a start is over when PostgreSQL says so, not an interval
     * later. */
    uint64_t wait = p->again ? 0 : p->answered ? p->cfg.interval_ms : EAGER_MS;
    p->again = false;
    timer_again(p->timer, wait);
}

static void take(Probe *p, const PgResult *r)
{
    arena_reset(p->arena);
    p->health = (InstanceHealth){
        .lsn = arena_strdup(p->arena, pg_get(r, 0, COL_LSN)),
        .received_lsn = arena_strdup(p->arena, pg_get(r, 0, COL_RECEIVED)),
        .system_identifier = arena_strdup(p->arena, pg_get(r, 0, COL_SYSTEM_ID)),
        .lag_bytes = pg_get_int(r, 0, COL_LAG_BYTES),
        .lag_seconds = pg_get_f64(r, 0, COL_LAG_SECONDS),
        .wal_receiver_active = pg_get_bool(r, 0, COL_RECEIVER),
        .connections_used = (uint32_t)pg_get_int(r, 0, COL_CONN_USED),
        .connections_active = (uint32_t)pg_get_int(r, 0, COL_CONN_ACTIVE),
        .connections_max = (uint32_t)pg_get_int(r, 0, COL_CONN_MAX),
        .started_at_us = pg_get_int(r, 0, COL_STARTED_US),
        .timeline_id = (uint32_t)pg_get_int(r, 0, COL_TIMELINE),
        .streaming_replicas = (uint32_t)pg_get_int(r, 0, COL_STREAMING),
        .transactions = pg_get_int(r, 0, COL_TRANSACTIONS),
        .commit_ratio = pg_get_f64(r, 0, COL_COMMIT_RATIO),
        .wal_records = pg_get_int(r, 0, COL_WAL_RECORDS),
        .wal_bytes = pg_get_int(r, 0, COL_WAL_BYTES),
        .wal_buffers_full = pg_get_int(r, 0, COL_WAL_BUFFERS_FULL),
        .error = "",
    };
    heavy_fill(&p->heavy, &p->health);
    p->in_recovery = pg_get_bool(r, 0, COL_IN_RECOVERY);
    p->read_only = pg_get_bool(r, 0, COL_READ_ONLY);
    p->has_health = true;
}

static void on_light(void *ctx, const Error *err, PgResult *r)
{
    Probe *p = ctx;
    if (p->closing)
        return;
    p->under_way = false;
    timer_again(p->patience, UINT32_MAX);
    p->answered = !err && pg_rows(r) == 1;
    if (p->answered) {
        take(p, r);
        if (clock_mono_ms() >= p->heavy_at) {
            p->heavy_at = clock_mono_ms() + HEAVY_MS;
            heavy_round(&p->heavy);
        }
    } else {
        err_set(&p->err, err ? err->code : ERR_INTERNAL, "%s",
                err ? err->msg : "the probe's query gave no row");
    }
    rearm(p);
    p->cfg.on_result(p->cfg.ctx);
}

static void on_no_answer(void *ctx)
{
    Probe *p = ctx;
    if (!p->under_way || !p->answered)
        return;
    p->answered = false;
    err_set(&p->err, ERR_TIMEOUT, "PostgreSQL did not answer within %d s", PATIENCE_MS / 1000);
    p->cfg.on_result(p->cfg.ctx);
}

static void start_query(Probe *p)
{
    p->under_way = true;
    timer_again(p->patience, PATIENCE_MS);
    pg_query(p->cfg.pool, p->sql, PG_NO_PARAMS, on_light, p);
}

static void on_timer(void *ctx)
{
    Probe *p = ctx;
    if (!p->under_way)
        start_query(p);
}

/* The old round's arena is reused by the next one, so nothing may point into it any more. */
static void on_heavy(void *ctx)
{
    Probe *p = ctx;
    if (p->closing)
        return;
    heavy_fill(&p->heavy, &p->health);
    p->cfg.on_result(p->cfg.ctx);
}

Probe *probe_new(const ProbeConfig *cfg)
{
    Probe *p = xnew(Probe);
    p->cfg = *cfg;
    p->arena = arena_new_sized(512);
    p->heavy = (Heavy){.pool = cfg->pool, .on_whole = on_heavy, .ctx = p};
    p->sql =
        xasprintf("%s%s) s", SQL_LIGHT_HEAD, cfg->pg_major >= 14 ? SQL_WAL_STAT : SQL_NO_WAL_STAT);
    p->patience = timer_start(cfg->loop, UINT32_MAX, 0, on_no_answer, p);
    p->timer = timer_start(cfg->loop, 0, 0, on_timer, p);
    return p;
}

void probe_free(Probe *p)
{
    if (!p)
        return;
    p->closing = true;
    pg_pool_free(p->cfg.pool); /* what is under way ends here, cancelled */
    timer_stop(p->timer);
    timer_stop(p->patience);
    heavy_done(&p->heavy);
    arena_free(p->arena);
    free(p->sql);
    free(p);
}

const InstanceHealth *probe_health(const Probe *p)
{
    return p && p->has_health ? &p->health : NULL;
}

bool probe_answered(const Probe *p)
{
    return p && p->answered;
}

const char *probe_error(const Probe *p)
{
    return p->answered ? "" : p->err.code ? p->err.msg : "PostgreSQL was not asked yet";
}

bool probe_in_recovery(const Probe *p)
{
    return p->in_recovery;
}

bool probe_read_only(const Probe *p)
{
    return p->read_only;
}

void probe_now(Probe *p)
{
    if (!p)
        return;
    p->again = p->under_way;
    if (!p->under_way)
        timer_again(p->timer, 0);
}
