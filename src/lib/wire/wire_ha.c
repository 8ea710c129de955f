#include "wire/wire_ha.h"
#include "wire/wire_util.h"
#include <math.h>

enum { MEMBERS_MAX = 64 };

/* Members that are the same type and name on both sides. */
/* clang-format off */
#define FOLLOWER_TEXTS(X) X(pod_name) X(state) X(sync_state)
#define FOLLOWER_NUMBERS(X) X(epoch) X(lag_bytes) X(replay_lag_bytes)
#define FOLLOWER_REALS(X) X(lag_seconds) X(silent_seconds)
#define FACT_TEXTS(X)                                                                             \
    X(lease_holder) X(durability) X(sync_in_force) X(sync_step) X(fence_operation) X(paused_by)
#define FACT_NUMBERS(X)                                                                           \
    X(lease_epoch) X(lease_age_ms) X(lease_seconds) X(sync_k) X(replicas) X(sync_degraded)        \
    X(sync_recorded) X(api_away) X(fenced) X(paused) X(sealed)
#define SUMMARY_TEXTS(X)                                                                          \
    X(durability) X(sync) X(lease_holder) X(loss) X(loss_text) X(fenced_pod) X(fence_operation)   \
    X(paused_by)
#define SUMMARY_NUMBERS(X)                                                                        \
    X(epoch) X(lease_age_ms) X(loss_bytes) X(sync_k) X(timeline_id) X(lease_seconds) X(paused)    \
    X(api_away)
/* clang-format on */
#define GET_TEXT(f) r.f = wire_cut(m->f, WIRE_SENTENCE_MAX);
#define GET_NUMBER(f) r.f = (__typeof__(r.f))m->f;
#define GET_REAL(f) r.f = isfinite(m->f) ? m->f : 0;
#define PUT_TEXT(f) m->f = pb_text(h->f);
#define PUT_NUMBER(f) m->f = (__typeof__(m->f))h->f;

static StrList names_get(Arena *a, size_t n, char **at)
{
    n = n < MEMBERS_MAX ? n : MEMBERS_MAX;
    for (size_t i = 0; i < n; i++)
        wire_cut(at[i], WIRE_NAME_MAX);
    return wire_list_get(a, n, at);
}

static FollowerHealth follower_get(const Pgswarm__V1__FollowerHealth *m)
{
    FollowerHealth r = {0};
    FOLLOWER_TEXTS(GET_TEXT)
    FOLLOWER_NUMBERS(GET_NUMBER)
    FOLLOWER_REALS(GET_REAL)
    return r;
}

static Pgswarm__V1__FollowerHealth *follower_put(Arena *a, const FollowerHealth *h)
{
    Pgswarm__V1__FollowerHealth *m = arena_new_of(a, Pgswarm__V1__FollowerHealth);
    pgswarm__v1__follower_health__init(m);
    FOLLOWER_TEXTS(PUT_TEXT)
    FOLLOWER_NUMBERS(PUT_NUMBER)
    FOLLOWER_REALS(PUT_NUMBER)
    return m;
}

HaFacts wire_ha_facts_get(Arena *a, const Pgswarm__V1__HaFacts *m)
{
    HaFacts r = {.lease_age_ms = -1};
    Pgswarm__V1__HaFacts none = PGSWARM__V1__HA_FACTS__INIT;
    none.lease_age_ms = -1;
    m = m ? m : &none;
    FACT_TEXTS(GET_TEXT)
    FACT_NUMBERS(GET_NUMBER)
    r.sync_names = names_get(a, m->n_sync_names, m->sync_names);
    size_t n = m->n_followers < MEMBERS_MAX ? m->n_followers : MEMBERS_MAX;
    FollowerHealth *at = n ? arena_array(a, FollowerHealth, n) : NULL;
    for (size_t i = 0; i < n; i++)
        at[i] = follower_get(m->followers[i]);
    r.followers = (ObjList){at, n};
    return r;
}

Pgswarm__V1__HaFacts *wire_ha_facts_put(Arena *a, const HaFacts *h)
{
    Pgswarm__V1__HaFacts *m = arena_new_of(a, Pgswarm__V1__HaFacts);
    pgswarm__v1__ha_facts__init(m);
    FACT_TEXTS(PUT_TEXT)
    FACT_NUMBERS(PUT_NUMBER)
    m->sync_names = wire_list_put(a, h->sync_names, &m->n_sync_names);
    m->n_followers = h->followers.n;
    m->followers = arena_calloc(a, h->followers.n + 1, sizeof *m->followers);
    for (size_t i = 0; i < h->followers.n; i++)
        m->followers[i] = follower_put(a, &((const FollowerHealth *)h->followers.at)[i]);
    return m;
}

HaSummary wire_ha_summary_get(Arena *a, const Pgswarm__V1__HaSummary *m)
{
    HaSummary r = {.lease_age_ms = -1};
    Pgswarm__V1__HaSummary none = PGSWARM__V1__HA_SUMMARY__INIT;
    none.lease_age_ms = none.loss_bytes = -1;
    m = m ? m : &none;
    SUMMARY_TEXTS(GET_TEXT)
    SUMMARY_NUMBERS(GET_NUMBER)
    r.sync_names = names_get(a, m->n_sync_names, m->sync_names);
    return r;
}

Pgswarm__V1__HaSummary *wire_ha_summary_put(Arena *a, const HaSummary *h)
{
    Pgswarm__V1__HaSummary *m = arena_new_of(a, Pgswarm__V1__HaSummary);
    pgswarm__v1__ha_summary__init(m);
    SUMMARY_TEXTS(PUT_TEXT)
    SUMMARY_NUMBERS(PUT_NUMBER)
    m->sync_names = wire_list_put(a, h->sync_names, &m->n_sync_names);
    return m;
}
