#include "api/api.h"

#include "api/call_priv.h"
#include "core/limits.h"
#include <stdlib.h>

static const ApiHandler HANDLERS[API_ROUTE_COUNT] = {
#define ROUTE(id, method, path, role, req, resp, audit, summary) [API_##id] = api_##id,
#include "api/routes.def"
#undef ROUTE
};

Api *api_new(App *app)
{
    Api *api = xnew(Api);
    RouterRow rows[API_ROUTE_COUNT];
    api->app = app;
    for (int i = 0; i < API_ROUTE_COUNT; i++)
        rows[i] = (RouterRow){api_route((ApiRoute)i)->method, api_route((ApiRoute)i)->path};
    api->router = router_new(rows, API_ROUTE_COUNT);
    return api;
}

void api_free(Api *api)
{
    if (!api)
        return;
    router_free(api->router);
    strbuf_done(&api->pack.request);
    strbuf_done(&api->pack.answer);
    free(api);
}

size_t api_body_limit(void *ctx, const char *method, const char *path)
{
    (void)ctx, (void)method, (void)path;
    return LIMIT_HTTP_BODY;
}

/* ---- the body ---- */

static bool is_json(const char *content_type)
{
    StrView type = sv(content_type), rest = type;
    type = sv_trim(sv_cut(&rest, ';'));
    return sv_ieqs(type, "application/json");
}

static bool decode_body(ApiCall *c)
{
    const Schema *s = c->route->request.kind == BODY_ONE ? c->route->request.schema : NULL;
    /* Part of what a profile must satisfy stands in the database: its handlers read it themselves.
     */
    if (!s || s == &profile_schema)
        return true;
    Error err;
    StrView text = http_body(c->http);
    const char *type = http_header(c->http, "content-type");
    if (text.n && type && !is_json(type)) {
        err_set(&err, ERR_UNSUPPORTED, "content-type: '%s' is not taken here, application/json is",
                type);
        call_reply_err(c, &err);
        return false;
    }
    FieldErrors errs = field_errors(c->a);
    c->body = arena_alloc(c->a, s->size);
    if (fields_decode_text(c->a, s, text.n ? text : SV("{}"), c->body, &errs, &err) == ERR_OK)
        return true;
    if (errs.n)
        call_reply_fields(c, &errs, &err);
    else
        call_reply_err(c, &err);
    return false;
}

/* ---- one request ---- */

static void run(ApiCall *c)
{
    if (decode_body(c))
        HANDLERS[c->route->id](c);
}

static void on_identity(ApiCall *c, const Error *err, const Identity *id)
{
    Error denied;
    if (err) {
        if (err->code == ERR_UNAUTHENTICATED)
            authn_refuse(c, err);
        else
            call_reply_err(c, err);
        return;
    }
    c->who = *id;
    if (id->role < c->route->role) {
        err_set(&denied, ERR_FORBIDDEN, "%s %s needs role %s; %s has role %s", c->route->method,
                c->route->path, api_role_name(c->route->role), id->user, api_role_name(id->role));
        call_reply_err(c, &denied);
        return;
    }
    run(c);
}

static void free_body(void *body)
{
    strbuf_done(body);
}

static ApiCall *call_new(Api *api, HttpReq *r)
{
    Arena *a = http_arena(r);
    ApiCall *c = arena_new_of(a, ApiCall);
    c->app = api->app;
    c->a = a;
    c->http = r;
    c->priv = arena_new_of(a, CallPriv);
    c->priv->api = api;
    c->priv->started_ms = loop_now(api->app->loop);
    arena_on_free(a, free_body, &c->priv->body);
    return c;
}

void api_handler(void *ctx, HttpReq *r)
{
    Api *api = ctx;
    ApiCall *c = call_new(api, r);
    Error err;
    ErrCode rc = router_match(api->router, c->a, sv(http_method(r)), sv(http_path_raw(r)),
                              &c->priv->match, &err);
    if (rc) {
        call_reply_method(c, &err, c->priv->match.allow);
        return;
    }
    c->route = api_route((ApiRoute)c->priv->match.row);
    if (c->route->role == API_OPEN)
        run(c);
    else
        authn_call(c, on_identity);
}
