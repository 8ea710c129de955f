#include "kube/kube.h"

#include "core/limits.h"
#include "kube/kube_priv.h"
#include <stdio.h>
#include <stdlib.h>

enum { MAX_TRIES = 5, LIST_TIMEOUT_MS = 60000, ERROR_BODY = 8 * 1024, IDLE_LOG_MS = 3600 * 1000 };

typedef enum CallType { CALL_OBJECT, CALL_LIST, CALL_RAW, CALL_LOG } CallType;

/* One call of ours is one or more HTTP calls: discovery, pages, tries. */
struct KubeCall {
    Kube *k;
    KubeCall *prev, *next;
    Arena *a; /* everything the call needs again for another try */
    CallType type;
    const char *method, *content_type;
    KubePath path; /* kind NULL: raw_path */
    const char *raw_path, *query;
    cJSON *obj; /* to send; apiVersion and kind are set when the version is known */
    char *body;
    StrView raw_body;
    HttpCall *http;
    Timer *timer; /* waiting for Retry-After, or to tell `err` */
    Error err;
    unsigned tries;
    bool discovering, token_tried, repeatable;
    bool in_data, dead; /* cancelled from inside of on_data: freed behind it */
    KubeDone done;
    KubeRawDone raw_done;
    void *ctx;
    /* CALL_LIST */
    unsigned limit;
    cJSON *joined;
    char *cont;
    bool unpaged;
    /* CALL_LOG */
    KubeLogSpec log;
    StrBuf error_body;
};

static void send_call(KubeCall *c);

static void free_call(KubeCall *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else if (c->k->calls == c)
        c->k->calls = c->next;
    if (c->next)
        c->next->prev = c->prev;
    timer_stop(c->timer);
    if (c->http)
        http_call_cancel(c->http);
    cJSON_Delete(c->obj);
    cJSON_Delete(c->joined);
    cJSON_free(c->body);
    free(c->cont);
    strbuf_done(&c->error_body);
    arena_free(c->a);
    free(c);
}

static void free_dead(void *ctx)
{
    free_call(ctx);
}

void kube_cancel(KubeCall *c)
{
    if (!c)
        return;
    if (!c->in_data) {
        free_call(c);
        return;
    }
    c->dead = true;
    timer_stop(c->timer);
    c->timer = timer_start(c->k->l, 0, 0, free_dead, c);
}

static KubeCall *new_call(Kube *k, CallType type, const char *method, void *ctx)
{
    KubeCall *c = xnew(KubeCall);
    c->k = k;
    c->a = arena_new_sized(512);
    c->type = type;
    c->method = method;
    c->ctx = ctx;
    c->repeatable = !str_eq(method, "POST");
    c->next = k->calls;
    if (c->next)
        c->next->prev = c;
    k->calls = c;
    return c;
}

/* ---- the end of a call ---- */

static void finish(KubeCall *c, const Error *err, const cJSON *obj)
{
    switch (c->type) {
    case CALL_OBJECT:
    case CALL_LIST:
        c->done(c->ctx, err, obj);
        break;
    case CALL_RAW:
        c->raw_done(c->ctx, err, 0, (StrView){0});
        break;
    case CALL_LOG:
        c->log.on_end(c->ctx, err);
        break;
    }
    free_call(c);
}

static void tell_error(void *ctx)
{
    KubeCall *c = ctx;
    Error err = c->err;
    finish(c, &err, NULL);
}

static void fail_later(KubeCall *c, const Error *err)
{
    c->err = *err;
    timer_stop(c->timer);
    c->timer = timer_start(c->k->l, 0, 0, tell_error, c);
}

static void again(void *ctx)
{
    KubeCall *c = ctx;
    timer_stop(c->timer);
    c->timer = NULL;
    send_call(c);
}

/* ---- answers ---- */

/* Join this page to those before it; true when another one follows. */
static bool join_page(KubeCall *c, cJSON *page)
{
    const char *cont = kube_str(page, "metadata.continue");
    free(c->cont);
    c->cont = str_empty(cont) ? NULL : xstrdup(cont);
    if (!c->joined) {
        c->joined = page;
    } else {
        cJSON *into = kube_at(c->joined, "items"), *from = kube_at(page, "items");
        while (from && from->child && into)
            cJSON_AddItemToArray(into, cJSON_DetachItemViaPointer(from, from->child));
        cJSON_Delete(page);
    }
    return c->cont != NULL;
}

static void on_object(KubeCall *c, const HttpResponse *r)
{
    Error err;
    cJSON *obj = cJSON_ParseWithLength(r->body.p ? r->body.p : "", r->body.n);
    if (!obj) {
        err_set(&err, ERR_MALFORMED, "%s: the server's answer is not JSON", c->path.kind->plural);
        finish(c, &err, NULL);
    } else if (c->type == CALL_LIST) {
        if (join_page(c, obj))
            send_call(c);
        else
            finish(c, NULL, c->joined);
    } else {
        finish(c, NULL, obj);
        cJSON_Delete(obj);
    }
}

/* Whether this answer means: ask again. Does so. */
static bool try_again(KubeCall *c, const HttpResponse *r)
{
    bool busy = r->status == 429 ||
                (r->status == 503 && c->repeatable && r->header && r->header(r, "Retry-After"));
    if (r->status == 401 && !c->token_tried) {
        c->token_tried = true;
        if (kube_token_refresh(c->k, NULL)) {
            send_call(c);
            return true;
        }
    }
    if (r->status == 410 && c->type == CALL_LIST && c->cont) { /* the pages went stale under us */
        cJSON_Delete(c->joined);
        c->joined = NULL;
        free(c->cont);
        c->cont = NULL;
        c->unpaged = true;
        send_call(c);
        return true;
    }
    if (!busy || ++c->tries >= MAX_TRIES)
        return false;
    timer_stop(c->timer);
    c->timer = timer_start(c->k->l, kube_retry_after(r), 0, again, c);
    return true;
}

static void on_discovered(KubeCall *c, const HttpResponse *r)
{
    c->discovering = false;
    cJSON *group = r->status == 200 ? cJSON_ParseWithLength(r->body.p, r->body.n) : NULL;
    kube_set_version(c->k, c->path.kind, group); /* no answer: the newer; its 404 is told */
    cJSON_Delete(group);
    send_call(c);
}

static void on_answer(void *ctx, const Error *failed, const HttpResponse *r)
{
    KubeCall *c = ctx;
    Error err;
    c->http = NULL;
    if (c->dead)
        return;
    if (failed) {
        err = *failed;
        finish(c, &err, NULL);
        return;
    }
    if ((r->status < 200 || r->status > 299) && try_again(c, r))
        return;
    if (c->discovering) {
        on_discovered(c, r);
    } else if (c->type == CALL_RAW) {
        c->raw_done(c->ctx, NULL, r->status, r->body);
        free_call(c);
    } else if (r->status < 200 || r->status > 299) {
        StrView body =
            c->type == CALL_LOG ? sv_n(strbuf_str(&c->error_body), c->error_body.n) : r->body;
        kube_status_error(r->status, body, &err);
        if (r->status == 404 && c->path.kind && c->path.kind->older)
            map_remove(c->k->versions, c->path.kind->group); /* the server may be another now */
        finish(c, &err, NULL);
    } else if (c->type == CALL_LOG) {
        finish(c, NULL, NULL);
    } else {
        on_object(c, r);
    }
}

static bool on_log_data(void *ctx, int status, const char *data, size_t n)
{
    KubeCall *c = ctx;
    if (c->dead)
        return true;
    if (status < 200 || status > 299) {
        if (c->error_body.n + n <= ERROR_BODY)
            strbuf_add(&c->error_body, data, n);
        return true;
    }
    c->in_data = true;
    bool more = c->log.on_data(c->ctx, data, n);
    c->in_data = false;
    return more || c->dead;
}

/* ---- sending ---- */

static void set_text(cJSON *obj, const char *key, const char *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(obj, key);
    cJSON_AddStringToObject(obj, key, value);
}

/* The body, once the version of its kind is known. */
static void make_body(KubeCall *c)
{
    const KubeKind *kind = c->path.kind;
    const char *version = kube_version(c->k, kind);
    char api_version[128];
    snprintf(api_version, sizeof api_version, "%s%s%s", kind->group, *kind->group ? "/" : "",
             version ? version : kind->version);
    if (!str_eq(c->content_type, "application/merge-patch+json")) {
        set_text(c->obj, "apiVersion", api_version);
        set_text(c->obj, "kind", kind->kind);
    }
    cJSON_free(c->body);
    c->body = cJSON_PrintUnformatted(c->obj);
}

static char *call_url(KubeCall *c, Arena *a)
{
    if (!c->path.kind)
        return arena_strdup(a, c->raw_path);
    if (c->discovering)
        return arena_printf(a, "/apis/%s", c->path.kind->group);
    char *url = kube_path(a, c->k, &c->path);
    if (c->query)
        url = arena_printf(a, "%s?%s", url, c->query);
    if (c->type == CALL_LIST && !c->unpaged)
        url = kube_query(a, kube_query(a, url, "limit", arena_printf(a, "%u", c->limit)),
                         "continue", c->cont);
    return url;
}

static void send_call(KubeCall *c)
{
    AUTO_ARENA a = arena_new();
    Error err;
    c->discovering = c->path.kind && !kube_version(c->k, c->path.kind);
    if (c->obj && !c->discovering)
        make_body(c);
    HttpCallSpec spec = {
        .method = c->discovering ? "GET" : c->method,
        .url = call_url(c, a),
        .body = c->discovering ? (StrView){0}
                : c->body      ? sv(c->body)
                               : c->raw_body,
        .timeout_ms = c->type == CALL_LIST ? LIST_TIMEOUT_MS : 0,
        .on_done = on_answer,
        .ctx = c,
    };
    if (c->type == CALL_LOG && !c->discovering) {
        spec.on_data = on_log_data;
        if (c->log.follow) {
            spec.timeout_ms = UINT64_MAX;
            spec.idle_timeout_ms = IDLE_LOG_MS;
        }
    }
    c->http = kube_http(c->k, &spec, spec.body.n ? c->content_type : NULL, &err);
    if (!c->http)
        fail_later(c, &err);
}

static KubeCall *object_call(Kube *k, const char *method, const KubePath *p, KubeDone done,
                             void *ctx)
{
    KubeCall *c = new_call(k, CALL_OBJECT, method, ctx);
    c->path = (KubePath){p->kind, arena_strdup(c->a, p->ns), arena_strdup(c->a, p->name),
                         arena_strdup(c->a, p->sub)};
    c->done = done;
    c->content_type = "application/json";
    return c;
}

KubeCall *kube_get(Kube *k, const KubeKind *kind, const char *ns, const char *name, KubeDone done,
                   void *ctx)
{
    KubeCall *c = object_call(k, "GET", &(KubePath){kind, ns, name, NULL}, done, ctx);
    send_call(c);
    return c;
}

KubeCall *kube_list(Kube *k, const KubeKind *kind, const char *ns, const KubeListOptions *opt,
                    KubeDone done, void *ctx)
{
    KubeCall *c = object_call(k, "GET", &(KubePath){kind, ns, NULL, NULL}, done, ctx);
    c->type = CALL_LIST;
    c->limit = opt && opt->limit ? opt->limit : LIMIT_LIST_PAGE;
    char *q = arena_strdup(c->a, "");
    if (opt) {
        q = kube_query(c->a, q, "labelSelector", opt->label_selector);
        q = kube_query(c->a, q, "fieldSelector", opt->field_selector);
    }
    c->query = *q ? q + 1 : NULL; /* without its '?' */
    send_call(c);
    return c;
}

KubeCall *kube_create(Kube *k, const KubeKind *kind, const char *ns, const cJSON *obj,
                      KubeDone done, void *ctx)
{
    KubeCall *c = object_call(k, "POST", &(KubePath){kind, ns, NULL, NULL}, done, ctx);
    c->query = arena_printf(c->a, "fieldManager=%s", k->field_manager);
    c->obj = cJSON_Duplicate(obj, true);
    send_call(c);
    return c;
}

KubeCall *kube_update(Kube *k, const KubeKind *kind, const char *ns, const cJSON *obj,
                      KubeDone done, void *ctx)
{
    const char *name = kube_str(obj, "metadata.name");
    KubeCall *c = object_call(k, "PUT", &(KubePath){kind, ns, name, NULL}, done, ctx);
    c->query = arena_printf(c->a, "fieldManager=%s", k->field_manager);
    c->obj = cJSON_Duplicate(obj, true);
    send_call(c);
    return c;
}

KubeCall *kube_apply(Kube *k, const KubeKind *kind, const cJSON *obj, bool force, KubeDone done,
                     void *ctx)
{
    const char *ns = kube_str(obj, "metadata.namespace"), *name = kube_str(obj, "metadata.name");
    KubeCall *c = object_call(k, "PATCH", &(KubePath){kind, ns, name, NULL}, done, ctx);
    c->content_type = "application/apply-patch+yaml"; /* JSON is YAML */
    c->query =
        arena_printf(c->a, "fieldManager=%s%s", k->field_manager, force ? "&force=true" : "");
    c->obj = cJSON_Duplicate(obj, true);
    send_call(c);
    return c;
}

KubeCall *kube_merge_patch(Kube *k, const KubeKind *kind, const KubePatch *p, KubeDone done,
                           void *ctx)
{
    KubeCall *c =
        object_call(k, "PATCH", &(KubePath){kind, p->ns, p->name, p->subresource}, done, ctx);
    c->content_type = "application/merge-patch+json";
    c->query = arena_printf(c->a, "fieldManager=%s", k->field_manager);
    c->obj = cJSON_Duplicate(p->patch, true);
    send_call(c);
    return c;
}

KubeCall *kube_delete(Kube *k, const KubeKind *kind, const KubeDelete *d, KubeDone done, void *ctx)
{
    KubeCall *c = object_call(k, "DELETE", &(KubePath){kind, d->ns, d->name, NULL}, done, ctx);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "kind", "DeleteOptions");
    cJSON_AddStringToObject(o, "apiVersion", "v1");
    if (d->propagation)
        cJSON_AddStringToObject(o, "propagationPolicy", d->propagation);
    if (d->grace_seconds)
        cJSON_AddNumberToObject(o, "gracePeriodSeconds", *d->grace_seconds);
    if (d->precondition_uid || d->precondition_rv) {
        cJSON *pre = cJSON_AddObjectToObject(o, "preconditions");
        if (d->precondition_uid)
            cJSON_AddStringToObject(pre, "uid", d->precondition_uid);
        if (d->precondition_rv)
            cJSON_AddStringToObject(pre, "resourceVersion", d->precondition_rv);
    }
    c->body = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    send_call(c);
    return c;
}

KubeCall *kube_raw(Kube *k, const KubeRaw *req, KubeRawDone done, void *ctx)
{
    KubeCall *c = new_call(k, CALL_RAW, NULL, ctx);
    c->method = arena_strdup(c->a, req->method);
    c->repeatable = !str_eq(req->method, "POST");
    c->raw_path = arena_strdup(c->a, req->path);
    c->content_type = arena_strdup(c->a, str_or(req->content_type, "application/json"));
    c->raw_body =
        sv_n(arena_memdup(c->a, req->body.p ? req->body.p : "", req->body.n), req->body.n);
    c->raw_done = done;
    send_call(c);
    return c;
}

KubeCall *kube_log(Kube *k, const KubeLogSpec *spec)
{
    KubeCall *c =
        object_call(k, "GET", &(KubePath){&KUBE_POD, spec->ns, spec->pod, "log"}, NULL, spec->ctx);
    c->type = CALL_LOG;
    c->log = *spec;
    char *q = kube_query(c->a, "", "container", spec->container);
    if (spec->tail_lines)
        q = kube_query(c->a, q, "tailLines", arena_printf(c->a, "%u", spec->tail_lines));
    if (spec->since_seconds)
        q = kube_query(c->a, q, "sinceSeconds", arena_printf(c->a, "%u", spec->since_seconds));
    q = kube_query(c->a, q, "follow", spec->follow ? "true" : "");
    q = kube_query(c->a, q, "previous", spec->previous ? "true" : "");
    c->query = *q ? q + 1 : NULL;
    send_call(c);
    return c;
}

void kube_log_resume(KubeCall *c)
{
    if (c->http)
        http_call_resume(c->http);
}
