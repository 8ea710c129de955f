#include "api/request.h"
#include "core/log.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- from path to request ---- */

static const char *next_segment(ApiReq *r, StrView *rest)
{
    StrView s = sv_cut(rest, '/');
    return s.n ? sv_dup(r->a, s) : NULL;
}

/* Behind /api/v1 or /apis/GROUP/VERSION. */
static void parse_resource(ApiReq *r, StrView rest)
{
    StrView g = sv(r->group), v = sv(r->version);
    r->resource = next_segment(r, &rest);
    r->name = next_segment(r, &rest);
    if (str_eq(r->resource, "namespaces") && r->name && rest.n) {
        StrView look = rest;
        StrView third = sv_cut(&look, '/');
        if (kind_by_plural(g, v, third) || !sv_eqs(g, "") ||
            !(sv_eqs(third, "finalize") || sv_eqs(third, "status"))) {
            r->ns = r->name;
            r->resource = next_segment(r, &rest);
            r->name = next_segment(r, &rest);
        }
    }
    r->sub = next_segment(r, &rest);
    r->kind = r->resource && !rest.n ? kind_by_plural(g, v, sv(r->resource)) : NULL;
}

static bool parse_path(ApiReq *r, const char *path)
{
    StrView rest = sv(path + 1);
    StrView root = sv_cut(&rest, '/');
    if (sv_eqs(root, "api")) {
        r->group = "";
    } else if (sv_eqs(root, "apis")) {
        r->group = str_or(next_segment(r, &rest), "");
    } else {
        return false;
    }
    r->version = str_or(next_segment(r, &rest), "");
    parse_resource(r, rest);
    return r->resource != NULL;
}

static const char *verb_of(const ApiReq *r)
{
    bool one = r->name != NULL;
    if (str_eq(r->method, "GET") || str_eq(r->method, "HEAD")) {
        return one ? "get" : query_bool((ApiReq *)r, "watch") ? "watch" : "list";
    }
    return str_eq(r->method, "POST")     ? "create"
           : str_eq(r->method, "PUT")    ? "update"
           : str_eq(r->method, "PATCH")  ? "patch"
           : str_eq(r->method, "DELETE") ? (one ? "delete" : "deletecollection")
                                         : NULL;
}

/* ---- which handler ---- */

typedef struct SubRow {
    const char *name;
    unsigned flag;
    const char *methods;
    void (*handle)(ApiReq *); /* NULL: as the object itself, limited to this part */
} SubRow;

static const SubRow subs[] = {
    {"status", KF_STATUS, "GET PUT PATCH", NULL},
    {"scale", KF_SCALE, "GET PUT PATCH", handle_scale},
    {"log", KF_LOG, "GET", handle_log},
    {"eviction", KF_EVICTION, "POST", handle_eviction},
    {"binding", KF_BINDING, "POST", handle_binding},
    {"token", KF_TOKEN, "POST", handle_token},
    {"finalize", KF_FINALIZE, "PUT", NULL},
};

static const SubRow *sub_row(const ApiReq *r)
{
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) {
        if (str_eq(subs[i].name, r->sub) && (r->kind->flags & subs[i].flag)) {
            return &subs[i];
        }
    }
    return NULL;
}

static void dispatch(ApiReq *r)
{
    static const struct {
        const char *verb;
        bool named, may_sub;
        void (*handle)(ApiReq *);
    } rows[] = {
        {"get", true, true, handle_read},
        {"list", false, false, handle_read},
        {"create", false, false, handle_create},
        {"update", true, true, handle_update},
        {"patch", true, true, handle_patch},
        {"delete", true, false, handle_delete},
        {"deletecollection", false, false, handle_delete_collection},
    };
    const SubRow *sub = r->sub ? sub_row(r) : NULL;
    if (r->sub && !sub) {
        reply_not_found(r);
        return;
    }
    if (sub && !strstr(sub->methods, r->method)) {
        reply_method(r);
        return;
    }
    if (sub && sub->handle) {
        sub->handle(r);
        return;
    }
    if (str_eq(r->verb, "watch")) {
        handle_watch(r);
        return;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (str_eq(rows[i].verb, r->verb) && rows[i].named == (r->name != NULL)) {
            rows[i].handle(r);
            return;
        }
    }
    reply_method(r);
}

/* A namespaced kind needs its namespace for everything but reading all of them. */
static bool place_fits(const ApiReq *r)
{
    if (!kind_namespaced(r->kind)) {
        return r->ns == NULL;
    }
    return r->ns || (!r->name && (str_eq(r->verb, "list") || str_eq(r->verb, "watch")));
}

static void authorise(ApiReq *r, const char *path, bool resource)
{
    Error err = {0};
    if (auth_identify(r->srv->app->auth, r->a, http_header(r->http, "authorization"), &r->who,
                      &err) ||
        impersonate(r, &err)) {
        r->kind = NULL;
        reply_error(r, &err);
        return;
    }
    const char *name = r->name;
    if (!name && resource && (str_eq(r->verb, "list") || str_eq(r->verb, "watch"))) {
        /* So rules with resourceNames allow it, as the API server's own authorizer does. */
        name = field_selector_name(r->a, str_or(http_query(r->http, "fieldSelector"), ""));
    }
    char *lower = arena_strdup(r->a, r->method);
    for (char *c = lower; *c; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    }
    const char *ns = r->kind == K(NAMESPACE) ? r->name : r->ns;
    const Attr at = resource ? (Attr){.verb = r->verb,
                                      .group = r->group,
                                      .resource = r->resource,
                                      .sub = r->sub,
                                      .ns = ns,
                                      .name = name}
                             : (Attr){.verb = lower, .path = path};
    if (!rbac_allowed(r->store, &r->who, &at)) {
        rbac_denied(r->a, &r->who, &at, &err);
        r->name = name; /* for the details */
        reply_error(r, &err);
    } else if (!resource && !is_discovery(path)) {
        reply_not_found(r);
    } else if (!resource) {
        handle_discovery(r, path);
    } else if (is_review(r)) {
        handle_review(r);
    } else if (r->kind && !r->name && r->verb && str_eq(r->verb, "create") && !r->ns &&
               kind_namespaced(r->kind)) {
        reply_method(r); /* all namespaces can be read at once, not written */
    } else if (!r->kind || !place_fits(r)) {
        reply_not_found(r);
    } else {
        dispatch(r);
    }
}

static void json_free(void *o)
{
    cJSON_Delete(o);
}

static void handle(ApiReq *r)
{
    const char *path = http_path(r->http);
    bool resource = !is_discovery(path) && parse_path(r, path);
    r->verb = resource ? verb_of(r) : "get";
    if (!r->verb) {
        reply_method(r);
        return;
    }
    authorise(r, path, resource);
}

static void on_request(void *ctx, HttpReq *http)
{
    ApiServer *s = ctx;
    Arena *a = http_arena(http);
    ApiReq *r = arena_new_of(a, ApiReq);
    r->srv = s;
    r->store = s->app->store;
    r->http = http;
    r->a = a;
    r->method = http_method(http);
    r->causes = cJSON_CreateArray();
    r->warnings = cJSON_CreateArray();
    arena_on_free(a, json_free, r->causes);
    arena_on_free(a, json_free, r->warnings);
    if (is_fault_path(http_path(http))) {
        handle_faults(r);
    } else if (!fault_hold(r, handle)) {
        handle(r);
    }
}

/* ---- the server ---- */

void follower_add(ApiServer *s, Follower *f)
{
    f->srv = s;
    f->next = s->followers;
    f->at = &s->followers;
    if (f->next) {
        f->next->at = &f->next;
    }
    s->followers = f;
}

void follower_remove(Follower *f)
{
    *f->at = f->next;
    if (f->next) {
        f->next->at = f->at;
    }
}

static ErrCode make_tls(ApiServer *s, Error *err)
{
    static const char *const alpn[] = {"h2", "http/1.1", NULL};
    AUTO_ARENA a = arena_new();
    App *app = s->app;
    const char *san[10] = {"DNS:localhost",
                           "DNS:kubernetes",
                           "DNS:kubernetes.default",
                           "DNS:kubernetes.default.svc",
                           "DNS:kubernetes.default.svc.cluster.local",
                           "IP:127.0.0.1"};
    const Obj *svc = store_get(app->store, a, K(SERVICE), "default", "kubernetes");
    size_t n = 6;
    if (*app->net.gateway) {
        san[n++] = arena_printf(a, "IP:%s", app->net.gateway);
    }
    if (svc) {
        san[n++] = arena_printf(a, "IP:%s", js_text(svc->json, "spec.clusterIP"));
    }
    char *cert, *key;
    ErrCode rc = auth_server_cert(app->auth, a, san, &cert, &key, err);
    if (rc) {
        return rc;
    }
    const TlsConfig cfg = {.cert_pem = cert, .key_pem = key, .alpn = alpn};
    return tls_server_new(&cfg, &s->tls, err);
}

HttpServerConfig api_server_config(ApiServer *s)
{
    return (HttpServerConfig){
        .tls = s->tls, .body_limit = LIMIT_KUBE_OBJECT * 2, .handler = on_request, .ctx = s};
}

ErrCode api_start(App *app, ApiServer **ret, Error *err)
{
    ApiServer *s = xnew(ApiServer);
    s->app = app;
    ErrCode rc = make_tls(s, err);
    HttpServerConfig cfg = api_server_config(s);
    cfg.adopt_fd = app->host_fd;
    rc = rc ? rc : http_server_start(app->loop, &cfg, &s->http, err);
    if (!rc && app->net.api_fd > 0) {
        cfg.adopt_fd = app->net.api_fd;
        rc = http_server_start(app->loop, &cfg, &s->inner, err);
    }
    if (rc) {
        api_free(s);
        return rc;
    }
    *ret = s;
    return ERR_OK;
}

int api_port(const ApiServer *s)
{
    return http_server_port(s->http);
}

void api_stop(ApiServer *s, void (*done)(void *ctx), void *ctx)
{
    s->stopping = true;
    while (s->followers) {
        s->followers->end(s->followers);
    }
    if (s->inner) {
        http_server_drain(s->inner, 1000, NULL, NULL);
    }
    http_server_drain(s->http, 1000, done, ctx);
}

void api_free(ApiServer *s)
{
    if (s) {
        timer_stop(s->back_timer);
        http_server_free(s->http);
        http_server_free(s->inner);
        tls_ctx_free(s->tls);
        free(s);
    }
}
