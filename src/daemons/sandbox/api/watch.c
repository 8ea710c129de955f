#include "api/request.h"
#include "core/ident.h"
#include <stdio.h>
#include <stdlib.h>

enum { BOOKMARK_MS = 30 * 1000, UNSENT_MAX = 8 * 1024 * 1024, DEFAULT_SECONDS = 1800 };

typedef struct Watch {
    Follower f;
    ApiReq *r;
    StoreWatch *sw;
    StoreQuery q;
    Form form;
    bool bookmarks, columns_sent, live; /* live: what is kept from before was sent */
    Timer *bookmark, *timeout;
    uint64_t rv; /* of what was sent last */
} Watch;

static void watch_free(Watch *w)
{
    follower_remove(&w->f);
    store_watch_stop(w->sw);
    timer_stop(w->bookmark);
    timer_stop(w->timeout);
    free(w);
}

static void on_gone(void *ctx)
{
    watch_free(ctx);
}

static void watch_end(Follower *f)
{
    Watch *w = (Watch *)f;
    HttpReq *http = w->r->http;
    watch_free(w);
    http_reply_end(http);
}

static void send_event(Watch *w, const char *type, const cJSON *object)
{
    AUTO_STRBUF b = {0};
    char *text = js_print(object);
    strbuf_addf(&b, "{\"type\":\"%s\",\"object\":", type);
    strbuf_adds(&b, text);
    strbuf_adds(&b, "}\n");
    free(text);
    http_reply_chunk(w->r->http, b.p, b.n);
}

/* version: of the change that it is told for. */
static void send_object(Watch *w, const char *type, const Obj *o, const Obj *version)
{
    const char *rv = js_text(version->json, "metadata.resourceVersion");
    AUTO_JSON body = NULL;
    if (w->form == FORM_TABLE) {
        body = table_new(o->kind, !w->columns_sent);
        table_add(body, o, store_now_us(w->r->store));
        w->columns_sent = true;
    } else {
        body = object_in_form(w->r, w->form, o);
    }
    js_set_str(body, "metadata.resourceVersion", rv);
    send_event(w, type, body);
}

static void send_bookmark(void *ctx)
{
    Watch *w = ctx;
    char rv[24];
    AUTO_JSON o = cJSON_CreateObject();
    snprintf(rv, sizeof rv, "%llu", (unsigned long long)w->rv);
    js_set_str(o, "kind", w->form == FORM_TABLE ? "Table" : w->r->kind->kind);
    js_set_str(o, "apiVersion",
               w->form == FORM_TABLE ? "meta.k8s.io/v1" : kind_api_version(w->r->kind));
    js_set_str(o, "metadata.resourceVersion", rv);
    if (w->form == FORM_TABLE) {
        js_arr(o, "rows");
    }
    send_event(w, "BOOKMARK", o);
}

static bool selected(const Watch *w, const Obj *o)
{
    return o && (!w->q.ns || str_eq(w->q.ns, o->ns)) &&
           selector_matches(w->q.labels, js_at(o->json, "metadata.labels")) &&
           field_selector_matches(w->q.fields, o->json);
}

/* An object that comes into or goes out of the selection is ADDED or DELETED to this watcher; going
 * out, it is shown as it was when it was in. */
static void on_change(void *ctx, StoreChange ch, const Obj *now, const Obj *old)
{
    Watch *w = ctx;
    bool was = ch != STORE_ADDED && selected(w, old), is = ch != STORE_DELETED && selected(w, now);
    w->rv = now->rv;
    if (is) {
        send_object(w, was ? "MODIFIED" : "ADDED", now, now);
    } else if (was) {
        send_object(w, "DELETED", ch == STORE_DELETED ? now : old, now);
    }
    if (w->live && http_chunk_unsent(w->r->http) > UNSENT_MAX) { /* too slow: it comes back */
        watch_end(&w->f);
    }
}

static void on_timeout(void *ctx)
{
    Watch *w = ctx;
    if (w->bookmarks) {
        w->rv = store_rv(w->r->store);
        send_bookmark(w);
    }
    watch_end(&w->f);
}

static ErrCode begin(Watch *w, uint64_t rv)
{
    Store *s = w->r->store;
    if (rv) {
        w->rv = rv;
        return store_watch_from(s, w->r->kind, rv, on_change, w, &w->sw);
    }
    w->rv = store_rv(s);
    for (const Obj **o = store_list(s, w->r->a, &w->q, NULL); *o; o++) {
        send_object(w, "ADDED", *o, *o);
    }
    w->sw = store_watch(s, w->r->kind, on_change, w);
    return ERR_OK;
}

/* The answer is 200 already; the error is an event. */
static void too_old(Watch *w, uint64_t rv)
{
    Error err;
    err_set(&err, ERR_GONE, "too old resource version: %llu (%llu)", (unsigned long long)rv,
            (unsigned long long)store_rv(w->r->store));
    w->r->kind = NULL;
    AUTO_JSON s = status_object(w->r, &err);
    send_event(w, "ERROR", s);
    watch_end(&w->f);
}

static ErrCode check(ApiReq *r, StoreQuery *q, uint64_t *ret_rv, Error *err)
{
    if (http_query(r->http, "sendInitialEvents")) {
        return options_error(r, "ListOptions", CAUSE_FORBIDDEN, "sendInitialEvents", NULL, err);
    }
    ErrCode rc = query_match(r, err);
    rc = rc ? rc : query_selectors(r, q, err);
    return rc ? rc : query_version(r, ret_rv, err);
}

void handle_watch(ApiReq *r)
{
    Error err = {0};
    StoreQuery q = {0};
    uint64_t rv;
    if (check(r, &q, &rv, &err)) {
        reply_error(r, &err);
        return;
    }
    Watch *w = xnew(Watch);
    *w = (Watch){.r = r, .q = q, .form = form_asked(r)};
    w->f.end = watch_end;
    w->bookmarks = query_bool(r, "allowWatchBookmarks");
    follower_add(r->srv, &w->f);
    http_on_gone(r->http, on_gone, w);
    http_reply_begin(r->http, 200, "application/json");
    int64_t seconds = query_int(r, "timeoutSeconds", 0);
    if (seconds <= 0 || seconds > 24 * 3600) { /* spread, so that not all come back at once */
        seconds = DEFAULT_SECONDS + (int64_t)(random_u64() % DEFAULT_SECONDS);
    }
    if (begin(w, rv)) {
        too_old(w, rv);
        return;
    }
    w->live = true;
    w->timeout = timer_start(r->srv->app->loop, (uint64_t)seconds * 1000, 0, on_timeout, w);
    if (w->bookmarks) {
        w->bookmark = timer_start(r->srv->app->loop, BOOKMARK_MS, BOOKMARK_MS, send_bookmark, w);
    }
}
