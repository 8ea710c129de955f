/* The fence: who is in leaves, and nobody new comes in. */
#include "core/log.h"
#include "member/operate_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* Sessions of clients. Those over the unix socket are our own, or of somebody inside the pod; the
 * replication user only ever replicates. */
#define CLIENTS                                                                             \
    " FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND client_addr IS NOT NULL AND " \
    "backend_type IN ('client backend', 'walsender') AND usename IS DISTINCT FROM 'repl_user'"
static const char SQL_COUNT[] = "SELECT count(*)" CLIENTS;
/* $1: how gently. A session that is ended while its commit waits for a standby gets a warning
 * instead of its answer, and nobody knows then whether the row will be there; so those come last.
 */
static const char SQL_SWEEP[] =
    "SELECT count(*), count(CASE WHEN state IS DISTINCT FROM 'active' OR $1 = 2 OR ($1 = 1 AND "
    "wait_event IS DISTINCT FROM 'SyncRep') THEN pg_terminate_backend(pid) END)" CLIENTS;
enum { ONLY_IDLE, NOT_COMMITTING, EVERYBODY };
enum { IDLE_FIRST_MS = 45, COMMITS_LAST_MS = 200 };

enum { F_FENCE, F_ASKED, F_DRAIN, F_SWEEP, F_CUT, F_STOPPED };

static void on_count(void *ctx, const Error *err, PgResult *r)
{
    Operate *o = ctx;
    Job *j = &o->job;
    int64_t n = err ? 0 : pg_get_int(r, 0, 0);
    if (err) {
        /* It went down under us: then there is no session either. */
        job_answered(o, err->code == ERR_UNAVAILABLE ? NULL : err);
        return;
    }
    if (j->phase == F_DRAIN) {
        if (n == 0 || clock_boot_ms() >= j->mark)
            j->phase = F_SWEEP;
    } else {
        /* Twice nobody: whoever was let in before the new rules is seen by then. */
        j->quiet = n ? 0 : j->quiet + 1;
        if (j->quiet >= 2)
            j->phase = F_CUT;
    }
    j->waiting = false;
    timer_again(o->poll, j->phase == F_CUT ? 0 : SWEEP_MS);
}

static JobStep count(Operate *o, Job *j)
{
    j->waiting = true;
    pg_query(o->pool, SQL_COUNT, PG_NO_PARAMS, on_count, o);
    return JOB_WAITS;
}

static JobStep sweep(Operate *o, Job *j)
{
    uint64_t now = clock_boot_ms();
    if (!j->swept)
        j->swept = now;
    int64_t how = now < j->swept + IDLE_FIRST_MS     ? ONLY_IDLE
                  : now < j->swept + COMMITS_LAST_MS ? NOT_COMMITTING
                                                     : EVERYBODY;
    j->waiting = true;
    pg_query(o->pool, SQL_SWEEP, PG_PARAMS(pg_int(how)), on_count, o);
    return JOB_WAITS;
}

static void note_fenced(Operate *o, const Job *j)
{
    AUTO_ARENA a = arena_new_sized(512);
    const char *by = str_or(j->order.requested_by, "");
    const char *saw = arena_printf(a, "operation %s%s%s asks for it", j->order.operation_id,
                                   *by ? " of " : "", by);
    const char *why = j->order.hold_seconds
                          ? "until the operation has ended, or nothing more is heard of it"
                          : "until somebody says unfence";
    decision_note(o->m->record, &(DecisionNote){.kind = "fence.operation",
                                                .epoch = lease_info(o->m->lease)->epoch,
                                                .saw = saw,
                                                .did = "no client is let in; sessions are ended",
                                                .why = why});
}

static JobStep begin_fence(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    AUTO_ARENA a = arena_new_sized(128);
    const char *id = j->order.operation_id;
    if (*o->fence && !str_eq(o->fence, id)) {
        err_set(err, ERR_CONFLICT, "fenced already, by operation %s", o->fence);
        return JOB_FAILED;
    }
    operate_hold(o, j->order.hold_seconds);
    j->mark = clock_boot_ms() + (uint64_t)j->order.drain_seconds * 1000;
    const char *text = arena_printf(a, "%s%s", id, j->order.hold_seconds ? "~" : "");
    j->phase = F_ASKED;
    if (str_eq(fence_text(s), text))
        return JOB_AGAIN;
    LpMsg msg = {.type = LP_FENCE};
    msg.text[LPF_OPERATION] = text;
    note_fenced(o, j);
    operate_launcher(o, &msg);
    return JOB_WAITS;
}

static JobStep cut(Operate *o, Job *j)
{
    if (j->order.stage < 2)
        return JOB_DONE;
    LpMsg msg = {.type = LP_STOP};
    msg.num[LPF_MODE] = LP_STOP_IMMEDIATE;
    snprintf(o->held, sizeof o->held, "%s", j->order.operation_id);
    j->phase = F_STOPPED;
    operate_launcher(o, &msg);
    return JOB_WAITS;
}

JobStep fence_run(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    switch (j->phase) {
    case F_FENCE:
        return begin_fence(o, j, s, err);
    case F_ASKED:
        o->sweep_at = 0;
        j->phase = F_DRAIN;
        return JOB_AGAIN;
    case F_DRAIN:
    case F_SWEEP:
        if (s->num[LPF_PG] == LP_PG_DOWN)
            return JOB_DONE; /* nobody is in; the next start is a fenced one */
        if (!o->pool)
            return JOB_AGAIN;
        if (j->phase == F_DRAIN && !j->order.drain_seconds)
            j->phase = F_SWEEP;
        return j->phase == F_DRAIN ? count(o, j) : sweep(o, j);
    case F_CUT:
        return cut(o, j);
    default:
        return JOB_DONE;
    }
}

JobStep unfence_run(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    AUTO_ARENA a = arena_new_sized(128);
    const char *id = j->order.operation_id;
    if (j->phase == 0 && *o->fence && !j->order.force && !str_eq(o->fence, id)) {
        err_set(err, ERR_CONFLICT, "the fence is that of operation %s", o->fence);
        return JOB_FAILED;
    }
    if (j->phase == 1 || !*fence_text(s)) {
        *o->held = 0;
        o->hold_until = 0;
        return JOB_DONE;
    }
    LpMsg msg = {.type = LP_UNFENCE};
    msg.text[LPF_OPERATION] = arena_strdup(a, fence_text(s));
    j->phase = 1;
    decision_note(o->m->record, &(DecisionNote){.kind = "fence.lifted",
                                                .epoch = lease_info(o->m->lease)->epoch,
                                                .saw = arena_printf(a, "operation %s says so", id),
                                                .did = "clients are let in again",
                                                .why = "whoever set the fence takes it away"});
    operate_launcher(o, &msg);
    return JOB_WAITS;
}

static void on_swept(void *ctx, const Error *err, PgResult *r)
{
    Operate *o = ctx;
    o->sweeping = false;
    if (!err && pg_get_int(r, 0, 0) > 0)
        log_info("operate", "sessions that slipped in were ended", "n=%" PRId64,
                 pg_get_int(r, 0, 0));
}

void sweep_now(Operate *o)
{
    o->sweep_at = clock_boot_ms() + SWEEP_IDLE_MS;
    o->sweeping = true;
    pg_query(o->pool, SQL_SWEEP, PG_PARAMS(pg_int(EVERYBODY)), on_swept, o);
}
