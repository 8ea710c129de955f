/* sidecars/orders.h - commands to sidecars that are waited for: answered, timed out, or their
 * stream ended. Inside of sidecars/; others use sidecars_order. */
#pragma once
#include "grpc/server.h"
#include "wire/sidecar_stream.h"

/* r is there whenever the sidecar answered, also when err says that it could not do it; valid
 * inside. Once; never from inside the starter. */
typedef void (*OrderDone)(void *ctx, const Error *err, const CommandResult *r);

typedef struct Orders Orders;
Orders *orders_new(Loop *l);
void orders_free(Orders *o); /* nobody is told */
/* stream NULL: nobody is there. The caller sends the command with this id. */
uint64_t orders_add(Orders *o, GrpcStream *stream, uint64_t timeout_ms, OrderDone done, void *ctx);
void orders_answer(Orders *o, const char *id, const CommandResult *r);
void orders_stream_gone(Orders *o, const GrpcStream *s);
void orders_forget(Orders *o, const void *ctx);
/* The text of an id on the wire. */
void orders_id(char buf[24], uint64_t id);
