#include "model/cluster_state.h"

/* What the instances say, counted once. */
typedef struct Count {
    unsigned primaries, replicas, ready, streaming;
    const InstanceHealth *primary, *trouble;
} Count;

static Count count_instances(const ClusterStateInput *in)
{
    Count c = {0};
    for (size_t i = 0; i < in->n; i++) {
        const InstanceHealth *h = &in->instances[i];
        bool primary = h->role == ROLE_PRIMARY;
        c.ready += h->ready;
        c.primaries += primary && h->ready;
        c.replicas += h->role == ROLE_REPLICA;
        c.streaming += h->role == ROLE_REPLICA && h->ready && h->wal_receiver_active;
        if (primary && (!c.primary || (h->ready && !c.primary->ready)))
            c.primary = h;
        if (!h->ready && !c.trouble)
            c.trouble = h;
    }
    return c;
}

static const char *trouble_text(Arena *a, const Count *c)
{
    if (!c->trouble)
        return "";
    return arena_printf(a, "%s: %s", c->trouble->pod_name, str_or(c->trouble->error, "not ready"));
}

static void no_primary(Arena *a, const ClusterStateInput *in, const Count *c, ClusterStateResult *r)
{
    const char *why = trouble_text(a, c);
    bool late = in->now_us - in->created_at_us > (int64_t)CLUSTER_CREATE_LIMIT_S * 1000000;
    if (!in->was_running && !late) {
        r->state = CLUSTER_CREATING;
        r->reason = arena_printf(a, "%u of %u instances are ready, no primary yet%s%s", c->ready,
                                 in->replicas_wanted, *why ? "; " : "", why);
        return;
    }
    r->state = CLUSTER_FAILED;
    r->reason = arena_printf(a, "no primary%s%s", *why ? "; " : "", why);
}

static const char *degraded_reason(Arena *a, const ClusterStateInput *in, const Count *c)
{
    if (c->primaries > 1)
        return arena_printf(a, "%u instances say they are primary", c->primaries);
    if (c->ready < in->replicas_wanted) {
        const char *why = trouble_text(a, c);
        return arena_printf(a, "%u of %u instances are ready%s%s", c->ready, in->replicas_wanted,
                            *why ? "; " : "", why);
    }
    if (c->streaming + 1 < in->replicas_wanted)
        return arena_printf(a, "%u of %u replicas are streaming", c->streaming,
                            in->replicas_wanted - 1);
    return NULL;
}

static void measure_lag(const ClusterStateInput *in, ClusterStateResult *r)
{
    for (size_t i = 0; i < in->n; i++) {
        const InstanceHealth *h = &in->instances[i];
        if (h->role != ROLE_REPLICA)
            continue;
        if (h->lag_bytes > r->lag_bytes)
            r->lag_bytes = h->lag_bytes;
        if (h->lag_seconds > r->lag_seconds)
            r->lag_seconds = h->lag_seconds;
    }
}

ClusterStateResult cluster_state_decide(Arena *a, const ClusterStateInput *in)
{
    Count c = count_instances(in);
    ClusterStateResult r = {.reason = "",
                            .ready = c.ready,
                            .primary_pod =
                                c.primary && c.primary->ready ? c.primary->pod_name : ""};
    measure_lag(in, &r);
    if (in->deleting) {
        r.state = CLUSTER_DELETING;
        r.reason = "being removed";
        return r;
    }
    if (in->paused) {
        r.state = CLUSTER_PAUSED;
        r.reason = "paused: nothing is changed at the site";
        return r;
    }
    if (in->updating) {
        r.state = CLUSTER_UPDATING;
        r.reason = "a change is being applied";
        return r;
    }
    if (!c.primaries) {
        no_primary(a, in, &c, &r);
        return r;
    }
    const char *why = degraded_reason(a, in, &c);
    if (!why) {
        r.state = CLUSTER_RUNNING;
        return r;
    }
    /* A first start is not trouble: members join one after the other. */
    bool young = !in->was_running && c.primaries == 1 &&
                 in->now_us - in->created_at_us <= (int64_t)CLUSTER_CREATE_LIMIT_S * 1000000;
    r.state = young ? CLUSTER_CREATING : CLUSTER_DEGRADED;
    r.reason = why;
    return r;
}
