#include "core/clock.h"
#include "core/ident.h"
#include "http/server_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- small tables ---- */

static const struct {
    int status;
    const char *text;
} STATUS[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < sizeof STATUS / sizeof *STATUS; i++)
        if (STATUS[i].status == status)
            return STATUS[i].text;
    return "Status";
}

bool http_status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

const char *http_date(void)
{
    static char text[40];
    static int64_t of;
    int64_t now = clock_wall_us() / 1000000;
    if (now == of)
        return text;
    static const char DAYS[] = "ThuFriSatSunMonTueWed",
                      MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char iso[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(iso, now * 1000000);
    int month = (iso[5] - '0') * 10 + iso[6] - '0';
    snprintf(text, sizeof text, "%.3s, %.2s %.3s %.4s %.8s GMT", DAYS + now / 86400 % 7 * 3,
             iso + 8, MONTHS + (month - 1) * 3, iso, iso + 11);
    of = now;
    return text;
}

/* ---- making one ---- */

HttpReq *http_req_new(HttpConn *c, const HttpTransport *t)
{
    HttpServer *s = c->srv;
    HttpReq *r = xnew(HttpReq);
    r->srv = s;
    r->conn = c;
    r->transport = t;
    r->arena = arena_new();
    r->method = r->path = r->path_raw = r->query_raw = r->authority = "";
    r->peer = arena_strdup(r->arena, c->peer);
    r->started_ms = loop_now(s->loop);
    r->is_tls = conn_is_tls(c->conn);
    r->link = &s->live;
    if ((r->next = s->live))
        r->next->link = &r->next;
    s->live = r;
    s->refs++;
    return r;
}

static bool plain_id(const char *id)
{
    size_t n = id ? strlen(id) : 0;
    if (n < 8 || n > HTTP_REQUEST_ID)
        return false;
    for (; *id; id++)
        if (!((*id >= '0' && *id <= '9') || (*id >= 'a' && *id <= 'z') ||
              (*id >= 'A' && *id <= 'Z') || strchr("._-", *id)))
            return false;
    return true;
}

const char *http_request_id(const HttpReq *r)
{
    return r->request_id;
}

void http_req_name(HttpReq *r)
{
    const char *given = http_header(r, "x-request-id");
    unsigned char raw[8];
    if (plain_id(given)) {
        snprintf(r->request_id, sizeof r->request_id, "%s", given);
        return;
    }
    random_bytes(raw, sizeof raw);
    hex_encode(r->request_id, raw, sizeof raw);
}

bool http_req_accept(HttpReq *r, StrView target)
{
    const HttpServerConfig *cfg = &r->srv->cfg;
    StrView query = target, path = sv_cut(&query, '?');
    int status;
    http_req_name(r);
    r->head_only = str_eq(r->method, "HEAD");
    r->path_raw = sv_dup(r->arena, path);
    r->query_raw = query.p ? sv_dup(r->arena, query) : "";
    char *decoded = url_path(r->arena, path);
    if (!decoded || !url_query(r->arena, query, &r->query, &r->n_query)) {
        http_req_refuse(r, 400, "the request target has a broken escape, a '..', or no UTF-8");
        return false;
    }
    r->path = decoded;
    r->body_limit = cfg->body_limit;
    if (cfg->body_limit_for)
        r->body_limit = cfg->body_limit_for(cfg->ctx, r->method, r->path);
    r->wants_upgrade = http_ws_wanted(r);
    const char *wrong = r->wants_upgrade ? http_ws_check(r, &status) : NULL;
    if (wrong) {
        if (status == 426)
            http_reply_header(r, "Sec-WebSocket-Version", "13");
        http_req_refuse(r, status, wrong);
        return false;
    }
    r->body_ms = loop_now(r->srv->loop);
    return true;
}

bool http_req_body(HttpReq *r, const char *p, size_t n)
{
    if (n > r->body_limit || r->body.n > r->body_limit - n)
        return false;
    strbuf_add(&r->body, p, n);
    return true;
}

void http_req_too_large(HttpReq *r)
{
    http_req_refuse(r, 413,
                    arena_printf(r->arena, "body: larger than the %zu bytes that are taken here",
                                 r->body_limit));
}

void http_req_handle(HttpReq *r)
{
    HttpServer *s = r->srv;
    s->stats.requests++;
    r->handled = true;
    s->cfg.handler(s->cfg.ctx, r);
}

void http_req_tick(HttpReq *r, uint64_t now)
{
    if (r->handled || r->answered || !r->conn || !r->body_ms)
        return;
    uint64_t spent = now - r->body_ms;
    if (spent > HTTP_BODY_GRACE_MS &&
        r->body.n + r->dropped < (spent - HTTP_BODY_GRACE_MS) * HTTP_BODY_RATE / 1000)
        http_req_refuse(r, 408, "body: comes slower than 1 KiB per second");
}

/* ---- ends ---- */

void http_req_bury(HttpReq *r)
{
    HttpServer *s = r->srv;
    r->answered = true;
    if ((*r->link = r->next))
        r->next->link = r->link;
    r->next = s->buried;
    s->buried = r;
    http_server_undertake(s);
}

void http_req_gone(HttpReq *r)
{
    if (r->conn && r->conn->req == r)
        r->conn->req = NULL;
    if (r->h2)
        h2_stream_set_data(r->h2, NULL);
    r->conn = NULL;
    r->h2 = NULL;
    if (r->answered)
        return;
    if (r->handled && !r->on_gone)
        return; /* the handler still has it */
    r->answered = true;
    if (r->handled)
        r->on_gone(r->gone_ctx);
    http_req_bury(r);
}

/* ---- what was asked ---- */

Arena *http_arena(HttpReq *r)
{
    return r->arena;
}

const char *http_method(const HttpReq *r)
{
    return r->method;
}

const char *http_path(const HttpReq *r)
{
    return r->path;
}

const char *http_path_raw(const HttpReq *r)
{
    return r->path_raw;
}

const char *http_query_raw(const HttpReq *r)
{
    return r->query_raw;
}

const char *http_query(HttpReq *r, const char *name)
{
    for (size_t i = 0; i < r->n_query; i++)
        if (str_eq(r->query[i].name, name))
            return r->query[i].value;
    return NULL;
}

bool http_query_at(HttpReq *r, size_t i, const char **name, const char **value)
{
    if (i >= r->n_query)
        return false;
    *name = r->query[i].name;
    *value = r->query[i].value;
    return true;
}

const char *http_header(const HttpReq *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

StrView http_body(const HttpReq *r)
{
    return (StrView){strbuf_str(&r->body), r->body.n};
}

const char *http_peer(const HttpReq *r)
{
    return r->peer;
}

const char *http_peer_cert(HttpReq *r)
{
    return r->conn ? conn_peer_cert(r->conn->conn) : NULL;
}

bool http_is_tls(const HttpReq *r)
{
    return r->is_tls;
}

void http_set_data(HttpReq *r, void *data)
{
    r->data = data;
}

void *http_data(const HttpReq *r)
{
    return r->data;
}

void http_on_gone(HttpReq *r, void (*fn)(void *), void *ctx)
{
    r->on_gone = fn;
    r->gone_ctx = ctx;
}

void http_on_drain(HttpReq *r, void (*fn)(void *), void *ctx)
{
    r->on_drain = fn;
    r->drain_ctx = ctx;
}

bool http_is_ws(const HttpReq *r)
{
    return r->wants_upgrade;
}
