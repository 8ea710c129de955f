/* http/server.h - HTTP/1.1, HTTP/2 and WebSocket on one port, one request object, one handler.
 *
 * The protocol is chosen by ALPN, or without TLS by the first bytes. The whole body is read (up to
 * the limit) before the handler runs. A request is answered exactly once, now or in a later turn
 * (http_reply, http_reply_err, http_reply_end, http_ws_accept); it and its arena stay until the end
 * of the turn in which that happens. When the client goes away first: with http_on_gone set, fn is
 * called and the request ends there, unanswered; without, the request stays until it is answered,
 * and the answer goes nowhere. What is no proper request never reaches the handler: it is answered
 * by the server (400, 408, 413, 414, 417, 431, 505) in the JSON error shape. */
#pragma once
#include "core/str.h"
#include "loop/loop.h"
#include "net/tls.h"

typedef struct HttpServer HttpServer;
typedef struct HttpReq HttpReq;
typedef struct HttpWs HttpWs;

typedef struct HttpServerConfig {
    const char *addr;          /* "127.0.0.1:8080", ":8080" */
    int adopt_fd;              /* > 0: take this listening descriptor instead of opening addr */
    TlsCtx *tls;               /* NULL: plain */
    size_t body_limit;         /* 0: LIMIT_HTTP_BODY */
    unsigned max_conns;        /* 0: 10,000 */
    unsigned max_conns_per_ip; /* 0: no limit of its own */
    void (*handler)(void *ctx, HttpReq *r);
    /* A request body larger than body_limit, or one to be streamed: return the limit for this path.
     * May be NULL. */
    size_t (*body_limit_for)(void *ctx, const char *method, const char *path);
    void *ctx;
} HttpServerConfig;

typedef struct HttpServerStats {
    uint64_t conns_open, conns_total, requests, bytes_in, bytes_out, ws_open;
    uint64_t bad_requests; /* refused by the server itself */
    uint64_t bad_conns;    /* ended by something that is neither TLS nor HTTP/2, or by a timeout */
} HttpServerStats;

ErrCode http_server_start(Loop *l, const HttpServerConfig *cfg, HttpServer **ret,
                          Error *err) MUST_USE;
int http_server_port(const HttpServer *s);
const HttpServerStats *http_server_stats(const HttpServer *s);
/* Stop accepting, let requests end, then close; done may be NULL. */
void http_server_drain(HttpServer *s, uint64_t grace_ms, void (*done)(void *ctx), void *ctx);
void http_server_free(HttpServer *s);

/* ---- the request ---- */
Arena *http_arena(HttpReq *r);
const char *http_method(const HttpReq *r);
const char *http_path(const HttpReq *r);      /* decoded once, no "..", always starts with '/' */
const char *http_path_raw(const HttpReq *r);  /* undecoded, without the query: for the router */
const char *http_query_raw(const HttpReq *r); /* behind '?', undecoded; "" when none */
/* Decoded value of a query parameter (the first), or NULL. */
const char *http_query(HttpReq *r, const char *name);
/* All of them: for (size_t i = 0; http_query_at(r, i, &name, &value); i++) */
bool http_query_at(HttpReq *r, size_t i, const char **name, const char **value);
const char *http_header(const HttpReq *r, const char *name); /* NULL when absent */
StrView http_body(const HttpReq *r);
const char *http_peer(const HttpReq *r); /* "192.0.2.7:4711" */
/* The client's X-Request-Id when it is 8 to 64 plain characters, else a fresh one; the answer
 * carries it too. */
const char *http_request_id(const HttpReq *r);
const char *http_peer_cert(HttpReq *r); /* PEM of a verified client certificate, or NULL */
bool http_is_tls(const HttpReq *r);
void http_set_data(HttpReq *r, void *data); /* one pointer of the handler's own */
void *http_data(const HttpReq *r);
void http_on_gone(HttpReq *r, void (*fn)(void *ctx), void *ctx);

/* ---- the answer ---- */
void http_reply_header(HttpReq *r, const char *name,
                       const char *value); /* before http_reply; CR and LF are dropped */
/* Content-Length and Date are added. body is copied. */
void http_reply(HttpReq *r, int status, const char *content_type, StrView body);
/* The JSON error shape, its status by ERR_CODES. */
void http_reply_err(HttpReq *r, const Error *err);
/* The same with members of your own behind "message", e.g. "\"fields\":[...]"; more may be NULL. */
void http_reply_err_with(HttpReq *r, int status, const Error *err, const char *more);
/* Streaming: begin, any number of chunks (flow-controlled; http_chunk_unsent tells), end. Chunked
 * on 1.1, DATA on 2. */
void http_reply_begin(HttpReq *r, int status, const char *content_type);
void http_reply_chunk(HttpReq *r, const void *p, size_t n);
size_t http_chunk_unsent(const HttpReq *r);
/* fn is called whenever the unsent bytes of a streamed answer have drained. */
void http_on_drain(HttpReq *r, void (*fn)(void *ctx), void *ctx);
void http_reply_end(HttpReq *r);

/* ---- WebSocket (RFC 6455), on HTTP/1.1 ---- */
bool http_is_ws(const HttpReq *r);
typedef struct HttpWsEvents {
    void (*on_message)(void *ctx, const char *text, size_t n,
                       bool binary); /* at most LIMIT_WS_MESSAGE */
    void (*on_close)(void *ctx);     /* exactly once; the HttpWs is gone afterwards */
} HttpWsEvents;
/* Answers 101 and ends the request; only when http_is_ws. subprotocol may be NULL. NULL when the
 * client is gone already. A pong is expected for the ping of every 30 s. */
HttpWs *http_ws_accept(HttpReq *r, const char *subprotocol, const HttpWsEvents *ev, void *ctx);
void http_ws_send(HttpWs *w, const void *p, size_t n, bool binary);
size_t http_ws_unsent(const HttpWs *w); /* over 1 MiB: stop sending, mark for resync; over 4 MiB it
                                           is closed with 1013 */
void http_ws_close(HttpWs *w, int code, const char *reason);
