#include "store/store.h"
#include "core/log.h"
#include "store/admit.h"
#include "store/store_priv.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- objects ---- */

const Obj *obj_ref(const Obj *o)
{
    ((Obj *)o)->refs++;
    return o;
}

void obj_unref(const Obj *o)
{
    Obj *m = (Obj *)o;
    if (m && --m->refs == 0) {
        cJSON_Delete((cJSON *)m->json);
        free(m);
    }
}

static void obj_unref_void(void *o)
{
    obj_unref(o);
}

bool obj_deleting(const Obj *o)
{
    return js_at(o->json, "metadata.deletionTimestamp") != NULL;
}

const cJSON *obj_controller(const Obj *o)
{
    const cJSON *r;
    js_each(r, js_at(o->json, "metadata.ownerReferences"))
    {
        if (js_bool(r, "controller", false)) {
            return r;
        }
    }
    return NULL;
}

bool obj_controlled_by(const Obj *o, const Obj *owner)
{
    return str_eq(js_str(obj_controller(o), "uid"), owner->uid);
}

cJSON *obj_owner_reference(const Obj *owner)
{
    cJSON *r = cJSON_CreateObject();
    js_set_str(r, "apiVersion", kind_api_version(owner->kind));
    js_set_str(r, "kind", owner->kind->kind);
    js_set_str(r, "name", owner->name);
    js_set_str(r, "uid", owner->uid);
    js_set_bool(r, "controller", true);
    js_set_bool(r, "blockOwnerDeletion", true);
    return r;
}

/* Takes json over. */
Obj *store_obj_new(const Kind *k, cJSON *json, uint64_t rv)
{
    Obj *o = xnew(Obj);
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)rv);
    js_set_str(json, "metadata.resourceVersion", text);
    o->kind = k;
    o->json = json;
    o->rv = rv;
    o->refs = 1;
    o->ns = js_text(json, "metadata.namespace");
    o->name = js_text(json, "metadata.name");
    o->uid = js_text(json, "metadata.uid");
    return o;
}

/* ---- open and close ---- */

static void on_journal_line(void *ctx, uint64_t rv, const Kind *k, const char *key, cJSON *json)
{
    Store *s = ctx;
    s->rv = rv > s->rv ? rv : s->rv;
    Map *m = s->index[kind_id(k)];
    obj_unref(json ? map_put(m, key, store_obj_new(k, json, rv)) : map_remove(m, key));
}

ErrCode store_open(const StoreConfig *cfg, Store **ret, Error *err)
{
    Store *s = xnew(Store);
    s->cfg = *cfg;
    s->cfg.service_cidr = xstrdup(cfg->service_cidr);
    s->cfg.dir = NULL;
    for (int i = 0; i < KIND_COUNT; i++) {
        s->index[i] = map_new();
    }
    s->rv = 1;
    if (cfg->dir) {
        const JournalLoad load = {.on_line = on_journal_line, .ctx = s};
        ErrCode rc = journal_open(cfg->dir, &load, &s->journal, err);
        if (rc) {
            store_close(s);
            return rc;
        }
    }
    s->history_from = s->rv;
    *ret = s;
    return ERR_OK;
}

void store_close(Store *s)
{
    if (!s) {
        return;
    }
    for (size_t i = s->first; i < s->end; i++) {
        obj_unref(s->ring[i % s->ring_cap].now);
        obj_unref(s->ring[i % s->ring_cap].old);
    }
    for (int i = 0; i < KIND_COUNT; i++) {
        for (MapIter it = {0}; map_next(s->index[i], &it);) {
            obj_unref(it.value);
        }
        map_free(s->index[i]);
    }
    while (s->watches) {
        StoreWatch *w = s->watches;
        s->watches = w->next;
        free(w);
    }
    journal_close(s->journal);
    free((char *)s->cfg.service_cidr);
    free(s->ring);
    free(s);
}

int store_unsynced(Store *s)
{
    return s->journal ? journal_unsynced(s->journal) : -1;
}

uint64_t store_rv(const Store *s)
{
    return s->rv;
}

int64_t store_now_us(const Store *s)
{
    return s->cfg.now_us ? s->cfg.now_us() : clock_wall_us();
}

/* ---- reading ---- */

static void key_of(StrBuf *b, const Kind *k, const char *ns, const char *name)
{
    strbuf_addf(b, "%s/%s", kind_namespaced(k) ? str_or(ns, "") : "", str_or(name, ""));
}

const Obj *store_find(Store *s, const Kind *k, const char *ns, const char *name)
{
    AUTO_STRBUF key = {0};
    key_of(&key, k, ns, name);
    return map_get(s->index[kind_id(k)], strbuf_str(&key));
}

const Obj *store_hold(Arena *a, const Obj *o)
{
    if (o) {
        arena_on_free(a, obj_unref_void, (void *)obj_ref(o));
    }
    return o;
}

const Obj *store_get(Store *s, Arena *a, const Kind *k, const char *ns, const char *name)
{
    return store_hold(a, store_find(s, k, ns, name));
}

typedef struct Found {
    const Obj **at;
    size_t n, cap;
} Found;

static void found_add(Arena *a, Found *f, const Obj *o)
{
    if (f->n + 1 >= f->cap) {
        const Obj **more = arena_array(a, const Obj *, f->cap * 2 + 64);
        if (f->n) {
            memcpy(more, f->at, f->n * sizeof *more);
        }
        f->at = more;
        f->cap = f->cap * 2 + 64;
    }
    f->at[f->n++] = store_hold(a, o);
    f->at[f->n] = NULL;
}

static int by_name(const void *x, const void *y)
{
    const Obj *a = *(const Obj *const *)x, *b = *(const Obj *const *)y;
    int c = (a->kind > b->kind) - (a->kind < b->kind);
    c = c ? c : strcmp(a->ns, b->ns);
    return c ? c : strcmp(a->name, b->name);
}

static void collect(Store *s, Arena *a, const StoreQuery *q, Found *f)
{
    for (MapIter it = {0}; map_next(s->index[kind_id(q->kind)], &it);) {
        const Obj *o = it.value;
        if ((str_empty(q->ns) || str_eq(o->ns, q->ns)) &&
            selector_matches(q->labels, js_at(o->json, "metadata.labels")) &&
            field_selector_matches(q->fields, o->json)) {
            found_add(a, f, o);
        }
    }
}

static const Obj **sorted(Arena *a, Found *f, size_t *ret_n)
{
    if (!f->at) {
        f->at = arena_array(a, const Obj *, 1);
    }
    qsort(f->at, f->n, sizeof(Obj *), by_name);
    if (ret_n) {
        *ret_n = f->n;
    }
    return f->at;
}

const Obj **store_list(Store *s, Arena *a, const StoreQuery *q, size_t *ret_n)
{
    Found f = {0};
    collect(s, a, q, &f);
    return sorted(a, &f, ret_n);
}

const Obj **store_list_all(Store *s, Arena *a, const char *ns, size_t *ret_n)
{
    Found f = {0};
    for (int i = 0; i < KIND_COUNT; i++) {
        if (str_empty(ns) || kind_namespaced(&kinds[i])) {
            collect(s, a, &(StoreQuery){.kind = &kinds[i], .ns = ns}, &f);
        }
    }
    return sorted(a, &f, ret_n);
}

const char *store_resource_text(Arena *a, const Kind *k)
{
    return *k->group ? arena_printf(a, "%s.%s", k->plural, k->group) : k->plural;
}

const char *store_ref_text(Arena *a, const Kind *k, const char *name)
{
    return arena_printf(a, "%s%s%s \"%s\"", k->kind, *k->group ? "." : "", k->group, name);
}

/* ---- changing ---- */

static void ring_push(Store *s, Change c)
{
    if (s->end - s->first >= STORE_HISTORY && s->told > s->first) {
        Change *oldest = &s->ring[s->first++ % s->ring_cap];
        s->history_from = oldest->now->rv;
        obj_unref(oldest->now);
        obj_unref(oldest->old);
    }
    if (s->end - s->first == s->ring_cap) {
        size_t cap = s->ring_cap ? s->ring_cap * 2 : 64, n = s->end - s->first;
        Change *more = xcalloc(cap, sizeof *more);
        for (size_t i = 0; i < n; i++) {
            more[i] = s->ring[(s->first + i) % s->ring_cap];
        }
        free(s->ring);
        s->ring = more;
        s->ring_cap = cap;
        s->told -= s->first;
        s->first = 0;
        s->end = n;
    }
    bool idle = s->told == s->end;
    s->ring[s->end++ % s->ring_cap] = c;
    if (idle && s->wake && !s->dispatching) {
        s->wake(s->wake_ctx);
    }
}

static void rewrite_journal(Store *s)
{
    Error err = {0};
    if (journal_rewrite_begin(s->journal, &err)) {
        log_warn("store", "the journal was not rewritten", "error=%s", log_quote(err.msg));
        return;
    }
    ErrCode rc = ERR_OK;
    for (int i = 0; i < KIND_COUNT; i++) {
        for (MapIter it = {0}; !rc && map_next(s->index[i], &it);) {
            const Obj *o = it.value;
            rc = journal_put(s->journal, o->rv, o->kind, it.key, o->json, &err);
        }
    }
    rc = rc ? rc : journal_rewrite_end(s->journal, &err);
    if (rc) {
        log_error("store", "the journal was not rewritten", "error=%s", log_quote(err.msg));
    }
}

static ErrCode save(Store *s, const Obj *o, const char *key, bool gone, Error *err)
{
    if (!s->journal) {
        return ERR_OK;
    }
    return journal_put(s->journal, o->rv, o->kind, key, gone ? NULL : o->json, err);
}

ErrCode store_commit(Store *s, const Kind *k, cJSON *json, const Obj **ret, Error *err)
{
    Obj *o = store_obj_new(k, json, s->rv + 1);
    AUTO_STRBUF key = {0};
    key_of(&key, k, o->ns, o->name);
    ErrCode rc = save(s, o, strbuf_str(&key), false, err);
    if (rc) {
        obj_unref(o);
        return rc;
    }
    s->rv++;
    const Obj *old = map_put(s->index[kind_id(k)], strbuf_str(&key), o);
    /* the map's reference to old goes over to the ring */
    ring_push(s, (Change){old ? STORE_MODIFIED : STORE_ADDED, obj_ref(o), old});
    if (s->journal && journal_wants_rewrite(s->journal)) {
        rewrite_journal(s);
    }
    *ret = o;
    return ERR_OK;
}

ErrCode store_commit_delete(Store *s, const Obj *old, const Obj **ret, Error *err)
{
    Obj *last = store_obj_new(old->kind, js_dup(old->json), s->rv + 1);
    AUTO_STRBUF key = {0};
    key_of(&key, old->kind, old->ns, old->name);
    ErrCode rc = save(s, last, strbuf_str(&key), true, err);
    if (rc) {
        obj_unref(last);
        return rc;
    }
    s->rv++;
    map_remove(s->index[kind_id(old->kind)], strbuf_str(&key));
    ring_push(s, (Change){STORE_DELETED, last, old}); /* both references are the ring's now */
    *ret = last;
    return ERR_OK;
}

/* ---- watching ---- */

StoreWatch *store_watch(Store *s, const Kind *k, StoreWatchFn fn, void *ctx)
{
    StoreWatch *w = xnew(StoreWatch);
    *w = (StoreWatch){.store = s, .kind = k, .after = s->rv, .fn = fn, .ctx = ctx};
    StoreWatch **end = &s->watches;
    while (*end) {
        end = &(*end)->next;
    }
    *end = w;
    return w;
}

static void tell(StoreWatch *w, const Change *c)
{
    if (!w->stopped && c->now->rv > w->after && (!w->kind || w->kind == c->now->kind)) {
        w->fn(w->ctx, c->type, c->now, c->old);
    }
}

void store_forget(Store *s)
{
    s->history_from = s->rv;
}

ErrCode store_watch_from(Store *s, const Kind *k, uint64_t rv, StoreWatchFn fn, void *ctx,
                         StoreWatch **ret)
{
    if (rv < s->history_from) {
        return ERR_GONE;
    }
    StoreWatch *w = store_watch(s, k, fn, ctx);
    w->after = rv;
    *ret = w;
    for (size_t i = s->first; i < s->told; i++) {
        Change c = s->ring[i % s->ring_cap];
        obj_ref(c.now);
        tell(w, &c);
        obj_unref(c.now);
    }
    return ERR_OK;
}

void store_watch_stop(StoreWatch *w)
{
    if (!w) {
        return;
    }
    Store *s = w->store;
    w->stopped = true;
    if (s->dispatching) {
        return; /* swept when the round ends */
    }
    for (StoreWatch **p = &s->watches; *p; p = &(*p)->next) {
        if (*p == w) {
            *p = w->next;
            free(w);
            return;
        }
    }
}

static void sweep(Store *s)
{
    for (StoreWatch **p = &s->watches; *p;) {
        StoreWatch *w = *p;
        if (w->stopped) {
            *p = w->next;
            free(w);
        } else {
            p = &w->next;
        }
    }
}

void store_set_wake(Store *s, void (*wake)(void *ctx), void *ctx)
{
    s->wake = wake;
    s->wake_ctx = ctx;
}

void store_dispatch(Store *s)
{
    if (s->dispatching) {
        return;
    }
    s->dispatching = true;
    while (s->told < s->end) {
        Change c = s->ring[s->told % s->ring_cap];
        s->told++;
        obj_ref(c.now); /* a write from inside may push this change out of the ring */
        if (c.old) {
            obj_ref(c.old);
        }
        for (StoreWatch *w = s->watches; w; w = w->next) {
            tell(w, &c);
        }
        obj_unref(c.now);
        obj_unref(c.old);
    }
    s->dispatching = false;
    sweep(s);
}

void store_node_ports(const Store *s, int *ret_lo, int *ret_hi)
{
    *ret_lo = s->cfg.node_port_lo ? s->cfg.node_port_lo : 30000;
    *ret_hi = s->cfg.node_port_hi ? s->cfg.node_port_hi : 32767;
}

bool store_node_port_free(const Store *s, int port)
{
    return !s->cfg.node_port_free || s->cfg.node_port_free(s->cfg.node_port_ctx, port);
}

const char *store_service_cidr(const Store *s)
{
    return s->cfg.service_cidr;
}
