/* grpc/grpc.h - what both ends of gRPC share: status, metadata, limits.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
#pragma once
#include "core/str.h"

typedef enum GrpcCode {
    GRPC_OK,
    GRPC_CANCELLED,
    GRPC_UNKNOWN,
    GRPC_INVALID_ARGUMENT,
    GRPC_DEADLINE_EXCEEDED,
    GRPC_NOT_FOUND,
    GRPC_ALREADY_EXISTS,
    GRPC_PERMISSION_DENIED,
    GRPC_RESOURCE_EXHAUSTED,
    GRPC_FAILED_PRECONDITION,
    GRPC_ABORTED,
    GRPC_OUT_OF_RANGE,
    GRPC_UNIMPLEMENTED,
    GRPC_INTERNAL,
    GRPC_UNAVAILABLE,
    GRPC_DATA_LOSS,
    GRPC_UNAUTHENTICATED
} GrpcCode;

typedef struct GrpcMeta {
    const char *name; /* lower case; a name that ends in -bin carries bytes, base64 on the wire */
    StrView value;
} GrpcMeta;
