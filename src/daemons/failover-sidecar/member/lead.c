/* Getting and giving the lease: take, promote, label, checkpoint, release. */
#include "core/log.h"
#include "member/member_priv.h"
#include "model/lsn.h"
#include <inttypes.h>
#include <stdio.h>

void member_let_go(Member *m)
{
    m->renewed_at = 0;
}

static LeaseClaim bare_claim(const Member *m)
{
    const Config *c = m->mc.cfg;
    return (LeaseClaim){.name = c->lease_name,
                        .ns = c->ns,
                        .cluster = c->cluster,
                        .epoch = lease_info(m->lease)->epoch,
                        .seconds = c->lease_seconds,
                        .now_us = clock_wall_us()};
}

/* ---- taking ---- */

static void note_contest(Member *m, const char *kind, const char *did, const char *why)
{
    AUTO_ARENA a = arena_new_sized(1024);
    const ContestResult *r = &m->contest;
    const Position *p = &m->position;
    char lsn[LSN_TEXT_MAX];
    const char *saw = arena_printf(
        a, "own position is timeline %" PRIu32 " at %s, rank %u of %d sealed members", p->timeline,
        lsn_text(lsn, p->received), r->rank, __builtin_popcount(r->votes));
    decision_note(
        m->record,
        &(DecisionNote){.kind = kind, .epoch = p->epoch, .saw = saw, .did = did, .why = why});
}

static void on_taken(void *ctx, const Error *err, uint64_t sent_ms)
{
    Member *m = ctx;
    if (err) {
        note_contest(m, "election.lost", "did not get the lease",
                     err->code == ERR_CONFLICT ? "another member was faster" : err->msg);
    } else {
        member_took_lease(m, sent_ms);
        bool lossy = m->contest.lossy;
        note_contest(m, lossy ? "election.unproven" : "election.won", "took the lease",
                     lossy ? "nobody with more votes came within a whole lease; rows may be lost"
                           : "the most advanced of those who are there");
        member_event(m, lossy ? SEV_CRITICAL : SEV_WARNING, "lease.acquired",
                     "%s holds the lease of %s at epoch %" PRIu64 "%s", m->mc.cfg->pod,
                     m->mc.cfg->cluster, lease_info(m->lease)->epoch,
                     lossy ? "; acknowledged rows may be lost" : "");
    }
    member_action_done(m, err);
}

/* The record of the synchronous set is part of the write that takes the lease. */
void member_take(Member *m)
{
    AUTO_ARENA a = arena_new_sized(1024);
    const LpMsg *s = launcher_state(m->launcher);
    if (lease_busy(m->lease) || !s) {
        m->under_way = ACT_NONE; /* whatever is under way kicks us again */
        return;
    }
    const Config *c = m->mc.cfg;
    m->contest = *campaign_result(m->campaign);
    m->position = *campaign_position(m->campaign);
    SyncSet set =
        sync_at_takeover(durability_of(c->durability), c->replicas, c->ordinal, !m->contest.lossy);
    LeaseClaim claim = bare_claim(m);
    claim.holder = c->pod;
    claim.uid = c->uid;
    claim.addr = ""; /* until it is out of recovery */
    claim.epoch = campaign_epoch(m->campaign);
    claim.system_id = s->num[LPF_SYSTEM_ID];
    claim.timeline = campaign_position(m->campaign)->timeline;
    claim.sync = sync_json(a, &set, c->base);
    claim.notes[0] = (LeaseNote){LEASE_A_RELEASED, NULL};
    claim.notes[1] = (LeaseNote){LEASE_A_HANDOVER, NULL};
    claim.notes[2] = (LeaseNote){LEASE_A_FAILOVER, NULL};
    if (lease_info(m->lease)->exists)
        lease_renew(m->lease, &claim, on_taken);
    else
        lease_create(m->lease, &claim, on_taken);
}

/* ---- releasing ---- */

static void on_released(void *ctx, const Error *err, uint64_t sent_ms)
{
    (void)sent_ms;
    member_action_done(ctx, err);
}

/* What PostgreSQL here wrote last: exactly after a shutdown, else as it was last asked. */
static LeaseReleased release_of(const Member *m, const LpMsg *s)
{
    LeaseReleased r = {.is = true, .lsn = m->last_lsn};
    snprintf(r.by, sizeof r.by, "%s", m->mc.cfg->pod);
    snprintf(r.reason, sizeof r.reason, "%s", str_or(m->decision.why, "PostgreSQL is down"));
    if (!s)
        return r;
    r.timeline = (uint32_t)s->num[LPF_CKPT_TIMELINE];
    r.clean = s->num[LPF_DB_STATE] == LP_DB_SHUTDOWNED && s->num[LPF_PG] == LP_PG_DOWN &&
              s->num[LPF_STAMP_ROLE] == LP_ROLE_PRIMARY;
    if (r.clean)
        r.lsn = s->num[LPF_CKPT_LSN];
    return r;
}

void member_release(Member *m)
{
    AUTO_ARENA a = arena_new_sized(1024);
    if (lease_busy(m->lease)) {
        m->under_way = ACT_NONE;
        return;
    }
    /* Whether this write arrives or not: nothing starts here without a renewal after it. */
    member_let_go(m);
    LeaseReleased r = release_of(m, launcher_state(m->launcher));
    LeaseClaim claim = bare_claim(m);
    claim.holder = "";
    claim.seconds = 1;
    claim.notes[0] = (LeaseNote){LEASE_A_RELEASED, lease_released_json(a, &r)};
    claim.notes[1] = (LeaseNote){LEASE_A_HANDOVER, NULL};
    char lsn[LSN_TEXT_MAX];
    decision_note(m->record,
                  &(DecisionNote){.kind = "lease.released",
                                  .epoch = claim.epoch,
                                  .saw = arena_printf(a, "no PostgreSQL writes here; last WAL %s",
                                                      lsn_text(lsn, r.lsn)),
                                  .did = "let go of the lease, so that nobody waits for its end",
                                  .why = r.reason});
    member_event(m, SEV_WARNING, "lease.released", "%s lets go of the lease of %s: %s",
                 m->mc.cfg->pod, m->mc.cfg->cluster, r.reason);
    lease_renew(m->lease, &claim, on_released);
}

/* ---- promoting ---- */

static void on_promoted(void *ctx, const Error *err)
{
    Member *m = ctx;
    uint64_t took = clock_boot_ms() - m->promote_at;
    AUTO_ARENA a = arena_new_sized(256);
    decision_note(
        m->record,
        &(DecisionNote){.kind = err ? "promote.failed" : "promote.done",
                        .epoch = lease_info(m->lease)->epoch,
                        .saw = err ? err->msg
                                   : arena_printf(a, "out of recovery after %" PRIu64 " ms", took),
                        .did = err ? "tries again" : "lets clients in",
                        .why = "this member holds the lease"});
    member_action_done(m, err);
}

void member_begin_strip(Member *m)
{
    strip_begin(m->strip, lease_info(m->lease)->epoch, m->mc.cfg->replicas);
}

void member_promote(Member *m)
{
    AUTO_ARENA a = arena_new_sized(256);
    const LeaseInfo *l = lease_info(m->lease);
    LpMsg msg = {.type = LP_PROMOTE};
    msg.num[LPF_EPOCH] = l->epoch;
    msg.num[LPF_DEADLINE] = m->renewed_at + lease_permit_ms(m->mc.cfg->lease_seconds);
    msg.text[LPF_SYNC] = sync_primary_text(a, m->mc.cfg, l);
    m->promote_at = clock_boot_ms();
    decision_note(m->record, &(DecisionNote){.kind = "promote.begun",
                                             .epoch = l->epoch,
                                             .saw = l->handover.is ? "the lease was handed over"
                                                                   : "won the election",
                                             .did = "promotes PostgreSQL here",
                                             .why = "this member holds the lease"});
    member_begin_strip(m);
    launcher_call(m->launcher, &msg, on_promoted, m);
}

/* ---- after the promotion ---- */

static void on_checkpoint(void *ctx, const Error *err, PgResult *r)
{
    (void)r;
    Member *m = ctx;
    m->checkpoint_under_way = false;
    if (err) {
        log_warn("member", "the checkpoint after the promotion failed", "err=%s",
                 log_quote(err->msg));
        m->checkpointed = 0;
    }
}

/* Whoever was primary can only be rewound once our control file shows the new timeline. Clients
 * come first. */
void member_checkpoint_if_due(Member *m, const LpMsg *s)
{
    const InstanceHealth *h = probe_health(instance_probe(m->instance));
    if (!s || !h || m->decision.state != MEMBER_PRIMARY || !instance_open(m->instance) ||
        m->checkpoint_under_way || m->checkpointed == h->timeline_id ||
        s->num[LPF_CKPT_TIMELINE] == h->timeline_id || !podlabel_is(m->label, "primary"))
        return;
    m->checkpoint_under_way = true;
    m->checkpointed = h->timeline_id;
    pg_query(instance_pool(m->instance), "CHECKPOINT", PG_NO_PARAMS, on_checkpoint, m);
}
