#include "core/clock.h"
#include "core/log.h"
#include "member/member_priv.h"
#include <inttypes.h>
#include <stdio.h>

uint64_t renew_interval_ms(const Member *m)
{
    uint64_t third = m->mc.cfg->lease_seconds * 1000 / 3;
    return third < 2000 ? third : 2000;
}

/* Renew deadline: 5 s before others may take the lease; half of it when it is a short one. Fence
 * and timer errors fit in what is left. */
uint64_t permit_ms(const Member *m)
{
    uint64_t lease = m->mc.cfg->lease_seconds * 1000;
    return lease > 10000 ? lease - 5000 : lease / 2;
}

bool permit_fresh(const Member *m)
{
    return m->renewed_at && clock_boot_ms() < m->renewed_at + permit_ms(m) / 2;
}

static LeaseClaim claim_of(const Member *m, uint64_t epoch)
{
    const Config *c = m->mc.cfg;
    LeaseClaim claim = {.name = c->lease_name,
                        .ns = c->ns,
                        .cluster = c->cluster,
                        .holder = c->pod,
                        .epoch = epoch,
                        .seconds = c->lease_seconds,
                        .now_us = clock_wall_us()};
    const LpMsg *s = launcher_state(m->launcher);
    /* Others may clone from us once the primary stands and is prepared. */
    if (s && instance_bootstrapped(m->instance)) {
        claim.addr = c->my_addr;
        claim.system_id = s->num[LPF_SYSTEM_ID];
        claim.timeline = probe_health(instance_probe(m->instance))->timeline_id;
    }
    return claim;
}

/* ---- the lease ---- */

static void on_permit(void *ctx, const Error *err)
{
    (void)ctx;
    if (err)
        log_warn("member", "the launcher did not take the permit", "err=%s", log_quote(err->msg));
}

void member_permit(Member *m, uint64_t deadline)
{
    const LpMsg *s = launcher_state(m->launcher);
    if (!s || s->num[LPF_PG] == LP_PG_DOWN || s->num[LPF_ROLE] != LP_ROLE_PRIMARY)
        return;
    LpMsg msg = {.type = LP_PERMIT};
    msg.num[LPF_EPOCH] = lease_info(m->lease)->epoch;
    msg.num[LPF_DEADLINE] = deadline;
    launcher_call(m->launcher, &msg, on_permit, m);
}

static void took_lease(Member *m, uint64_t sent_ms)
{
    m->renewed_at = sent_ms;
    m->renew_next = sent_ms + renew_interval_ms(m);
    member_permit(m, m->renewed_at + permit_ms(m));
}

/* No answer, or one that says "not now": that is away. Any other answer is the API server's word.
 */
static bool means_away(const Error *err)
{
    return err &&
           (err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT || err->code == ERR_EXHAUSTED);
}

static void on_renewed(void *ctx, const Error *err, uint64_t sent_ms)
{
    Member *m = ctx;
    member_api_away(m, means_away(err));
    if (!err) {
        took_lease(m, sent_ms);
    } else {
        log_warn("lease", "not renewed", "err=%s", log_quote(err->msg));
        m->renew_next = clock_boot_ms() + renew_interval_ms(m) / 2;
    }
    if (m->under_way == ACT_RENEW)
        member_action_done(m, err);
    else
        member_kick(m);
}

void member_renew(Member *m)
{
    if (lease_busy(m->lease))
        return;
    LeaseClaim claim = claim_of(m, lease_info(m->lease)->epoch);
    lease_renew(m->lease, &claim, on_renewed);
}

static void on_created(void *ctx, const Error *err, uint64_t sent_ms)
{
    Member *m = ctx;
    if (!err) {
        took_lease(m, sent_ms);
        decision_note(m->record,
                      &(DecisionNote){.kind = "lease.created",
                                      .epoch = lease_info(m->lease)->epoch,
                                      .saw = "there was no lease",
                                      .did = "created the lease and holds it",
                                      .why = "somebody must lead, and it is this member"});
        member_event(m, SEV_INFO, "lease.acquired", "%s holds the lease of %s at epoch %" PRIu64,
                     m->mc.cfg->pod, m->mc.cfg->cluster, lease_info(m->lease)->epoch);
    }
    member_action_done(m, err);
}

static void create_lease(Member *m, uint64_t epoch)
{
    if (lease_busy(m->lease)) {
        m->under_way = ACT_NONE; /* the read that is under way kicks us again */
        return;
    }
    LeaseClaim claim = claim_of(m, epoch);
    lease_create(m->lease, &claim, on_created);
}

/* ---- the launcher ---- */

static void on_done(void *ctx, const Error *err)
{
    member_action_done(ctx, err);
}

static ErrCode prepare(Member *m, Action act, LpMsg *msg, Arena *a, Error *err)
{
    msg->num[LPF_EPOCH] = lease_info(m->lease)->epoch;
    switch (act) {
    case ACT_INITDB:
        msg->type = LP_INITDB;
        return config_secret(a, m->mc.cfg, "superuser-password", &msg->text[LPF_PASSWORD], err);
    case ACT_START_PRIMARY:
        msg->type = LP_START;
        msg->num[LPF_ROLE] = LP_ROLE_PRIMARY;
        msg->num[LPF_DEADLINE] = m->renewed_at + permit_ms(m);
        msg->text[LPF_SYNC] = sync_primary_text(a, m->mc.cfg, lease_info(m->lease));
        return ERR_OK;
    case ACT_CLONE:
        msg->type = LP_BASEBACKUP;
        return member_put_upstream(m, msg, a, err);
    case ACT_STOP_NOW:
        msg->type = LP_STOP;
        msg->num[LPF_MODE] = LP_STOP_IMMEDIATE;
        return ERR_OK;
    case ACT_NONE:
    case ACT_CREATE_LEASE:
    case ACT_RECREATE_LEASE:
    case ACT_RENEW:
    case ACT_FOLLOW:
    case ACT_REJOIN:
    case ACT_START_SEALED:
    case ACT_KILL:
    case ACT_CONFIRM:
    case ACT_SEAL:
    case ACT_PUBLISH:
    case ACT_WITHDRAW:
    case ACT_TAKE:
    case ACT_PROMOTE:
    case ACT_RELEASE:
    case ACTION_COUNT:
        break;
    }
    return err_set(err, ERR_INTERNAL, "action %s is not the launcher's", action_name(act));
}

static void ask_launcher(Member *m, Action act)
{
    AUTO_ARENA a = arena_new_sized(1024);
    LpMsg msg = {0};
    Error err = {0};
    if (prepare(m, act, &msg, a, &err)) {
        member_action_done(m, &err);
        return;
    }
    if (act == ACT_CLONE)
        member_event(m, SEV_INFO, "clone.started", "%s clones from %s (%s)", m->mc.cfg->pod,
                     lease_info(m->lease)->holder, lease_info(m->lease)->primary_addr);
    launcher_call(m->launcher, &msg, on_done, m);
}

void member_act(Member *m, Action act)
{
    log_info("member", "acting", "action=%s epoch=%" PRIu64, action_name(act),
             lease_info(m->lease)->epoch);
    m->under_way = act;
    if (act == ACT_START_PRIMARY || act == ACT_REJOIN)
        *m->fatal = 0;
    if (act == ACT_CREATE_LEASE)
        create_lease(m, 1);
    else if (act == ACT_RECREATE_LEASE)
        create_lease(m, launcher_state(m->launcher)->num[LPF_EPOCH] + 1);
    else if (act == ACT_RENEW && lease_busy(m->lease))
        m->under_way = ACT_NONE;
    else if (act == ACT_RENEW)
        member_renew(m);
    else if (act == ACT_FOLLOW || act == ACT_REJOIN)
        member_join(m, act);
    else
        ask_launcher(m, act);
}
