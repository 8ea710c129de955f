/* grpc/health.h - grpc.health.v1.Health, built into every server.
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
#pragma once
#include "grpc/server.h"

typedef struct GrpcHealth GrpcHealth;
GrpcHealth *grpc_health_new(void);
void grpc_health_free(GrpcHealth *h); /* after every call on it ended */
/* The ctx of these methods is the GrpcHealth. */
const GrpcMethod *grpc_health_methods(void);
void grpc_health_set(GrpcHealth *h, const char *service, bool serving);
