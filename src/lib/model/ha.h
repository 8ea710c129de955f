/* model/ha.h - what a member, and what a cluster as a whole, knows of leadership and durability.
 * Plain data; strings are never NULL when they came through wire. */
#pragma once
#include "codec/fields.h"

/* A standby as its primary sees it. */
typedef struct FollowerHealth {
    const char *pod_name, *state, *sync_state;
    int64_t epoch;                       /* it follows us as of this epoch */
    int64_t lag_bytes, replay_lag_bytes; /* written here and not on its disk, not replayed there */
    double lag_seconds, silent_seconds;
} FollowerHealth;

typedef struct HaFacts {
    const char *lease_holder, *durability, *sync_in_force, *sync_step, *fence_operation, *paused_by;
    int64_t lease_epoch;
    int64_t lease_age_ms; /* since this member saw it renewed; -1: never */
    uint32_t lease_seconds, sync_k, replicas;
    bool sync_degraded, sync_recorded, api_away, fenced, paused, sealed;
    StrList sync_names;
    ObjList followers; /* FollowerHealth */
} HaFacts;

typedef struct HaSummary {
    const char *durability, *sync, *lease_holder, *loss, *loss_text, *fenced_pod, *fence_operation,
        *paused_by;
    int64_t epoch, at_us;             /* at_us: when this was so */
    int64_t lease_age_ms, loss_bytes; /* -1: not known */
    uint32_t sync_k, timeline_id, lease_seconds;
    bool paused, api_away;
    StrList sync_names;
} HaSummary;

HaFacts ha_facts_dup(Arena *a, const HaFacts *h);
HaSummary ha_summary_dup(Arena *a, const HaSummary *h);
/* Objects of the REST interface: INSTANCE.ha, CLUSTER_DETAIL.ha. */
extern const Schema schema_HA_FACTS, schema_HA_SUMMARY, schema_FOLLOWER;
