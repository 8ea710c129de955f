/* central/store/cluster_rows.h - rows of view cluster_list as CLUSTER of the REST interface, for
 * lists, the hub and the status answer. */
#pragma once
#include "store/store.h"

/* What a SELECT must name for cluster_from_row, in this order, from first_col on. */
#define CLUSTER_COLUMNS                                                                           \
    "id, name, namespace, satellite, state, reason, profile, profile_version, config_version, "   \
    "acked_version, config_state, config_error, replicas, ready, primary_pod, lag_bytes, "        \
    "lag_seconds, rule, paused, durability, sync, failover_loss, failover_loss_bytes, " STORE_US( \
        "created_at") ", " STORE_US("updated_at")
enum { CLUSTER_COLUMN_COUNT = 25 };
void cluster_from_row(Arena *a, const PgResult *r, int row, int first_col, ApiCluster *ret);
/* Every row of a result that selects CLUSTER_COLUMNS first. */
ObjList clusters_from_result(Arena *a, const PgResult *r);

typedef void (*ObjsDone)(void *ctx, const Error *err, const ObjList *items);
/* Those of the ids (a comma list of UUIDs) that are there. Items: ApiCluster. */
void cluster_by_ids(App *app, Arena *a, const char *ids, ObjsDone done, void *ctx);
/* Pages by id, for snapshots of all: after "" begins. */
void cluster_page(App *app, Arena *a, const char *after_id, uint32_t limit, ObjsDone done,
                  void *ctx);
/* Neither running nor paused, nor just being made for less than 10 minutes; worst first. */
void cluster_broken(App *app, Arena *a, uint32_t limit, ObjsDone done, void *ctx);
