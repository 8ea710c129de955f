/* central/svc/clusters.h - removing a cluster: a wish that is kept until the site has done it. */
#pragma once
#include "store/audit.h"
#include "store/clusters.h"

typedef struct ClusterRemoval {
    const ClusterRow *cluster;
    bool delete_volumes;
    int64_t if_match;
    AuditNew audit;
} ClusterRemoval;
/* Protected volumes are ERR_PRECONDITION. Of a site that is not approved any more only the record
 * is removed. The result is the cluster as it is then (state deleting). */
void cluster_remove(App *app, Arena *a, const ClusterRemoval *in, ClusterDone done, void *ctx);
