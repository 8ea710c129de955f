#include "core/limits.h"
#include "http/server_priv.h"
#include <stdlib.h>
#include <strings.h>

struct HttpWs {
    HttpConn *conn;
    Ws *ws;
    HttpWsEvents ev;
    void *ctx;
    uint64_t heard_ms, pinged_ms;
};

bool http_ws_wanted(const HttpReq *r)
{
    const char *upgrade = http_header(r, "upgrade");
    return r->wants_upgrade && upgrade && !r->h2 && h1_has_token(sv(upgrade), "websocket");
}

/* A page of another site must not use the browser's standing with us. */
static bool same_origin(const HttpReq *r)
{
    const char *origin = http_header(r, "origin");
    const char *host = origin ? strstr(origin, "://") : NULL;
    return !origin || (host && strcasecmp(host + 3, r->authority) == 0);
}

const char *http_ws_check(const HttpReq *r, int *ret_status)
{
    char accept[WS_ACCEPT_LEN + 1];
    const char *version = http_header(r, "sec-websocket-version");
    const char *key = http_header(r, "sec-websocket-key");
    *ret_status = 400;
    if (!str_eq(r->method, "GET") || r->one_zero)
        return "a WebSocket starts with GET on HTTP/1.1";
    if (!key || !ws_accept_key(key, accept))
        return "Sec-WebSocket-Key is not 16 bytes in base64";
    if (!str_eq(version, "13")) {
        *ret_status = 426;
        return "only WebSocket version 13 is spoken here";
    }
    if (!same_origin(r)) {
        *ret_status = 403;
        return "Origin is another site than Host";
    }
    return NULL;
}

static void flush(HttpWs *w)
{
    HttpConn *c = w->conn;
    AUTO_STRBUF out = {0};
    if (c->mode != MODE_WS)
        return;
    ws_pull(w->ws, &out);
    if (out.n)
        http_conn_write(c, out.p, out.n);
    if (ws_over(w->ws)) {
        c->mode = MODE_ENDING;
        conn_shutdown(c->conn);
    }
}

static void on_message(void *ctx, const char *p, size_t n, bool binary)
{
    HttpWs *w = ctx;
    if (!w->conn->srv->freed && w->conn->mode == MODE_WS)
        w->ev.on_message(w->ctx, p, n, binary);
}

HttpWs *http_ws_accept(HttpReq *r, const char *subprotocol, const HttpWsEvents *ev, void *ctx)
{
    static const WsEvents EVENTS = {.on_message = on_message};
    HttpConn *c = r->conn;
    char accept[WS_ACCEPT_LEN + 1];
    if (!c || !r->wants_upgrade || !ws_accept_key(http_header(r, "sec-websocket-key"), accept)) {
        http_req_bury(r);
        return NULL;
    }
    AUTO_STRBUF b = {0};
    strbuf_addf(&b,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: %s\r\nX-Request-Id: %s\r\n",
                accept, r->request_id);
    if (subprotocol)
        strbuf_addf(&b, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
    strbuf_adds(&b, "\r\n");
    http_conn_write(c, b.p, b.n);
    HttpWs *w = xnew(HttpWs);
    w->conn = c;
    w->ev = *ev;
    w->ctx = ctx;
    w->ws = ws_new(false, LIMIT_WS_MESSAGE, &EVENTS, w);
    w->heard_ms = w->pinged_ms = loop_now(c->srv->loop);
    c->ws = w;
    c->mode = MODE_WS;
    c->req = NULL;
    c->srv->stats.ws_open++;
    r->conn = NULL;
    http_req_bury(r);
    conn_wake(c->conn); /* on_flush feeds what was read ahead, not from inside of the starter */
    return w;
}

void http_ws_read(HttpConn *c, StrView data)
{
    HttpWs *w = c->ws;
    w->heard_ms = loop_now(c->srv->loop);
    if (c->in.n) {
        strbuf_add(&c->in, data.p, data.n);
        http_ws_flushed(c);
        return;
    }
    ws_recv(w->ws, data.p, data.n);
    if (c->ws)
        flush(c->ws);
}

void http_ws_flushed(HttpConn *c)
{
    StrBuf held = c->in;
    c->in = (StrBuf){0};
    if (held.n) {
        ws_recv(c->ws->ws, held.p, held.n);
        if (c->ws)
            flush(c->ws);
    }
    strbuf_done(&held);
    if (c->paused) {
        c->paused = false;
        conn_resume(c->conn);
    }
}

void http_ws_send(HttpWs *w, const void *p, size_t n, bool binary)
{
    HttpConn *c = w->conn;
    if (c->mode != MODE_WS)
        return;
    if (conn_unsent(c->conn) + n > HTTP_WS_UNSENT) {
        http_ws_close(w, WS_TRY_LATER, "too slow: 4 MiB are unsent");
        return;
    }
    ws_send(w->ws, p, n, binary);
    flush(w);
}

size_t http_ws_unsent(const HttpWs *w)
{
    return w->conn->mode == MODE_WS ? conn_unsent(w->conn->conn) : 0;
}

void http_ws_close(HttpWs *w, int code, const char *reason)
{
    if (w->conn->mode != MODE_WS)
        return;
    ws_close(w->ws, code, reason);
    flush(w);
}

void http_ws_tick(HttpConn *c, uint64_t now)
{
    HttpWs *w = c->ws;
    if (now - w->heard_ms > HTTP_WS_PING_MS + HTTP_WS_PONG_MS) {
        c->mode = MODE_ENDING;
        conn_close(c->conn);
    } else if (now - w->pinged_ms >= HTTP_WS_PING_MS) {
        w->pinged_ms = now;
        ws_ping(w->ws);
        flush(w);
    }
}

void http_ws_wind_down(HttpConn *c)
{
    http_ws_close(c->ws, WS_GOING_AWAY, "the server shuts down");
}

void http_ws_closed(HttpConn *c)
{
    HttpWs *w = c->ws;
    if (!w)
        return;
    c->ws = NULL;
    c->srv->stats.ws_open--;
    w->ev.on_close(w->ctx);
    ws_free(w->ws);
    free(w);
}
