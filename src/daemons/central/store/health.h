/* central/store/health.h - observed state of clusters: batched upserts in, instances out. */
#pragma once
#include "store/store.h"

/* One statement for many reports of many satellites; a cluster may stand in `at` once only. A
 * report about a cluster that is not (any more) that satellite's is dropped. */
typedef struct HealthItem {
    const char *satellite_id;
    const ClusterHealth *health;
} HealthItem;
void health_ingest(App *app, const HealthItem *at, size_t n, AppDone done, void *ctx);

/* Ready JSON: an array of INSTANCE by pod, and HA_SUMMARY ("{}": nothing was reported yet). */
typedef void (*HealthShown)(void *ctx, const Error *err, const char *instances, const char *ha);
void health_show(App *app, Arena *a, const char *cluster_id, HealthShown done, void *ctx);
