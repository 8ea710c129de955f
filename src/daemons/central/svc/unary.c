#include "svc/unary.h"

void unary_open(GrpcStream *s, void *ctx, void (*handle)(Unary *u))
{
    Arena *a = arena_new();
    Unary *u = arena_new_of(a, Unary);
    *u = (Unary){.s = s, .arena = a, .ctx = ctx, .handle = handle};
    grpc_stream_set_data(s, u);
}

void unary_message(void *ctx, GrpcStream *s, StrView msg)
{
    Unary *u = grpc_stream_data(s);
    (void)ctx;
    if (u->asked) {
        grpc_stream_finish(s, GRPC_INVALID_ARGUMENT, "one message is right");
        return;
    }
    u->asked = true;
    u->request = sv_n(arena_memdup(u->arena, msg.p, msg.n), msg.n);
    u->handle(u);
}

void unary_half_close(void *ctx, GrpcStream *s)
{
    const Unary *u = grpc_stream_data(s);
    (void)ctx;
    if (!u->asked)
        grpc_stream_finish(s, GRPC_INVALID_ARGUMENT, "no message");
}

/* Whoever comes last, the end of the stream or the answer, frees it. */
void unary_end(void *ctx, GrpcStream *s, GrpcCode code)
{
    Unary *u = grpc_stream_data(s);
    (void)ctx;
    (void)code;
    u->s = NULL;
    if (u->answered || !u->asked)
        arena_free(u->arena);
}

static void answered(Unary *u)
{
    u->answered = true;
    if (!u->s)
        arena_free(u->arena);
}

void unary_reply(Unary *u, StrView msg)
{
    Error err;
    if (u->s && grpc_stream_send(u->s, msg, &err))
        grpc_stream_finish(u->s, (GrpcCode)err_grpc(err.code), err.msg);
    else if (u->s)
        grpc_stream_finish(u->s, GRPC_OK, NULL);
    answered(u);
}

void unary_fail(Unary *u, const Error *err)
{
    if (u->s)
        grpc_stream_finish(u->s, (GrpcCode)err_grpc(err->code), err->msg);
    answered(u);
}
