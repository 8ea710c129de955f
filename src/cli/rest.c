#include "cli.h"

#include "api/routes.h"
#include "core/limits.h"
#include "out.h"
#include <stdlib.h>

enum { REPLY_LIMIT = 64 * 1024 * 1024 };

typedef struct Pending {
    Cli *cli;
    Reply *reply;
    Error err;
    bool done;
} Pending;

static void on_done(void *ctx, const Error *err, const HttpResponse *resp)
{
    Pending *p = ctx;
    p->done = true;
    if (err) {
        p->err = *err;
        return;
    }
    Arena *a = p->cli->arena;
    p->reply->status = resp->status;
    p->reply->body =
        sv_n(arena_strndup(a, resp->body.p ? resp->body.p : "", resp->body.n), resp->body.n);
    p->reply->etag = arena_strdup(a, resp->header(resp, "etag"));
    Error not_json;
    if (json_parse(a, p->reply->body, REPLY_LIMIT, &p->reply->json, &not_json))
        p->reply->json = NULL;
}

static bool on_stream(void *ctx, int status, const char *data, size_t n)
{
    Pending *p = ctx;
    p->reply->status = status;
    if (status < 300) {
        out_text(p->cli, data, n);
    } else { /* an error body: keep it for the message */
        p->reply->body = sv_n(arena_strndup(p->cli->arena, data, n), n);
    }
    return true;
}

static ErrCode client_ready(Cli *c, Error *err)
{
    if (c->http)
        return ERR_OK;
    if (!c->ctx.server) {
        ErrCode rc = context_load(c, err);
        if (rc)
            return rc;
    }
    HttpClientConfig cfg = {.ca_pem = c->ctx.ca_pem, .user_agent = "swarmctl/" PGSWARM_VERSION};
    return http_client_new(c->loop, &cfg, &c->http, err);
}

/* Central's own error, or what an error status without one means. */
static ErrCode refused(Reply *r, Error *err)
{
    const cJSON *e = cJSON_GetObjectItemCaseSensitive(r->json, "error");
    const char *code = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(e, "code"));
    const char *msg = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(e, "message"));
    ErrCode rc = code ? err_from_name(code) : err_from_http(r->status);
    if (msg)
        err_set(&r->err, rc, "%s", msg);
    else
        err_set(&r->err, rc, "central answered HTTP %d", r->status);
    return err_copy(err, &r->err);
}

static uint64_t call_timeout(Cli *c)
{
    uint64_t ms = c->time_limit ? c->time_limit : 30000;
    const char *given = cli_opt(c, "timeout");
    Error ignored;
    if (given && cli_duration(given, &ms, &ignored))
        ms = 30000;
    return ms;
}

static ErrCode run_call(Cli *c, HttpCallSpec *spec, Pending *p, const char *path, Error *err)
{
    const char *headers[8];
    size_t n = 0;
    if (c->ctx.token)
        headers[n++] = arena_printf(c->arena, "Authorization: Bearer %s", c->ctx.token);
    for (const char *const *h = spec->headers; h && *h; h++)
        headers[n++] = *h;
    headers[n] = NULL;
    spec->headers = headers;
    spec->url = arena_printf(c->arena, "%s%s", c->ctx.server, path);
    spec->on_done = on_done;
    spec->ctx = p;
    http_call(c->http, spec);
    loop_run_until(c->loop, &p->done, 0);
    if (p->err.code == ERR_UNAVAILABLE)
        return err_set(err, ERR_UNAVAILABLE, "central at %s: %s", c->ctx.server, p->err.msg);
    return p->err.code ? err_copy(err, &p->err) : ERR_OK;
}

ErrCode rest_call(Cli *c, const RestReq *req, Reply *ret, Error *err)
{
    ErrCode rc = client_ready(c, err);
    if (rc)
        return rc;
    *ret = (Reply){0};
    Pending p = {.cli = c, .reply = ret};
    const char *headers[4];
    size_t n = 0;
    char *text = req->body ? cJSON_PrintUnformatted(req->body) : NULL;
    if (req->body)
        headers[n++] = "Content-Type: application/json";
    if (req->if_match)
        headers[n++] = arena_printf(c->arena, "If-Match: %s", req->if_match);
    headers[n++] = "Accept: application/json";
    headers[n] = NULL;
    HttpCallSpec spec = {.method = req->method,
                         .headers = headers,
                         .body = text ? sv(text) : (StrView){0},
                         .timeout_ms = call_timeout(c)};
    rc = run_call(c, &spec, &p, req->path, err);
    cJSON_free(text);
    if (rc)
        return rc;
    return ret->status < 300 ? ERR_OK : refused(ret, err);
}

ErrCode rest_stream(Cli *c, const char *path, Error *err)
{
    ErrCode rc = client_ready(c, err);
    if (rc)
        return rc;
    Reply reply = {0};
    Pending p = {.cli = c, .reply = &reply};
    HttpCallSpec spec = {.method = "GET", .timeout_ms = UINT64_MAX, .on_data = on_stream};
    rc = run_call(c, &spec, &p, path, err);
    if (rc || reply.status < 300)
        return rc;
    if (json_parse(c->arena, reply.body, REPLY_LIMIT, &reply.json, err))
        reply.json = NULL;
    return refused(&reply, err);
}

ErrCode rest_get(Cli *c, const char *path, cJSON **ret, Error *err)
{
    Reply r;
    ErrCode rc = rest_call(c, &(RestReq){"GET", path}, &r, err);
    if (rc)
        return rc;
    if (!r.json)
        return err_set(err, ERR_INTERNAL, "GET %s: the answer is not JSON", path);
    *ret = r.json;
    return ERR_OK;
}

ErrCode rest_list(Cli *c, const char *path, cJSON **ret_items, Error *err)
{
    cJSON *all = json_own(c->arena, cJSON_CreateArray());
    const char *page = path;
    for (;;) {
        cJSON *tree;
        ErrCode rc = rest_get(c, page, &tree, err);
        if (rc)
            return rc;
        cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "items");
        while (items && items->child)
            cJSON_AddItemToArray(all, cJSON_DetachItemViaPointer(items, items->child));
        const char *next = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "next"));
        if (str_empty(next))
            break;
        AUTO_STRBUF b = {0};
        strbuf_adds(&b, path);
        api_query(&b, "after", next);
        page = arena_strdup(c->arena, b.p);
    }
    *ret_items = all;
    return ERR_OK;
}

const char *rest_query(Cli *c, const char *path, ...)
{
    AUTO_STRBUF b = {0};
    const char *key;
    va_list ap;
    strbuf_adds(&b, path);
    va_start(ap, path);
    while ((key = va_arg(ap, const char *))) {
        const char *value = va_arg(ap, const char *);
        if (!str_empty(value))
            api_query(&b, key, value);
    }
    va_end(ap);
    return arena_strdup(c->arena, b.p);
}
