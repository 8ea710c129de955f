#include "sidecars/registry.h"

#include <stdlib.h>

void registry_init(Registry *r)
{
    r->members = map_new();
}

static void member_free(Member *m)
{
    if (!m)
        return;
    arena_free(m->health_arena);
    free(m->key);
    free(m->ns);
    free(m->cluster);
    free(m->pod);
    free(m);
}

void registry_done(Registry *r)
{
    for (MapIter it = {0}; map_next(r->members, &it);)
        member_free(it.value);
    map_free(r->members);
    r->members = NULL;
}

Member *registry_find(const Registry *r, const char *ns, const char *pod)
{
    AUTO_ARENA a = arena_new_sized(256);
    return map_get(r->members, arena_printf(a, "%s/%s", ns, pod));
}

Member *registry_join(Registry *r, const MemberName *name, GrpcStream *stream, GrpcStream **ret_old)
{
    Member *m = registry_find(r, name->ns, name->pod);
    *ret_old = NULL;
    if (!m) {
        m = xnew(Member);
        m->key = xasprintf("%s/%s", name->ns, name->pod);
        m->ns = xstrdup(name->ns);
        m->cluster = xstrdup(name->cluster);
        m->pod = xstrdup(name->pod);
        map_put(r->members, m->key, m);
    }
    *ret_old = m->stream;
    m->stream = stream;
    m->streams++;
    return m;
}

bool registry_leave(Registry *r, Member *m, const GrpcStream *stream)
{
    bool in_force = m->stream == stream;
    if (in_force) {
        m->stream = NULL;
        m->has_health = false;
    }
    if (--m->streams == 0) {
        map_remove(r->members, m->key);
        member_free(m);
    }
    return in_force;
}

static size_t acknowledging(const HaFacts *h)
{
    const FollowerHealth *at = h->followers.at;
    size_t n = 0;
    for (size_t i = 0; i < h->followers.n; i++)
        n += str_eq(at[i].state, "streaming") && str_eq(at[i].sync_state, "quorum");
    return n;
}

/* What changes the honest line about a cluster. */
static bool ha_news(const HaFacts *x, const HaFacts *y)
{
    return x->lease_epoch != y->lease_epoch || x->sync_k != y->sync_k ||
           x->sync_recorded != y->sync_recorded || x->sync_degraded != y->sync_degraded ||
           x->fenced != y->fenced || x->paused != y->paused || x->api_away != y->api_away ||
           x->followers.n != y->followers.n || acknowledging(x) != acknowledging(y);
}

bool registry_health(Member *m, const InstanceHealth *h, uint64_t now_ms)
{
    const InstanceHealth *old = &m->health;
    bool news = !m->has_health || old->role != h->role || old->ready != h->ready ||
                old->timeline_id != h->timeline_id || old->epoch != h->epoch ||
                old->wal_receiver_active != h->wal_receiver_active ||
                old->ha.fenced != h->ha.fenced || old->ha.paused != h->ha.paused ||
                !str_eq(str_or(old->error, ""), str_or(h->error, "")) || ha_news(&old->ha, &h->ha);
    Arena *a = arena_new_sized(2048);
    InstanceHealth copy = instance_health_dup(a, h);
    copy.pod_name = arena_strdup(a, m->pod); /* it speaks for itself alone */
    arena_free(m->health_arena);
    m->health_arena = a;
    m->health = copy;
    m->has_health = true;
    m->heard_ms = now_ms;
    return news;
}
