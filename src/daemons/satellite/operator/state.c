#include "operator/state.h"

#include "operator/reconcile.h"
#include "operator/watches.h"
#include <stdlib.h>

void set_string(char **at, const char *value)
{
    char *copy = xstrdup(value);
    free(*at);
    *at = copy;
}

/* ---- clusters ---- */

static char *key_of(Arena *a, const char *ns, const char *name)
{
    return arena_printf(a, "%s/%s", ns, name);
}

Cluster *site_find(const Site *s, const char *ns, const char *name)
{
    AUTO_ARENA a = arena_new_sized(256);
    return map_get(s->clusters, key_of(a, ns, name));
}

Cluster *site_cluster(Site *s, const char *ns, const char *name)
{
    AUTO_ARENA a = arena_new_sized(256);
    char *key = key_of(a, ns, name);
    Cluster *c = map_get(s->clusters, key);
    if (c)
        return c;
    c = xnew(Cluster);
    c->site = s;
    c->key = xstrdup(key);
    c->ns = xstrdup(ns);
    c->name = xstrdup(name);
    c->pods = map_new();
    c->claims = map_new();
    c->marks = map_new();
    c->seen = map_new();
    c->created_us = clock_wall_us();
    c->backoff = (Backoff){.base_ms = 1000, .max_ms = 30000};
    map_put(s->clusters, key, c);
    return c;
}

void cluster_set_spec(Cluster *c, const ClusterSpec *spec)
{
    Arena *a = arena_new();
    ClusterSpec copy = cluster_spec_dup(a, spec);
    arena_free(c->spec_arena);
    c->spec_arena = a;
    c->spec = copy;
    c->has_spec = true;
    set_string(&c->cluster_id, copy.cluster_id);
}

static void free_values(Map *m)
{
    for (MapIter it = {0}; map_next(m, &it);)
        free(it.value);
    map_free(m);
}

void pod_free(Pod *p)
{
    if (!p)
        return;
    free(p->name);
    free(p->uid);
    free(p->problem);
    free(p);
}

static void cluster_free(Cluster *c)
{
    operator_stop(c);
    timer_stop(c->timer);
    timer_stop(c->health_timer);
    timer_stop(c->nudge);
    kube_cancel(c->nudge_call);
    for (MapIter it = {0}; map_next(c->pods, &it);)
        pod_free(it.value);
    map_free(c->pods);
    map_free(c->claims);
    free_values(c->marks);
    free_values(c->seen);
    char *owned[] = {c->key,
                     c->ns,
                     c->name,
                     c->cluster_id,
                     c->problem,
                     c->quota_problem,
                     c->told_error,
                     c->superuser_password,
                     c->replication_password,
                     c->token,
                     (char *)c->rw.host,
                     (char *)c->ro.host,
                     c->reason,
                     c->primary_pod};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    arena_free(c->spec_arena);
    free(c);
}

void cluster_forget(Cluster *c)
{
    map_remove(c->site->clusters, c->key);
    cluster_free(c);
}

/* ---- the site ---- */

Site *site_new(const SiteSpec *spec)
{
    Site *s = xnew(Site);
    s->loop = spec->loop;
    s->kube = spec->kube;
    s->cfg = spec->cfg;
    s->ev = spec->ev;
    s->clusters = map_new();
    s->satellite_addr = xstrdup(spec->satellite_addr);
    s->satellite_ca_pem = xstrdup(spec->satellite_ca_pem);
    s->watches = watches_start(s);
    return s;
}

void site_free(Site *s)
{
    if (!s)
        return;
    watches_stop(s->watches);
    for (MapIter it = {0}; map_next(s->clusters, &it);)
        cluster_free(it.value);
    map_free(s->clusters);
    arena_free(s->classes_arena);
    free(s->node_ip);
    free(s->satellite_addr);
    free(s->satellite_ca_pem);
    free(s);
}

bool site_ready(const Site *s)
{
    return s && s->unsynced == 0;
}

void site_suspend(Site *s, bool suspended, const char *why)
{
    if (s->suspended == suspended)
        return;
    s->suspended = suspended;
    if (suspended) {
        log_error("operator", "central does not know this satellite any more; nothing is changed",
                  "why=%s", log_quote(why));
        for (MapIter it = {0}; map_next(s->clusters, &it);)
            operator_stop(it.value);
        return;
    }
    log_info("operator", "accepted again; going on", "%s", "");
    for (MapIter it = {0}; map_next(s->clusters, &it);)
        operator_touch(it.value, 0);
}

void site_event(Site *s, const Cluster *c, const EventSpec *e)
{
    EventReport r = {
        .at_us = clock_wall_us(),
        .severity = e->severity,
        .kind = e->kind,
        .cluster_name = c ? c->name : "",
        .ns = c ? c->ns : "",
        .pod_name = str_or(e->pod, ""),
        .message = e->message,
        .operation_id = "",
        .source = "satellite",
    };
    s->ev.on_event(s->ev.ctx, &r);
}

/* ---- storage classes ---- */

static char *class_names(const Site *s, Arena *a)
{
    AUTO_STRBUF b = {0};
    const StorageClass *sc = s->storage_classes.at;
    for (size_t i = 0; i < s->storage_classes.n; i++)
        strbuf_addf(&b, "%s%s", i ? ", " : "", sc[i].name);
    return arena_strdup(a, b.n ? b.p : "none");
}

ErrCode site_storage_class(const Site *s, Arena *a, const Volume *v, const char **ret, Error *err)
{
    const char *want = str_or(v->storage_class, "");
    const StorageClass *sc = s->storage_classes.at;
    if (str_starts(want, "tier:")) {
        const char *tier = want + 5;
        want = strmap_get(s->cfg->tiers, tier);
        if (!want)
            return err_set(err, ERR_INVALID,
                           "storage tier \"%s\": this site maps it to no storage class", tier);
    }
    for (size_t i = 0; i < s->storage_classes.n; i++)
        if (*want ? str_eq(sc[i].name, want) : sc[i].is_default) {
            *ret = want;
            return ERR_OK;
        }
    if (!*want)
        return err_set(err, ERR_INVALID,
                       "storage_class \"\": this site has no default storage class; it has: %s",
                       class_names(s, a));
    return err_set(err, ERR_INVALID, "storage_class \"%s\": not at this site; it has: %s", want,
                   class_names(s, a));
}
