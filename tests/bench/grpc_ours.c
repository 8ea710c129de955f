/* Our side of the gRPC bench: the same service as grpc_peer.cc, on src/lib/grpc.
 * grpc_ours [CERT KEY]: listens on a free port of 127.0.0.1, says "port N". */
#include "bench.pb-c.h"
#include "codec/pbarena.h"
#include "core/file.h"
#include "grpc/server.h"
#include <stdio.h>
#include <stdlib.h>

static Arena *message_arena;

static void on_message(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx;
    ProtobufCAllocator alloc = pb_arena(message_arena);
    Bench__SatMsg *m = bench__sat_msg__unpack(&alloc, msg.n, (const uint8_t *)msg.p);
    uint8_t out[1024];
    Error err;
    if (!m || bench__sat_msg__get_packed_size(m) > sizeof out) {
        grpc_stream_finish(s, GRPC_INVALID_ARGUMENT, "not a SatMsg of this bench");
        return;
    }
    m->seq++;
    size_t n = bench__sat_msg__pack(m, out);
    if (grpc_stream_send(s, sv_n((char *)out, n), &err))
        grpc_stream_finish(s, GRPC_RESOURCE_EXHAUSTED, err.msg);
    arena_reset(message_arena);
}

static void on_half_close(void *ctx, GrpcStream *s)
{
    (void)ctx;
    grpc_stream_finish(s, GRPC_OK, NULL);
}

static void fail(const Error *err)
{
    fprintf(stderr, "grpc_ours: %s\n", err->msg);
    exit(1);
}

int main(int argc, char **argv)
{
    static const char *const alpn[] = {"h2", NULL};
    static const GrpcMethod methods[] = {
        {"/bench.Bench/Chat", {.on_message = on_message, .on_half_close = on_half_close}, NULL},
        {NULL, {0}, NULL},
    };
    AUTO_ARENA a = arena_new();
    Error err;
    StrView cert, key;
    TlsCtx *tls = NULL;
    message_arena = arena_new();
    if (argc > 2 &&
        (file_read(a, argv[1], 1 << 20, &cert, &err) ||
         file_read(a, argv[2], 1 << 20, &key, &err) ||
         tls_server_new(&(TlsConfig){.cert_pem = cert.p, .key_pem = key.p, .alpn = alpn}, &tls,
                        &err)))
        fail(&err);
    Loop *loop = loop_new();
    GrpcServer *server;
    GrpcServerConfig cfg = {.addr = "127.0.0.1:0", .tls = tls, .methods = methods};
    if (grpc_server_start(loop, &cfg, &server, &err))
        fail(&err);
    printf("port %d\n", grpc_server_port(server));
    fflush(stdout);
    loop_run(loop);
    return 0;
}
