#include "core/limits.h"
#include "http/server_priv.h"
#include <stdio.h>

static void pump(HttpConn *c, StrView *in);

/* ---- answers ---- */

static void end_conn(HttpConn *c)
{
    c->mode = MODE_ENDING;
    conn_shutdown(c->conn);
}

/* Read what came meanwhile, as the next request. */
static void go_on(HttpConn *c)
{
    StrBuf held = c->in;
    StrView in = {held.p, held.n};
    c->in = (StrBuf){0};
    pump(c, &in);
    if (c->mode == MODE_H1 || c->mode == MODE_WS)
        strbuf_add(&c->in, in.p, in.n);
    strbuf_done(&held);
    if (c->paused && c->in.n < HTTP_PIPELINE) {
        c->paused = false;
        conn_resume(c->conn);
    }
}

static void go_on_later(HttpConn *c)
{
    /* An answer given inside of the handler: pump goes on by itself. Otherwise the owner's code is
     * below us on the stack, which must not see its next request yet: on_flush comes later. */
    if (!c->pumping)
        conn_wake(c->conn);
}

static void finish(HttpReq *r)
{
    HttpConn *c = r->conn;
    c->req = NULL;
    c->since_ms = loop_now(c->srv->loop);
    r->conn = NULL;
    if (!r->keep_alive || !c->body_done || c->last)
        end_conn(c);
    else
        go_on_later(c);
}

static void add_fields(HttpReq *r, StrBuf *b)
{
    strbuf_addf(b, "Date: %s\r\nX-Request-Id: %s\r\n", http_date(), r->request_id);
    for (size_t i = 0; i < r->reply.n; i++)
        strbuf_addf(b, "%s: %s\r\n", r->reply.at[i].name, r->reply.at[i].value);
    if (!r->keep_alive || r->conn->last)
        strbuf_adds(b, "Connection: close\r\n");
    else if (r->one_zero)
        strbuf_adds(b, "Connection: keep-alive\r\n");
}

static void h1_head_out(HttpReq *r, int status, StrView body, bool last)
{
    HttpConn *c = r->conn;
    AUTO_STRBUF b = {0};
    bool has_body = http_status_has_body(status);
    if (!last && r->one_zero)
        r->keep_alive = false; /* the end of the connection is the end of the body */
    strbuf_addf(&b, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
    add_fields(r, &b);
    if (last && has_body)
        strbuf_addf(&b, "Content-Length: %zu\r\n", body.n);
    else if (!last && !r->one_zero)
        strbuf_adds(&b, "Transfer-Encoding: chunked\r\n");
    strbuf_adds(&b, "\r\n");
    if (has_body && !r->head_only && body.n < 16 * 1024) {
        strbuf_add(&b, body.p, body.n);
        body.n = 0;
    }
    http_conn_write(c, b.p, b.n);
    if (has_body && !r->head_only && body.n)
        http_conn_write(c, body.p, body.n);
    if (last)
        finish(r);
}

static void h1_data_out(HttpReq *r, StrView data)
{
    char size[24];
    if (r->one_zero) {
        http_conn_write(r->conn, data.p, data.n);
        return;
    }
    int n = snprintf(size, sizeof size, "%zx\r\n", data.n);
    http_conn_write(r->conn, size, (size_t)n);
    http_conn_write(r->conn, data.p, data.n);
    http_conn_write(r->conn, "\r\n", 2);
}

static void h1_end_out(HttpReq *r)
{
    if (!r->one_zero && !r->head_only)
        http_conn_write(r->conn, "0\r\n\r\n", 5);
    finish(r);
}

static size_t h1_unsent(const HttpReq *r)
{
    return conn_unsent(r->conn->conn);
}

static const HttpTransport H1_TRANSPORT = {h1_head_out, h1_data_out, h1_end_out, h1_unsent};

/* ---- requests ---- */

static void copy_head(HttpReq *r, const H1Head *h)
{
    r->method = sv_dup(r->arena, h->method);
    r->authority = sv_dup(r->arena, h->host);
    r->one_zero = h->minor == 0;
    r->keep_alive = h->keep_alive;
    r->headers = arena_array(r->arena, HttpHeader, h->n_fields + 1);
    for (size_t i = 0; i < h->n_fields; i++)
        r->headers[r->n_headers++] =
            (HttpHeader){sv_dup(r->arena, h->fields[i].name), sv_dup(r->arena, h->fields[i].value)};
}

static void on_head(HttpConn *c)
{
    const H1Head *h = h1_head(c->h1);
    HttpReq *r = c->req = http_req_new(c, &H1_TRANSPORT);
    c->head_ms = 0;
    c->body_done = false;
    if (++c->requests >= HTTP_CONN_REQUESTS)
        c->last = true;
    copy_head(r, h);
    r->wants_upgrade = h->upgrade;
    if (!http_req_accept(r, h->target))
        return;
    if (h->length > r->body_limit)
        http_req_too_large(r);
    else if (h->expects_continue && (h->chunked || h->length))
        http_conn_write(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

static void on_bad(HttpConn *c)
{
    /* In the middle of a body there is a request already. */
    HttpReq *r = c->req;
    if (!r) {
        r = c->req = http_req_new(c, &H1_TRANSPORT);
        c->body_done = false;
    }
    http_req_refuse(r, h1_status(c->h1), h1_reason(c->h1));
}

static bool busy(const HttpConn *c)
{
    return (c->req && c->req->handled) || conn_unsent(c->conn) > LIMIT_OUT_HIGH;
}

static void pump(HttpConn *c, StrView *in)
{
    H1Step s = H1_HEAD;
    c->pumping = true;
    while (c->mode == MODE_H1 && !busy(c) && s != H1_MORE) {
        s = h1_next(c->h1, in);
        if (s == H1_HEAD) {
            on_head(c);
        } else if (s == H1_BODY) {
            if (!http_req_body(c->req, h1_body(c->h1).p, h1_body(c->h1).n))
                http_req_too_large(c->req);
        } else if (s == H1_END) {
            c->body_done = true;
            http_req_handle(c->req);
        } else if (s == H1_BAD) {
            on_bad(c);
        }
    }
    c->pumping = false;
    if (c->mode == MODE_H1 && !c->req && !c->head_ms && !h1_between(c->h1))
        c->head_ms = loop_now(c->srv->loop);
}

void http_h1_start(HttpConn *c, StrView first)
{
    c->mode = MODE_H1;
    c->h1 = h1_new();
    http_h1_read(c, first);
}

void http_h1_read(HttpConn *c, StrView data)
{
    if (c->in.n || busy(c)) {
        strbuf_add(&c->in, data.p, data.n);
        if (!busy(c)) {
            go_on(c);
        } else if (c->in.n > HTTP_PIPELINE && !c->paused) {
            c->paused = true;
            conn_pause(c->conn);
        }
        return;
    }
    pump(c, &data);
    if (c->mode == MODE_H1)
        strbuf_add(&c->in, data.p, data.n);
    else if (c->mode == MODE_WS && data.n)
        http_ws_read(c, data);
}

void http_h1_flushed(HttpConn *c)
{
    if (c->in.n && !busy(c))
        go_on(c);
}

void http_h1_eof(HttpConn *c)
{
    /* A peer that only closed its sending side still gets the answer it waits for; one that is
     * being streamed to is taken to be gone, for nothing else would ever tell. */
    if (c->req && c->req->handled && !c->req->begun)
        c->last = true;
    else
        end_conn(c);
}

void http_h1_drained(HttpConn *c)
{
    if (c->req && c->req->begun && c->req->on_drain)
        c->req->on_drain(c->req->drain_ctx);
    else if (c->in.n && !busy(c))
        go_on(c);
}

void http_h1_tick(HttpConn *c, uint64_t now)
{
    if (c->req)
        return;
    if (c->head_ms && now - c->head_ms > HTTP_HEAD_MS) {
        HttpReq *r = c->req = http_req_new(c, &H1_TRANSPORT);
        c->body_done = false;
        http_req_refuse(r, 408, "the header fields did not come within 10 seconds");
    } else if (!c->head_ms && now - c->since_ms > HTTP_IDLE_MS && conn_unsent(c->conn) == 0) {
        end_conn(c);
    }
}

void http_h1_closed(HttpConn *c)
{
    if (c->req)
        http_req_gone(c->req);
    c->req = NULL;
}

void http_h1_wind_down(HttpConn *c)
{
    c->last = true;
    if (!c->req)
        end_conn(c);
}
