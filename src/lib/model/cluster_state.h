/* model/cluster_state.h - the state of a cluster from its instances: a pure function with reasons.
 */
#pragma once
#include "model/health.h"

typedef struct ClusterStateInput {
    bool paused, deleting, updating;
    uint32_t replicas_wanted;
    const InstanceHealth *instances;
    size_t n;
    int64_t created_at_us; /* of the cluster at the site */
    bool was_running;      /* it ran before: no more `creating` */
    int64_t now_us;
} ClusterStateInput;

enum { CLUSTER_CREATE_LIMIT_S = 600 }; /* without a primary for longer: failed */

typedef struct ClusterStateResult {
    ClusterState state;
    const char *reason; /* "" when running; in the arena */
    const char *primary_pod;
    uint32_t ready;
    int64_t lag_bytes; /* the worst replica's */
    double lag_seconds;
} ClusterStateResult;

ClusterStateResult cluster_state_decide(Arena *a, const ClusterStateInput *in);
