#include "http/server_priv.h"
#include <strings.h>

enum { MAX_REPLY_FIELDS = 64 };

/* ---- answers ---- */

static char *lower(Arena *a, const char *name)
{
    char *s = arena_strdup(a, name);
    for (char *c = s; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 'a' - 'A');
    return s;
}

/* The stream forgets the request: nothing that comes on it concerns anybody now. */
static void finish(HttpReq *r)
{
    h2_stream_set_data(r->h2, NULL);
    r->conn = NULL;
    r->h2 = NULL;
}

static void h2_head_out(HttpReq *r, int status, StrView body, bool last)
{
    H2Field f[MAX_REPLY_FIELDS];
    size_t n = 0;
    bool has_body = http_status_has_body(status);
    f[n++] = (H2Field){SV(":status"), sv(arena_printf(r->arena, "%d", status))};
    f[n++] = (H2Field){SV("date"), sv(http_date())};
    f[n++] = (H2Field){SV("x-request-id"), sv(r->request_id)};
    if (last && has_body)
        f[n++] = (H2Field){SV("content-length"), sv(arena_printf(r->arena, "%zu", body.n))};
    for (size_t i = 0; i < r->reply.n && n < MAX_REPLY_FIELDS; i++)
        if (strcasecmp(r->reply.at[i].name, "Connection") != 0)
            f[n++] = (H2Field){sv(lower(r->arena, r->reply.at[i].name)), sv(r->reply.at[i].value)};
    bool no_body = (last && (!has_body || body.n == 0)) || r->head_only;
    h2_respond(r->h2, f, n, no_body);
    if (!no_body && body.n) {
        r->srv->stats.bytes_out += body.n;
        h2_send(r->h2, (StrView){0}, body);
    }
    if (!last)
        return;
    if (!no_body)
        h2_send_end(r->h2);
    finish(r);
}

static void h2_data_out(HttpReq *r, StrView data)
{
    r->srv->stats.bytes_out += data.n;
    h2_send(r->h2, (StrView){0}, data);
}

static void h2_end_out(HttpReq *r)
{
    if (!r->head_only)
        h2_send_end(r->h2);
    finish(r);
}

static size_t h2_unsent_of(const HttpReq *r)
{
    return h2_unsent(r->h2);
}

static const HttpTransport H2_TRANSPORT = {h2_head_out, h2_data_out, h2_end_out, h2_unsent_of};

/* ---- requests ---- */

/* Clients that are answered while they still send tend to see a broken stream instead of the
 * answer, so a body that is not absurdly large is read to its end and forgotten. */
static void drop(HttpReq *r, size_t n)
{
    r->dropped += n;
    if (r->dropped > HTTP_DROP)
        http_req_too_large(r);
}

static void check_length(HttpReq *r)
{
    const char *text = http_header(r, "content-length");
    uint64_t n;
    if (text && str_to_u64(text, &n) && n > r->body_limit + HTTP_DROP)
        http_req_too_large(r);
}

static void on_request(HttpConn *c, H2Stream *s, const H2Headers *h)
{
    HttpReq *r = http_req_new(c, &H2_TRANSPORT);
    r->h2 = s;
    h2_stream_set_data(s, r);
    r->keep_alive = true;
    r->method = sv_dup(r->arena, h2_header(h, ":method"));
    r->authority = sv_dup(r->arena, h2_header(h, ":authority"));
    r->headers = arena_array(r->arena, HttpHeader, h->n + 1);
    for (size_t i = 0; i < h->n; i++)
        if (h->at[i].name.n && h->at[i].name.p[0] != ':')
            r->headers[r->n_headers++] =
                (HttpHeader){sv_dup(r->arena, h->at[i].name), sv_dup(r->arena, h->at[i].value)};
    if (!http_header(r, "host"))
        r->headers[r->n_headers++] = (HttpHeader){"host", r->authority};
    if (h->too_large) {
        http_req_refuse(r, 431, "more than 16 KiB or 100 header fields");
        return;
    }
    if (http_req_accept(r, h2_header(h, ":path")))
        check_length(r);
}

static void on_headers(void *ctx, H2Stream *s, H2Block block, const H2Headers *h, bool end)
{
    (void)end;
    if (block == H2_REQUEST)
        on_request(ctx, s, h);
}

static void on_data(void *ctx, H2Stream *s, const char *p, size_t n)
{
    HttpConn *c = ctx;
    HttpReq *r = h2_stream_data(s);
    c->srv->stats.bytes_in += n;
    h2_consume(s, n);
    if (r && !r->handled && (r->dropped || !http_req_body(r, p, n)))
        drop(r, n);
}

static void on_half_close(void *ctx, H2Stream *s)
{
    (void)ctx;
    HttpReq *r = h2_stream_data(s);
    if (r && r->dropped)
        http_req_too_large(r);
    else if (r && !r->handled)
        http_req_handle(r);
}

static void on_drain(void *ctx, H2Stream *s)
{
    (void)ctx;
    HttpReq *r = h2_stream_data(s);
    if (r && r->begun && r->on_drain)
        r->on_drain(r->drain_ctx);
}

static void on_stream_close(void *ctx, H2Stream *s, int h2_error)
{
    HttpConn *c = ctx;
    HttpReq *r = h2_stream_data(s);
    (void)h2_error;
    c->since_ms = loop_now(c->srv->loop);
    h2_stream_set_data(s, NULL);
    if (r)
        http_req_gone(r);
}

static void on_end(void *ctx, const Error *err)
{
    HttpConn *c = ctx;
    if (err && err->code == ERR_MALFORMED)
        c->srv->stats.bad_conns++;
    http_conn_forget(c);
}

static void on_bad_frame(void *ctx)
{
    HttpConn *c = ctx;
    c->srv->stats.bad_requests++;
}

void http_h2_start(HttpConn *c, StrView first)
{
    static const H2Events EVENTS = {
        .on_headers = on_headers,
        .on_data = on_data,
        .on_half_close = on_half_close,
        .on_drain = on_drain,
        .on_close = on_stream_close,
        .on_bad_frame = on_bad_frame,
        .on_end = on_end,
    };
    c->mode = MODE_H2;
    c->h2 = h2_attach(c->conn, &(H2Config){0}, &EVENTS, c, first);
}

void http_h2_tick(HttpConn *c, uint64_t now)
{
    h2_tick(c->h2, now);
    if (h2_stream_count(c->h2) == 0 && now - c->since_ms > HTTP_IDLE_MS)
        h2_drain(c->h2);
}
