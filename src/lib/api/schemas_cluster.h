/* api/schemas_cluster.h - clusters and their instances. */
#pragma once
#include "api/schemas_fleet.h"
#include "model/ha.h"
#include "model/profile.h"

typedef struct ApiCluster {
    const char *id, *name, *ns, *satellite, *state, *reason, *profile;
    int64_t profile_version, config_version, acked_version;
    const char *config_state; /* pending applied refused deleting */
    const char *config_error;
    int64_t replicas, ready;
    const char *primary;
    int64_t lag_bytes;
    double lag_seconds;
    const char *rule; /* "" made by hand */
    bool paused;
    const char *durability, *sync, *failover_loss; /* of HA_SUMMARY */
    int64_t failover_loss_bytes;
    int64_t created_at, updated_at;
} ApiCluster;
typedef struct ApiEndpoint {
    const char *host;
    uint32_t port;
} ApiEndpoint;
typedef struct ApiDatabaseStat {
    const char *name;
    int64_t size_bytes;
    double cache_hit_ratio;
} ApiDatabaseStat;
typedef struct ApiTableStat {
    const char *database, *schema, *table;
    int64_t live_tuples, dead_tuples, seq_scans, index_scans, inserts, updates, deletes, size_bytes;
    int64_t last_vacuum, last_autovacuum;
} ApiTableStat;
typedef struct ApiSlowQuery {
    const char *query, *database;
    int64_t calls, rows;
    double total_ms, mean_ms, max_ms;
} ApiSlowQuery;
typedef struct ApiInstance {
    const char *pod, *role;
    bool ready;
    const char *error;
    int64_t timeline;
    const char *lsn, *received_lsn;
    int64_t lag_bytes;
    double lag_seconds;
    bool wal_receiver, pending_restart;
    int64_t connections_used, connections_max, connections_active, streaming_replicas;
    int64_t disk_used_bytes, disk_total_bytes, wal_bytes_on_disk;
    int64_t started_at, epoch;
    const char *server_version;
    int64_t wal_records, wal_bytes, wal_buffers_full, transactions;
    double index_hit_ratio, commit_ratio;
    HaFacts ha;
    ObjList databases;    /* ApiDatabaseStat */
    ObjList tables;       /* ApiTableStat */
    ObjList slow_queries; /* ApiSlowQuery */
} ApiInstance;
typedef struct ApiClusterDetail {
    ApiCluster c;
    HaSummary ha;
    ObjList instances; /* ApiInstance */
    ApiEndpoint rw, ro;
    const char *config; /* JSON: the effective PROFILE_INPUT */
    ObjList events;     /* ApiEvent */
} ApiClusterDetail;
typedef struct ApiDecision {
    int64_t at, number, epoch;
    const char *member, *chain, *kind, *saw, *did, *why, *prev, *hash;
} ApiDecision;
typedef struct ApiCredentials {
    const char *user, *password, *database;
    ApiEndpoint rw, ro;
} ApiCredentials;

extern const Schema schema_CLUSTER, schema_CLUSTER_DETAIL, schema_INSTANCE, schema_CREDENTIALS,
    schema_DECISION;
extern const Schema schema_ENDPOINT, schema_DATABASE_STAT, schema_TABLE_STAT, schema_SLOW_QUERY;
