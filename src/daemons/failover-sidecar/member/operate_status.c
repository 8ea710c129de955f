/* How a member stands, as the answer to every order. */
#include "member/operate_priv.h"
#include "model/lsn.h"
#include <stdlib.h>

enum { ANSWER_MS = 1500 };

/* Columns of the query. */
enum {
    Q_RECOVERY,
    Q_LSN,
    Q_RECEIVED,
    Q_TIMELINE,
    Q_STREAMS,
    Q_SESSIONS,
    Q_STARTED,
    Q_SYNC,
    Q_FOLLOWERS
};

static const char SQL_STATUS[] =
    "SELECT r, CASE WHEN r THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, "
    "CASE WHEN r THEN pg_last_wal_receive_lsn() END, "
    "CASE WHEN r THEN (SELECT received_tli FROM pg_stat_wal_receiver)::int8 ELSE "
    "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int8 END, "
    "EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'), "
    "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
    "AND client_addr IS NOT NULL AND usename IS DISTINCT FROM 'repl_user'), "
    "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8, "
    "current_setting('synchronous_standby_names'), "
    "(SELECT string_agg(concat_ws(' ', application_name, state, sync_state, "
    "coalesce(flush_lsn, '0/0'), coalesce(replay_lsn, '0/0')), E'\\n') FROM pg_stat_replication "
    "WHERE application_name ~ '^[a-z0-9.-]+$') "
    "FROM pg_is_in_recovery() r";

typedef struct Ask {
    Operate *o;
    Timer *timer;
    StatusDone done;
    void *ctx;
    bool asked, told; /* a query is out; the answer was given without it */
} Ask;

/* "db-1.e7" -> "db-1" */
static const char *pod_of(Arena *a, StrView name)
{
    const char *dot = memrchr(name.p, '.', name.n);
    return sv_dup(a, dot ? sv_n(name.p, (size_t)(dot - name.p)) : name);
}

static ObjList followers(Arena *a, const char *text)
{
    StrView rest = sv(text);
    Follower *at = arena_array(a, Follower, 64);
    size_t n = 0;
    while (rest.n && n < 64) {
        StrView line = sv_cut(&rest, '\n');
        const char *pod = pod_of(a, sv_cut(&line, ' '));
        const char *state = sv_dup(a, sv_cut(&line, ' '));
        const char *sync = sv_dup(a, sv_cut(&line, ' '));
        const char *flushed = sv_dup(a, sv_cut(&line, ' '));
        at[n++] = (Follower){pod, state, sync, flushed, sv_dup(a, line)};
    }
    return (ObjList){at, n};
}

/* What is known without PostgreSQL. */
static CommandResult base_of(Operate *o, Arena *a)
{
    Member *m = o->m;
    const LpMsg *s = launcher_state(m->launcher);
    const LeaseInfo *l = lease_info(m->lease);
    char lsn[LSN_TEXT_MAX] = "";
    CommandResult r = {.success = true,
                       .error = "",
                       .code = "",
                       .pod = m->mc.cfg->pod,
                       .durability = m->mc.cfg->durability,
                       .state = member_state_name(m->decision.state),
                       .output = arena_printf(a, "%s%s%s", member_state_name(m->decision.state),
                                              *member_why(m) ? ": " : "", member_why(m)),
                       .is_fenced = *o->fence,
                       .fence_operation = arena_strdup(a, o->fence),
                       .epoch = member_epoch(m),
                       .lsn = "",
                       .received_lsn = "",
                       .upstream = "",
                       .sync_names = "",
                       .system_identifier = ""};
    if (lease_known(m->lease)) {
        r.lease_holder = l->exists ? l->holder : "";
        r.lease_epoch = l->epoch;
        r.handover_operation = l->handover.is ? l->handover.operation : "";
        r.paused = l->paused.is;
    }
    if (!s)
        return r;
    r.in_recovery = s->num[LPF_PG] == LP_PG_UP && s->num[LPF_ROLE] == LP_ROLE_STANDBY;
    /* A standby's control file is behind: only its receiver knows the line it is on. */
    if (!r.in_recovery)
        r.timeline_id = (uint32_t)s->num[LPF_TIMELINE];
    r.system_identifier = arena_printf(a, "%llu", (unsigned long long)s->num[LPF_SYSTEM_ID]);
    if (r.in_recovery)
        r.upstream = str_or(s->text[LPF_LEADER], "");
    if (s->num[LPF_PG] == LP_PG_DOWN) {
        r.clean = s->num[LPF_DB_STATE] == LP_DB_SHUTDOWNED;
        r.timeline_id = (uint32_t)s->num[LPF_CKPT_TIMELINE];
        r.lsn = arena_strdup(a, lsn_text(lsn, s->num[LPF_CKPT_LSN]));
    }
    return r;
}

static void tell(Ask *q, const PgResult *r)
{
    AUTO_ARENA a = arena_new_sized(2048);
    CommandResult c = base_of(q->o, a);
    q->told = true;
    timer_stop(q->timer);
    q->timer = NULL;
    if (r) {
        c.running = true;
        c.in_recovery = pg_get_bool(r, 0, Q_RECOVERY);
        c.lsn = pg_get(r, 0, Q_LSN);
        c.received_lsn = pg_get(r, 0, Q_RECEIVED);
        if (pg_get_int(r, 0, Q_TIMELINE) > 0)
            c.timeline_id = (uint32_t)pg_get_int(r, 0, Q_TIMELINE);
        c.streaming = pg_get_bool(r, 0, Q_STREAMS);
        c.sessions = (uint32_t)pg_get_int(r, 0, Q_SESSIONS);
        c.started_at_us = pg_get_int(r, 0, Q_STARTED);
        c.sync_names = pg_get(r, 0, Q_SYNC);
        c.followers = followers(a, pg_get(r, 0, Q_FOLLOWERS));
    }
    q->done(q->ctx, &c);
    if (!q->asked)
        free(q);
}

static void on_answer(void *ctx, const Error *err, PgResult *r)
{
    Ask *q = ctx;
    q->asked = false;
    if (q->told)
        free(q);
    else
        tell(q, err ? NULL : r);
}

static void on_patience(void *ctx)
{
    tell(ctx, NULL);
}

void operate_status(Operate *o, StatusDone done, void *ctx)
{
    Ask *q = xnew(Ask);
    *q = (Ask){.o = o, .done = done, .ctx = ctx};
    bool up = o->pool && pg_pool_up(o->pool);
    q->timer = timer_start(o->m->mc.loop, up ? ANSWER_MS : 0, 0, on_patience, q);
    if (up) {
        q->asked = true;
        pg_query(o->pool, SQL_STATUS, PG_NO_PARAMS, on_answer, q);
    }
}

/* ---- a checkpoint ---- */

enum { CHECKPOINT_MS = 600 * 1000 };

typedef struct Checkpoint {
    PgPool *pool;
    Timer *timer;
    OperateDone done;
    void *ctx;
    Error err;
} Checkpoint;

/* A pool is not freed from inside of its own callback. */
static void on_checkpoint_end(void *ctx)
{
    Checkpoint *c = ctx;
    timer_stop(c->timer);
    pg_pool_free(c->pool);
    c->done(c->ctx, c->err.code ? &c->err : NULL);
    free(c);
}

static void on_checkpoint(void *ctx, const Error *err, PgResult *r)
{
    Checkpoint *c = ctx;
    (void)r;
    if (err)
        c->err = *err;
    timer_again(c->timer, 0);
}

void operate_checkpoint(Operate *o, OperateDone done, void *ctx)
{
    Member *m = o->m;
    AUTO_ARENA a = arena_new_sized(1024);
    const char *conninfo;
    Checkpoint *c = xnew(Checkpoint);
    *c = (Checkpoint){.done = done, .ctx = ctx};
    c->timer = timer_start(m->mc.loop, 0, 0, on_checkpoint_end, c);
    if (!o->pool) {
        err_set(&c->err, ERR_UNAVAILABLE, "PostgreSQL is not running");
        return;
    }
    if (instance_conninfo(a, m->mc.cfg, &conninfo, &c->err))
        return;
    timer_again(c->timer, UINT32_MAX);
    c->pool = pg_pool_new(m->mc.loop, &(PgPoolConfig){.conninfo = conninfo,
                                                      .size = 1,
                                                      .statement_timeout_ms = CHECKPOINT_MS,
                                                      .application_name = "pg-swarm"});
    pg_query(c->pool, "CHECKPOINT", PG_NO_PARAMS, on_checkpoint, c);
}
