/* What operations do to the lease: hand over, pause, force a failover. */
#include "core/log.h"
#include "member/operate_priv.h"
#include "model/durability.h"
#include "model/lsn.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void on_handed_over(void *ctx, const Error *err, uint64_t sent_ms)
{
    Member *m = ctx;
    (void)sent_ms;
    if (!err)
        *m->operate->held = 0;
    job_answered(m->operate, err);
}

/* "db-2" -> 2 */
static unsigned ordinal_of(const char *pod)
{
    const char *dash = strrchr(pod, '-');
    uint64_t n = 0;
    return dash && str_to_u64(dash + 1, &n) && n < SYNC_MEMBERS ? (unsigned)n : SYNC_MEMBERS;
}

static bool handover_ok(Operate *o, const Job *j, const LpMsg *s, uint64_t lsn, Error *err)
{
    const LeaseInfo *l = lease_info(o->m->lease);
    const Config *c = o->m->mc.cfg;
    size_t base = strlen(c->cluster);
    if (!operate_leads(o))
        err_set(err, ERR_CONFLICT, "the lease is that of '%s'", l->holder);
    else if (!str_eq(o->held, j->order.operation_id) || s->num[LPF_PG] != LP_PG_DOWN ||
             s->num[LPF_DB_STATE] != LP_DB_SHUTDOWNED)
        err_set(err, ERR_PRECONDITION, "PostgreSQL is not stopped for operation %s",
                j->order.operation_id);
    else if (lsn != s->num[LPF_CKPT_LSN] + 1 || j->order.timeline_id != s->num[LPF_CKPT_TIMELINE])
        err_set(err, ERR_PRECONDITION,
                "lsn: %s on timeline %u is not where PostgreSQL here has stopped", j->order.lsn,
                j->order.timeline_id);
    else if (strncmp(j->order.to, c->cluster, base) != 0 || j->order.to[base] != '-' ||
             ordinal_of(j->order.to) >= c->replicas || str_eq(j->order.to, c->pod))
        err_set(err, ERR_INVALID, "to: '%s' is no other member of %s", j->order.to, c->cluster);
    else
        return true;
    return false;
}

static void write_handover(Operate *o, Job *j, uint64_t lsn)
{
    AUTO_ARENA a = arena_new_sized(1024);
    Member *m = o->m;
    const Config *c = m->mc.cfg;
    const LeaseInfo *l = lease_info(m->lease);
    SyncSet set =
        sync_at_takeover(durability_of(c->durability), c->replicas, ordinal_of(j->order.to), true);
    LeaseHandover h = {.is = true, .lsn = lsn, .timeline = j->order.timeline_id};
    snprintf(h.operation, sizeof h.operation, "%s", j->order.operation_id);
    snprintf(h.from, sizeof h.from, "%s", c->pod);
    snprintf(h.to, sizeof h.to, "%s", j->order.to);
    LeaseClaim claim = {.name = c->lease_name,
                        .ns = c->ns,
                        .cluster = c->cluster,
                        .holder = j->order.to,
                        .addr = "", /* nobody follows before the new primary says where it is */
                        .epoch = l->epoch + 1,
                        .seconds = c->lease_seconds,
                        .sync = sync_json(a, &set, c->cluster),
                        .now_us = clock_wall_us(),
                        .notes = {{LEASE_A_HANDOVER, lease_handover_json(a, &h)},
                                  {LEASE_A_RELEASED, NULL},
                                  {LEASE_A_FAILOVER, NULL}}};
    decision_note(
        m->record,
        &(DecisionNote){.kind = "lease.handed_over",
                        .epoch = l->epoch,
                        .saw = arena_printf(
                            a, "PostgreSQL here is shut down; %s has replayed it all", j->order.to),
                        .did = arena_printf(a, "makes %s the holder at epoch %" PRIu64, j->order.to,
                                            l->epoch + 1),
                        .why = arena_printf(a, "switchover %s", j->order.operation_id)});
    /* Nothing starts here without a renewal that succeeds after this. */
    m->renewed_at = 0;
    j->waiting = true;
    lease_renew(m->lease, &claim, on_handed_over);
}

JobStep handover_run(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    const LeaseInfo *l = lease_info(o->m->lease);
    uint64_t lsn;
    if (!lease_known(o->m->lease) || lease_busy(o->m->lease))
        return JOB_AGAIN;
    if (str_eq(l->holder, j->order.to) && l->handover.is &&
        str_eq(l->handover.operation, j->order.operation_id))
        return JOB_DONE;
    if (!lsn_parse(j->order.lsn, &lsn))
        return err_set(err, ERR_INVALID, "lsn: '%s' is not like 0/5000028", j->order.lsn),
               JOB_FAILED;
    if (!handover_ok(o, j, s, lsn, err))
        return JOB_FAILED;
    write_handover(o, j, lsn);
    return JOB_WAITS;
}

/* The member does it by itself on seeing the lease; a watch that is slow is what this helps. */
JobStep promote_run(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    (void)j, (void)s, (void)err;
    if (!operate_leads(o) && !lease_reading(o->m->lease) && !lease_busy(o->m->lease))
        lease_doubt(o->m->lease);
    member_kick(o->m);
    return JOB_DONE;
}

/* ---- annotations that ask for something ---- */

static void on_noted(void *ctx, const Error *err)
{
    Operate *o = ctx;
    o->job.phase = 1;
    job_answered(o, err);
}

static char *paused_note(Arena *a, const SidecarOrder *r)
{
    LeasePaused p = {.is = true};
    snprintf(p.by, sizeof p.by, "%s", r->requested_by);
    snprintf(p.operation, sizeof p.operation, "%s", r->operation_id);
    return lease_paused_json(a, &p);
}

static char *failover_note(Arena *a, const SidecarOrder *r)
{
    LeaseFailover f = {.is = true, .accept_data_loss = r->accept_data_loss};
    snprintf(f.operation, sizeof f.operation, "%s", r->operation_id);
    snprintf(f.to, sizeof f.to, "%s", r->to);
    return lease_failover_json(a, &f);
}

JobStep note_run(Operate *o, Job *j, const LpMsg *s, Error *err)
{
    AUTO_ARENA a = arena_new_sized(512);
    const SidecarOrder *r = &j->order;
    (void)s, (void)err;
    if (j->phase)
        return JOB_DONE;
    LeaseEdit e = {.n = 1, .done = on_noted, .ctx = o};
    if (j->kind == SIDECAR_DOWN_FAILOVER)
        e.notes[0] = (LeaseNote){LEASE_A_FAILOVER, r->cancel ? NULL : failover_note(a, r)};
    else
        e.notes[0] =
            (LeaseNote){LEASE_A_PAUSED, j->kind == SIDECAR_DOWN_PAUSE ? paused_note(a, r) : NULL};
    j->waiting = true;
    lease_edit(o->m->lease, &e);
    return JOB_WAITS;
}
