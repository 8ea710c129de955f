/* central/store/clusters.h - one cluster, and lists of many as ready JSON. */
#pragma once
#include "store/cluster_rows.h"

typedef struct ClusterRow {
    ApiCluster api;
    const char *satellite_id, *satellite_state;
    const char *config; /* JSON: the effective PROFILE_INPUT */
    bool deletion_protection;
    ApiEndpoint rw, ro;
} ClusterRow;
typedef void (*ClusterDone)(void *ctx, const Error *err, const ClusterRow *c);

/* ref: UUID, NAME, NAME@SATELLITE, NAMESPACE/NAME or NAMESPACE/NAME@SATELLITE. More than one:
 * ERR_AMBIGUOUS that names them. */
void cluster_find(App *app, PgConn *tx, Arena *a, const char *ref, ClusterDone done, void *ctx);

enum { CLUSTER_PAGE_MAX = 10000 };
typedef struct ClusterFilter {
    const char *states; /* comma list; each of these NULL: any */
    const char *satellite, *profile, *ns, *rule;
    const char *name;     /* a part of it */
    const char *selector; /* over the labels of the satellite, kubectl's language */
    const char *sort;     /* a column, with '-' the other way round; NULL: name */
    uint32_t limit;       /* 0: 100 */
    const char *after;
} ClusterFilter;
/* The whole answer of CLUSTER_LIST, written straight from the rows. A wrong selector, state or
 * column is ERR_INVALID. */
typedef void (*ClusterListDone)(void *ctx, const Error *err, const StrBuf *json);
void cluster_list_json(App *app, Arena *a, const ClusterFilter *f, ClusterListDone done, void *ctx);

typedef struct ClusterTombstone {
    const char *id;
    bool delete_volumes;
    int64_t if_match; /* config_version; 0: any */
    bool forget;      /* the site takes no orders any more: remove the row itself */
} ClusterTombstone;
void cluster_tombstone(App *app, PgConn *tx, const ClusterTombstone *t, AppDone done, void *ctx);
