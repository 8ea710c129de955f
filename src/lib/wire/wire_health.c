#include "wire/wire_health.h"
#include "wire/wire_ha.h"
#include "wire/wire_util.h"
#include <math.h>

_Static_assert((int)CLUSTER_UPDATING == PGSWARM__V1__CLUSTER_STATE__CLUSTER_STATE_UPDATING &&
                   (int)ROLE_FAILED_PRIMARY ==
                       PGSWARM__V1__INSTANCE_ROLE__INSTANCE_ROLE_FAILED_PRIMARY &&
                   (int)SEV_CRITICAL == PGSWARM__V1__SEVERITY__SEVERITY_CRITICAL,
               "enums of model and of the protocol count alike");

enum { INSTANCES_MAX = 64, STATS_MAX = 1000 };

static size_t at_most(size_t n, size_t max)
{
    return n < max ? n : max;
}

enum { QUERY_MAX = 4000 };

static double number(double v)
{
    return isfinite(v) ? v : 0;
}

static ObjList databases_get(Arena *a, size_t n, Pgswarm__V1__DatabaseStat **in)
{
    n = at_most(n, STATS_MAX);
    DatabaseStat *out = n ? arena_array(a, DatabaseStat, n) : NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = (DatabaseStat){wire_cut(in[i]->name, WIRE_NAME_MAX), in[i]->size_bytes,
                                number(in[i]->cache_hit_ratio)};
    return (ObjList){out, n};
}

static ObjList tables_get(Arena *a, size_t n, Pgswarm__V1__TableStat **in)
{
    n = at_most(n, STATS_MAX);
    TableStat *out = n ? arena_array(a, TableStat, n) : NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = (TableStat){.database = wire_cut(in[i]->database, WIRE_NAME_MAX),
                             .schema = wire_cut(in[i]->schema, WIRE_NAME_MAX),
                             .table = wire_cut(in[i]->table, WIRE_NAME_MAX),
                             .live_tuples = in[i]->live_tuples,
                             .dead_tuples = in[i]->dead_tuples,
                             .seq_scans = in[i]->seq_scans,
                             .index_scans = in[i]->index_scans,
                             .inserts = in[i]->inserts,
                             .updates = in[i]->updates,
                             .deletes = in[i]->deletes,
                             .size_bytes = in[i]->size_bytes,
                             .last_vacuum_us = in[i]->last_vacuum_us,
                             .last_autovacuum_us = in[i]->last_autovacuum_us};
    return (ObjList){out, n};
}

static ObjList queries_get(Arena *a, size_t n, Pgswarm__V1__SlowQuery **in)
{
    n = at_most(n, STATS_MAX);
    SlowQuery *out = n ? arena_array(a, SlowQuery, n) : NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = (SlowQuery){.query = wire_cut(in[i]->query, QUERY_MAX),
                             .database = wire_cut(in[i]->database, WIRE_NAME_MAX),
                             .calls = in[i]->calls,
                             .rows = in[i]->rows,
                             .total_ms = number(in[i]->total_ms),
                             .mean_ms = number(in[i]->mean_ms),
                             .max_ms = number(in[i]->max_ms)};
    return (ObjList){out, n};
}

/* Members that are the same type and name on both sides. */
/* clang-format off */
#define SAME_NUMBERS(X)                                                                           \
    X(ready) X(wal_receiver_active) X(pending_restart) X(timeline_id) X(connections_used)         \
    X(connections_max) X(connections_active) X(streaming_replicas) X(lag_bytes)                   \
    X(disk_used_bytes) X(disk_total_bytes) X(wal_bytes_on_disk) X(started_at_us) X(wal_records)   \
    X(wal_bytes) X(wal_buffers_full) X(transactions) X(epoch)
/* clang-format on */
#define SAME_REALS(X) X(lag_seconds) X(index_hit_ratio) X(commit_ratio)
#define SAME_TEXTS(X) \
    X(pod_name) X(error) X(lsn) X(received_lsn) X(system_identifier) X(server_version)

void wire_instance_get(Arena *a, const Pgswarm__V1__InstanceHealth *m, InstanceHealth *ret)
{
    *ret = (InstanceHealth){.role = (unsigned)m->role < ROLE_COUNT ? (InstanceRole)m->role
                                                                   : ROLE_UNKNOWN};
#define X(f) ret->f = m->f;
    SAME_NUMBERS(X)
#undef X
#define X(f) ret->f = number(m->f);
    SAME_REALS(X)
#undef X
#define X(f) ret->f = wire_cut(m->f, WIRE_SENTENCE_MAX);
    SAME_TEXTS(X)
#undef X
    ret->databases = databases_get(a, m->n_databases, m->databases);
    ret->tables = tables_get(a, m->n_tables, m->tables);
    ret->slow_queries = queries_get(a, m->n_slow_queries, m->slow_queries);
    ret->ha = wire_ha_facts_get(a, m->ha);
}

static void stats_put(Arena *a, const InstanceHealth *h, Pgswarm__V1__InstanceHealth *m)
{
    m->n_databases = h->databases.n;
    m->databases = arena_calloc(a, h->databases.n + 1, sizeof *m->databases);
    for (size_t i = 0; i < h->databases.n; i++) {
        const DatabaseStat *s = &((const DatabaseStat *)h->databases.at)[i];
        Pgswarm__V1__DatabaseStat *d = m->databases[i] = arena_new_of(a, Pgswarm__V1__DatabaseStat);
        pgswarm__v1__database_stat__init(d);
        d->name = pb_text(s->name);
        d->size_bytes = s->size_bytes;
        d->cache_hit_ratio = s->cache_hit_ratio;
    }
    m->n_slow_queries = h->slow_queries.n;
    m->slow_queries = arena_calloc(a, h->slow_queries.n + 1, sizeof *m->slow_queries);
    for (size_t i = 0; i < h->slow_queries.n; i++) {
        const SlowQuery *s = &((const SlowQuery *)h->slow_queries.at)[i];
        Pgswarm__V1__SlowQuery *q = m->slow_queries[i] = arena_new_of(a, Pgswarm__V1__SlowQuery);
        pgswarm__v1__slow_query__init(q);
        q->query = pb_text(s->query);
        q->database = pb_text(s->database);
        q->calls = s->calls;
        q->rows = s->rows;
        q->total_ms = s->total_ms;
        q->mean_ms = s->mean_ms;
        q->max_ms = s->max_ms;
    }
}

static void tables_put(Arena *a, const InstanceHealth *h, Pgswarm__V1__InstanceHealth *m)
{
    m->n_tables = h->tables.n;
    m->tables = arena_calloc(a, h->tables.n + 1, sizeof *m->tables);
    for (size_t i = 0; i < h->tables.n; i++) {
        const TableStat *s = &((const TableStat *)h->tables.at)[i];
        Pgswarm__V1__TableStat *t = m->tables[i] = arena_new_of(a, Pgswarm__V1__TableStat);
        pgswarm__v1__table_stat__init(t);
        t->database = pb_text(s->database);
        t->schema = pb_text(s->schema);
        t->table = pb_text(s->table);
        t->live_tuples = s->live_tuples;
        t->dead_tuples = s->dead_tuples;
        t->seq_scans = s->seq_scans;
        t->index_scans = s->index_scans;
        t->inserts = s->inserts;
        t->updates = s->updates;
        t->deletes = s->deletes;
        t->size_bytes = s->size_bytes;
        t->last_vacuum_us = s->last_vacuum_us;
        t->last_autovacuum_us = s->last_autovacuum_us;
    }
}

Pgswarm__V1__InstanceHealth *wire_instance_put(Arena *a, const InstanceHealth *h)
{
    Pgswarm__V1__InstanceHealth *m = arena_new_of(a, Pgswarm__V1__InstanceHealth);
    pgswarm__v1__instance_health__init(m);
    m->role = (Pgswarm__V1__InstanceRole)h->role;
#define X(f) m->f = h->f;
    SAME_NUMBERS(X)
    SAME_REALS(X)
#undef X
#define X(f) m->f = pb_text(h->f);
    SAME_TEXTS(X)
#undef X
    stats_put(a, h, m);
    tables_put(a, h, m);
    m->ha = wire_ha_facts_put(a, &h->ha);
    return m;
}

Endpoint wire_endpoint_get(const Pgswarm__V1__Endpoint *m)
{
    return m ? (Endpoint){wire_cut(m->host, WIRE_NAME_MAX), m->port} : (Endpoint){"", 0};
}

Pgswarm__V1__Endpoint *wire_endpoint_put(Arena *a, Endpoint e)
{
    if (str_empty(e.host))
        return NULL;
    Pgswarm__V1__Endpoint *m = arena_new_of(a, Pgswarm__V1__Endpoint);
    pgswarm__v1__endpoint__init(m);
    m->host = pb_text(e.host);
    m->port = e.port;
    return m;
}

void wire_cluster_health_get(Arena *a, const Pgswarm__V1__ClusterHealthReport *m,
                             ClusterHealth *ret)
{
    size_t n = at_most(m->n_instances, INSTANCES_MAX);
    InstanceHealth *in = n ? arena_array(a, InstanceHealth, n) : NULL;
    for (size_t i = 0; i < n; i++)
        wire_instance_get(a, m->instances[i], &in[i]);
    *ret =
        (ClusterHealth){.cluster_id = wire_cut(m->cluster_id, WIRE_NAME_MAX),
                        .name = wire_cut(m->name, WIRE_NAME_MAX),
                        .ns = wire_cut(m->namespace_, WIRE_NAME_MAX),
                        .state = (unsigned)m->state < CLUSTER_STATE_COUNT ? (ClusterState)m->state
                                                                          : CLUSTER_UNKNOWN,
                        .reason = wire_cut(m->reason, WIRE_SENTENCE_MAX),
                        .instances = {in, n},
                        .replicas_wanted = m->replicas_wanted,
                        .applied_version = m->applied_version,
                        .at_us = m->at_us,
                        .primary_pod = wire_cut(m->primary_pod, WIRE_NAME_MAX),
                        .rw = wire_endpoint_get(m->rw),
                        .ro = wire_endpoint_get(m->ro),
                        .ha = wire_ha_summary_get(a, m->ha)};
}

Pgswarm__V1__ClusterHealthReport *wire_cluster_health_put(Arena *a, const ClusterHealth *h)
{
    Pgswarm__V1__ClusterHealthReport *m = arena_new_of(a, Pgswarm__V1__ClusterHealthReport);
    pgswarm__v1__cluster_health_report__init(m);
    m->cluster_id = pb_text(h->cluster_id);
    m->name = pb_text(h->name);
    m->namespace_ = pb_text(h->ns);
    m->state = (Pgswarm__V1__ClusterState)h->state;
    m->reason = pb_text(h->reason);
    m->replicas_wanted = h->replicas_wanted;
    m->applied_version = h->applied_version;
    m->at_us = h->at_us;
    m->primary_pod = pb_text(h->primary_pod);
    m->rw = wire_endpoint_put(a, h->rw);
    m->ro = wire_endpoint_put(a, h->ro);
    m->ha = wire_ha_summary_put(a, &h->ha);
    m->n_instances = h->instances.n;
    m->instances = arena_calloc(a, h->instances.n + 1, sizeof *m->instances);
    for (size_t i = 0; i < h->instances.n; i++)
        m->instances[i] = wire_instance_put(a, &((const InstanceHealth *)h->instances.at)[i]);
    return m;
}

void wire_event_get(Arena *a, const Pgswarm__V1__EventReport *m, EventReport *ret)
{
    *ret = (EventReport){.sequence = m->sequence,
                         .at_us = m->at_us,
                         .severity = (unsigned)m->severity < SEV_COUNT ? (Severity)m->severity
                                                                       : SEV_UNKNOWN,
                         .kind = wire_cut(m->kind, WIRE_NAME_MAX),
                         .cluster_name = wire_cut(m->cluster_name, WIRE_NAME_MAX),
                         .ns = wire_cut(m->namespace_, WIRE_NAME_MAX),
                         .pod_name = wire_cut(m->pod_name, WIRE_NAME_MAX),
                         .message = wire_cut(m->message, WIRE_SENTENCE_MAX),
                         .operation_id = wire_cut(m->operation_id, WIRE_NAME_MAX),
                         .source = wire_cut(m->source, WIRE_NAME_MAX)};
    WIRE_MAP_GET(a, m->n_data, m->data, &ret->data);
}

Pgswarm__V1__EventReport *wire_event_put(Arena *a, const EventReport *e)
{
    Pgswarm__V1__EventReport *m = arena_new_of(a, Pgswarm__V1__EventReport);
    pgswarm__v1__event_report__init(m);
    m->sequence = e->sequence;
    m->at_us = e->at_us;
    m->severity = (Pgswarm__V1__Severity)e->severity;
    m->kind = pb_text(e->kind);
    m->cluster_name = pb_text(e->cluster_name);
    m->namespace_ = pb_text(e->ns);
    m->pod_name = pb_text(e->pod_name);
    m->message = pb_text(e->message);
    m->operation_id = pb_text(e->operation_id);
    m->source = pb_text(e->source);
    WIRE_MAP_PUT(a, e->data, m->n_data, m->data, Pgswarm__V1__EventReport__DataEntry,
                 pgswarm__v1__event_report__data_entry__init);
    return m;
}
