/* grpc/frame.h - messages out of the byte stream of a call: one flag byte, four bytes of length,
 * the message. Pure.
 *
 * Edges of DATA frames mean nothing. The length is checked before anything is kept; a message that
 * lies whole in the input is not copied. */
#pragma once
#include "grpc/grpc.h"
#include <stdbool.h>

enum { GRPC_PREFIX_LEN = 5 };

typedef struct GrpcFramer {
    size_t max_message; /* of one message, inflated or not */
    bool gzip;          /* grpc-encoding: gzip was announced */
    unsigned char prefix[GRPC_PREFIX_LEN];
    unsigned prefix_n;
    size_t want; /* length of the message being gathered */
    StrBuf gathered, inflated;
} GrpcFramer;

typedef enum GrpcFrameResult {
    GRPC_FRAME_MORE,
    GRPC_FRAME_MESSAGE,
    GRPC_FRAME_BAD
} GrpcFrameResult;

/* Take from the front of *in. MESSAGE: *ret_msg is valid until grpc_frame_done, which is due before
 * the next call, and while what *in pointed to is. BAD: *ret_code and err say how to end the
 * call. */
GrpcFrameResult grpc_frame_next(GrpcFramer *f, StrView *in, StrView *ret_msg, GrpcCode *ret_code,
                                Error *err);
bool grpc_frame_at_edge(const GrpcFramer *f); /* not inside a message */
void grpc_frame_done(GrpcFramer *f);
void grpc_prefix(unsigned char ret[GRPC_PREFIX_LEN], size_t n);
