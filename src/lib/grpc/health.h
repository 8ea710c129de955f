/* grpc/health.h - grpc.health.v1.Health, built into every server.
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
#pragma once
#include "grpc/server.h"

typedef struct Health Health;
Health *health_new(void);
void health_free(Health *h); /* after every call on it ended */
/* The ctx of these methods is the Health. */
const GrpcMethod *health_methods(void);
void health_set(Health *h, const char *service, bool serving);
