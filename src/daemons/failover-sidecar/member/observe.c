#include "member/observe.h"

#include "member/vouch.h"

enum { FENCE_BUDGET_MS = 500, RENEW_MS = 2000 };

uint64_t lease_permit_ms(unsigned seconds)
{
    uint64_t lease = (uint64_t)seconds * 1000;
    return lease > 10000 ? lease - 5000 : lease / 2;
}

/* Early enough that the wait after the seal is over when the lease is. */
uint64_t lease_late_ms(unsigned seconds)
{
    uint64_t lease = (uint64_t)seconds * 1000, fenced = lease_permit_ms(seconds) + FENCE_BUDGET_MS;
    return lease > fenced + VOUCH_OVER_MS ? lease - VOUCH_OVER_MS : fenced;
}

uint64_t lease_renew_ms(unsigned seconds)
{
    uint64_t third = (uint64_t)seconds * 1000 / 3;
    return third < RENEW_MS ? third : RENEW_MS;
}

uint64_t lease_overdue_ms(unsigned seconds)
{
    return 2 * lease_renew_ms(seconds);
}

bool serves_without_stream(uint64_t lease_age_ms, uint64_t streamless_ms, unsigned seconds)
{
    return lease_age_ms > lease_overdue_ms(seconds) && streamless_ms < (uint64_t)seconds * 1000;
}

unsigned lease_duration(const LeaseInfo *l, unsigned configured)
{
    return l->exists && l->seconds > configured ? l->seconds : configured;
}

static LeaseView view_of_others(const Facts *f)
{
    const LeaseInfo *l = f->lease;
    unsigned seconds = lease_duration(l, f->lease_seconds);
    bool over = f->lease_age_ms > (uint64_t)seconds * 1000;
    /* Emptied, but not by its holder: a primary may be running. */
    if (!*l->holder)
        return l->released.is || over ? LEASE_FREE : LEASE_LATE;
    if (over)
        return LEASE_EXPIRED;
    if (!l->system_id)
        return LEASE_OTHER_NEW;
    if (f->lease_age_ms > lease_late_ms(seconds))
        return LEASE_LATE;
    return *l->primary_addr ? LEASE_OTHER : LEASE_RISING;
}

/* A pod of our name that was there before us may still run somewhere: its lease is another's. But
 * when it went before there was a cluster, nobody else can begin one. */
static bool is_mine(const Facts *f)
{
    const LeaseInfo *l = f->lease;
    if (!*l->holder || !str_eq(l->holder, f->pod))
        return false;
    bool over = f->lease_age_ms > (uint64_t)lease_duration(l, f->lease_seconds) * 1000;
    return !*l->uid || str_empty(f->uid) || str_eq(l->uid, f->uid) || (!l->system_id && over);
}

static LeaseView lease_view(const Facts *f)
{
    const LeaseInfo *l = f->lease;
    if (!f->lease_known)
        return LEASE_UNKNOWN;
    if (!l->exists)
        return f->lease_age_ms > (uint64_t)f->lease_seconds * 1000 ? LEASE_GONE : LEASE_NONE;
    if (is_mine(f))
        return l->system_id ? LEASE_MINE : LEASE_MINE_NEW;
    return view_of_others(f);
}

static DataView data_view(const Facts *f)
{
    const LpMsg *m = f->launcher;
    if (!m)
        return DATA_UNKNOWN;
    uint64_t want = f->lease_known && f->lease->exists ? f->lease->system_id : 0;
    switch (m->num[LPF_DATA]) {
    case LP_DATA_EMPTY:
        return DATA_EMPTY;
    case LP_DATA_LOST:
        return DATA_LOST;
    case LP_DATA_READY:
        if (want && m->num[LPF_SYSTEM_ID] != want)
            return DATA_ALIEN;
        return m->num[LPF_STAMP_ROLE] == LP_ROLE_PRIMARY ? DATA_PRIMARY : DATA_STANDBY;
    case LP_DATA_MARKED:
        return DATA_MARKED;
    default:
        return DATA_FOREIGN;
    }
}

static PgView pg_view(const LpMsg *m)
{
    if (!m || m->num[LPF_PG] == LP_PG_DOWN)
        return PG_DOWN;
    if (m->num[LPF_PG] == LP_PG_STOPPING)
        return PG_STOPPING;
    return m->num[LPF_ROLE] == LP_ROLE_PRIMARY ? PG_PRIMARY : PG_STANDBY;
}

static bool follows(const Facts *f)
{
    const LpMsg *m = f->launcher;
    char host[LEASE_TEXT];
    uint16_t port;
    return m && f->lease->exists && m->num[LPF_EPOCH] == f->lease->epoch &&
           str_eq(m->text[LPF_LEADER], f->lease->holder) &&
           addr_split(f->lease->primary_addr, host, sizeof host, &port) &&
           m->num[LPF_PORT] == port && str_eq(m->text[LPF_HOST], host);
}

static bool is_paused(const LeaseInfo *l)
{
    return l->paused.is && !l->failover.is;
}

/* A person's switchover made another the leader, and this member stands where it stopped for that:
 * it follows, as the person wants, paused or not. */
static bool gave_by_hand(const Facts *f, const Observation *o)
{
    const LeaseHandover *h = &f->lease->handover;
    return h->is && str_eq(h->from, f->pod) && str_eq(h->to, f->lease->holder) &&
           o->data == DATA_PRIMARY;
}

static bool is_evicted(const Facts *f)
{
    return f->lease->failover.is && !str_eq(f->lease->failover.to, f->pod) && f->replicas > 1;
}

static unsigned lease_flags(const Facts *f, const Observation *o)
{
    const LeaseInfo *l = f->lease;
    unsigned flags = 0;
    if (!f->lease_known)
        return 0;
    if (f->launcher && l->exists && f->launcher->num[LPF_STAMP_EPOCH] == l->epoch)
        flags |= IF_EPOCH;
    if (o->pg == PG_STANDBY && follows(f))
        flags |= IF_FOLLOWS;
    if (is_paused(l) && !gave_by_hand(f, o))
        flags |= IF_PAUSED;
    if (is_evicted(f))
        flags |= IF_EVICTED;
    if (f->may_restart || is_paused(l))
        flags |= IF_QUICK;
    if (f->confirmed || (o->lease == LEASE_FREE && l->released.is))
        flags |= IF_CONFIRMED;
    if (o->lease == LEASE_FREE && l->released.is && str_eq(l->released.by, f->pod) &&
        f->lease_age_ms < GAVE_MS && f->replicas > 1)
        flags |= IF_GAVE;
    return flags;
}

/* Old folders are removed beside whatever else is done, but for a rewind or a copy. */
static bool has_job(const LpMsg *m, LeaseView lease)
{
    return m && m->num[LPF_JOB] != LP_JOB_NONE &&
           (m->num[LPF_JOB] != LP_JOB_FORGET || lease == LEASE_OTHER);
}

Observation member_observe(const Facts *f)
{
    const LpMsg *m = f->launcher;
    Observation o = {.lease = lease_view(f), .data = data_view(f), .pg = pg_view(m)};
    o.job = has_job(m, o.lease);
    o.flags = lease_flags(f, &o);
    if (f->first && !f->established)
        o.flags |= IF_FIRST;
    if (f->permit_fresh)
        o.flags |= IF_PERMIT;
    if (f->frozen)
        o.flags |= IF_FROZEN;
    if (f->held)
        o.flags |= IF_HELD;
    if (m && m->num[LPF_TERMINATING])
        o.flags |= IF_LEAVING;
    if (o.pg == PG_STANDBY && f->rogue)
        o.flags |= IF_ROGUE;
    if (o.pg == PG_PRIMARY && m->num[LPF_IN_RECOVERY])
        o.flags |= IF_RECOVERY;
    return o;
}
