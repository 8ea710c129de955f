#include "controllers/ctl.h"

#include "core/log.h"
#include "core/map.h"
#include "core/vec.h"
#include <stdio.h>
#include <stdlib.h>

enum { RETRY_FIRST_MS = 50, RETRY_MAX_MS = 30 * 1000, HASH_LEN = 10 };

static const Controller *const controllers[CTL_COUNT] = {
    [CTL_NAMESPACE] = &ctl_namespace,
    [CTL_CLAIM] = &ctl_claim,
    [CTL_SCHEDULER] = &ctl_scheduler,
    [CTL_STATEFULSET] = &ctl_statefulset,
    [CTL_REPLICASET] = &ctl_replicaset,
    [CTL_DEPLOYMENT] = &ctl_deployment,
    [CTL_JOB] = &ctl_job,
    [CTL_ENDPOINTS] = &ctl_endpoints,
    [CTL_PDB] = &ctl_pdb,
    [CTL_GC] = &ctl_gc,
};

typedef struct Item {
    CtlId id;
    char *ns, *name;
    uint64_t due;
    unsigned failures;
} Item;

typedef struct CtlQueue {
    Ctl ctl;
    Map *items; /* "id/ns/name" -> Item */
    StoreWatch *watch;
    Timer *timer;
    bool gone;
} CtlQueue;

static void item_free(Item *i)
{
    free(i->ns);
    free(i->name);
    free(i);
}

/* ---- the queue ---- */

static void arm(CtlQueue *q)
{
    uint64_t next = UINT64_MAX, now = loop_now(q->ctl.app->loop);
    for (MapIter it = {0}; map_next(q->items, &it);) {
        const Item *i = it.value;
        next = i->due < next ? i->due : next;
    }
    if (next != UINT64_MAX)
        timer_again(q->timer, next > now ? next - now : 0);
}

static void put(CtlQueue *q, CtlId id, const CtlKey *key, unsigned failures)
{
    char text[640];
    uint64_t due = loop_now(q->ctl.app->loop) + key->again_ms;
    snprintf(text, sizeof text, "%d/%s/%s", (int)id, key->ns, key->name);
    Item *i = map_get(q->items, text);
    if (!i) {
        i = xnew(Item);
        *i = (Item){.id = id, .ns = xstrdup(key->ns), .name = xstrdup(key->name), .due = due};
        map_put(q->items, text, i);
    }
    i->due = due < i->due ? due : i->due;
    i->failures = failures;
}

void ctl_enqueue(Ctl *c, CtlId id, const char *ns, const char *name)
{
    CtlKey key = {.ns = ns ? ns : "", .name = name};
    put(c->queue, id, &key, 0);
    arm(c->queue);
}

static void run_item(CtlQueue *q, Item *i)
{
    AUTO_ARENA a = arena_new();
    Error err = {0};
    const Controller *ctl = controllers[i->id];
    CtlKey key = {.ns = i->ns, .name = i->name};
    ErrCode rc = ctl->reconcile(&q->ctl, a, &key, &err);
    if (!rc) {
        if (key.again_ms)
            put(q, i->id, &key, 0);
        return;
    }
    unsigned n = i->failures < 16 ? i->failures : 16;
    key.again_ms = (uint64_t)RETRY_FIRST_MS << n;
    if (key.again_ms > RETRY_MAX_MS)
        key.again_ms = RETRY_MAX_MS;
    LogLevel level = rc == ERR_CONFLICT ? LOG_DEBUG : LOG_WARN;
    log_write(level, "controllers", "reconcile failed", "controller=%s key=%s/%s error=%s",
              ctl->name, i->ns, i->name, log_quote(err.msg));
    put(q, i->id, &key, i->failures + 1);
}

/* In the order of the ids: what others stand on first (namespaces, claims). */
static int by_id(const void *x, const void *y)
{
    return (int)(*(Item *const *)x)->id - (int)(*(Item *const *)y)->id;
}

static void on_timer(void *ctx)
{
    CtlQueue *q = ctx;
    VEC(Item *) due = {0};
    uint64_t now = loop_now(q->ctl.app->loop);
    for (MapIter it = {0}; map_next(q->items, &it);) {
        Item *i = it.value;
        if (i->due > now)
            continue;
        map_remove(q->items, it.key);
        vec_push(&due, i);
    }
    if (due.n)
        qsort(due.at, due.n, sizeof *due.at, by_id);
    for (size_t i = 0; i < due.n; i++) {
        run_item(q, due.at[i]);
        item_free(due.at[i]);
    }
    vec_done(&due);
    arm(q);
}

static void on_change(void *ctx, StoreChange ch, const Obj *now, const Obj *old)
{
    CtlQueue *q = ctx;
    if (now->kind == K(EVENT))
        return; /* nobody acts on them */
    AUTO_ARENA a = arena_new();
    for (int i = 0; i < CTL_COUNT; i++) {
        if (now->kind == controllers[i]->kind)
            ctl_enqueue(&q->ctl, (CtlId)i, now->ns, now->name);
        if (controllers[i]->on_change)
            controllers[i]->on_change(&q->ctl, a, ch, now, old);
    }
}

ErrCode controllers_start(App *app, Error *err)
{
    (void)err;
    CtlQueue *q = xnew(CtlQueue);
    q->ctl = (Ctl){.app = app, .store = app->store, .queue = q};
    q->items = map_new();
    q->timer = timer_start(app->loop, 0, 0, on_timer, q);
    q->watch = store_watch(app->store, NULL, on_change, q);
    app->controllers = q;
    AUTO_ARENA a = arena_new();
    for (const Obj **o = store_list_all(app->store, a, NULL, NULL); *o; o++)
        on_change(q, STORE_ADDED, *o, NULL);
    return ERR_OK;
}

void controllers_stop(App *app)
{
    CtlQueue *q = app->controllers;
    if (!q)
        return;
    app->controllers = NULL;
    store_watch_stop(q->watch);
    timer_stop(q->timer);
    for (MapIter it = {0}; map_next(q->items, &it);)
        item_free(it.value);
    map_free(q->items);
    free(q);
}

/* ---- shared ---- */

const char *ctl_owner_name(const Obj *o, const char *kind)
{
    const cJSON *ref = obj_controller(o);
    return ref && str_eq(js_text(ref, "kind"), kind) ? js_str(ref, "name") : NULL;
}

/* An object that nobody controls, that the owner's selector matches: as in Kubernetes it is
 * adopted. Of a StatefulSet's pods only those that bear its name. */
static bool is_orphan_of(const Obj *o, const Obj *owner, const Selector *sel)
{
    size_t n = strlen(owner->name);
    bool named =
        owner->kind != K(STATEFULSET) || (str_starts(o->name, owner->name) && o->name[n] == '-');
    return named && !obj_controller(o) && !obj_deleting(o) && !obj_deleting(owner) &&
           selector_matches(sel, js_at(o->json, "metadata.labels"));
}

static const Obj *adopt(Ctl *c, Arena *a, const Obj *o, const Obj *owner)
{
    Error err = {0};
    const cJSON *had = js_at(o->json, "metadata.ownerReferences");
    cJSON *patch = cJSON_CreateObject(), *refs = had ? js_dup(had) : cJSON_CreateArray();
    cJSON_AddItemToArray(refs, obj_owner_reference(owner));
    js_set(patch, "metadata.ownerReferences", refs);
    if (store_merge(c->store, o, SUB_NONE, patch, &err)) {
        log_warn("controllers", "not adopted", "kind=%s name=%s/%s error=%s", o->kind->kind, o->ns,
                 o->name, log_quote(err.msg));
        return NULL;
    }
    return store_get(c->store, a, o->kind, o->ns, o->name);
}

/* Its labels do not fit any more: it is let go, and NULL. */
static const Obj *release(Ctl *c, const Obj *o, const Obj *owner)
{
    Error err = {0};
    const cJSON *ref;
    cJSON *patch = cJSON_CreateObject(), *refs = cJSON_CreateArray();
    js_each(ref, js_at(o->json, "metadata.ownerReferences"))
    {
        if (!str_eq(js_str(ref, "uid"), owner->uid))
            cJSON_AddItemToArray(refs, js_dup(ref));
    }
    js_set(patch, "metadata.ownerReferences", refs);
    if (store_merge(c->store, o, SUB_NONE, patch, &err))
        log_warn("controllers", "not released", "kind=%s name=%s/%s error=%s", o->kind->kind, o->ns,
                 o->name, log_quote(err.msg));
    return NULL;
}

const Obj **ctl_owned(Ctl *c, Arena *a, const Kind *kind, const Obj *owner, size_t *ret_n)
{
    size_t n, k = 0;
    const Selector *sel = NULL;
    const Obj **all = store_list(c->store, a, &(StoreQuery){.kind = kind, .ns = owner->ns}, &n);
    bool selects = !selector_from_object(a, js_at(owner->json, "spec.selector"), &sel, NULL);
    for (size_t i = 0; i < n; i++) {
        const Obj *o = all[i];
        if (selects && is_orphan_of(o, owner, sel))
            o = adopt(c, a, o, owner);
        else if (selects && obj_controlled_by(o, owner) && !obj_deleting(o) &&
                 !obj_deleting(owner) && !selector_matches(sel, js_at(o->json, "metadata.labels")))
            o = release(c, o, owner);
        if (o && obj_controlled_by(o, owner))
            all[k++] = o;
    }
    all[k] = NULL;
    if (ret_n)
        *ret_n = k;
    return all;
}

ErrCode ctl_create(Ctl *c, const Kind *k, const char *ns, cJSON *obj, Error *err)
{
    AUTO_ARENA a = arena_new();
    js_set_str(obj, "apiVersion", kind_api_version(k));
    js_set_str(obj, "kind", k->kind);
    StoreWrite w = {.kind = k, .ns = ns, .obj = obj};
    ErrCode rc = store_create(c->store, a, &w, NULL, err);
    cJSON_Delete(obj);
    return rc;
}

ErrCode ctl_delete(Ctl *c, const Obj *o, Error *err)
{
    AUTO_ARENA a = arena_new();
    StoreDelete d = {.kind = o->kind,
                     .ns = o->ns,
                     .name = o->name,
                     .uid = o->uid,
                     .propagation = "Background",
                     .grace_seconds = -1};
    ErrCode rc = store_delete(c->store, a, &d, NULL, err);
    return rc == ERR_NOT_FOUND || rc == ERR_CONFLICT ? ERR_OK : rc;
}

void ctl_count(cJSON *status, const char *name, int64_t n)
{
    if (n)
        js_set_int(status, name, n);
    else
        js_del(status, name);
}

ErrCode ctl_status(Ctl *c, const Obj *o, cJSON *status, Error *err)
{
    if (js_equal(status, js_get(o->json, "status"))) {
        cJSON_Delete(status);
        return ERR_OK;
    }
    ErrCode rc = store_set_status(c->store, o, status, err);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

bool pod_ready(const Obj *pod)
{
    const cJSON *c = js_find(js_at(pod->json, "status.conditions"), "type", "Ready");
    return str_eq(js_text(c, "status"), "True");
}

bool pod_ended(const Obj *pod)
{
    const char *phase = js_text(pod->json, "status.phase");
    return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

cJSON *pod_from_template(const Obj *owner, const cJSON *template, const char *name)
{
    AUTO_ARENA a = arena_new();
    cJSON *pod = cJSON_CreateObject(), *refs = cJSON_CreateArray();
    const cJSON *labels = js_at(template, "metadata.labels");
    const cJSON *notes = js_at(template, "metadata.annotations");
    const cJSON *finalizers = js_at(template, "metadata.finalizers");
    if (name)
        js_set_str(pod, "metadata.name", name);
    js_set_str(pod, "metadata.generateName", arena_printf(a, "%s-", owner->name));
    js_set_str(pod, "metadata.namespace", owner->ns);
    if (labels)
        js_set(pod, "metadata.labels", js_dup(labels));
    if (notes)
        js_set(pod, "metadata.annotations", js_dup(notes));
    if (finalizers)
        js_set(pod, "metadata.finalizers", js_dup(finalizers));
    cJSON_AddItemToArray(refs, obj_owner_reference(owner));
    js_set(pod, "metadata.ownerReferences", refs);
    js_set(pod, "spec", js_dup(js_get(template, "spec")));
    return pod;
}

void template_hash(char ret[HASH_LEN + 1], const cJSON *template)
{
    /* Letters that make no words; the same in every run, so not hash_bytes. */
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    char *text = js_print(template);
    uint64_t h = 14695981039346656037u;
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    free(text);
    for (int i = 0; i < HASH_LEN; i++, h /= sizeof letters - 1)
        ret[i] = letters[h % (sizeof letters - 1)];
    ret[HASH_LEN] = 0;
}
