/* net/h2_priv.h - inside of a session: h2.c (session and what arrives), h2_stream.c (what is sent
 * on a stream), h2_conn.c (a session on a Conn). */
#pragma once
#include "core/vec.h"
#include "net/h2.h"
#include <nghttp2/nghttp2.h>

/* One h2_send, in one block. */
typedef struct Piece {
    struct Piece *next;
    size_t n, done;
    char data[];
} Piece;

typedef struct FieldAt {
    uint32_t name, name_n, value, value_n; /* offsets into HeaderBlock.text */
} FieldAt;

/* The header block that is arriving; blocks of one session never interleave. */
typedef struct HeaderBlock {
    StrBuf text;
    VEC(FieldAt) fields;
    size_t listed; /* name + value + 32 each, of all, kept or not */
    bool too_large;
} HeaderBlock;

struct H2Stream {
    H2 *h;
    H2Stream *prev, *next;
    void *data;
    Piece *head, *tail;
    size_t unsent, queued;
    size_t unconsumed; /* came in on_data, not given back yet */
    nghttp2_nv *trailers;
    size_t trailers_n;
    int32_t id;
    bool announced;    /* the user knows it, so on_close is due */
    bool deferred;     /* nghttp2 waits for resume_data */
    bool ending;       /* nothing is queued behind what is queued */
    bool ended;        /* END_STREAM is with nghttp2 */
    bool remote_ended; /* the peer's END_STREAM was seen */
    bool resetting;    /* by us, on purpose */
    bool answered;     /* client: the final response headers came */
    bool refused;      /* client: never left, as the peer takes no more */
    bool to_drain;     /* on_drain is due once the queue is empty */
};

struct H2 {
    nghttp2_session *ng;
    H2Events ev;
    void *ctx;
    void (*wake)(void *ctx);
    void *wake_ctx;
    Conn *conn;
    H2Config cfg;
    H2Stream *streams;
    size_t stream_count;
    HeaderBlock block;
    H2Stats stats;
    Error *err; /* why we ended it */
    /* Times are the caller's milliseconds. */
    uint64_t now, last_in, ping_sent, last_ping_in, resets_since;
    unsigned ping_strikes, resets_out;
    StrBuf first; /* bytes that came before h2_attach, to be eaten in the next turn */
    bool ping_open, killed, goaway_out, dead;
};

void h2_wake(H2 *h);
nghttp2_nv *h2_nv(const H2Field *f, size_t n); /* views; free() it */
nghttp2_data_provider h2_provider(H2Stream *s);
void h2_stream_sent(H2Stream *s, const nghttp2_frame *frame);
H2Stream *h2_stream_new(H2 *h, int32_t id);
void h2_stream_drop(H2Stream *s, int h2_error); /* on_close, unlink, free */
/* Hand what nghttp2 has to send to sink, until about `most` bytes. */
void h2_pump(H2 *h, size_t most, void (*sink)(void *arg, const void *p, size_t n), void *arg);
bool h2_over(const H2 *h);
