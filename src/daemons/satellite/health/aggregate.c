#include "health/aggregate.h"

#include "health/ha_summary.h"
#include "model/cluster_state.h"
#include <stdlib.h>

/* What can be said of a member without its sidecar. */
static InstanceHealth from_pod(Arena *a, const char *name, const Pod *p, const char *why)
{
    InstanceHealth h = {.pod_name = arena_strdup(a, name),
                        .lsn = "",
                        .received_lsn = "",
                        .system_identifier = "",
                        .server_version = "",
                        .error = why,
                        .ha = {.lease_age_ms = -1}};
    if (!p)
        return h;
    h.role = str_eq(p->role, "primary")   ? ROLE_PRIMARY
             : str_eq(p->role, "replica") ? ROLE_REPLICA
                                          : ROLE_UNKNOWN;
    h.ready = p->ready && !p->terminating;
    if (p->problem)
        h.error = p->problem;
    else if (p->terminating)
        h.error = "it is being ended";
    return h;
}

static InstanceHealth instance(Arena *a, const HealthInput *in, const char *name)
{
    const Cluster *c = in->cluster;
    const Pod *p = map_get(c->pods, name);
    const Member *m = in->registry ? registry_find(in->registry, c->ns, name) : NULL;
    if (!p)
        return from_pod(a, name, NULL, "its pod is not there");
    if (!m || !m->stream || !m->has_health)
        return from_pod(a, name, p, "its sidecar is not connected");
    if (in->now_ms - m->heard_ms > HEALTH_STALE_MS)
        return from_pod(a, name, p, "its sidecar says nothing");
    InstanceHealth h = m->health;
    if (h.ha.lease_age_ms >= 0)
        h.ha.lease_age_ms += (int64_t)(in->now_ms - m->heard_ms);
    if (p->terminating)
        h.ready = false;
    if (!h.ready && str_empty(h.error) && p->problem)
        h.error = p->problem;
    return h;
}

static int by_name(const void *a, const void *b)
{
    const InstanceHealth *x = a, *y = b;
    size_t nx = strlen(x->pod_name), ny = strlen(y->pod_name); /* -2 before -10 */
    return nx != ny ? (nx < ny ? -1 : 1) : strcmp(x->pod_name, y->pod_name);
}

/* Those that should be, and those that still are. */
static ObjList instances(Arena *a, const HealthInput *in)
{
    const Cluster *c = in->cluster;
    uint32_t wanted = c->has_spec && !c->deleting ? c->spec.replicas : 0;
    InstanceHealth *at = arena_array(a, InstanceHealth, wanted + map_count(c->pods) + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < wanted; i++)
        at[n++] = instance(a, in, arena_printf(a, "%s-%u", c->name, i));
    for (MapIter it = {0}; map_next(c->pods, &it);) {
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known |= str_eq(at[i].pod_name, it.key);
        if (!known)
            at[n++] = instance(a, in, it.key);
    }
    if (n)
        qsort(at, n, sizeof *at, by_name);
    return (ObjList){at, n};
}

/* What the operator knows counts more than what pods cannot say yet. */
static void operator_says(const Cluster *c, ClusterStateResult *st)
{
    if (c->deleting || st->state == CLUSTER_RUNNING || !c->problem)
        return;
    st->reason = c->problem;
    if (c->refused && !c->was_running)
        st->state = CLUSTER_FAILED;
}

static const char *worst_problem(const Cluster *c)
{
    const char *worst = NULL;
    if (c->quota_problem)
        return c->quota_problem;
    for (MapIter it = {0}; map_next(c->pods, &it);) {
        const Pod *p = it.value;
        if (p->refused && p->problem && (!worst || strcmp(p->problem, worst) < 0))
            worst = p->problem;
    }
    return worst;
}

ClusterHealth health_aggregate(Arena *a, const HealthInput *in)
{
    const Cluster *c = in->cluster;
    ObjList list = instances(a, in);
    ClusterStateInput si = {
        .paused = c->has_spec && c->spec.paused,
        .deleting = c->deleting,
        .updating = c->pass && c->has_spec && c->applied_version > 0 &&
                    c->applied_version != c->spec.config_version,
        .replicas_wanted = c->has_spec ? c->spec.replicas : 0,
        .instances = list.at,
        .n = list.n,
        .created_at_us = c->created_us,
        .was_running = c->was_running,
        .now_us = in->now_us,
    };
    ClusterStateResult st = cluster_state_decide(a, &si);
    operator_says(c, &st);
    const char *problem = worst_problem(c);
    if (st.state != CLUSTER_RUNNING && !c->problem && !c->deleting && problem)
        st.reason = problem;
    return (ClusterHealth){
        .cluster_id = str_or(c->cluster_id, ""),
        .name = c->name,
        .ns = c->ns,
        .state = st.state,
        .reason = str_or(st.reason, ""),
        .instances = list,
        .replicas_wanted = si.replicas_wanted,
        .applied_version = c->applied_version,
        .at_us = in->now_us,
        .primary_pod = str_or(st.primary_pod, ""),
        .rw = {str_or(c->rw.host, ""), c->rw.port},
        .ro = {str_or(c->ro.host, ""), c->ro.port},
        .ha = ha_summarise(a, c->name, &list),
    };
}
