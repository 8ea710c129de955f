#include "election/campaign.h"

#include "member/vouch.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    POLL_HASTE_MS = 10,
    HASTE_MS = 1000,
    POLL_MS = 50,
    POLL_CALM_MS = 500,
    POLL_HURRY_MS = 5000, /* how long it is asked in a hurry */
    HANDED_MS = 10000,    /* a handover that does not get ready is none */
    PRIORITY = 100,
};

struct Campaign {
    CampaignConfig cc;
    Announce *announce;
    Peers *peers;
    uint64_t epoch;
    uint64_t over_at;      /* since when nobody has the lease */
    uint64_t crisis_at;    /* since when nobody leads, or the leader is late; 0: all is well */
    uint64_t seal_seen_at; /* the launcher says: sealed for `epoch` */
    uint64_t run;          /* LPF_STARTED that this is about */
    uint64_t sealed_at;    /* and the receiver is gone, the position taken */
    uint64_t published_at;
    uint64_t handed_at;
    uint32_t votes; /* as last seen, and since when */
    uint64_t changed_at;
    Position own;
    char *own_text;
    unsigned poll_ms;
    uint64_t again;
    bool proven;
    ContestResult result;
    char why[512];
};

Campaign *campaign_new(const CampaignConfig *cc)
{
    Campaign *c = xnew(Campaign);
    c->cc = *cc;
    c->announce = announce_new(cc->kube, cc->cfg->ns, cc->cfg->pod);
    c->peers = peers_new(&(PeersConfig){.kube = cc->kube,
                                        .ns = cc->cfg->ns,
                                        .base = cc->cfg->base,
                                        .self = cc->cfg->ordinal,
                                        .on_change = cc->on_change,
                                        .ctx = cc->ctx});
    return c;
}

void campaign_free(Campaign *c)
{
    if (!c)
        return;
    announce_free(c->announce);
    peers_free(c->peers);
    free(c->own_text);
    free(c);
}

static bool is_over(LeaseView v)
{
    return v == LEASE_EXPIRED || v == LEASE_FREE || v == LEASE_GONE;
}

static bool is_crisis(LeaseView v)
{
    return is_over(v) || v == LEASE_LATE;
}

static void forget_position(Campaign *c)
{
    c->seal_seen_at = c->sealed_at = c->published_at = 0;
    c->own = (Position){0};
    free(c->own_text);
    c->own_text = NULL;
}

/* The next epoch. Without a lease nobody knows which the last one was: one above what the own data
 * has seen, or what another contends for, whichever is more; so all come to the same. */
static uint64_t next_epoch(const Campaign *c, const CampaignView *v)
{
    if (v->lease->exists)
        return v->lease->epoch + 1;
    uint64_t e = v->launcher ? v->launcher->num[LPF_STAMP_EPOCH] + 1 : 1;
    if (v->launcher && v->launcher->num[LPF_SEALED] > e)
        e = v->launcher->num[LPF_SEALED];
    for (unsigned i = 0; i < c->cc.cfg->replicas; i++) {
        const Position *p = peers_position(c->peers, i);
        if (p->known && p->sealed && p->epoch > e)
            e = p->epoch;
    }
    return e;
}

static void check_eligible(const CampaignView *v, Position *p)
{
    p->eligible = true;
    if (v->launcher->num[LPF_FENCED]) {
        p->eligible = false;
        snprintf(p->why, sizeof p->why, "fenced by operation %s",
                 str_or(v->launcher->text[LPF_OPERATION], "?"));
    } else if (v->lease->exists && v->launcher->num[LPF_STAMP_EPOCH] < v->lease->served) {
        p->eligible = false;
        snprintf(p->why, sizeof p->why, "its data never followed epoch %llu",
                 (unsigned long long)v->lease->served);
    }
}

/* Taken once: sealed on disk, and a look that began after that found no receiver. */
/* A published position is relied on until it is withdrawn, so nothing may be left that could bring
 * a receiver back. */
static void take_position(Campaign *c, const CampaignView *v)
{
    const PositionSeen *s = v->position;
    if (c->sealed_at || !c->seal_seen_at || !s || s->asked_at <= c->seal_seen_at || s->receiver ||
        s->upstream || !s->whole || !s->in_recovery)
        return;
    AUTO_ARENA a = arena_new_sized(512);
    c->sealed_at = v->now;
    c->own = (Position){.known = true,
                        .sealed = true,
                        .epoch = c->epoch,
                        .timeline = s->timeline,
                        .priority = PRIORITY,
                        .received = s->received,
                        .replayed = s->replayed};
    check_eligible(v, &c->own);
    c->own_text = xstrdup(position_json(a, &c->own));
}

static void track_seal(Campaign *c, const CampaignView *v)
{
    uint64_t epoch = next_epoch(c, v), run = v->launcher ? v->launcher->num[LPF_STARTED] : 0;
    if (epoch != c->epoch || run != c->run)
        forget_position(c);
    c->epoch = epoch;
    c->run = run;
    bool sealed = v->launcher && v->position && v->launcher->num[LPF_SEALED] == epoch;
    if (!sealed)
        forget_position(c);
    else if (!c->seal_seen_at)
        c->seal_seen_at = v->now;
    take_position(c, v);
    bool out = c->own_text && str_eq(announce_text(c->announce), c->own_text);
    if (!out)
        c->published_at = 0;
    else if (!c->published_at)
        c->published_at = v->now;
}

/* ---- the contest ---- */

/* Who let go knows that it has more than we, if only its last checkpoint (lsn is where that
 * begins): it comes back, and is waited for, else it would have to be rewound. */
static bool below_floor(const Campaign *c, const LeaseReleased *r)
{
    return r->is && r->clean &&
           (c->own.timeline < r->timeline ||
            (c->own.timeline == r->timeline && c->own.received <= r->lsn));
}

static void weigh_votes(Campaign *c, const CampaignView *v, Contest *k)
{
    AUTO_ARENA a = arena_new_sized(512);
    const Config *cfg = c->cc.cfg;
    int who = config_ordinal(cfg, v->lease->released.is ? v->lease->released.by : v->lease->holder);
    SyncElectors e = sync_electors(v->lease->sync, cfg->base, durability_of(cfg->durability),
                                   cfg->replicas, who);
    SyncVotes votes = sync_votes(&e.rec, e.old, contest_backing(k));
    c->proven = k->proven = votes.proven;
    if (votes.wanted && !votes.proven)
        snprintf(c->why, sizeof c->why, "waiting: %s", sync_votes_text(a, &votes, cfg->base));
    k->mood = !votes.wanted                        ? CONTEST_ASYNC
              : e.rec.mode == DURABILITY_PROTECTED ? CONTEST_PROOF
                                                   : CONTEST_WISHED;
}

static Contest contest_now(Campaign *c, const CampaignView *v, Position at[CONTEST_MEMBERS])
{
    const Config *cfg = c->cc.cfg;
    const LeaseInfo *l = v->lease;
    bool free_now = v->view == LEASE_FREE && l->released.is;
    int gone = config_ordinal(cfg, l->released.is ? l->released.by : l->holder);
    bool below = free_now && below_floor(c, &l->released);
    for (unsigned i = 0; i < CONTEST_MEMBERS; i++)
        at[i] = *peers_position(c->peers, i);
    at[cfg->ordinal] = c->own;
    return (Contest){.at = at,
                     .replicas = cfg->replicas,
                     .self = cfg->ordinal,
                     .absent = gone >= 0 && !below ? 1u << gone : 0,
                     .epoch = c->epoch,
                     .gather_ms = below ? cfg->lease_seconds * 1000 : CONTEST_GATHER_MS,
                     .forced = l->failover.is && l->failover.accept_data_loss,
                     .preferred = l->failover.is ? config_ordinal(cfg, l->failover.to) : -1,
                     .published_ms = v->now - c->published_at,
                     .sealed_ms = v->now - c->sealed_at,
                     .over_ms = v->now - c->over_at,
                     .seal_wait_ms = free_now ? 0 : VOUCH_OVER_MS,
                     .lease_ms = cfg->lease_seconds * 1000,
                     .lease_over = is_over(v->view)};
}

static unsigned hold_contest(Campaign *c, const CampaignView *v)
{
    Position at[CONTEST_MEMBERS];
    *c->why = 0;
    c->proven = false;
    if (!c->published_at || !is_crisis(v->view))
        return 0;
    Contest k = contest_now(c, v, at);
    if (contest_votes(&k) != c->votes)
        c->changed_at = v->now;
    c->votes = contest_votes(&k);
    k.changed_ms = v->now - c->changed_at;
    weigh_votes(c, v, &k);
    c->result = contest_verdict(&k);
    c->again = c->result.again;
    if (c->result.verdict == CONTEST_TAKE)
        return IF_TURN;
    if (!str_eq(c->result.why, "votes are missing") || !*c->why)
        snprintf(c->why, sizeof c->why, "waiting: %s%s%s", str_or(c->result.why, ""),
                 c->own.eligible ? "" : ": ", c->own.why);
    return 0;
}

/* ---- the lease is ours, and PostgreSQL a standby ---- */

static unsigned entitlement(Campaign *c, const CampaignView *v)
{
    const LeaseInfo *l = v->lease;
    if (v->view != LEASE_MINE || !v->launcher) {
        c->handed_at = 0;
        return 0;
    }
    if (!l->handover.is || !str_eq(l->handover.to, c->cc.cfg->pod))
        return v->launcher->num[LPF_SEALED] == l->epoch ? IF_ENTITLED | IF_READY : 0;
    if (!c->handed_at)
        c->handed_at = v->now;
    if (v->position && v->position->asked_at && v->position->in_recovery &&
        v->position->replayed >= l->handover.lsn)
        return IF_ENTITLED | IF_READY;
    uint64_t waited = v->now - c->handed_at;
    if (waited < HANDED_MS)
        c->again = HANDED_MS - waited;
    return waited < HANDED_MS ? IF_ENTITLED : 0;
}

static void plan_polls(Campaign *c, const CampaignView *v, unsigned flags)
{
    bool handed = (flags & IF_ENTITLED) && !(flags & IF_READY);
    bool crisis = c->crisis_at && !c->sealed_at;
    uint64_t since = !crisis ? 0 : v->now - (c->seal_seen_at ? c->seal_seen_at : c->crisis_at);
    if (!v->position || (!handed && !crisis))
        c->poll_ms = 0;
    else
        c->poll_ms = since > POLL_HURRY_MS ? POLL_CALM_MS
                     : since > HASTE_MS    ? POLL_MS
                                           : POLL_HASTE_MS;
}

unsigned campaign_look(Campaign *c, const CampaignView *v)
{
    c->again = UINT64_MAX;
    bool crisis = is_crisis(v->view);
    if (!crisis)
        c->crisis_at = 0;
    else if (!c->crisis_at)
        c->crisis_at = v->now;
    if (!is_over(v->view))
        c->over_at = v->now;
    peers_watch(c->peers, crisis && v->position ? c->cc.cfg->replicas : 0);
    track_seal(c, v);
    unsigned flags = hold_contest(c, v) | entitlement(c, v);
    if (!v->position ||
        (c->crisis_at && v->position->asked_at >= c->crisis_at && !v->position->receiver))
        flags |= IF_CUT;
    if (c->seal_seen_at)
        flags |= IF_SEALED;
    if (c->sealed_at)
        flags |= IF_SETTLED | IF_CUT;
    if (c->published_at)
        flags |= IF_CURRENT;
    if (announce_may_be(c->announce))
        flags |= IF_TOLD;
    plan_polls(c, v, flags);
    return flags;
}

uint64_t campaign_again(const Campaign *c)
{
    return c->again;
}

unsigned campaign_poll_ms(const Campaign *c)
{
    return c->poll_ms;
}

uint64_t campaign_epoch(const Campaign *c)
{
    return c->epoch;
}

const char *campaign_why(const Campaign *c)
{
    return c->why;
}

const ContestResult *campaign_result(const Campaign *c)
{
    return &c->result;
}

const Position *campaign_position(const Campaign *c)
{
    return &c->own;
}

const char *campaign_text(const Campaign *c)
{
    return c->own_text;
}

bool campaign_proven(const Campaign *c)
{
    return c->proven;
}

Announce *campaign_announce(Campaign *c)
{
    return c->announce;
}
