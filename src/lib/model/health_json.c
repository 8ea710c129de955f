#include "model/health.h"

/* The wire name of a member stays what the REST interface calls it; see api/schemas_cluster.c. */
static void databases_json(JsonOut *j, const ObjList *l)
{
    json_key(j, "databases");
    json_arr(j);
    for (size_t i = 0; i < l->n; i++) {
        const DatabaseStat *d = &((const DatabaseStat *)l->at)[i];
        json_obj(j);
        json_put_str(j, "name", str_or(d->name, ""));
        json_put_int(j, "size_bytes", d->size_bytes);
        json_put_f64(j, "cache_hit_ratio", d->cache_hit_ratio);
        json_obj_end(j);
    }
    json_arr_end(j);
}

static void tables_json(JsonOut *j, const ObjList *l)
{
    json_key(j, "tables");
    json_arr(j);
    for (size_t i = 0; i < l->n; i++) {
        const TableStat *t = &((const TableStat *)l->at)[i];
        json_obj(j);
        json_put_str(j, "database", str_or(t->database, ""));
        json_put_str(j, "schema", str_or(t->schema, ""));
        json_put_str(j, "table", str_or(t->table, ""));
        json_put_int(j, "live_tuples", t->live_tuples);
        json_put_int(j, "dead_tuples", t->dead_tuples);
        json_put_int(j, "seq_scans", t->seq_scans);
        json_put_int(j, "index_scans", t->index_scans);
        json_put_int(j, "inserts", t->inserts);
        json_put_int(j, "updates", t->updates);
        json_put_int(j, "deletes", t->deletes);
        json_put_int(j, "size_bytes", t->size_bytes);
        json_put_time(j, "last_vacuum", t->last_vacuum_us);
        json_put_time(j, "last_autovacuum", t->last_autovacuum_us);
        json_obj_end(j);
    }
    json_arr_end(j);
}

static void queries_json(JsonOut *j, const ObjList *l)
{
    json_key(j, "slow_queries");
    json_arr(j);
    for (size_t i = 0; i < l->n; i++) {
        const SlowQuery *q = &((const SlowQuery *)l->at)[i];
        json_obj(j);
        json_put_str(j, "query", str_or(q->query, ""));
        json_put_str(j, "database", str_or(q->database, ""));
        json_put_int(j, "calls", q->calls);
        json_put_f64(j, "total_ms", q->total_ms);
        json_put_f64(j, "mean_ms", q->mean_ms);
        json_put_f64(j, "max_ms", q->max_ms);
        json_put_int(j, "rows", q->rows);
        json_obj_end(j);
    }
    json_arr_end(j);
}

static void counters_json(JsonOut *j, const InstanceHealth *h)
{
    json_put_uint(j, "connections_used", h->connections_used);
    json_put_uint(j, "connections_max", h->connections_max);
    json_put_uint(j, "connections_active", h->connections_active);
    json_put_uint(j, "streaming_replicas", h->streaming_replicas);
    json_put_int(j, "disk_used_bytes", h->disk_used_bytes);
    json_put_int(j, "disk_total_bytes", h->disk_total_bytes);
    json_put_int(j, "wal_bytes_on_disk", h->wal_bytes_on_disk);
    json_put_time(j, "started_at", h->started_at_us);
    json_put_uint(j, "epoch", h->epoch);
    json_put_str(j, "server_version", str_or(h->server_version, ""));
    json_put_int(j, "wal_records", h->wal_records);
    json_put_int(j, "wal_bytes", h->wal_bytes);
    json_put_int(j, "wal_buffers_full", h->wal_buffers_full);
    json_put_int(j, "transactions", h->transactions);
    json_put_f64(j, "index_hit_ratio", h->index_hit_ratio);
    json_put_f64(j, "commit_ratio", h->commit_ratio);
}

void instance_health_json(JsonOut *j, const InstanceHealth *h)
{
    json_obj(j);
    json_put_str(j, "pod", str_or(h->pod_name, ""));
    json_put_str(j, "role", instance_role_name(h->role));
    json_put_bool(j, "ready", h->ready);
    json_put_str(j, "error", str_or(h->error, ""));
    json_put_uint(j, "timeline", h->timeline_id);
    json_put_str(j, "lsn", str_or(h->lsn, ""));
    json_put_str(j, "received_lsn", str_or(h->received_lsn, ""));
    json_put_int(j, "lag_bytes", h->lag_bytes);
    json_put_f64(j, "lag_seconds", h->lag_seconds);
    json_put_bool(j, "wal_receiver", h->wal_receiver_active);
    json_put_bool(j, "pending_restart", h->pending_restart);
    counters_json(j, h);
    json_key(j, "ha");
    fields_encode(j, &schema_HA_FACTS, &h->ha);
    databases_json(j, &h->databases);
    tables_json(j, &h->tables);
    queries_json(j, &h->slow_queries);
    json_obj_end(j);
}
