#include "http/server.h"

#include "core/limits.h"
#include "core/log.h"
#include "http/server_priv.h"
#include "loop/stream.h"
#include <stdio.h>
#include <stdlib.h>

enum { TICK_MS = 1000, DEFAULT_MAX_CONNS = 10 * 1000 };

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* ---- lifetime ---- */

/* Freed by their owner, but a connection still closes or a handler still has a request. When the
 * loop never turns again, they stay here. */
static HttpServer *ended;

void http_server_unref(HttpServer *s)
{
    if (--s->refs)
        return;
    for (HttpServer **at = &ended; *at; at = &(*at)->next_ended)
        if (*at == s) {
            *at = s->next_ended;
            break;
        }
    map_free(s->per_ip);
    free(s);
}

static void maybe_drained(HttpServer *s)
{
    if (!s->draining || s->conns || s->freed)
        return;
    timer_stop(s->grace);
    s->grace = NULL;
    void (*fn)(void *) = s->drained;
    s->drained = NULL;
    if (fn)
        fn(s->drained_ctx);
}

static void count_ip(HttpServer *s, const char *ip, intptr_t by)
{
    intptr_t n = (intptr_t)map_get(s->per_ip, ip) + by;
    if (n > 0)
        map_put(s->per_ip, ip, (void *)n);
    else
        map_remove(s->per_ip, ip);
}

void http_conn_forget(HttpConn *c)
{
    HttpServer *s = c->srv;
    http_h1_closed(c);
    http_ws_closed(c);
    if ((*c->link = c->next))
        c->next->link = c->link;
    s->stats.conns_open--;
    count_ip(s, c->ip, -1);
    h1_free(c->h1);
    strbuf_done(&c->in);
    free(c);
    maybe_drained(s);
    http_server_unref(s);
}

static void req_free(HttpReq *r)
{
    HttpServer *s = r->srv;
    arena_free(r->arena);
    strbuf_done(&r->body);
    vec_done(&r->reply);
    free(r);
    http_server_unref(s);
}

static void bury_all(void *ctx)
{
    HttpServer *s = ctx;
    timer_stop(s->undertaker);
    s->undertaker = NULL;
    s->refs++; /* the last request may hold the last reference */
    while (s->buried) {
        HttpReq *r = s->buried;
        s->buried = r->next;
        req_free(r);
    }
    http_server_unref(s);
}

void http_server_undertake(HttpServer *s)
{
    if (!s->undertaker)
        s->undertaker = timer_start(s->loop, 0, 0, bury_all, s);
}

/* ---- one connection, until its protocol is known ---- */

void http_conn_write(HttpConn *c, const void *p, size_t n)
{
    c->srv->stats.bytes_out += n;
    conn_write(c->conn, p, n);
}

static void choose(HttpConn *c, bool h2, StrView first)
{
    StrBuf held = c->in; /* `first` may be in it */
    c->in = (StrBuf){0};
    if (h2)
        http_h2_start(c, first);
    else
        http_h1_start(c, first);
    strbuf_done(&held);
}

static void sniff(HttpConn *c, StrView data)
{
    strbuf_add(&c->in, data.p, data.n);
    size_t n = c->in.n < sizeof PREFACE - 1 ? c->in.n : sizeof PREFACE - 1;
    bool alike = memcmp(c->in.p, PREFACE, n) == 0;
    if (!alike || n == sizeof PREFACE - 1)
        choose(c, alike, (StrView){c->in.p, c->in.n});
}

static void on_open(void *ctx)
{
    HttpConn *c = ctx;
    const char *alpn = conn_alpn(c->conn);
    c->since_ms = loop_now(c->srv->loop);
    if (str_eq(alpn, "h2"))
        choose(c, true, (StrView){0});
    else
        c->mode = MODE_SNIFF;
}

static void on_read(void *ctx, const char *p, size_t n)
{
    HttpConn *c = ctx;
    StrView data = {p, n};
    c->srv->stats.bytes_in += n;
    switch (c->mode) {
    case MODE_SNIFF:
        sniff(c, data);
        break;
    case MODE_H1:
        http_h1_read(c, data);
        break;
    case MODE_WS:
        http_ws_read(c, data);
        break;
    case MODE_OPENING:
    case MODE_H2:
    case MODE_ENDING:
        break;
    }
}

static void on_eof(void *ctx)
{
    HttpConn *c = ctx;
    if (c->mode == MODE_H1)
        http_h1_eof(c);
    else
        conn_shutdown(c->conn);
}

static void on_drain(void *ctx)
{
    HttpConn *c = ctx;
    if (c->mode == MODE_H1)
        http_h1_drained(c);
}

static void on_flush(void *ctx)
{
    HttpConn *c = ctx;
    if (c->mode == MODE_WS)
        http_ws_flushed(c);
    else if (c->mode == MODE_H1)
        http_h1_flushed(c);
}

static void on_close(void *ctx, const Error *err)
{
    HttpConn *c = ctx;
    if (err && c->mode == MODE_OPENING)
        c->srv->stats.bad_conns++;
    if (err)
        log_debug("http", "connection lost", "peer=%s error=%s", c->peer, log_quote(err->msg));
    http_conn_forget(c);
}

static void on_accept(void *ctx, Stream *stream)
{
    static const ConnEvents EVENTS = {
        .on_open = on_open,
        .on_read = on_read,
        .on_eof = on_eof,
        .on_drain = on_drain,
        .on_flush = on_flush,
        .on_close = on_close,
    };
    HttpServer *s = ctx;
    HttpConn *c = xnew(HttpConn);
    snprintf(c->peer, sizeof c->peer, "%s", stream_peer(stream));
    const char *colon = strrchr(c->peer, ':');
    snprintf(c->ip, sizeof c->ip, "%.*s", colon ? (int)(colon - c->peer) : 63, c->peer);
    uintptr_t same = (uintptr_t)map_get(s->per_ip, c->ip);
    if (s->draining || s->stats.conns_open >= s->cfg.max_conns ||
        (s->cfg.max_conns_per_ip && same >= s->cfg.max_conns_per_ip)) {
        stream_close(stream);
        free(c);
        return;
    }
    c->srv = s;
    c->since_ms = loop_now(s->loop);
    c->link = &s->conns;
    if ((c->next = s->conns))
        c->next->link = &c->next;
    s->conns = c;
    s->refs++;
    s->stats.conns_open++;
    s->stats.conns_total++;
    count_ip(s, c->ip, 1);
    c->conn = conn_server(stream, s->cfg.tls, &EVENTS, c);
}

/* ---- time ---- */

static void tick_conn(HttpConn *c, uint64_t now)
{
    if (c->mode == MODE_H2) {
        http_h2_tick(c, now);
        return;
    }
    uint64_t unsent = conn_unsent(c->conn);
    if (unsent == 0 || unsent != c->last_unsent)
        c->stall_ms = now;
    c->last_unsent = unsent;
    bool stuck = now - c->stall_ms > HTTP_IDLE_MS;
    if (stuck || (c->mode == MODE_SNIFF && now - c->since_ms > HTTP_HEAD_MS)) {
        c->srv->stats.bad_conns++;
        conn_close(c->conn);
    } else if (c->mode == MODE_H1) {
        http_h1_tick(c, now);
    } else if (c->mode == MODE_WS) {
        http_ws_tick(c, now);
    }
}

static void on_tick(void *ctx)
{
    HttpServer *s = ctx;
    uint64_t now = loop_now(s->loop);
    for (HttpConn *c = s->conns, *next; c; c = next) {
        next = c->next;
        tick_conn(c, now);
    }
    for (HttpReq *r = s->live, *next; r; r = next) {
        next = r->next;
        http_req_tick(r, now);
    }
}

/* ---- start and end ---- */

ErrCode http_server_start(Loop *l, const HttpServerConfig *cfg, HttpServer **ret, Error *err)
{
    HttpServer *s = xnew(HttpServer);
    s->loop = l;
    s->cfg = *cfg;
    s->cfg.addr = NULL; /* the caller's, used here only */
    s->refs = 1;
    if (!s->cfg.body_limit)
        s->cfg.body_limit = LIMIT_HTTP_BODY;
    if (!s->cfg.max_conns)
        s->cfg.max_conns = DEFAULT_MAX_CONNS;
    s->per_ip = map_new();
    ErrCode rc = cfg->adopt_fd > 0
                     ? listener_adopt(l, cfg->adopt_fd, on_accept, s, &s->listener, err)
                     : listener_open(l, cfg->addr, on_accept, s, &s->listener, err);
    if (rc) {
        http_server_unref(s);
        return rc;
    }
    s->tick = timer_start(l, TICK_MS, TICK_MS, on_tick, s);
    *ret = s;
    return ERR_OK;
}

int http_server_port(const HttpServer *s)
{
    return listener_port(s->listener);
}

const HttpServerStats *http_server_stats(const HttpServer *s)
{
    return &s->stats;
}

static void close_conn(HttpConn *c)
{
    if (c->mode == MODE_H2) {
        h2_close(c->h2);
    } else {
        c->mode = MODE_ENDING;
        conn_close(c->conn);
        http_ws_closed(c);
    }
}

static void on_grace_over(void *ctx)
{
    HttpServer *s = ctx;
    for (HttpConn *c = s->conns; c; c = c->next)
        close_conn(c);
}

static void wind_down(HttpConn *c)
{
    switch (c->mode) {
    case MODE_H1:
        http_h1_wind_down(c);
        break;
    case MODE_H2:
        h2_drain_notice(c->h2);
        h2_drain(c->h2);
        break;
    case MODE_WS:
        http_ws_wind_down(c);
        break;
    case MODE_OPENING:
    case MODE_SNIFF:
        conn_close(c->conn);
        break;
    case MODE_ENDING:
        break;
    }
}

static void check_drained(void *ctx)
{
    HttpServer *s = ctx;
    maybe_drained(s);
    http_server_unref(s);
}

void http_server_drain(HttpServer *s, uint64_t grace_ms, void (*done)(void *), void *ctx)
{
    if (s->draining)
        return;
    s->draining = true;
    s->drained = done;
    s->drained_ctx = ctx;
    listener_close(s->listener);
    s->listener = NULL;
    s->grace = timer_start(s->loop, grace_ms, 0, on_grace_over, s);
    for (HttpConn *c = s->conns; c; c = c->next)
        wind_down(c);
    s->refs++;
    loop_defer(s->loop, check_drained, s);
}

void http_server_free(HttpServer *s)
{
    if (!s || s->freed)
        return;
    s->freed = true;
    s->next_ended = ended;
    ended = s;
    listener_close(s->listener);
    s->listener = NULL;
    timer_stop(s->tick);
    timer_stop(s->grace);
    s->grace = NULL;
    for (HttpReq *r = s->live, *next; r; r = next) {
        next = r->next;
        http_req_gone(r);
    }
    for (HttpConn *c = s->conns; c; c = c->next)
        close_conn(c);
    http_server_unref(s);
}
