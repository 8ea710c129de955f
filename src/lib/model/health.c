#include "model/health.h"

static const char *const state_names[] = {
    [CLUSTER_UNKNOWN] = "unknown", [CLUSTER_CREATING] = "creating",
    [CLUSTER_RUNNING] = "running", [CLUSTER_DEGRADED] = "degraded",
    [CLUSTER_FAILED] = "failed",   [CLUSTER_DELETING] = "deleting",
    [CLUSTER_PAUSED] = "paused",   [CLUSTER_UPDATING] = "updating",
};
static const char *const role_names[] = {
    [ROLE_UNKNOWN] = "unknown",
    [ROLE_PRIMARY] = "primary",
    [ROLE_REPLICA] = "replica",
    [ROLE_FAILED_PRIMARY] = "failed_primary",
};
static const char *const severity_names[] = {
    [SEV_UNKNOWN] = "unknown", [SEV_INFO] = "info",         [SEV_WARNING] = "warning",
    [SEV_ERROR] = "error",     [SEV_CRITICAL] = "critical",
};

static int index_of(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (str_eq(names[i], name))
            return i;
    return 0;
}

const char *cluster_state_name(ClusterState s)
{
    return (unsigned)s < CLUSTER_STATE_COUNT ? state_names[s] : state_names[0];
}

const char *instance_role_name(InstanceRole r)
{
    return (unsigned)r < ROLE_COUNT ? role_names[r] : role_names[0];
}

const char *severity_name(Severity s)
{
    return (unsigned)s < SEV_COUNT ? severity_names[s] : severity_names[0];
}

ClusterState cluster_state_of(const char *name)
{
    return (ClusterState)index_of(state_names, CLUSTER_STATE_COUNT, name);
}

InstanceRole instance_role_of(const char *name)
{
    return (InstanceRole)index_of(role_names, ROLE_COUNT, name);
}

Severity severity_of(const char *name)
{
    return (Severity)index_of(severity_names, SEV_COUNT, name);
}

#define DUP(field) r.field = arena_strdup(a, r.field)

static ObjList dup_items(Arena *a, ObjList l, size_t size)
{
    return (ObjList){l.n ? arena_memdup(a, l.at, l.n * size) : NULL, l.n};
}

InstanceHealth instance_health_dup(Arena *a, const InstanceHealth *h)
{
    InstanceHealth r = *h;
    DUP(pod_name);
    DUP(error);
    DUP(lsn);
    DUP(received_lsn);
    DUP(system_identifier);
    DUP(server_version);
    r.databases = dup_items(a, h->databases, sizeof(DatabaseStat));
    for (size_t i = 0; i < r.databases.n; i++) {
        DatabaseStat *d = &((DatabaseStat *)r.databases.at)[i];
        d->name = arena_strdup(a, d->name);
    }
    r.tables = dup_items(a, h->tables, sizeof(TableStat));
    for (size_t i = 0; i < r.tables.n; i++) {
        TableStat *t = &((TableStat *)r.tables.at)[i];
        t->database = arena_strdup(a, t->database);
        t->schema = arena_strdup(a, t->schema);
        t->table = arena_strdup(a, t->table);
    }
    r.slow_queries = dup_items(a, h->slow_queries, sizeof(SlowQuery));
    for (size_t i = 0; i < r.slow_queries.n; i++) {
        SlowQuery *q = &((SlowQuery *)r.slow_queries.at)[i];
        q->query = arena_strdup(a, q->query);
        q->database = arena_strdup(a, q->database);
    }
    r.ha = ha_facts_dup(a, &h->ha);
    return r;
}

ClusterHealth cluster_health_dup(Arena *a, const ClusterHealth *h)
{
    ClusterHealth r = *h;
    DUP(cluster_id);
    DUP(name);
    DUP(ns);
    DUP(reason);
    DUP(primary_pod);
    DUP(rw.host);
    DUP(ro.host);
    r.instances = dup_items(a, h->instances, sizeof(InstanceHealth));
    for (size_t i = 0; i < r.instances.n; i++) {
        InstanceHealth *in = &((InstanceHealth *)r.instances.at)[i];
        *in = instance_health_dup(a, in);
    }
    r.ha = ha_summary_dup(a, &h->ha);
    return r;
}

EventReport event_report_dup(Arena *a, const EventReport *e)
{
    EventReport r = *e;
    DUP(kind);
    DUP(cluster_name);
    DUP(ns);
    DUP(pod_name);
    DUP(message);
    DUP(operation_id);
    DUP(source);
    r.data = strmap_dup(a, e->data);
    return r;
}
