/* net/h2.h - one HTTP/2 session, server or client, on nghttp2: what http/server and both ends of
 * grpc stand on.
 *
 * h2_attach takes a Conn over and drives it: bytes, gathering, back pressure, closing. Underneath
 * it is free of I/O (h2_new, h2_recv, h2_pull), which tests and the fuzzer use. No event comes from
 * inside a function called here, except from h2_recv and h2_pull. Sending copies. Receiving is
 * flow-controlled by hand: every byte of on_data must be given back by h2_consume, or the peer's
 * window closes. A server that ends its answer first has the rest of the request reset with
 * NO_ERROR, after its last frame has gone out. */
#pragma once
#include "core/str.h"
#include "net/conn.h"

typedef struct H2 H2;
typedef struct H2Stream H2Stream;

/* RFC 9113 section 7; the ones that code names. */
enum {
    H2_NO_ERROR = 0,
    H2_PROTOCOL_ERROR = 1,
    H2_INTERNAL_ERROR = 2,
    H2_FLOW_CONTROL_ERROR = 3,
    H2_SETTINGS_TIMEOUT = 4,
    H2_FRAME_SIZE_ERROR = 6,
    H2_REFUSED_STREAM = 7,
    H2_CANCEL = 8,
    H2_COMPRESSION_ERROR = 9,
    H2_CONNECT_ERROR = 10,
    H2_ENHANCE_YOUR_CALM = 11,
    H2_INADEQUATE_SECURITY = 12,
    H2_LINK_LOST = -1, /* ours: the connection went away under the stream */
};

typedef struct H2Field {
    StrView name, value; /* name in lower case; ":method" and its like are fields too */
} H2Field;
typedef struct H2Headers {
    const H2Field *at;
    size_t n;
    bool too_large; /* more than header_limit came; what is here is the beginning */
} H2Headers;
/* First value of that name, or {NULL,0}. */
StrView h2_header(const H2Headers *h, const char *name);

typedef enum H2Block { H2_REQUEST, H2_RESPONSE, H2_TRAILERS } H2Block;

/* Only on_close and on_end are required. Headers and data are valid inside the call only. */
typedef struct H2Events {
    /* Interim (1xx) responses are dropped. `end`: nothing follows; on_half_close comes as well. */
    void (*on_headers)(void *ctx, H2Stream *s, H2Block block, const H2Headers *h, bool end);
    void (*on_data)(void *ctx, H2Stream *s, const char *p, size_t n);
    void (*on_half_close)(void *ctx, H2Stream *s); /* the peer sends no more */
    void (*on_drain)(void *ctx, H2Stream *s);      /* the send queue became empty */
    /* Exactly once; the H2Stream is gone afterwards. H2_NO_ERROR: both sides ended. */
    void (*on_close)(void *ctx, H2Stream *s, int h2_error);
    void (*on_goaway)(void *ctx, int h2_error, StrView debug); /* the peer takes no new streams */
    /* Exactly once, after every on_close: the connection is closed and the H2 gone. err NULL:
     * orderly. Only of an attached session. */
    void (*on_end)(void *ctx, const Error *err);
    void (*on_bad_frame)(void *ctx); /* the peer broke the protocol: for statistics */
} H2Events;

typedef struct H2Config {
    bool client;
    uint32_t max_streams;          /* the peer may have open at once; 0: 100 */
    uint32_t stream_window;        /* 0: 256 KiB */
    uint32_t conn_window;          /* 0: 1 MiB */
    size_t header_limit;           /* name + value + 32 each; 0: LIMIT_HTTP_HEADERS */
    uint64_t min_ping_ms;          /* a peer that pings faster is sent away; 0: not policed */
    uint64_t keepalive_ms;         /* PING after so much silence; 0: 30,000 */
    uint64_t keepalive_timeout_ms; /* to answer it; 0: 20,000 */
} H2Config;

typedef struct H2Stats {
    uint64_t bad_frames, pings_in, resets_in;
} H2Stats;

/* ---- the session ---- */

/* c must be open (on_open came). first: bytes already read from it, or {NULL,0}. */
H2 *h2_attach(Conn *c, const H2Config *cfg, const H2Events *ev, void *ctx, StrView first);
Conn *h2_conn(const H2 *h); /* NULL when not attached */
/* Keepalive and its verdict; the owner calls it about once a second for every session it has. */
void h2_tick(H2 *h, uint64_t now_ms);
bool h2_takes_streams(const H2 *h); /* client: h2_request will work */
size_t h2_stream_count(const H2 *h);
/* First GOAWAY of a drain: open no more, please; streams that come nevertheless are served. */
void h2_drain_notice(H2 *h);
/* Second GOAWAY: later streams are refused; the connection closes when the last one ended. */
void h2_drain(H2 *h);
/* GOAWAY with this code and debug text, flushed, then closed. */
void h2_kill(H2 *h, int h2_error, const char *debug);
void h2_close(H2 *h); /* at once */
const H2Stats *h2_stats(const H2 *h);

/* Without a Conn: wake (may be NULL) tells that h2_pull has something to say. */
H2 *h2_new(const H2Config *cfg, const H2Events *ev, void *ctx, void (*wake)(void *ctx));
/* ERR_MALFORMED when the session is beyond saving; h2_pull still has the GOAWAY to send. */
ErrCode h2_recv(H2 *h, const char *p, size_t n, uint64_t now_ms, Error *err) MUST_USE;
/* Append what there is to send to *out, about `most` bytes of it. False: the session is over. */
bool h2_pull(H2 *h, StrBuf *out, size_t most);
void h2_free(H2 *h); /* on_close of every stream first; only of a session made by h2_new */

/* ---- one stream ---- */

/* Client. NULL when !h2_takes_streams. More than the peer allows at once wait inside. */
H2Stream *h2_request(H2 *h, const H2Field *f, size_t n, bool end);
/* Server: the answer's headers, once. `end`: no body and no trailers. */
void h2_respond(H2Stream *s, const H2Field *f, size_t n, bool end);
/* Queue one piece of body, made of two parts; it counts as one in h2_queued. */
void h2_send(H2Stream *s, StrView head, StrView body);
void h2_send_end(H2Stream *s);                                  /* after what is queued */
void h2_send_trailers(H2Stream *s, const H2Field *f, size_t n); /* after what is queued; ends it */
size_t h2_unsent(const H2Stream *s);                            /* bytes */
size_t h2_queued(const H2Stream *s);                            /* pieces */
void h2_consume(H2Stream *s, size_t n);
void h2_reset(H2Stream *s, int h2_error); /* on_close follows */

void h2_stream_set_data(H2Stream *s, void *data);
void *h2_stream_data(const H2Stream *s);
H2 *h2_stream_session(const H2Stream *s);
int32_t h2_stream_id(const H2Stream *s);
