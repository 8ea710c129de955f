#include "core/clock.h"
#include "core/log.h"
#include "member/member_priv.h"
#include <inttypes.h>
#include <stdio.h>

enum { SILENT_MS = 10 * 1000 };

uint64_t permit_ms(const Member *m)
{
    return lease_permit_ms(m->mc.cfg->lease_seconds);
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
                        .uid = c->uid,
                        .epoch = epoch,
                        .seconds = c->lease_seconds,
                        .now_us = clock_wall_us()};
    const LpMsg *s = launcher_state(m->launcher);
    /* Others may clone from us and follow once the primary stands. */
    if (s && instance_open(m->instance)) {
        claim.addr = c->my_addr;
        claim.served = epoch;
        claim.system_id = s->num[LPF_SYSTEM_ID];
        claim.timeline = probe_health(instance_probe(m->instance))->timeline_id;
    }
    return claim;
}

/* ---- the lease ---- */

/* Renewing goes on: whoever else led would not be alone while this PostgreSQL runs. */
static void tell_silence(Member *m, uint64_t now)
{
    if (m->launcher_silent || !m->permit_open || now - m->permit_open < SILENT_MS)
        return;
    m->launcher_silent = true;
    member_event(m, SEV_CRITICAL, "launcher.silent",
                 "the launcher of %s has not answered for %d s: nothing would stop this primary if "
                 "it lost the lease; switch over and restart the pod",
                 m->mc.cfg->pod, SILENT_MS / 1000);
}

static void on_permit(void *ctx, const Error *err)
{
    Member *m = ctx;
    if (m->launcher_silent)
        member_event(m, SEV_INFO, "launcher.answers", "the launcher of %s answers again",
                     m->mc.cfg->pod);
    m->launcher_silent = false;
    m->permit_open = 0;
    if (err)
        log_warn("member", "the launcher did not take the permit", "err=%s", log_quote(err->msg));
}

void member_permit(Member *m, uint64_t deadline)
{
    const LpMsg *s = launcher_state(m->launcher);
    if (!s || s->num[LPF_PG] == LP_PG_DOWN || s->num[LPF_ROLE] != LP_ROLE_PRIMARY)
        return;
    uint64_t now = clock_boot_ms();
    tell_silence(m, now);
    if (!m->permit_open)
        m->permit_open = now;
    LpMsg msg = {.type = LP_PERMIT};
    msg.num[LPF_EPOCH] = lease_info(m->lease)->epoch;
    msg.num[LPF_DEADLINE] = deadline;
    launcher_call(m->launcher, &msg, on_permit, m);
}

void member_took_lease(Member *m, uint64_t sent_ms)
{
    m->renewed_at = sent_ms;
    m->renew_next = sent_ms + lease_renew_ms(m->mc.cfg->lease_seconds);
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
        member_took_lease(m, sent_ms);
    } else {
        log_warn("lease", "not renewed", "err=%s", log_quote(err->msg));
        m->renew_next = clock_boot_ms() + lease_renew_ms(m->mc.cfg->lease_seconds) / 2;
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
        member_took_lease(m, sent_ms);
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
    if (claim.served)
        claim.served = epoch - 1; /* nobody's data, ours too, is of this epoch yet */
    lease_create(m->lease, &claim, on_created);
}

/* ---- the launcher ---- */

static void on_done(void *ctx, const Error *err)
{
    member_action_done(ctx, err);
}

static void on_stopped(void *ctx, const Error *err)
{
    Member *m = ctx;
    m->stop_under_way = false;
    if (err)
        log_error("member", "PostgreSQL was not stopped", "err=%s", log_quote(err->msg));
    member_kick(m);
}

/* Never waits behind another action. */
static void stop_now(Member *m, Action act)
{
    LpMsg msg = {.type = LP_STOP};
    msg.num[LPF_MODE] = act == ACT_KILL ? LP_STOP_KILL : LP_STOP_IMMEDIATE;
    m->stop_under_way = true;
    if (act == ACT_KILL)
        m->must_give = m->crashed = true;
    decision_note(m->record,
                  &(DecisionNote){.kind = act == ACT_KILL ? "postgres.frozen" : "demote.begun",
                                  .epoch = lease_info(m->lease)->epoch,
                                  .saw = m->why,
                                  .did = act == ACT_KILL ? "kills all of PostgreSQL"
                                                         : "stops PostgreSQL at once",
                                  .why = "nothing may be written here any more"});
    member_event(m, SEV_CRITICAL, act == ACT_KILL ? "postgres.frozen" : "instance.stopped",
                 "%s: %s", m->mc.cfg->pod, m->why);
    launcher_call(m->launcher, &msg, on_stopped, m);
}

static void note_seal(Member *m)
{
    AUTO_ARENA a = arena_new_sized(512);
    const LeaseInfo *l = lease_info(m->lease);
    const char *saw = m->seen == LEASE_FREE
                          ? arena_printf(a, "the lease was let go by %s (%s), own receiver gone",
                                         l->released.by, l->released.reason)
                      : l->exists
                          ? arena_printf(a,
                                         "lease of %s at epoch %" PRIu64 " not renewed for %" PRIu64
                                         ".%" PRIu64 " s, own receiver gone",
                                         l->holder, l->epoch, lease_age_ms(m->lease) / 1000,
                                         lease_age_ms(m->lease) % 1000 / 100)
                          : "there is no lease, own receiver gone";
    decision_note(m->record, &(DecisionNote){.kind = "election.sealed",
                                             .epoch = l->epoch,
                                             .saw = saw,
                                             .did = "drops its receiver and contends",
                                             .why = "somebody must lead"});
}

static ErrCode prepare(Member *m, Action act, LpMsg *msg, Arena *a, Error *err)
{
    msg->num[LPF_EPOCH] = lease_info(m->lease)->epoch;
    switch ((int)act) {
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
    case ACT_START_SEALED: {
        const LeaseInfo *l = lease_info(m->lease);
        bool mine = str_eq(l->holder, m->mc.cfg->pod);
        msg->type = LP_START;
        msg->num[LPF_ROLE] = LP_ROLE_STANDBY;
        msg->num[LPF_EPOCH] = launcher_state(m->launcher)->num[LPF_STAMP_EPOCH];
        msg->num[LPF_SEALED] = mine ? l->epoch : campaign_epoch(m->campaign);
        msg->text[LPF_SYNC] = sync_standby_text(a, m->mc.cfg, msg->num[LPF_SEALED]);
        return ERR_OK;
    }
    case ACT_SEAL:
        msg->type = LP_SEAL;
        msg->num[LPF_EPOCH] = campaign_epoch(m->campaign);
        return ERR_OK;
    default:
        return err_set(err, ERR_INTERNAL, "action %s is not the launcher's", action_name(act));
    }
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
    if (act == ACT_SEAL)
        note_seal(m);
    launcher_call(m->launcher, &msg, on_done, m);
}

static void on_confirmed(void *ctx, const Error *err, uint64_t sent_ms)
{
    (void)sent_ms;
    member_action_done(ctx, err);
}

/* In place, after PostgreSQL ended by itself: once, and what came of it is remembered. */
static void start_primary(Member *m)
{
    if (m->crashed) {
        m->restarted_at = clock_boot_ms();
        member_note_restart(m, launcher_state(m->launcher));
    }
    m->crashed = m->must_give = false;
    *m->fatal = 0;
    ask_launcher(m, ACT_START_PRIMARY);
}

static void act_create(Member *m)
{
    create_lease(m, 1);
}

static void act_recreate(Member *m)
{
    create_lease(m, launcher_state(m->launcher)->num[LPF_EPOCH] + 1);
}

static void act_renew(Member *m)
{
    if (lease_busy(m->lease))
        m->under_way = ACT_NONE;
    else
        member_renew(m);
}

static void act_confirm(Member *m)
{
    lease_read(m->lease, on_confirmed);
}

static void act_join(Member *m)
{
    *m->fatal = 0;
    member_join(m, m->under_way);
}

static void act_publish(Member *m)
{
    announce_set(campaign_announce(m->campaign), campaign_text(m->campaign), on_done, m);
}

static void act_withdraw(Member *m)
{
    announce_set(campaign_announce(m->campaign), NULL, on_done, m);
}

static void act_launcher(Member *m)
{
    ask_launcher(m, m->under_way);
}

void member_act(Member *m, Action act)
{
    static void (*const FN[ACTION_COUNT])(Member *) = {
        [ACT_CREATE_LEASE] = act_create,
        [ACT_RECREATE_LEASE] = act_recreate,
        [ACT_RENEW] = act_renew,
        [ACT_INITDB] = act_launcher,
        [ACT_START_PRIMARY] = start_primary,
        [ACT_CLONE] = act_launcher,
        [ACT_FOLLOW] = act_join,
        [ACT_REJOIN] = act_join,
        [ACT_START_SEALED] = act_launcher,
        [ACT_CONFIRM] = act_confirm,
        [ACT_SEAL] = act_launcher,
        [ACT_PUBLISH] = act_publish,
        [ACT_WITHDRAW] = act_withdraw,
        [ACT_TAKE] = member_take,
        [ACT_PROMOTE] = member_promote,
        [ACT_RELEASE] = member_release,
    };
    log_info("member", "acting", "action=%s epoch=%" PRIu64, action_name(act),
             lease_info(m->lease)->epoch);
    if (act == ACT_STOP_NOW || act == ACT_KILL) {
        stop_now(m, act);
        return;
    }
    m->under_way = act;
    FN[act](m);
}
