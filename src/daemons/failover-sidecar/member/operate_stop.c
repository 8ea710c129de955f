/* Down and up again: the stop of a handover and its way back, restart, a new copy. */
#include "core/log.h"
#include "member/operate_priv.h"
#include <inttypes.h>
#include <stdio.h>

enum { HANGS_MS = 3000 };

static bool is_up(const LpMsg *s, LpRole role)
{
    return s->num[LPF_PG] == LP_PG_UP && s->num[LPF_ROLE] == (uint64_t)role;
}

/* ---- stop in good order ---- */

static JobStep begin_stop(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    const char *id = j->order.operation_id;
    if (*o->held && !str_eq(o->held, id))
        return err_set(err, ERR_CONFLICT, "PostgreSQL is stopped for operation %s", o->held),
               JOB_FAILED;
    if (!str_eq(o->fence, id))
        return err_set(err, ERR_PRECONDITION,
                       "not fenced by operation %s: clients would lose what they write now", id),
               JOB_FAILED;
    if (!operate_leads(o))
        return err_set(err, ERR_CONFLICT, "the lease is that of '%s'",
                       lease_info(o->m->lease)->holder),
               JOB_FAILED;
    j->phase = 1;
    if (s->num[LPF_PG] == LP_PG_DOWN)
        return *o->held
                   ? JOB_AGAIN
                   : (err_set(err, ERR_PRECONDITION, "PostgreSQL is down already"), JOB_FAILED);
    snprintf(o->held, sizeof o->held, "%s", id);
    operate_hold(o, j->order.hold_seconds ? j->order.hold_seconds : HOLD_NEW_MS / 1000);
    LpMsg msg = {.type = LP_STOP};
    msg.num[LPF_MODE] = LP_STOP_FAST;
    operate_launcher(o, &msg);
    return JOB_WAITS;
}

JobStep stop_run(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    if (j->phase == 0)
        return begin_stop(o, j, s, err);
    if (s->num[LPF_PG] != LP_PG_DOWN)
        return JOB_AGAIN;
    if (s->num[LPF_DB_STATE] == LP_DB_SHUTDOWNED)
        return JOB_DONE;
    err_set(err, ERR_PRECONDITION,
            "PostgreSQL is down, but was not shut down in good order (state %" PRIu64 ")",
            s->num[LPF_DB_STATE]);
    return JOB_FAILED;
}

/* ---- up again ---- */

static void on_out(void *ctx, const Error *err, PgResult *r)
{
    Operate *o = ctx;
    Job *j = &o->job;
    j->waiting = false;
    if (!err && (j->kind == SIDECAR_DOWN_RESTART || !pg_get_bool(r, 0, 0)))
        j->phase = 9;
    timer_again(o->poll, j->phase == 9 ? 0 : POLL_MS);
}

static JobStep ask_out(Operate *o, Job *j)
{
    if (j->phase == 9)
        return JOB_DONE;
    if (!o->pool || !pg_pool_up(o->pool))
        return JOB_AGAIN;
    j->waiting = true;
    pg_query(o->pool, "SELECT pg_is_in_recovery()", PG_NO_PARAMS, on_out, o);
    return JOB_WAITS;
}

/* renewed_at 0: PostgreSQL is only started under a renewal that succeeds from here on, and with
 * that a handover whose answer was lost can no longer be written. */
JobStep start_again_run(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    const char *id = j->order.operation_id;
    if (*o->held && !str_eq(o->held, id))
        return err_set(err, ERR_CONFLICT, "PostgreSQL is stopped for operation %s", o->held),
               JOB_FAILED;
    if (lease_known(o->m->lease) && !operate_leads(o))
        return err_set(err, ERR_CONFLICT, "the lease is that of '%s'",
                       lease_info(o->m->lease)->holder),
               JOB_FAILED;
    if (is_up(s, LP_ROLE_PRIMARY))
        return ask_out(o, j);
    if (j->phase == 0 && s->num[LPF_PG] != LP_PG_DOWN) {
        /* The stop is still under way; a shutdown that hangs (an archive command) is cut short:
         * clients wait. */
        if (j->mark || s->num[LPF_PG] != LP_PG_STOPPING || clock_boot_ms() < j->began + HANGS_MS)
            return JOB_AGAIN;
        j->mark = 1;
        LpMsg msg = {.type = LP_STOP};
        msg.num[LPF_MODE] = LP_STOP_IMMEDIATE;
        operate_launcher(o, &msg);
        return JOB_WAITS;
    }
    if (j->phase == 0) {
        j->phase = 1;
        *o->held = 0;
        o->m->renewed_at = 0;
        o->m->retry_at = 0;
        log_info("operate", "PostgreSQL is to start again", "operation=%s", log_quote(id));
        member_kick(o->m);
    }
    return JOB_AGAIN;
}

/* ---- restart in place ---- */

JobStep restart_run(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    if (j->phase == 0) {
        if (*o->held)
            return err_set(err, ERR_CONFLICT, "PostgreSQL is stopped for operation %s", o->held),
                   JOB_FAILED;
        if (s->num[LPF_PG] != LP_PG_UP)
            return err_set(err, ERR_PRECONDITION, "PostgreSQL is not running"), JOB_FAILED;
        j->phase = 1;
        j->mark = s->num[LPF_STARTED];
        LpMsg msg = {.type = LP_STOP};
        msg.num[LPF_MODE] = LP_STOP_FAST;
        operate_launcher(o, &msg);
        return JOB_WAITS;
    }
    if (s->num[LPF_PG] == LP_PG_UP && s->num[LPF_STARTED] != j->mark)
        return ask_out(o, j);
    return JOB_AGAIN;
}

/* ---- a new copy ---- */

static JobStep begin_reinit(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    if (!lease_known(o->m->lease))
        return JOB_AGAIN;
    if (operate_leads(o) || is_up(s, LP_ROLE_PRIMARY))
        return err_set(err, ERR_PRECONDITION,
                       "%s leads: its data is the one that others are copies of",
                       o->m->mc.cfg->pod),
               JOB_FAILED;
    if (!*lease_info(o->m->lease)->holder)
        return err_set(err, ERR_PRECONDITION, "nobody leads: there is nothing to copy from"),
               JOB_FAILED;
    if (member_clone_anew(o->m, err))
        return JOB_FAILED;
    j->phase = 1;
    LpMsg msg = {.type = LP_STOP};
    msg.num[LPF_MODE] = LP_STOP_FAST;
    operate_launcher(o, &msg);
    return JOB_WAITS;
}

JobStep reinit_run(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    if (j->phase == 0)
        return begin_reinit(o, j, s, err);
    if (j->phase == 1 && s->num[LPF_JOB] == LP_JOB_BASEBACKUP)
        j->phase = 2;
    /* A job that failed is begun again by the member itself. */
    if (j->phase == 2 && s->num[LPF_PG] == LP_PG_UP && o->m->ready)
        return JOB_DONE;
    return JOB_AGAIN;
}
