#include "kube/watch.h"

#include "core/clock.h"
#include "core/ident.h"
#include "kube/kube_priv.h"
#include "kube/watch_codec.h"
#include <stdlib.h>

enum {
    IDLE_MS = 150 * 1000,
    LIFE_MIN_S = 240, /* asked of the server; spread, so that watches do not end together */
    LIFE_SPREAD_S = 240,
    RETRY_MAX_MS = 10 * 1000,
    HEALTHY_MS = 5000, /* a watch that lasted so long resets the backoff */
    BAD_LINES_MAX = 2, /* in a row, before we list again */
    ERROR_BODY = 8 * 1024,
};

static KubeWatchStats stats;

/* What we told last about an object. */
typedef struct Known {
    unsigned generation; /* of the list that had it last */
    char *rv, *uid;
} Known;

struct KubeWatch {
    Kube *k;
    KubeWatchSpec spec;
    char *ns, *label_selector, *field_selector;
    KubeCall *list;
    HttpCall *http;
    Timer *timer;
    Backoff backoff;
    WatchSplit split;
    StrBuf error_body;
    Map *known;
    char *rv;
    uint64_t opened_ms; /* 0: no byte of an answer yet */
    unsigned generation, bad_lines;
    bool need_list, told, connected;
    ErrCode told_code;
    unsigned depth; /* inside of callbacks; freed at 0 when dead */
    bool dead;
};

static void go(KubeWatch *w);

const KubeWatchStats *kube_watch_stats(void)
{
    return &stats;
}

/* ---- telling ---- */

static void emit(KubeWatch *w, KubeEvent ev, const cJSON *obj)
{
    if (w->dead)
        return;
    stats.events += ev != KUBE_SYNCED;
    w->depth++;
    w->spec.on_event(w->spec.ctx, ev, obj);
    w->depth--;
}

static void tell_state(KubeWatch *w, bool connected, const Error *err)
{
    ErrCode code = err ? err->code : ERR_OK;
    if (w->dead || (w->told && w->connected == connected && w->told_code == code))
        return;
    w->told = true;
    w->connected = connected;
    w->told_code = code;
    w->depth++;
    if (w->spec.on_state)
        w->spec.on_state(w->spec.ctx, connected, err);
    w->depth--;
}

static void set_text(char **at, const char *value)
{
    char *copy = xstrdup(value);
    free(*at);
    *at = copy;
}

static void known_free(Known *kn)
{
    if (!kn)
        return;
    free(kn->rv);
    free(kn->uid);
    free(kn);
}

static char *key_of(Arena *a, const cJSON *obj)
{
    const char *ns = kube_str(obj, "metadata.namespace");
    return arena_printf(a, "%s/%s", str_or(ns, ""), str_or(kube_str(obj, "metadata.name"), ""));
}

/* An object of which we know no more than its name is gone. */
static void emit_vanished(KubeWatch *w, const char *key, const Known *kn)
{
    const char *slash = strchr(key, '/');
    cJSON *obj = cJSON_CreateObject(), *meta = cJSON_AddObjectToObject(obj, "metadata");
    if (slash > key) {
        cJSON *ns = cJSON_CreateString("");
        cJSON_free(ns->valuestring);
        ns->valuestring = cJSON_malloc((size_t)(slash - key) + 1);
        memcpy(ns->valuestring, key, (size_t)(slash - key));
        ns->valuestring[slash - key] = 0;
        cJSON_AddItemToObject(meta, "namespace", ns);
    }
    cJSON_AddStringToObject(meta, "name", slash + 1);
    cJSON_AddStringToObject(meta, "uid", kn->uid);
    emit(w, KUBE_DELETED, obj);
    cJSON_Delete(obj);
}

/* An object as it is now: tell it unless that was told already. */
static void see(KubeWatch *w, const cJSON *obj)
{
    AUTO_ARENA a = arena_new_sized(256);
    const char *rv = str_or(kube_str(obj, "metadata.resourceVersion"), "");
    const char *uid = str_or(kube_str(obj, "metadata.uid"), "");
    char *key = key_of(a, obj);
    Known *kn = map_get(w->known, key);
    if (kn && !str_eq(kn->uid, uid)) { /* another object of the same name */
        map_remove(w->known, key);
        emit_vanished(w, key, kn);
        known_free(kn);
        kn = NULL;
    }
    bool is_new = !kn;
    if (is_new) {
        kn = xnew(Known);
        kn->uid = xstrdup(uid);
        map_put(w->known, key, kn);
    }
    kn->generation = w->generation;
    if (!is_new && str_eq(kn->rv, rv))
        return;
    set_text(&kn->rv, rv);
    emit(w, is_new ? KUBE_ADDED : KUBE_MODIFIED, obj);
}

static void see_deleted(KubeWatch *w, const cJSON *obj)
{
    AUTO_ARENA a = arena_new_sized(256);
    Known *kn = map_remove(w->known, key_of(a, obj));
    if (!kn)
        return;
    known_free(kn);
    emit(w, KUBE_DELETED, obj);
}

/* ---- going on ---- */

static void watch_free(KubeWatch *w)
{
    timer_stop(w->timer);
    kube_cancel(w->list);
    if (w->http)
        http_call_cancel(w->http);
    for (MapIter it = {0}; map_next(w->known, &it);)
        known_free(it.value);
    map_free(w->known);
    watch_split_done(&w->split);
    strbuf_done(&w->error_body);
    free(w->rv);
    free(w->ns);
    free(w->label_selector);
    free(w->field_selector);
    free(w);
}

static void on_timer(void *ctx)
{
    KubeWatch *w = ctx;
    timer_stop(w->timer);
    w->timer = NULL;
    if (w->dead)
        watch_free(w);
    else
        go(w);
}

static void go_after(KubeWatch *w, uint64_t ms)
{
    if (w->dead)
        return;
    timer_stop(w->timer);
    w->timer = timer_start(w->k->l, ms, 0, on_timer, w);
}

static void retry(KubeWatch *w)
{
    stats.reconnects++;
    go_after(w, backoff_next(&w->backoff));
}

void kube_watch_stop(KubeWatch *w)
{
    if (!w)
        return;
    if (!w->depth) {
        watch_free(w);
        return;
    }
    w->dead = true;
    timer_stop(w->timer);
    w->timer = timer_start(w->k->l, 0, 0, on_timer, w);
}

/* ---- list ---- */

static void drop_vanished(KubeWatch *w)
{
    AUTO_ARENA a = arena_new();
    for (MapIter it = {0}; map_next(w->known, &it) && !w->dead;) {
        Known *kn = it.value;
        if (kn->generation == w->generation)
            continue;
        char *key = arena_strdup(a, it.key);
        map_remove(w->known, key);
        emit_vanished(w, key, kn);
        known_free(kn);
    }
}

static void on_list(void *ctx, const Error *err, const cJSON *list)
{
    KubeWatch *w = ctx;
    w->list = NULL;
    if (err) {
        tell_state(w, false, err);
        retry(w);
        return;
    }
    const char *rv = kube_str(list, "metadata.resourceVersion");
    w->generation++;
    w->depth++; /* nothing is freed under us when a callback stops the watch */
    const cJSON *item;
    cJSON_ArrayForEach(item, kube_at(list, "items"))
    {
        see(w, item);
        if (w->dead)
            break;
    }
    drop_vanished(w);
    set_text(&w->rv, str_or(rv, "0"));
    w->need_list = false;
    w->bad_lines = 0;
    tell_state(w, true, NULL);
    emit(w, KUBE_SYNCED, NULL);
    w->depth--;
    go_after(w, 0);
}

static void start_list(KubeWatch *w)
{
    KubeListOptions opt = {.label_selector = w->label_selector,
                           .field_selector = w->field_selector};
    stats.relists++;
    w->list = kube_list(w->k, w->spec.kind, w->ns, &opt, on_list, w);
}

/* ---- watch ---- */

static void note_health(KubeWatch *w)
{
    if (w->opened_ms && loop_now(w->k->l) - w->opened_ms >= HEALTHY_MS)
        backoff_reset(&w->backoff);
}

/* Leave this connection. */
static void hang_up(KubeWatch *w)
{
    note_health(w);
    if (w->http)
        http_call_cancel(w->http);
    w->http = NULL;
}

static void on_error_line(KubeWatch *w, const WatchLine *l)
{
    /* 410: the version is gone. Others (a server that shuts down, an overload): ask again. */
    if (l->error_code == 410 || str_eq(kube_str(l->object, "reason"), "Expired") ||
        str_eq(kube_str(l->object, "reason"), "Gone"))
        w->need_list = true;
    hang_up(w);
    retry(w);
}

static bool on_line(void *ctx, StrView line)
{
    KubeWatch *w = ctx;
    WatchLine l;
    if (watch_line_parse(line, &l, NULL)) {
        stats.bad_lines++;
        if (++w->bad_lines >= BAD_LINES_MAX)
            w->need_list = true;
        hang_up(w);
        retry(w);
        return false;
    }
    if (l.type == WATCH_ERROR) {
        on_error_line(w, &l);
    } else {
        w->bad_lines = 0;
        set_text(&w->rv, l.rv);
        if (l.type == WATCH_DELETED)
            see_deleted(w, l.object);
        else if (l.type != WATCH_BOOKMARK)
            see(w, l.object);
    }
    cJSON_Delete(l.root);
    return !w->dead && w->http;
}

static bool on_data(void *ctx, int status, const char *data, size_t n)
{
    KubeWatch *w = ctx;
    if (w->dead)
        return true;
    if (status != 200) {
        if (w->error_body.n + n <= ERROR_BODY)
            strbuf_add(&w->error_body, data, n);
        return true;
    }
    if (!w->opened_ms)
        w->opened_ms = loop_now(w->k->l);
    w->depth++;
    tell_state(w, true, NULL);
    Error err;
    if (watch_split_feed(&w->split, sv_n(data, n), on_line, w, &err)) {
        stats.bad_lines++;
        w->need_list = true;
        hang_up(w);
        retry(w);
    }
    w->depth--;
    return true;
}

static void on_bad_status(KubeWatch *w, const HttpResponse *r)
{
    Error err;
    StrView body = w->error_body.n ? sv_n(w->error_body.p, w->error_body.n) : r->body;
    kube_status_error(r->status, body, &err);
    tell_state(w, r->status == 410, r->status == 410 ? NULL : &err);
    if (r->status == 401)
        kube_token_refresh(w->k, NULL);
    else if (r->status != 403 && r->status != 429)
        w->need_list = true; /* also heals a version that the server does not have yet */
    if (r->status == 429)
        go_after(w, kube_retry_after(r));
    else
        retry(w);
}

static void on_end(void *ctx, const Error *err, const HttpResponse *r)
{
    KubeWatch *w = ctx;
    w->http = NULL;
    if (w->dead)
        return;
    note_health(w);
    w->depth++;
    if (r && r->status != 200) {
        on_bad_status(w, r);
    } else {
        /* A watch that was open and ended, or fell silent, is nothing to report: the next try is.
         */
        if (err && !w->opened_ms && err->code != ERR_TIMEOUT)
            tell_state(w, false, err);
        retry(w);
    }
    w->depth--;
}

static void open_watch(KubeWatch *w)
{
    AUTO_ARENA a = arena_new();
    Error err;
    char *life = arena_printf(a, "%u", (unsigned)(LIFE_MIN_S + random_u64() % LIFE_SPREAD_S));
    char *path = kube_path(a, w->k, &(KubePath){.kind = w->spec.kind, .ns = w->ns});
    path = kube_query(a, path, "watch", "true");
    path = kube_query(a, path, "allowWatchBookmarks", "true");
    path = kube_query(a, path, "resourceVersion", w->rv);
    path = kube_query(a, path, "timeoutSeconds", life);
    path = kube_query(a, path, "labelSelector", w->label_selector);
    path = kube_query(a, path, "fieldSelector", w->field_selector);
    HttpCallSpec spec = {.method = "GET",
                         .url = path,
                         .timeout_ms = UINT64_MAX,
                         .idle_timeout_ms = w->spec.idle_ms ? w->spec.idle_ms : IDLE_MS,
                         .on_data = on_data,
                         .on_done = on_end,
                         .ctx = w};
    w->opened_ms = 0;
    strbuf_reset(&w->split.buf);
    strbuf_reset(&w->error_body);
    w->http = kube_http(w->k, &spec, NULL, &err);
    if (w->http)
        return;
    tell_state(w, false, &err);
    retry(w);
}

static void go(KubeWatch *w)
{
    if (w->need_list)
        start_list(w);
    else
        open_watch(w);
}

KubeWatch *kube_watch(Kube *k, const KubeWatchSpec *spec)
{
    KubeWatch *w = xnew(KubeWatch);
    w->k = k;
    w->spec = *spec;
    w->ns = xstrdup(spec->ns);
    w->label_selector = xstrdup(spec->label_selector);
    w->field_selector = xstrdup(spec->field_selector);
    uint32_t most = (uint32_t)(spec->retry_max_ms ? spec->retry_max_ms : RETRY_MAX_MS);
    w->backoff = (Backoff){.base_ms = most < 1000 ? most : 1000, .max_ms = most};
    w->known = map_new();
    w->need_list = true;
    go_after(w, 0);
    return w;
}
