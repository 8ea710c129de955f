/* model/health.h - observed state: instances, clusters, events. Plain data; strings are never NULL
 * when they came through wire. */
#pragma once
#include "codec/fields.h"
#include "model/ha.h"

typedef enum ClusterState {
    CLUSTER_UNKNOWN,
    CLUSTER_CREATING,
    CLUSTER_RUNNING,
    CLUSTER_DEGRADED,
    CLUSTER_FAILED,
    CLUSTER_DELETING,
    CLUSTER_PAUSED,
    CLUSTER_UPDATING,
    CLUSTER_STATE_COUNT
} ClusterState;

typedef enum InstanceRole {
    ROLE_UNKNOWN,
    ROLE_PRIMARY,
    ROLE_REPLICA,
    ROLE_FAILED_PRIMARY,
    ROLE_COUNT
} InstanceRole;
typedef enum Severity {
    SEV_UNKNOWN,
    SEV_INFO,
    SEV_WARNING,
    SEV_ERROR,
    SEV_CRITICAL,
    SEV_COUNT
} Severity;

const char *cluster_state_name(ClusterState s); /* "running"; "unknown" */
const char *instance_role_name(InstanceRole r);
const char *severity_name(Severity s);
ClusterState cluster_state_of(const char *name); /* CLUSTER_UNKNOWN when it is none */
InstanceRole instance_role_of(const char *name);
Severity severity_of(const char *name);

typedef struct DatabaseStat {
    const char *name;
    int64_t size_bytes;
    double cache_hit_ratio;
} DatabaseStat;

typedef struct TableStat {
    const char *database, *schema, *table;
    int64_t live_tuples, dead_tuples, seq_scans, index_scans, inserts, updates, deletes, size_bytes;
    int64_t last_vacuum_us, last_autovacuum_us;
} TableStat;

typedef struct SlowQuery {
    const char *query, *database;
    int64_t calls, rows;
    double total_ms, mean_ms, max_ms;
} SlowQuery;

typedef struct InstanceHealth {
    const char *pod_name;
    InstanceRole role;
    bool ready, wal_receiver_active, pending_restart;
    const char *error, *lsn, *received_lsn, *system_identifier, *server_version;
    uint32_t timeline_id, connections_used, connections_max, connections_active, streaming_replicas;
    int64_t lag_bytes, disk_used_bytes, disk_total_bytes, wal_bytes_on_disk, started_at_us;
    int64_t wal_records, wal_bytes, wal_buffers_full, transactions;
    double lag_seconds, index_hit_ratio, commit_ratio;
    uint64_t epoch;
    ObjList databases;    /* DatabaseStat */
    ObjList tables;       /* TableStat */
    ObjList slow_queries; /* SlowQuery */
    HaFacts ha;
} InstanceHealth;

typedef struct Endpoint {
    const char *host;
    uint32_t port;
} Endpoint;

typedef struct ClusterHealth {
    const char *cluster_id, *name, *ns;
    ClusterState state;
    const char *reason; /* one sentence when the state is not running */
    ObjList instances;  /* InstanceHealth */
    uint32_t replicas_wanted;
    int64_t applied_version, at_us;
    const char *primary_pod;
    Endpoint rw, ro; /* host "": none */
    HaSummary ha;
} ClusterHealth;

typedef struct EventReport {
    uint64_t sequence;
    int64_t at_us;
    Severity severity;
    const char *kind, *cluster_name, *ns, *pod_name, *message, *operation_id, *source;
    StrMap data; /* never a secret */
} EventReport;

InstanceHealth instance_health_dup(Arena *a, const InstanceHealth *h);
ClusterHealth cluster_health_dup(Arena *a, const ClusterHealth *h);
EventReport event_report_dup(Arena *a, const EventReport *e);

/* An INSTANCE of the REST interface, from what a sidecar measured. */
void instance_health_json(JsonOut *j, const InstanceHealth *h);
