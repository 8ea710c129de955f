/* central/svc/unary.h - one unary call that is answered later.
 *
 * The handler copies nothing: `request` lives until the answer. Exactly one of unary_reply and
 * unary_fail; the caller may be gone by then, which changes nothing. */
#pragma once
#include "grpc/server.h"

typedef struct Unary {
    GrpcStream *s; /* NULL: the caller is gone */
    Arena *arena;
    StrView request;
    void *ctx;                       /* of the method */
    void (*handle)(struct Unary *u); /* set by on_open */
    bool asked, answered;
} Unary;

void unary_open(GrpcStream *s, void *ctx, void (*handle)(Unary *u));
void unary_message(void *ctx, GrpcStream *s, StrView msg);
void unary_half_close(void *ctx, GrpcStream *s);
void unary_end(void *ctx, GrpcStream *s, GrpcCode code);
void unary_reply(Unary *u, StrView msg);
void unary_fail(Unary *u, const Error *err);
