/* health/aggregate.h - the health of a cluster from what its sidecars said and what the API server
 * shows of its pods. Pure: `now` is a parameter. */
#pragma once
#include "operator/state.h"
#include "sidecars/registry.h"

typedef struct HealthInput {
    const Cluster *cluster;
    const Registry *registry; /* NULL: no sidecar was heard yet */
    int64_t now_us;
    uint64_t now_ms;
} HealthInput;
enum { HEALTH_STALE_MS = 30000 }; /* a sidecar that said nothing for so long is not believed */

/* Shares strings with the input. */
ClusterHealth health_aggregate(Arena *a, const HealthInput *in);
