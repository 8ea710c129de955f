/* grpc/client.h - gRPC channel: one HTTP/2 connection that is dialled on demand, unary calls and
 * streams over it.
 *
 * The channel does not retry: a call on a broken link ends UNAVAILABLE and the owner decides
 * (core/clock.h Backoff). */
#pragma once
#include "grpc/grpc.h"
#include "grpc/server.h" /* GrpcStream and its functions */

typedef struct GrpcChannel GrpcChannel;
typedef struct GrpcChannelConfig {
    const char *target;          /* "host:port" or "unix:/path" */
    TlsCtx *tls;                 /* NULL: plaintext */
    const char *server_name;     /* for SNI and name check; NULL: the host of target */
    uint64_t connect_timeout_ms; /* 0: 5,000 */
    uint64_t keepalive_ms;       /* PING after so much silence; 0: 30,000; 20 s to answer */
    size_t max_message;
} GrpcChannelConfig;

GrpcChannel *grpc_channel_new(Loop *l, const GrpcChannelConfig *cfg);
/* Every call ends first, with CANCELLED, from inside. */
void grpc_channel_free(GrpcChannel *c);

typedef struct GrpcCallSpec {
    const char *path;
    const GrpcMeta *meta; /* ends with name NULL; may be NULL */
    uint64_t timeout_ms;  /* 0: none */
} GrpcCallSpec;

/* code GRPC_OK: reply is set and valid inside only. Otherwise message is the server's sentence or
 * ours. Called once. */
typedef void (*GrpcUnaryFn)(void *ctx, GrpcCode code, const char *message, StrView reply);
/* The stream is gone after done. Cancel with grpc_stream_cancel: done then comes with CANCELLED. */
GrpcStream *grpc_unary(GrpcChannel *c, const GrpcCallSpec *spec, StrView request, GrpcUnaryFn done,
                       void *ctx);

typedef struct GrpcClientHandler {
    void (*on_headers)(void *ctx, GrpcStream *s); /* the server accepted the stream; may be NULL */
    void (*on_message)(void *ctx, GrpcStream *s, StrView msg);
    void (*on_drain)(void *ctx, GrpcStream *s); /* may be NULL */
    void (*on_end)(void *ctx, GrpcStream *s, GrpcCode code,
                   const char *message); /* exactly once; the stream is gone */
} GrpcClientHandler;
GrpcStream *grpc_open(GrpcChannel *c, const GrpcCallSpec *spec, const GrpcClientHandler *h,
                      void *ctx);
void grpc_stream_half_close(GrpcStream *s); /* client: we send no more */
