#include "health/reporter.h"

#include <stdlib.h>

enum { PERIOD_MS = 10000, SOON_MS = 100 };

struct Reporter {
    ReporterSpec spec;
    Timer *timer;
};

static Severity severity_for(ClusterState s)
{
    return s == CLUSTER_FAILED ? SEV_CRITICAL : s == CLUSTER_DEGRADED ? SEV_WARNING : SEV_INFO;
}

static void note_state(Reporter *r, Cluster *c, const ClusterHealth *h)
{
    AUTO_ARENA a = arena_new();
    if (h->state != c->state) {
        const char *text =
            arena_printf(a, "%s, was %s%s%s", cluster_state_name(h->state),
                         cluster_state_name(c->state), *h->reason ? ": " : "", h->reason);
        bool first = c->state == CLUSTER_UNKNOWN;
        c->state = h->state;
        if (!first || h->state != CLUSTER_RUNNING) /* a new satellite sees nothing new in that */
            site_event(r->spec.site, c,
                       &(EventSpec){severity_for(h->state), "cluster.state", NULL, text});
    }
    if (h->state == CLUSTER_RUNNING)
        c->was_running = true;
    if (*h->primary_pod && !str_eq(h->primary_pod, c->primary_pod)) {
        if (c->primary_pod)
            site_event(r->spec.site, c,
                       &(EventSpec){SEV_WARNING, "cluster.primary", h->primary_pod,
                                    arena_printf(a, "the primary is %s, was %s", h->primary_pod,
                                                 c->primary_pod)});
        set_string(&c->primary_pod, h->primary_pod);
    }
    set_string(&c->reason, h->reason);
}

static void report(Reporter *r, Cluster *c)
{
    AUTO_ARENA a = arena_new();
    if (!site_ready(r->spec.site) || (!c->has_spec && !c->deleting))
        return;
    ClusterHealth h = health_aggregate(a, &(HealthInput){.cluster = c,
                                                         .registry = r->spec.registry,
                                                         .now_us = clock_wall_us(),
                                                         .now_ms = loop_now(r->spec.loop)});
    note_state(r, c, &h);
    if (link_is_open(r->spec.link))
        link_send(r->spec.link, &(SatelliteUp){.id = "", .kind = UP_HEALTH, .health = h});
}

static void on_soon(void *ctx)
{
    Cluster *c = ctx;
    Reporter *r = c->health_owner;
    timer_stop(c->health_timer);
    c->health_timer = NULL;
    report(r, c);
}

void reporter_soon(Reporter *r, Cluster *c)
{
    c->health_owner = r;
    if (!c->health_timer)
        c->health_timer = timer_start(r->spec.loop, SOON_MS, 0, on_soon, c);
}

void reporter_all(Reporter *r)
{
    for (MapIter it = {0}; map_next(r->spec.site->clusters, &it);)
        report(r, it.value);
}

static void on_period(void *ctx)
{
    reporter_all(ctx);
}

Reporter *reporter_start(const ReporterSpec *spec)
{
    Reporter *r = xnew(Reporter);
    r->spec = *spec;
    r->timer = timer_start(spec->loop, PERIOD_MS, PERIOD_MS, on_period, r);
    return r;
}

void reporter_set_link(Reporter *r, Link *link)
{
    r->spec.link = link;
}

void reporter_free(Reporter *r)
{
    if (!r)
        return;
    timer_stop(r->timer);
    free(r);
}
