#include "api/schemas_cluster.h"

static const char *const states[] = {"unknown",  "creating", "running",  "degraded", "failed",
                                     "deleting", "paused",   "updating", NULL};
static const char *const config_states[] = {"pending", "applied", "refused", "deleting", NULL};
static const char *const roles[] = {"unknown", "primary", "replica", "failed_primary", NULL};

#define CLUSTER_MEMBERS(T, at)                                                                  \
    FIELD_AS(T, "id", at id, FK_STR, .help = "UUID"),                                           \
        FIELD_AS(T, "name", at name, FK_STR, .help = "Name"),                                   \
        FIELD_AS(T, "namespace", at ns, FK_STR, .help = "Namespace at the site"),               \
        FIELD_AS(T, "satellite", at satellite, FK_STR, .help = "Name of the site's satellite"), \
        FIELD_AS(T, "state", at state, FK_STR, .choices = states, .help = "What it is"),        \
        FIELD_AS(T, "reason", at reason, FK_STR, .help = "Why it is not running"),              \
        FIELD_AS(T, "profile", at profile, FK_STR, .help = "Its profile"),                      \
        FIELD_AS(T, "profile_version", at profile_version, FK_I64,                              \
                 .help = "Version of the profile that it should run"),                          \
        FIELD_AS(T, "config_version", at config_version, FK_I64,                                \
                 .help = "What it should be, counted; the ETag"),                               \
        FIELD_AS(T, "acked_version", at acked_version, FK_I64,                                  \
                 .help = "What the site says is in force"),                                     \
        FIELD_AS(T, "config_state", at config_state, FK_STR, .choices = config_states,          \
                 .help = "pending until the site answers; refused: see config_error"),          \
        FIELD_AS(T, "config_error", at config_error, FK_STR, .help = "Why the site refused"),   \
        FIELD_AS(T, "replicas", at replicas, FK_I64, .help = "Instances wanted"),               \
        FIELD_AS(T, "ready", at ready, FK_I64, .help = "Instances ready"),                      \
        FIELD_AS(T, "primary", at primary, FK_STR, .help = "Pod of the primary"),               \
        FIELD_AS(T, "lag_bytes", at lag_bytes, FK_I64, .help = "Of the worst replica"),         \
        FIELD_AS(T, "lag_seconds", at lag_seconds, FK_F64, .help = "Of the worst replica"),     \
        FIELD_AS(T, "rule", at rule, FK_STR, .help = "Rule that made it"),                      \
        FIELD_AS(T, "paused", at paused, FK_BOOL, .help = "The site leaves it alone"),          \
        FIELD_AS(T, "durability", at durability, FK_STR,                                        \
                 .help = "performance, available, protected"),                                  \
        FIELD_AS(T, "sync", at sync, FK_STR, .help = "off, ok, waiting, degraded, unknown"),    \
        FIELD_AS(T, "failover_loss", at failover_loss, FK_STR,                                  \
                 .help = "Would a failover now lose acknowledged rows; see HA_SUMMARY"),        \
        FIELD_AS(T, "failover_loss_bytes", at failover_loss_bytes, FK_I64,                      \
                 .help = "At most so much WAL; -1: not known"),                                 \
        FIELD_AS(T, "created_at", at created_at, FK_TIME, .help = "When it was wanted first"),  \
        FIELD_AS(T, "updated_at", at updated_at, FK_TIME, .help = "Newest change or report")

static const FieldSpec cluster_fields[] = {CLUSTER_MEMBERS(ApiCluster, )};
SCHEMA_DEF(schema_CLUSTER, "CLUSTER", ApiCluster, cluster_fields,
           "One PostgreSQL cluster at one site");

static const FieldSpec endpoint_fields[] = {
    FIELD(ApiEndpoint, host, FK_STR, .help = "Name or address; empty: none yet"),
    FIELD(ApiEndpoint, port, FK_U32, .help = "Port"),
};
SCHEMA_DEF(schema_ENDPOINT, "ENDPOINT", ApiEndpoint, endpoint_fields, "Where to connect");

static const FieldSpec database_fields[] = {
    FIELD(ApiDatabaseStat, name, FK_STR, .help = "Name"),
    FIELD(ApiDatabaseStat, size_bytes, FK_I64, .help = "Size"),
    FIELD(ApiDatabaseStat, cache_hit_ratio, FK_F64, .help = "0 to 1"),
};
SCHEMA_DEF(schema_DATABASE_STAT, "DATABASE_STAT", ApiDatabaseStat, database_fields, "A database");

static const FieldSpec table_fields[] = {
    FIELD(ApiTableStat, database, FK_STR, .help = "Database"),
    FIELD(ApiTableStat, schema, FK_STR, .help = "Schema"),
    FIELD(ApiTableStat, table, FK_STR, .help = "Table"),
    FIELD(ApiTableStat, live_tuples, FK_I64, .help = "Rows"),
    FIELD(ApiTableStat, dead_tuples, FK_I64, .help = "Rows for vacuum"),
    FIELD(ApiTableStat, seq_scans, FK_I64, .help = "Sequential scans"),
    FIELD(ApiTableStat, index_scans, FK_I64, .help = "Index scans"),
    FIELD(ApiTableStat, inserts, FK_I64, .help = "Rows inserted"),
    FIELD(ApiTableStat, updates, FK_I64, .help = "Rows updated"),
    FIELD(ApiTableStat, deletes, FK_I64, .help = "Rows deleted"),
    FIELD(ApiTableStat, size_bytes, FK_I64, .help = "Size with indexes"),
    FIELD(ApiTableStat, last_vacuum, FK_TIME, .help = "By hand"),
    FIELD(ApiTableStat, last_autovacuum, FK_TIME, .help = "By autovacuum"),
};
SCHEMA_DEF(schema_TABLE_STAT, "TABLE_STAT", ApiTableStat, table_fields, "A table");

static const FieldSpec query_fields[] = {
    FIELD(ApiSlowQuery, query, FK_STR, .help = "Text, without its constants"),
    FIELD(ApiSlowQuery, database, FK_STR, .help = "Database"),
    FIELD(ApiSlowQuery, calls, FK_I64, .help = "Calls"),
    FIELD(ApiSlowQuery, total_ms, FK_F64, .help = "Time in all"),
    FIELD(ApiSlowQuery, mean_ms, FK_F64, .help = "Time per call"),
    FIELD(ApiSlowQuery, max_ms, FK_F64, .help = "Longest call"),
    FIELD(ApiSlowQuery, rows, FK_I64, .help = "Rows"),
};
SCHEMA_DEF(schema_SLOW_QUERY, "SLOW_QUERY", ApiSlowQuery, query_fields, "A slow statement");

static const FieldSpec instance_fields[] = {
    FIELD(ApiInstance, pod, FK_STR, .help = "Pod"),
    FIELD(ApiInstance, role, FK_STR, .choices = roles, .help = "primary or replica"),
    FIELD(ApiInstance, ready, FK_BOOL, .help = "Takes connections"),
    FIELD(ApiInstance, error, FK_STR, .help = "What is wrong"),
    FIELD(ApiInstance, timeline, FK_I64, .help = "Timeline"),
    FIELD(ApiInstance, lsn, FK_STR, .help = "Written, or on a replica replayed"),
    FIELD(ApiInstance, received_lsn, FK_STR, .help = "Replica: on its disk"),
    FIELD(ApiInstance, lag_bytes, FK_I64, .help = "Behind the primary"),
    FIELD(ApiInstance, lag_seconds, FK_F64, .help = "Behind the primary"),
    FIELD(ApiInstance, wal_receiver, FK_BOOL, .help = "Is streaming"),
    FIELD(ApiInstance, pending_restart, FK_BOOL, .help = "A parameter waits for a restart"),
    FIELD(ApiInstance, connections_used, FK_I64, .help = "Connections"),
    FIELD(ApiInstance, connections_max, FK_I64, .help = "max_connections"),
    FIELD(ApiInstance, connections_active, FK_I64, .help = "Running a statement"),
    FIELD(ApiInstance, streaming_replicas, FK_I64, .help = "On a primary: who streams from it"),
    FIELD(ApiInstance, disk_used_bytes, FK_I64, .help = "Of the data volume"),
    FIELD(ApiInstance, disk_total_bytes, FK_I64, .help = "Of the data volume"),
    FIELD(ApiInstance, wal_bytes_on_disk, FK_I64, .help = "In pg_wal"),
    FIELD(ApiInstance, started_at, FK_TIME, .help = "Start of PostgreSQL"),
    FIELD(ApiInstance, epoch, FK_I64, .help = "Lease epoch it was started under"),
    FIELD(ApiInstance, server_version, FK_STR, .help = "Of PostgreSQL"),
    FIELD(ApiInstance, wal_records, FK_I64, .help = "WAL records written"),
    FIELD(ApiInstance, wal_bytes, FK_I64, .help = "WAL bytes written"),
    FIELD(ApiInstance, wal_buffers_full, FK_I64, .help = "WAL written because buffers were full"),
    FIELD(ApiInstance, transactions, FK_I64, .help = "Commits and rollbacks"),
    FIELD(ApiInstance, index_hit_ratio, FK_F64, .help = "0 to 1"),
    FIELD(ApiInstance, commit_ratio, FK_F64, .help = "0 to 1"),
    FIELD(ApiInstance, ha, FK_OBJ, .of = &schema_HA_FACTS, .help = "Leadership, as it sees it"),
    FIELD(ApiInstance, databases, FK_OBJS, .of = &schema_DATABASE_STAT, .help = "Databases"),
    FIELD(ApiInstance, tables, FK_OBJS, .of = &schema_TABLE_STAT, .help = "Largest tables"),
    FIELD(ApiInstance, slow_queries, FK_OBJS, .of = &schema_SLOW_QUERY, .help = "Slow statements"),
};
SCHEMA_DEF(schema_INSTANCE, "INSTANCE", ApiInstance, instance_fields,
           "One member of a cluster, as its sidecar measured it");

static const FieldSpec detail_fields[] = {
    CLUSTER_MEMBERS(ApiClusterDetail, c.),
    FIELD(ApiClusterDetail, ha, FK_OBJ, .of = &schema_HA_SUMMARY,
          .help = "Leadership and durability; would a failover lose data"),
    FIELD(ApiClusterDetail, instances, FK_OBJS, .of = &schema_INSTANCE, .help = "Members"),
    FIELD(ApiClusterDetail, rw, FK_OBJ, .of = &schema_ENDPOINT, .help = "The primary"),
    FIELD(ApiClusterDetail, ro, FK_OBJ, .of = &schema_ENDPOINT, .help = "The replicas"),
    FIELD(ApiClusterDetail, config, FK_JSON, .help = "Effective PROFILE_INPUT of this cluster"),
    FIELD(ApiClusterDetail, events, FK_OBJS, .of = &schema_EVENT, .help = "Newest events"),
};
SCHEMA_DEF(schema_CLUSTER_DETAIL, "CLUSTER_DETAIL", ApiClusterDetail, detail_fields,
           "A cluster with its members");

static const FieldSpec decision_fields[] = {
    FIELD(ApiDecision, at, FK_TIME, .help = "By the member's clock"),
    FIELD(ApiDecision, member, FK_STR, .help = "Pod that decided"),
    FIELD(ApiDecision, chain, FK_STR, .help = "A new one begins with a new pod"),
    FIELD(ApiDecision, number, FK_I64, .help = "In the chain, from 1 without gaps"),
    FIELD(ApiDecision, epoch, FK_I64, .help = "Of the lease, as the member knew it"),
    FIELD(ApiDecision, kind, FK_STR, .help = "election.won, fence.deadline, sync.degraded, ..."),
    FIELD(ApiDecision, saw, FK_STR, .help = "What it knew"),
    FIELD(ApiDecision, did, FK_STR, .help = "What it did"),
    FIELD(ApiDecision, why, FK_STR, .help = "By which rule"),
    FIELD(ApiDecision, prev, FK_STR, .help = "Hash of the one before it"),
    FIELD(ApiDecision, hash, FK_STR, .help = "SHA-256 over all of this"),
};
SCHEMA_DEF(schema_DECISION, "DECISION", ApiDecision, decision_fields,
           "What one member of a cluster decided");

static const FieldSpec credentials_fields[] = {
    FIELD(ApiCredentials, user, FK_STR, .help = "User"),
    FIELD(ApiCredentials, password, FK_STR, .help = "Password; never stored at central"),
    FIELD(ApiCredentials, database, FK_STR, .help = "Database"),
    FIELD(ApiCredentials, rw, FK_OBJ, .of = &schema_ENDPOINT, .help = "The primary"),
    FIELD(ApiCredentials, ro, FK_OBJ, .of = &schema_ENDPOINT, .help = "The replicas"),
};
SCHEMA_DEF(schema_CREDENTIALS, "CREDENTIALS", ApiCredentials, credentials_fields, "How to connect");
