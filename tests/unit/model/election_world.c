/* The world of test_election_model.c, which includes this: lease, members, launchers, receivers,
 * time and faults, small enough to be searched. What a member decides is the real thing. */
#include "model/contest.h"
#include "model/election.h"

#include <stdio.h>

enum { MEMBERS = 3, NOBODY = 7, LATE_TICKS = 3, LEASE_TICKS = 4, FAULTS = 2, LAST_EPOCH = 2 };

typedef struct Rules {
    unsigned members, permit, fresh, grant, seal_wait;
    unsigned faults;   /* bits of events: two of them, in any order */
    bool let_go_first; /* the permit ends before a release is written */
    bool compare;      /* writes of the lease compare before they swap */
    unsigned max_states;
} Rules;

static const Rules GOOD = {.members = 2,
                           .permit = 2,
                           .fresh = 1,
                           .grant = 2,
                           .seal_wait = 3,
                           .faults = ~0u,
                           .let_go_first = true,
                           .compare = true,
                           .max_states = 2200 * 1000};

typedef struct LeaseM {
    uint8_t exists, holder, epoch, released, addr;
} LeaseM;

typedef struct MemberM {
    uint8_t known, latest; /* the lease was seen; and nobody wrote since */
    LeaseM seen;
    uint8_t age, confirmed; /* ticks since a renewal was seen */
    uint8_t hold;           /* ticks that the last own renewal still lets PostgreSQL run */
    uint8_t pg, data, stamp, sealed, sealed_for, told, timeline;
    uint8_t permit;  /* the launcher's */
    uint8_t follow;  /* whom the receiver is told to follow */
    uint8_t contact; /* ticks since the receiver last answered */
    uint8_t no_api, cut, crashed;
} MemberM;

typedef struct World {
    LeaseM lease;
    MemberM m[MEMBERS];
    uint8_t faults;
} World;

/* ---- what a member sees ---- */

static bool receives(const World *w, unsigned i)
{
    const MemberM *m = &w->m[i];
    return m->pg == PG_STANDBY && m->follow != NOBODY && !m->cut &&
           w->m[m->follow].pg == PG_PRIMARY && w->m[m->follow].stamp == m->stamp;
}

static LeaseView view_of(const MemberM *m, unsigned i)
{
    const LeaseM *l = &m->seen;
    if (!m->known)
        return LEASE_UNKNOWN;
    if (!l->exists)
        return m->age > LEASE_TICKS ? LEASE_GONE : LEASE_NONE;
    if (l->holder == i)
        return LEASE_MINE;
    if (l->holder == NOBODY)
        return LEASE_FREE;
    if (m->age > LEASE_TICKS)
        return LEASE_EXPIRED;
    if (m->age >= LATE_TICKS)
        return LEASE_LATE;
    return l->addr ? LEASE_OTHER : LEASE_RISING;
}

static unsigned next_epoch(const MemberM *m)
{
    unsigned own = (m->stamp > m->sealed ? m->stamp + 1u : m->sealed);
    return m->seen.exists ? m->seen.epoch + 1u : own;
}

static bool has_turn(const World *w, const Rules *r, unsigned i, LeaseView view)
{
    Position at[CONTEST_MEMBERS] = {0};
    for (unsigned j = 0; j < r->members; j++)
        at[j] = (Position){.known = w->m[j].told,
                           .sealed = w->m[j].told,
                           .eligible = true,
                           .epoch = w->m[j].told,
                           .timeline = w->m[j].timeline};
    Contest c = {.at = at,
                 .replicas = r->members,
                 .self = i,
                 .epoch = next_epoch(&w->m[i]),
                 .preferred = -1,
                 .published_ms = 1000000,
                 .over_ms = 1000000,
                 .changed_ms = 1000000,
                 .sealed_ms = w->m[i].sealed_for * 100000u,
                 .seal_wait_ms = view == LEASE_FREE ? 0 : r->seal_wait * 100000u,
                 .lease_over = view != LEASE_LATE};
    return contest_verdict(&c).verdict == CONTEST_TAKE;
}

static Observation see(const World *w, const Rules *r, unsigned i, bool quick)
{
    const MemberM *m = &w->m[i];
    Observation o = {.lease = view_of(m, i), .data = m->data, .pg = m->pg};
    bool mine = o.lease == LEASE_MINE, sealed = m->sealed && m->sealed == next_epoch(m);
    bool current = sealed && m->told == m->sealed;
    o.flags = (quick ? IF_QUICK : 0) | (m->hold ? IF_PERMIT : 0) |
              (m->stamp == m->seen.epoch ? IF_EPOCH : 0) |
              (m->pg == PG_STANDBY && m->follow == m->seen.holder && m->stamp == m->seen.epoch
                   ? IF_FOLLOWS
                   : 0) |
              (mine && m->sealed == m->seen.epoch ? IF_ENTITLED | IF_READY : 0) |
              (m->told ? IF_TOLD : 0) | (m->confirmed || o.lease == LEASE_FREE ? IF_CONFIRMED : 0);
    if (!receives(w, i))
        o.flags |= IF_CUT;
    if (sealed && m->pg == PG_STANDBY)
        o.flags |= IF_SEALED | IF_SETTLED;
    if (current && m->pg == PG_STANDBY)
        o.flags |= IF_CURRENT;
    if ((o.flags & IF_CURRENT) && has_turn(w, r, i, o.lease))
        o.flags |= IF_TURN;
    return o;
}

/* ---- what it does ---- */

static void deliver(World *w, unsigned i, bool renewed)
{
    MemberM *m = &w->m[i];
    bool changed = !m->known || m->seen.holder != w->lease.holder ||
                   m->seen.exists != w->lease.exists || m->seen.epoch != w->lease.epoch;
    if (changed || renewed) {
        m->age = 0;
        m->confirmed = 0;
    }
    m->seen = w->lease;
    m->known = m->latest = 1;
}

/* Compare-and-swap. False: nothing the member knows of changed. */
static bool write_lease(World *w, const Rules *r, unsigned i, LeaseM next, bool answer_lost)
{
    MemberM *m = &w->m[i];
    if (m->no_api)
        return false;
    if (!m->latest && r->compare) {
        deliver(w, i, true);
        return false;
    }
    w->lease = next;
    for (unsigned j = 0; j < MEMBERS; j++)
        w->m[j].latest = 0;
    if (answer_lost)
        return false;
    deliver(w, i, true);
    return true;
}

static void pg_down(MemberM *m)
{
    m->pg = PG_DOWN;
    m->permit = 0;
}

static void lead(MemberM *m)
{
    m->pg = PG_PRIMARY;
    m->data = DATA_PRIMARY;
    m->stamp = m->seen.epoch;
    m->sealed = 0;
    m->follow = NOBODY;
    m->permit = m->hold;
}

static void seal(MemberM *m, unsigned epoch)
{
    m->sealed = (uint8_t)epoch;
    m->sealed_for = 0;
    m->follow = NOBODY;
}

static void took(const Rules *r, MemberM *m)
{
    m->hold = (uint8_t)r->permit;
    if (m->pg == PG_PRIMARY && m->permit < r->permit)
        m->permit = (uint8_t)r->permit;
}

static void join(World *w, unsigned i)
{
    MemberM *m = &w->m[i];
    unsigned to = m->seen.holder;
    if (to >= MEMBERS || w->m[to].pg != PG_PRIMARY || w->m[to].stamp != m->seen.epoch || m->cut)
        return;
    m->pg = PG_STANDBY;
    m->data = DATA_STANDBY;
    m->stamp = m->seen.epoch;
    m->timeline = w->m[to].timeline;
    m->sealed = 0;
    m->follow = (uint8_t)to;
    m->contact = 0;
}

static void act_lease(World *w, const Rules *r, unsigned i, Action a, bool lost)
{
    MemberM *m = &w->m[i];
    LeaseM next = m->seen;
    next.exists = 1;
    if (a == ACT_RENEW)
        next.addr = m->pg == PG_PRIMARY ? 1 : next.addr;
    else if (a == ACT_TAKE)
        next = (LeaseM){1, (uint8_t)i, (uint8_t)next_epoch(m), 0, 0};
    else if (a == ACT_RECREATE_LEASE)
        next = (LeaseM){1, (uint8_t)i, (uint8_t)(m->stamp + 1), 0, 1};
    else
        next = (LeaseM){1, NOBODY, m->seen.epoch, (uint8_t)i, 0};
    if (a == ACT_RELEASE && r->let_go_first)
        m->hold = 0;
    if (!write_lease(w, r, i, next, lost) || a == ACT_RELEASE)
        return;
    took(r, m);
    if (m->pg == PG_PRIMARY)
        m->stamp = m->seen.epoch; /* with the permit */
}

static void act(World *w, const Rules *r, unsigned i, Action a, bool lost)
{
    MemberM *m = &w->m[i];
    switch ((int)a) {
    case ACT_RENEW:
    case ACT_TAKE:
    case ACT_RELEASE:
    case ACT_RECREATE_LEASE:
        act_lease(w, r, i, a, lost);
        break;
    case ACT_START_PRIMARY:
        lead(m);
        break;
    case ACT_PROMOTE:
        lead(m);
        m->timeline++;
        break;
    case ACT_START_SEALED:
        m->pg = PG_STANDBY;
        m->data = DATA_STANDBY;
        seal(m, m->seen.holder == i ? m->seen.epoch : next_epoch(m));
        break;
    case ACT_SEAL:
        seal(m, next_epoch(m));
        break;
    case ACT_PUBLISH:
        m->told = m->no_api ? m->told : m->sealed;
        break;
    case ACT_WITHDRAW:
        m->told = m->no_api ? m->told : 0;
        break;
    case ACT_FOLLOW:
    case ACT_REJOIN:
        join(w, i);
        break;
    case ACT_CONFIRM:
        if (!m->no_api) {
            deliver(w, i, !m->latest);
            m->confirmed = 1;
        }
        break;
    case ACT_STOP_NOW:
    case ACT_KILL:
        pg_down(m);
        break;
    default:
        break;
    }
}

static void step(World *w, const Rules *r, unsigned i, bool quick, bool lost)
{
    Observation o = see(w, r, i, quick);
    Decision d = member_decide(&o);
    if (d.action != ACT_NONE)
        act(w, r, i, d.action, lost);
    else if (d.hold && w->m[i].hold < r->permit)
        act(w, r, i, ACT_RENEW, lost);
}

/* ---- what happens to it ---- */

static uint8_t more(uint8_t n, unsigned cap)
{
    return n < cap ? n + 1 : n;
}

static void tick(World *w, const Rules *r)
{
    bool received[MEMBERS];
    for (unsigned i = 0; i < r->members; i++)
        received[i] = receives(w, i);
    for (unsigned i = 0; i < r->members; i++) {
        MemberM *m = &w->m[i];
        m->age = more(m->age, LEASE_TICKS + 1);
        m->sealed_for = more(m->sealed_for, r->seal_wait);
        m->contact = received[i] ? 0 : more(m->contact, r->fresh + 1);
        m->hold -= m->hold > 0;
        m->permit -= m->permit > 0;
        if (m->pg == PG_PRIMARY && !m->permit)
            pg_down(m); /* the launcher's dead-man */
    }
}

/* The API is away, and every other member has answered lately: go on for a while. */
static void vouch(World *w, const Rules *r, unsigned i)
{
    MemberM *m = &w->m[i];
    if (m->pg != PG_PRIMARY || !m->no_api || m->permit >= r->grant)
        return;
    for (unsigned j = 0; j < r->members; j++)
        if (j != i && w->m[j].contact > r->fresh)
            return;
    m->permit = (uint8_t)r->grant;
}

static void forget(MemberM *m)
{
    m->known = m->latest = m->confirmed = m->hold = m->age = m->sealed_for = 0;
    m->seen = (LeaseM){0};
}

typedef enum Event {
    EV_TICK,
    EV_STEP,
    EV_STEP_LOST,
    EV_STEP_SLOW, /* PostgreSQL may not be started again in place */
    EV_SLOW_LOST,
    EV_SEE,
    EV_VOUCH,
    EV_HEAL,
    EV_FAULTS,
    EV_PG_DIES = EV_FAULTS,
    EV_SIDECAR_DIES,
    EV_POD_DIES,
    EV_API_AWAY,
    EV_CUT,
    EV_LEASE_DELETED,
    EV_COUNT
} Event;

static const char *const EVENTS[] = {"tick",
                                     "step",
                                     "step, answer lost",
                                     "step, not in place",
                                     "not in place, lost",
                                     "sees",
                                     "vouched",
                                     "heals",
                                     "PostgreSQL dies",
                                     "sidecar dies",
                                     "pod dies",
                                     "API away",
                                     "cut off",
                                     "lease deleted"};

static void fault(World *w, unsigned i, Event e)
{
    MemberM *m = &w->m[i];
    w->faults++;
    if (e == EV_PG_DIES || e == EV_POD_DIES)
        pg_down(m);
    if (e == EV_SIDECAR_DIES || e == EV_POD_DIES)
        forget(m);
    if (e == EV_API_AWAY)
        m->no_api = 1;
    if (e == EV_CUT)
        m->cut = 1;
    if (e == EV_LEASE_DELETED) {
        w->lease = (LeaseM){.holder = NOBODY};
        for (unsigned j = 0; j < MEMBERS; j++)
            w->m[j].latest = 0;
    }
}

/* What nobody asks for any more is the same in all states. */
static void tidy(World *w, const Rules *r, unsigned i)
{
    MemberM *m = &w->m[i];
    if (!m->sealed)
        m->sealed_for = 0;
    if (m->pg == PG_PRIMARY)
        m->contact = (uint8_t)(r->fresh + 1);
    if (m->pg == PG_DOWN)
        m->follow = NOBODY;
    if (m->known && m->seen.exists && m->seen.holder == i)
        m->age = m->confirmed = 0;
    m->seen.released = w->lease.released = 0;
}

/* False: this event changes nothing here. */
static bool apply(World *w, const Rules *r, unsigned i, Event e)
{
    World before = *w;
    if (e >= EV_FAULTS && (w->faults >= FAULTS || !(r->faults & 1u << e)))
        return false;
    switch ((int)e) {
    case EV_TICK:
        if (i == 0)
            tick(w, r);
        break;
    case EV_STEP:
        step(w, r, i, true, false);
        break;
    case EV_STEP_LOST:
        step(w, r, i, true, true);
        break;
    case EV_STEP_SLOW:
        step(w, r, i, false, false);
        break;
    case EV_SLOW_LOST:
        step(w, r, i, false, true);
        break;
    case EV_SEE:
        if (!w->m[i].no_api)
            deliver(w, i, !w->m[i].latest);
        break;
    case EV_VOUCH:
        vouch(w, r, i);
        break;
    case EV_HEAL:
        w->m[i].no_api = w->m[i].cut = 0;
        break;
    default:
        fault(w, i, e);
    }
    for (unsigned j = 0; j < r->members; j++)
        tidy(w, r, j);
    return memcmp(&before, w, sizeof *w) != 0;
}
