#include "election/position.h"

#include "core/clock.h"
#include "core/log.h"
#include "model/lsn.h"
#include <stdlib.h>

enum {
    COL_RECOVERY,
    COL_RECEIVED,
    COL_REPLAYED,
    COL_RECEIVER,
    COL_UPSTREAM,
    COL_IDLE,
    COL_TIMELINE
};

/* The control file's timeline is that of the last restartpoint, so the newest one that the current
 * segment exists on counts as well. A standby without a receiver that sleeps between two looks into
 * pg_wal has replayed all that is there. */
static const char SQL_POSITION[] =
    "WITH l AS (SELECT pg_last_wal_receive_lsn() AS rcv, pg_last_wal_replay_lsn() AS rpl, "
    "pg_size_bytes(current_setting('wal_segment_size')) AS size), "
    "g AS (SELECT greatest(coalesce(rcv, rpl), rpl) AS lsn, size FROM l), "
    "s AS (SELECT trunc(greatest((lsn - '0/0'::pg_lsn) - 1, 0) / size)::int8 AS no, "
    "4294967296 / size AS per FROM g) "
    "SELECT pg_is_in_recovery(), l.rcv, l.rpl, EXISTS (SELECT FROM pg_stat_wal_receiver), "
    "current_setting('primary_conninfo') <> '', "
    "EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'startup' "
    "AND wait_event = 'RecoveryRetrieveRetryInterval'), "
    "greatest((SELECT timeline_id FROM pg_control_checkpoint()), "
    "(SELECT min_recovery_end_timeline FROM pg_control_recovery()), "
    "(SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM s, pg_ls_waldir() "
    "WHERE name ~ '^[0-9A-F]{24}$' AND substr(name, 9) = "
    "upper(lpad(to_hex(no / per), 8, '0') || lpad(to_hex(no % per), 8, '0')))) FROM l";

struct PositionPoll {
    void (*on_answer)(void *ctx);
    void *ctx;
    PgPool *pool;
    Timer *timer;
    unsigned every_ms;
    bool under_way, closing;
    uint64_t asked_at;
    PositionSeen seen;
};

static void take(PositionPoll *p, const PgResult *r)
{
    PositionSeen s = {.asked_at = p->asked_at};
    bool has_received = lsn_parse(pg_get(r, 0, COL_RECEIVED), &s.received) && s.received;
    if (!lsn_parse(pg_get(r, 0, COL_REPLAYED), &s.replayed))
        s.replayed = 0;
    if (s.received < s.replayed)
        s.received = s.replayed;
    s.in_recovery = pg_get_bool(r, 0, COL_RECOVERY);
    s.receiver = pg_get_bool(r, 0, COL_RECEIVER);
    s.upstream = pg_get_bool(r, 0, COL_UPSTREAM);
    s.timeline = (uint32_t)pg_get_int(r, 0, COL_TIMELINE);
    /* Before it sleeps, a standby that was just started may still have WAL to read; one that has
     * streamed knows how far it got. */
    s.whole = has_received || pg_get_bool(r, 0, COL_IDLE);
    p->seen = s;
}

static void on_row(void *ctx, const Error *err, PgResult *r)
{
    PositionPoll *p = ctx;
    if (p->closing)
        return;
    p->under_way = false;
    if (!err && pg_rows(r) == 1)
        take(p, r);
    else
        log_debug("position", "no answer", "err=%s", log_quote(err ? err->msg : "no row"));
    timer_again(p->timer, p->every_ms ? p->every_ms : UINT32_MAX);
    p->on_answer(p->ctx);
}

static void ask(void *ctx)
{
    PositionPoll *p = ctx;
    if (p->under_way)
        return;
    p->under_way = true;
    p->asked_at = clock_boot_ms();
    pg_query(p->pool, SQL_POSITION, PG_NO_PARAMS, on_row, p);
}

PositionPoll *position_poll_new(Loop *l, PgPool *pool, void (*on_answer)(void *ctx), void *ctx)
{
    PositionPoll *p = xnew(PositionPoll);
    p->pool = pool;
    p->on_answer = on_answer;
    p->ctx = ctx;
    p->timer = timer_start(l, UINT32_MAX, 0, ask, p);
    return p;
}

void position_poll_close(PositionPoll *p)
{
    p->closing = true;
    timer_stop(p->timer);
}

void position_poll_free(PositionPoll *p)
{
    free(p);
}

void position_poll(PositionPoll *p, unsigned every_ms)
{
    if (every_ms == p->every_ms)
        return;
    p->every_ms = every_ms;
    timer_again(p->timer, every_ms ? 0 : UINT32_MAX);
}

const PositionSeen *position_seen(const PositionPoll *p)
{
    return &p->seen;
}
