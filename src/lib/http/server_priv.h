/* http/server_priv.h - inside of the HTTP server: the server, its connections, one request.
 *
 * server.c accepts and keeps time; server_h1.c, server_h2.c and server_ws.c each drive one kind of
 * connection; request.c is the request object that both h1 and h2 fill. A transport is a row of
 * functions. Objects that others may still hold at the end of a turn are buried, not freed: the
 * server frees the buried in a turn of its own. */
#pragma once
#include "core/map.h"
#include "core/vec.h"
#include "http/server.h"
#include "http/url.h"
#include "net/conn.h"
#include "net/h1.h"
#include "net/h2.h"
#include "net/ws.h"

enum {
    HTTP_HEAD_MS = 10 * 1000,  /* from the first byte (or the accept) to the end of the head */
    HTTP_IDLE_MS = 75 * 1000,  /* between requests */
    HTTP_BODY_GRACE_MS = 5000, /* then a body must bring 1 KiB/s on average */
    HTTP_BODY_RATE = 1024,
    HTTP_CONN_REQUESTS = 1024,
    HTTP_PIPELINE = 64 * 1024, /* read ahead while a request is being answered */
    HTTP_WS_PING_MS = 30 * 1000,
    HTTP_WS_PONG_MS = 20 * 1000,
    HTTP_WS_UNSENT = 4 * 1024 * 1024,
    HTTP_REQUEST_ID = 64,
    HTTP_DROP = 8 * 1024 * 1024, /* of a body that is too large, read and forgotten on HTTP/2 */
};

typedef struct HttpConn HttpConn;
typedef struct HttpHeader {
    const char *name, *value;
} HttpHeader;

/* How an answer leaves, by protocol. `last`: nothing follows. */
typedef struct HttpTransport {
    void (*head)(HttpReq *r, int status, StrView body, bool last);
    void (*data)(HttpReq *r, StrView data);
    void (*end)(HttpReq *r); /* of a streamed answer */
    size_t (*unsent)(const HttpReq *r);
} HttpTransport;

struct HttpReq {
    HttpServer *srv;
    HttpConn *conn;        /* NULL once the client is gone */
    HttpReq *next, **link; /* in srv->live, then in srv->buried */
    const HttpTransport *transport;
    H2Stream *h2;
    Arena *arena;
    const char *method, *path, *path_raw, *query_raw, *authority;
    const char *peer;
    char request_id[HTTP_REQUEST_ID + 1];
    HttpHeader *headers;
    size_t n_headers;
    const UrlPair *query;
    size_t n_query;
    StrBuf body;
    size_t body_limit;
    size_t dropped; /* bytes of a body that is too large */
    uint64_t started_ms, body_ms;
    VEC(HttpHeader) reply;
    void (*on_gone)(void *ctx);
    void *gone_ctx;
    void (*on_drain)(void *ctx);
    void *drain_ctx;
    void *data;
    bool head_only, handled, begun, answered, keep_alive, is_tls, wants_upgrade;
    bool one_zero; /* HTTP/1.0: no chunks */
};

typedef enum HttpMode { MODE_OPENING, MODE_SNIFF, MODE_H1, MODE_H2, MODE_WS, MODE_ENDING } HttpMode;

struct HttpConn {
    HttpServer *srv;
    HttpConn *next, **link;
    Conn *conn;
    HttpMode mode;
    char peer[64], ip[64];
    uint64_t since_ms;              /* idle since then */
    uint64_t head_ms;               /* the head under way began then; 0: none */
    uint64_t stall_ms, last_unsent; /* the peer takes nothing since then */
    unsigned requests;
    /* h1 */
    H1 *h1;
    StrBuf in;    /* read ahead */
    HttpReq *req; /* being read or answered */
    bool body_done, pumping, paused;
    bool last; /* close after the answer under way */
    H2 *h2;
    HttpWs *ws;
};

struct HttpServer {
    Loop *loop;
    HttpServerConfig cfg;
    Listener *listener;
    HttpConn *conns;
    HttpReq *live, *buried;
    unsigned refs; /* ours, of each connection, of each request */
    Timer *tick, *undertaker, *grace;
    Map *per_ip; /* ip -> count, as a number in the pointer */
    HttpServerStats stats;
    void (*drained)(void *ctx);
    void *drained_ctx;
    bool draining, freed;
    HttpServer *next_ended;
};

/* server.c */
void http_conn_forget(HttpConn *c); /* its Conn is gone */
void http_conn_write(HttpConn *c, const void *p, size_t n);
void http_server_unref(HttpServer *s);
void http_server_undertake(HttpServer *s); /* free the buried in a turn of its own */

/* request.c */
HttpReq *http_req_new(HttpConn *c, const HttpTransport *t);
/* The target and the fields are in: decode, find the body limit, the id. False: answered already.
 */
bool http_req_accept(HttpReq *r, StrView target);
void http_req_name(HttpReq *r); /* settle the request id */
/* More body; false: it is larger than the limit now, and http_req_too_large is next. */
bool http_req_body(HttpReq *r, const char *p, size_t n);
void http_req_too_large(HttpReq *r); /* answers 413 */
void http_req_handle(HttpReq *r);    /* complete: to the handler */
void http_req_refuse(HttpReq *r, int status, const char *reason);
void http_req_gone(HttpReq *r);               /* the client went away */
void http_req_bury(HttpReq *r);               /* answered and sent */
void http_req_tick(HttpReq *r, uint64_t now); /* a body that crawls is refused with 408 */
const char *http_status_text(int status);
const char *http_date(void); /* of now, for the Date field */
bool http_status_has_body(int status);

/* server_h1.c */
void http_h1_start(HttpConn *c, StrView first);
void http_h1_read(HttpConn *c, StrView data);
void http_h1_eof(HttpConn *c);
void http_h1_drained(HttpConn *c);
void http_h1_tick(HttpConn *c, uint64_t now);
void http_h1_flushed(HttpConn *c); /* the answer has left: the next request */
void http_h1_closed(HttpConn *c);
void http_h1_wind_down(HttpConn *c); /* close now when idle, else after the answer */

/* server_h2.c */
void http_h2_start(HttpConn *c, StrView first);
void http_h2_tick(HttpConn *c, uint64_t now);

/* server_ws.c */
bool http_ws_wanted(const HttpReq *r);
/* NULL when the upgrade is proper, else the reason; *ret_status is its status. */
const char *http_ws_check(const HttpReq *r, int *ret_status);
void http_ws_read(HttpConn *c, StrView data);
void http_ws_flushed(HttpConn *c); /* feeds what was read ahead */
void http_ws_tick(HttpConn *c, uint64_t now);
void http_ws_closed(HttpConn *c);
void http_ws_wind_down(HttpConn *c);
