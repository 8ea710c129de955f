#include "rejoin/ask.h"

#include "model/lsn.h"
#include <stdlib.h>

enum { STATEMENT_MS = 5000, POOL_QUEUE = 4 };

/* As repl_user, who may call these functions for pg_rewind anyway. */
static const char SQL_LEADER[] =
    "WITH t AS (SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE "
    "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS tli) "
    "SELECT pg_is_in_recovery(), (SELECT system_identifier::text FROM pg_control_system()), "
    "(SELECT timeline_id FROM pg_control_checkpoint()), ('x' || t.tli)::bit(32)::int8, "
    "coalesce(nullif(current_setting('pgswarm.promoted_epoch', true), ''), '0'), "
    "convert_from(pg_read_binary_file('pg_wal/' || t.tli || '.history', 0, 262144, true), "
    "'UTF8'), "
    "(SELECT min(substr(f, 9)) FROM pg_ls_dir('pg_wal', true, false) f "
    "WHERE f ~ '^[0-9A-F]{24}$'), "
    "(SELECT setting::int8 FROM pg_settings WHERE name = 'wal_segment_size') FROM t";

enum {
    COL_RECOVERY,
    COL_SYSTEM_ID,
    COL_CONTROL_TIMELINE,
    COL_TIMELINE,
    COL_PROMOTED,
    COL_HISTORY,
    COL_OLDEST,
    COL_SEGMENT
};

/* The startup process waits for WAL exactly when it has replayed all there is. */
const char SQL_LOCAL_POSITION[] =
    "SELECT pg_is_in_recovery(), coalesce(pg_last_wal_receive_lsn(), '0/0'), "
    "coalesce(pg_last_wal_replay_lsn(), '0/0'), "
    "EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming') OR EXISTS (SELECT FROM "
    "pg_stat_activity WHERE backend_type = 'startup' AND wait_event IN ('RecoveryWalStream', "
    "'RecoveryRetrieveRetryInterval', 'RecoveryWalAll'))";

struct LeaderAsk {
    Loop *loop;
    PgPool *pool;
    Timer *end;
    LeaderAnswer done;
    void *ctx;
    RejoinLeader leader;
    Error err;
    bool cancelled;
};

static void finish(void *ctx)
{
    LeaderAsk *a = ctx;
    pg_pool_free(a->pool); /* what is still asked ends here */
    timer_stop(a->end);
    if (!a->cancelled)
        a->done(a->ctx, a->err.code ? &a->err : NULL, &a->leader);
    free(a);
}

static uint64_t oldest_wal(const PgResult *r)
{
    AUTO_ARENA arena = arena_new_sized(256);
    WalName name;
    uint64_t segment = (uint64_t)pg_get_int(r, 0, COL_SEGMENT);
    const char *file = arena_printf(arena, "00000001%s", pg_get(r, 0, COL_OLDEST));
    return segment && segment <= UINT32_MAX && wal_name_parse(file, (uint32_t)segment, &name)
               ? name.segno * segment
               : 0;
}

static ErrCode read_leader(const PgResult *r, RejoinLeader *ret, Error *err)
{
    if (pg_rows(r) != 1)
        return err_set(err, ERR_INTERNAL, "the leader answered %d rows", pg_rows(r));
    RejoinLeader p = {.reached = true, .in_recovery = pg_get_bool(r, 0, COL_RECOVERY)};
    if (!str_to_u64(pg_get(r, 0, COL_SYSTEM_ID), &p.system_id) ||
        !str_to_u64(pg_get(r, 0, COL_PROMOTED), &p.promoted_epoch))
        return err_set(err, ERR_INTERNAL, "the leader's system identifier cannot be read");
    p.timeline = (uint32_t)pg_get_int(r, 0, COL_TIMELINE);
    p.control_timeline = (uint32_t)pg_get_int(r, 0, COL_CONTROL_TIMELINE);
    p.oldest_wal = oldest_wal(r);
    if (!timeline_history_parse(pg_get(r, 0, COL_HISTORY), &p.history) ||
        (p.timeline > 1 && !p.history.n))
        return err_set(err, ERR_DATA_LOSS, "the history of the leader's timeline %u cannot be read",
                       p.timeline);
    *ret = p;
    return ERR_OK;
}

/* The pool must not end from inside of its own callback. */
static void on_answer(void *ctx, const Error *err, PgResult *r)
{
    LeaderAsk *a = ctx;
    if (err)
        a->err = *err;
    else
        a->err.code = read_leader(r, &a->leader, &a->err);
    timer_again(a->end, 0);
}

LeaderAsk *leader_ask(Loop *l, const LeaderAddr *at, LeaderAnswer done, void *ctx)
{
    AUTO_ARENA arena = arena_new_sized(512);
    LeaderAsk *a = xnew(LeaderAsk);
    a->loop = l;
    a->done = done;
    a->ctx = ctx;
    a->end = timer_start(l, UINT32_MAX, 0, finish, a);
    const char *pairs[] = {"host",
                           at->host,
                           "port",
                           arena_printf(arena, "%u", at->port),
                           "user",
                           at->user,
                           "password",
                           at->password,
                           "dbname",
                           "postgres",
                           "connect_timeout",
                           "3",
                           "target_session_attrs",
                           "any",
                           NULL};
    a->pool = pg_pool_new(l, &(PgPoolConfig){.conninfo = pg_conninfo(arena, pairs),
                                             .size = 1,
                                             .queue_limit = POOL_QUEUE,
                                             .statement_timeout_ms = STATEMENT_MS,
                                             .application_name = "pg-swarm-rejoin"});
    pg_query(a->pool, SQL_LEADER, PG_NO_PARAMS, on_answer, a);
    return a;
}

void leader_ask_cancel(LeaderAsk *a)
{
    if (!a)
        return;
    a->cancelled = true;
    timer_again(a->end, 0);
}

LocalPosition local_position(const PgResult *r)
{
    LocalPosition p = {.in_recovery = pg_get_bool(r, 0, 0), .at_the_end = pg_get_bool(r, 0, 3)};
    uint64_t received = 0, replayed = 0;
    lsn_parse(pg_get(r, 0, 1), &received);
    lsn_parse(pg_get(r, 0, 2), &replayed);
    p.end_lsn = received > replayed ? received : replayed;
    return p;
}
