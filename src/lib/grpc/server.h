/* grpc/server.h - gRPC server on net/h2: unary and streaming methods, deadlines, cancellation,
 * keepalive, drain.
 *
 * Methods are rows of a table; an unknown one answers UNIMPLEMENTED. Messages are bytes here:
 * packing is the caller's (see wire/). grpc.health.v1.Health (Check and Watch) is built in. */
#pragma once
#include "grpc/grpc.h"
#include "loop/loop.h"
#include "net/tls.h"

typedef struct GrpcServer GrpcServer;
typedef struct GrpcStream GrpcStream; /* one call, of either end */

typedef struct GrpcHandler {
    /* All may be NULL. After on_end no other callback of this stream comes and the GrpcStream is
     * gone. */
    void (*on_open)(
        void *ctx,
        GrpcStream *s); /* headers are there; set a pointer of your own with grpc_stream_set_data */
    void (*on_message)(void *ctx, GrpcStream *s, StrView msg); /* msg valid inside only */
    void (*on_half_close)(void *ctx, GrpcStream *s);           /* the client sends no more */
    void (*on_drain)(void *ctx, GrpcStream *s);                /* the send queue became empty */
    void (*on_end)(
        void *ctx, GrpcStream *s,
        GrpcCode code); /* CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE (link lost), or ours */
} GrpcHandler;

typedef struct GrpcMethod {
    const char *path; /* "/pgswarm.v1.RegistrationService/Register" */
    GrpcHandler handler;
    void *ctx;
} GrpcMethod;

typedef struct GrpcServerConfig {
    const char *addr;
    int adopt_fd;
    TlsCtx *tls;               /* NULL: plaintext h2c with prior knowledge */
    const GrpcMethod *methods; /* ends with path NULL; kept, not copied */
    size_t max_message;        /* 0: LIMIT_GRPC_MESSAGE */
    uint64_t min_ping_ms;      /* clients may ping no faster; 0: 10,000 */
    uint64_t keepalive_ms;     /* PING after so much silence; 0: 30,000; 20 s to answer */
    unsigned max_conns;        /* 0: 10,000 */
} GrpcServerConfig;

typedef struct GrpcServerStats {
    uint64_t conns_open, streams_open, streams_total, messages_in, messages_out, bad_frames;
} GrpcServerStats;

ErrCode grpc_server_start(Loop *l, const GrpcServerConfig *cfg, GrpcServer **ret,
                          Error *err) MUST_USE;
int grpc_server_port(const GrpcServer *s);
const GrpcServerStats *grpc_server_stats(const GrpcServer *s);
void grpc_server_set_serving(GrpcServer *s, const char *service,
                             bool serving); /* "" = the whole server */
/* GOAWAY twice, no new streams, long streams end with UNAVAILABLE spread over grace_ms; done may be
 * NULL. */
void grpc_server_drain(GrpcServer *s, uint64_t grace_ms, void (*done)(void *ctx), void *ctx);
/* Every call ends first, with UNAVAILABLE, from inside; then the links are cut. */
void grpc_server_free(GrpcServer *s);

/* ---- one stream, of either end ---- */
void grpc_stream_set_data(GrpcStream *s, void *data);
void *grpc_stream_data(const GrpcStream *s);
const char *grpc_stream_peer(const GrpcStream *s);
const char *
grpc_stream_peer_cert(GrpcStream *s); /* PEM of the verified client certificate, or NULL */
const char *grpc_stream_path(const GrpcStream *s);
/* First metadata value of that name (lower case), or {NULL,0}. -bin values are decoded. */
StrView grpc_stream_meta(const GrpcStream *s, const char *name);
uint64_t grpc_stream_time_left_ms(const GrpcStream *s); /* UINT64_MAX: no deadline */
/* Queue one message. ERR_EXHAUSTED when LIMIT_GRPC_QUEUE messages or LIMIT_GRPC_MESSAGE bytes wait
 * already. */
ErrCode grpc_stream_send(GrpcStream *s, StrView msg, Error *err);
/* Server: answer with headers now, so that the client knows it is let in; else they go out with the
 * first message. */
void grpc_stream_accept(GrpcStream *s);
/* Server: metadata for the answer, before it begins: name and value of one are copied. `trailing`:
 * it comes with the status. */
void grpc_stream_reply_meta(GrpcStream *s, GrpcMeta meta, bool trailing);
size_t grpc_stream_queued(const GrpcStream *s); /* messages */
/* Backpressure: while paused, no on_message comes and the peer's window closes. */
void grpc_stream_pause(GrpcStream *s);
void grpc_stream_resume(GrpcStream *s);
/* Server: end the call with this status after what is queued; message may be NULL; on_end follows
 * in a later turn. RESOURCE_EXHAUSTED with a full queue drops the queue and ends at once: that
 * client does not read. */
void grpc_stream_finish(GrpcStream *s, GrpcCode code, const char *message);
/* Either end: end it at once (RST_STREAM CANCEL). */
void grpc_stream_cancel(GrpcStream *s);
