/* grpc/stream_priv.h - one call, as both ends know it.
 *
 * A GrpcStream is on the list of its owner (a connection of the server, or the channel) until it
 * ended; ending calls the user's on_end, exactly once, and lets go of the H2Stream. References keep
 * the memory while something further up the stack still looks at it. */
#pragma once
#include "core/vec.h"
#include "grpc/frame.h"
#include "grpc/server.h"
#include "loop/loop.h"
#include "net/h2.h"

/* What differs between the ends. */
typedef struct StreamRole {
    void (*on_message)(GrpcStream *s, StrView msg);
    void (*on_half_close)(GrpcStream *s); /* every message was delivered */
    void (*on_drain)(GrpcStream *s);
    /* The call broke: bad bytes, deadline, cancelled. Tell the peer and see that it ends. */
    void (*fail)(GrpcStream *s, GrpcCode code, const char *message);
    void (*on_end)(GrpcStream *s); /* tell the user: code and message are set */
} StreamRole;

typedef struct StreamList {
    GrpcStream *first;
    size_t n;
} StreamList;

typedef struct MetaItem {
    char *name;
    StrView value; /* behind the name, in the same block */
    bool trailing; /* of the answer of a server */
} MetaItem;
typedef VEC(MetaItem) MetaList;

struct GrpcStream {
    const StreamRole *role;
    Loop *loop;
    StreamList *list;
    GrpcStream *prev, *next;
    H2Stream *h2; /* NULL: not started yet, or over */
    void *owner;  /* GrpcConn or GrpcChannel */
    const void *handler;
    void *ctx, *data;
    const char *path;
    GrpcServerStats *stats; /* NULL on a client */
    MetaList meta;
    GrpcFramer framer;
    StrBuf held;       /* came while paused; its window is still closed */
    uint64_t deadline; /* loop time; 0: none */
    Timer *timer;
    StrBuf early; /* client: framed messages from before the link was up */
    size_t early_n;
    MetaList sent_meta; /* client: with the call; server: with the answer */
    char *path_copy;    /* client */
    char *message;
    GrpcCode code;
    unsigned refs;
    bool paused, delivering, half_closed, half_close_told;
    bool headers_sent, sent_end, has_status, broken, ended, end_due;
};

GrpcStream *call_new(const StreamRole *role, Loop *l, StreamList *list, size_t max_message);
void call_ref(GrpcStream *s);
void call_unref(GrpcStream *s);
/* The end: off the list, on_end, timer and H2Stream let go (not reset). Once; later calls do
 * nothing. */
void call_end(GrpcStream *s);
/* The same in a later turn, for ends that begin inside a call of the user's. */
void call_end_later(GrpcStream *s);
/* Note how it will end, unless that is known already. */
void call_verdict(GrpcStream *s, GrpcCode code, const char *message);
void call_set_deadline(GrpcStream *s, uint64_t timeout_ms); /* UINT64_MAX: none */

bool call_queue_full(const GrpcStream *s);
void call_take_data(GrpcStream *s, const char *p, size_t n);
void call_take_half_close(GrpcStream *s);
/* Keep the application's metadata of a header block. */
void call_take_meta(GrpcStream *s, const H2Headers *h);
typedef VEC(H2Field) FieldList;
/* Append metadata as it goes on the wire, in memory of `a`. */
void call_add_meta_field(Arena *a, FieldList *f, const char *name, StrView value);
void call_add_field(FieldList *f, const char *name, StrView value);
