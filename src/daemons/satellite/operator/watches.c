#include "operator/watches.h"

#include "kube/watch.h"
#include "operator/reconcile.h"
#include <stdio.h>
#include <stdlib.h>

enum { DRIFT_DELAY_MS = 200 };

typedef void (*SeeFn)(Site *s, Cluster *c, KubeEvent ev, const cJSON *obj);

/* A kind we watch. `ours`: written by passes, so a version that is not ours is drift. */
typedef struct WatchRow {
    const KubeKind *kind;
    const char *label_selector, *field_selector;
    bool ours;
    SeeFn see; /* c is NULL for kinds that belong to no cluster */
} WatchRow;

typedef struct OneWatch {
    Site *site;
    const WatchRow *row;
    KubeWatch *watch;
    bool synced, told_down;
} OneWatch;

enum { WATCH_MAX = 16 };
struct Watches {
    OneWatch at[WATCH_MAX];
    size_t n;
};

/* ---- what is seen ---- */

/* The record of a cluster, as an earlier life of ours left it. */
static void see_record(Site *s, Cluster *c, const cJSON *obj)
{
    AUTO_ARENA a = arena_new();
    ClusterSpec spec;
    Error err;
    FieldErrors errs = field_errors(a);
    const char *text = kube_str(obj, "data['config.json']");
    int64_t applied = 0, made = 0;
    if (c->has_spec || c->deleting || kube_str(obj, "metadata.deletionTimestamp"))
        return;
    if (fields_decode_text(a, &cluster_spec_schema, sv(str_or(text, "")), &spec, &errs, &err)) {
        log_error("operator", "the record of a cluster is not readable; waiting for central",
                  "cluster=%s err=%s", c->key, log_quote(err.msg));
        return;
    }
    if (!str_eq(spec.name, c->name) || !str_eq(spec.ns, c->ns))
        return; /* somebody's copy */
    cluster_set_spec(c, &spec);
    str_to_i64(str_or(kube_annotation(obj, ANNOTATION_CONFIG_VERSION), "0"), &applied);
    c->applied_version = applied;
    c->was_running = applied > 0;
    if (clock_parse_rfc3339(str_or(kube_str(obj, "metadata.creationTimestamp"), ""), &made))
        c->created_us = made;
    if (site_ready(s))
        operator_touch(c, DRIFT_DELAY_MS);
}

static void see_configmap(Site *s, Cluster *c, KubeEvent ev, const cJSON *obj)
{
    if (ev != KUBE_DELETED && str_starts(kube_str(obj, "metadata.name"), "pg-swarm-config-"))
        see_record(s, c, obj);
}

static void see_statefulset(Site *s, Cluster *c, KubeEvent ev, const cJSON *obj)
{
    (void)s, (void)obj;
    c->statefulset_seen = ev != KUBE_DELETED;
    if (c->deleting && c->pass)
        pass_poke(c->pass);
}

static void see_service(Site *s, Cluster *c, KubeEvent ev, const cJSON *obj)
{
    AUTO_ARENA a = arena_new();
    const char *name = kube_str(obj, "metadata.name");
    Endpoint *at = str_ends(name, "-rw") ? &c->rw : str_ends(name, "-ro") ? &c->ro : NULL;
    if (!at)
        return;
    Endpoint now = ev == KUBE_DELETED ? (Endpoint){"", 0} : service_endpoint(a, obj, s->node_ip);
    if (str_eq(str_or(at->host, ""), now.host) && at->port == now.port)
        return;
    set_string((char **)&at->host, now.host);
    at->port = now.port;
    s->ev.on_health(s->ev.ctx, c);
}

static void pod_update(Pod *p, const PodView *v)
{
    p->ready = v->ready;
    p->terminating = v->terminating;
    snprintf(p->role, sizeof p->role, "%.15s", v->role);
    /* "Back-off pulling image" says less than the failure before it. */
    bool vague =
        v->problem && p->problem && v->refused && p->refused && strstr(v->problem, "Back-off");
    if (!vague)
        set_string(&p->problem, v->problem);
    p->refused = v->refused;
}

static void see_pod(Site *s, Cluster *c, KubeEvent ev, const cJSON *obj)
{
    AUTO_ARENA a = arena_new();
    const char *name = kube_str(obj, "metadata.name");
    Pod *p = map_get(c->pods, name);
    if (ev == KUBE_DELETED) {
        map_remove(c->pods, name);
        pod_free(p);
    } else {
        if (!p) {
            p = xnew(Pod);
            p->name = xstrdup(name);
            map_put(c->pods, name, p);
            set_string(&c->quota_problem, NULL); /* they can be made again */
            operator_nudge(c);
        }
        set_string(&p->uid, str_or(kube_str(obj, "metadata.uid"), ""));
        PodView v = pod_view(a, obj);
        pod_update(p, &v);
    }
    operator_review(c);
    s->ev.on_health(s->ev.ctx, c);
    if (c->deleting && c->pass)
        pass_poke(c->pass);
}

/* Values of the map of claims. */
static char GUARDED[] = "p", UNGUARDED[] = "-";

bool note_claim(Cluster *c, const cJSON *obj)
{
    bool guarded = false;
    const cJSON *f;
    cJSON_ArrayForEach(f, kube_at(obj, "metadata.finalizers"))
    {
        guarded |= str_eq(cJSON_GetStringValue(f), FINALIZER_PROTECTION);
    }
    map_put(c->claims, str_or(kube_str(obj, "metadata.name"), ""), guarded ? GUARDED : UNGUARDED);
    return guarded;
}

static void see_claim(Site *s, Cluster *c, KubeEvent ev, const cJSON *obj)
{
    (void)s;
    bool guarded = false;
    if (ev == KUBE_DELETED)
        map_remove(c->claims, kube_str(obj, "metadata.name"));
    else
        guarded = note_claim(c, obj);
    if (ev != KUBE_DELETED && c->has_spec && guarded != c->spec.deletion_protection &&
        site_ready(c->site))
        operator_touch(c, DRIFT_DELAY_MS);
}

static void put_class(Arena *a, StorageClass *out, const cJSON *obj)
{
    const char *def = kube_annotation(obj, "storageclass.kubernetes.io/is-default-class");
    *out = (StorageClass){
        .name = arena_strdup(a, kube_str(obj, "metadata.name")),
        .provisioner = arena_strdup(a, str_or(kube_str(obj, "provisioner"), "")),
        .reclaim_policy = arena_strdup(a, str_or(kube_str(obj, "reclaimPolicy"), "")),
        .volume_binding_mode = arena_strdup(a, str_or(kube_str(obj, "volumeBindingMode"), "")),
        .is_default = str_eq(def, "true"),
        .allow_expansion = kube_bool(obj, "allowVolumeExpansion", false),
    };
}

/* The list is rebuilt: there are a handful, and they change once in a year. */
static void see_class(Site *s, Cluster *c, KubeEvent ev, const cJSON *obj)
{
    (void)c;
    Arena *a = arena_new();
    const char *name = kube_str(obj, "metadata.name");
    const StorageClass *old = s->storage_classes.at;
    StorageClass *now = arena_array(a, StorageClass, s->storage_classes.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s->storage_classes.n; i++) {
        if (str_eq(old[i].name, name))
            continue;
        now[n++] = (StorageClass){arena_strdup(a, old[i].name),
                                  arena_strdup(a, old[i].provisioner),
                                  arena_strdup(a, old[i].reclaim_policy),
                                  arena_strdup(a, old[i].volume_binding_mode),
                                  old[i].is_default,
                                  old[i].allow_expansion};
    }
    if (ev != KUBE_DELETED)
        put_class(a, &now[n++], obj);
    arena_free(s->classes_arena);
    s->classes_arena = a;
    s->storage_classes = (ObjList){now, n};
    if (!site_ready(s))
        return;
    s->ev.on_storage_classes(s->ev.ctx);
    operator_retry_refused(s);
}

static void see_node(Site *s, Cluster *c, KubeEvent ev, const cJSON *obj)
{
    (void)c;
    const cJSON *addr;
    const char *internal = NULL, *external = NULL;
    cJSON_ArrayForEach(addr, kube_at(obj, "status.addresses"))
    {
        const char *type = kube_str(addr, "type");
        if (str_eq(type, "ExternalIP"))
            external = kube_str(addr, "address");
        else if (str_eq(type, "InternalIP"))
            internal = kube_str(addr, "address");
    }
    const char *ip = external ? external : internal;
    if (ev == KUBE_DELETED || !ip || (!external && s->node_ip) || str_eq(ip, s->node_ip))
        return;
    set_string(&s->node_ip, ip);
    for (MapIter it = {0}; map_next(s->clusters, &it);) {
        Cluster *at = it.value;
        if (at->rw.port)
            set_string((char **)&at->rw.host, ip);
        if (at->ro.port)
            set_string((char **)&at->ro.host, ip);
        s->ev.on_health(s->ev.ctx, at);
    }
}

/* "create Pod x in StatefulSet y failed error: pods is forbidden: exceeded quota ..." */
static void see_failed_create(Site *s, Cluster *c, KubeEvent ev, const cJSON *obj)
{
    const char *message = kube_str(obj, "message");
    (void)s;
    if (ev == KUBE_DELETED || str_empty(message) || map_count(c->pods) >= c->spec.replicas)
        return;
    set_string(&c->quota_problem, message);
    operator_nudge(c);
    operator_review(c);
}

/* ---- drift ---- */

static bool by_generation(const KubeKind *kind)
{
    return kind == &KUBE_STATEFULSET || kind == &KUBE_PDB; /* their status changes all the time */
}

static char *mark_key(Arena *a, const KubeKind *kind, const cJSON *obj)
{
    return arena_printf(a, "%s/%s", kind->kind, str_or(kube_str(obj, "metadata.name"), ""));
}

static void put_mark(Map *m, const KubeKind *kind, const cJSON *obj)
{
    AUTO_ARENA a = arena_new_sized(256);
    const char *rv = str_or(kube_str(obj, "metadata.resourceVersion"), "");
    char *value = by_generation(kind)
                      ? xasprintf("%lld", (long long)kube_int(obj, "metadata.generation", 0))
                      : xstrdup(rv);
    free(map_put(m, mark_key(a, kind, obj), value));
}

void mark_own(Cluster *c, const KubeKind *kind, const cJSON *obj)
{
    put_mark(c->marks, kind, obj);
}

bool has_drift(const Cluster *c)
{
    for (MapIter it = {0}; map_next(c->marks, &it);)
        if (!str_eq(it.value, map_get(c->seen, it.key)))
            return true;
    /* A claim that came while a pass ran, behind the step that guards them. */
    const char *want = c->has_spec && c->spec.deletion_protection ? GUARDED : UNGUARDED;
    for (MapIter it = {0}; map_next(c->claims, &it);)
        if (!str_eq(it.value, want))
            return true;
    return false;
}

static void compare_mark(Cluster *c, const char *key)
{
    const char *mark = map_get(c->marks, key), *seen = map_get(c->seen, key);
    if (!mark || str_eq(mark, seen) || c->deleting)
        return;
    if (c->pass) { /* perhaps our own write, told before its answer: looked at when the pass ends */
        c->dirty = true;
        return;
    }
    c->site->stats.drift++;
    log_info("operator", "an object is not as we left it", "cluster=%s object=%s deleted=%d",
             c->key, key, !seen);
    operator_touch(c, DRIFT_DELAY_MS);
}

static void see_drift(Cluster *c, const KubeKind *kind, KubeEvent ev, const cJSON *obj)
{
    AUTO_ARENA a = arena_new_sized(256);
    char *key = mark_key(a, kind, obj);
    if (ev == KUBE_DELETED)
        free(map_remove(c->seen, key));
    else
        put_mark(c->seen, kind, obj);
    compare_mark(c, key);
}

/* A list tells what has vanished of all that we were told of. What was made and deleted again while
 * the watch was away, we were never told of. */
static void compare_marks(Site *s, const KubeKind *kind)
{
    size_t n = strlen(kind->kind);
    for (MapIter it = {0}; map_next(s->clusters, &it);) {
        Cluster *c = it.value;
        for (MapIter m = {0}; map_next(c->marks, &m);)
            if (strncmp(m.key, kind->kind, n) == 0 && m.key[n] == '/')
                compare_mark(c, m.key);
    }
}

/* ---- dispatch ---- */

#define OURS LABEL_MANAGED_BY "=" MANAGED_BY "," LABEL_CLUSTER
static const WatchRow ROWS[] = {
    {&KUBE_STORAGECLASS, NULL, NULL, false, see_class},
    {&KUBE_NODE, NULL, NULL, false, see_node},
    {&KUBE_CONFIGMAP, OURS, NULL, true, see_configmap},
    {&KUBE_SECRET, OURS, NULL, true, NULL},
    {&KUBE_SERVICE, OURS, NULL, true, see_service},
    {&KUBE_SERVICEACCOUNT, OURS, NULL, true, NULL},
    {&KUBE_ROLE, OURS, NULL, true, NULL},
    {&KUBE_ROLEBINDING, OURS, NULL, true, NULL},
    {&KUBE_PDB, OURS, NULL, true, NULL},
    {&KUBE_NETWORKPOLICY, OURS, NULL, true, NULL},
    {&KUBE_STATEFULSET, OURS, NULL, true, see_statefulset},
    {&KUBE_PVC, OURS, NULL, false, see_claim},
    {&KUBE_POD, OURS, NULL, false, see_pod},
    {&KUBE_EVENT, NULL, "reason=FailedCreate,involvedObject.kind=StatefulSet", false,
     see_failed_create},
};

/* An object that vanished while we did not look comes without labels: who wrote it? */
static Cluster *owner_by_mark(Site *s, const KubeKind *kind, const cJSON *obj)
{
    AUTO_ARENA a = arena_new_sized(256);
    const char *ns = kube_str(obj, "metadata.namespace"), *name = kube_str(obj, "metadata.name");
    char *key = mark_key(a, kind, obj);
    for (MapIter it = {0}; map_next(s->clusters, &it);) {
        Cluster *c = it.value;
        if (str_eq(c->ns, ns) && (map_get(c->marks, key) || map_get(c->seen, key) ||
                                  map_get(c->pods, name) || map_get(c->claims, name)))
            return c;
    }
    return NULL;
}

static Cluster *owner_of(Site *s, const WatchRow *row, KubeEvent ev, const cJSON *obj)
{
    const char *ns = kube_str(obj, "metadata.namespace");
    const char *name = kube_label(obj, LABEL_CLUSTER);
    if (row->kind == &KUBE_EVENT)
        return ns ? site_find(s, ns, str_or(kube_str(obj, "involvedObject.name"), "")) : NULL;
    if (str_empty(ns))
        return NULL;
    if (str_empty(name))
        return owner_by_mark(s, row->kind, obj);
    if (row->kind == &KUBE_CONFIGMAP && ev != KUBE_DELETED &&
        str_starts(kube_str(obj, "metadata.name"), "pg-swarm-config-"))
        return site_cluster(s, ns, name);
    return site_find(s, ns, name);
}

/* Everything has been listed: what is there, is known. */
static void all_synced(Site *s)
{
    log_info("operator", "the site is known", "clusters=%zu storage_classes=%zu",
             map_count(s->clusters), s->storage_classes.n);
    s->ev.on_storage_classes(s->ev.ctx);
    for (MapIter it = {0}; map_next(s->clusters, &it);)
        operator_touch(it.value, 0);
}

static void start_watch(Watches *w, Site *s, size_t i);

/* Clusters come from their records, and addresses from nodes; what needs them is listed after. */
static bool is_first(const WatchRow *row)
{
    return !row->kind->namespaced || row->kind == &KUBE_CONFIGMAP;
}

static void on_synced(OneWatch *o)
{
    if (o->synced)
        return;
    o->synced = true;
    Watches *w = o->site->watches;
    bool first_all = true;
    for (size_t i = 0; i < w->n; i++)
        first_all &= !is_first(w->at[i].row) || w->at[i].synced;
    for (size_t i = 0; first_all && i < w->n; i++)
        start_watch(w, o->site, i);
    if (--o->site->unsynced == 0)
        all_synced(o->site);
}

static void on_watch(void *ctx, KubeEvent ev, const cJSON *obj)
{
    OneWatch *o = ctx;
    if (ev == KUBE_SYNCED) {
        if (o->synced && o->row->ours)
            compare_marks(o->site, o->row->kind);
        on_synced(o);
        return;
    }
    bool of_cluster = o->row->kind->namespaced;
    Cluster *c = of_cluster ? owner_of(o->site, o->row, ev, obj) : NULL;
    if (of_cluster && !c)
        return;
    if (o->row->ours)
        see_drift(c, o->row->kind, ev, obj);
    if (o->row->see)
        o->row->see(o->site, c, ev, obj);
}

/* A kind that we may not watch (or that this server does not have) must not keep the site from
 * being run and from telling so: what we may not do either, passes are told by the API server. */
static void go_without(OneWatch *o, const Error *err)
{
    AUTO_ARENA a = arena_new();
    char *text = arena_printf(a, "%s cannot be watched: %s", o->row->kind->plural, err->msg);
    site_event(o->site, NULL, &(EventSpec){SEV_ERROR, "site.rights", NULL, text});
    on_synced(o);
}

static void on_watch_state(void *ctx, bool connected, const Error *err)
{
    OneWatch *o = ctx;
    if (connected) {
        if (o->told_down && site_ready(o->site))
            operator_retry_refused(o->site); /* what was in the way may be gone */
        o->told_down = false;
        return;
    }
    o->told_down = true;
    log_warn("operator", "the API server cannot be watched", "kind=%s err=%s", o->row->kind->kind,
             log_quote(err->msg));
    if (!o->synced && (err->code == ERR_FORBIDDEN || err->code == ERR_NOT_FOUND))
        go_without(o, err);
}

static void start_watch(Watches *w, Site *s, size_t i)
{
    OneWatch *o = &w->at[i];
    if (o->watch)
        return;
    o->watch = kube_watch(s->kube, &(KubeWatchSpec){.kind = o->row->kind,
                                                    .label_selector = o->row->label_selector,
                                                    .field_selector = o->row->field_selector,
                                                    .on_event = on_watch,
                                                    .on_state = on_watch_state,
                                                    .ctx = o});
}

Watches *watches_start(Site *s)
{
    Watches *w = xnew(Watches);
    bool nodes = str_eq(s->cfg->service_type, "NodePort");
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        if (ROWS[i].kind == &KUBE_NODE && !nodes)
            continue;
        w->at[w->n++] = (OneWatch){.site = s, .row = &ROWS[i]};
        s->unsynced++;
    }
    for (size_t i = 0; i < w->n; i++)
        if (is_first(w->at[i].row))
            start_watch(w, s, i);
    return w;
}

void watches_stop(Watches *w)
{
    for (size_t i = 0; w && i < w->n; i++)
        kube_watch_stop(w->at[i].watch);
    free(w);
}
