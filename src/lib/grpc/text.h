/* grpc/text.h - the parts of gRPC that travel as header text: timeouts, messages, binary metadata,
 * and the mapping of foreign codes to status codes. Pure. */
#pragma once
#include "grpc/grpc.h"
#include <stdbool.h>

enum { GRPC_TIMEOUT_LEN = 9 };
/* "100m" and its like. False when malformed; UINT64_MAX when it is too long to matter. Less than a
 * millisecond counts as one. */
bool grpc_timeout_parse(StrView text, uint64_t *ret_ms);
void grpc_timeout_format(char ret[GRPC_TIMEOUT_LEN + 1], uint64_t ms);

/* grpc-message: percent-encoding of everything but 0x20-0x7E without '%'. Bad UTF-8 is replaced
 * first. Decoding never fails: what is no escape is taken literally. */
char *grpc_message_encode(Arena *a, const char *text);
char *grpc_message_decode(Arena *a, StrView text);

/* Values of "-bin" metadata, unpadded on the wire. NULL on bad input; several values joined by ','
 * give the first. */
char *grpc_bin_encode(Arena *a, StrView bytes);
const char *grpc_bin_decode(Arena *a, StrView text, size_t *ret_n);
bool grpc_is_bin(StrView name);

/* application/grpc, alone or followed by '+' or ';'. */
bool grpc_content_type_ok(StrView value);
/* 0 to 16 in digits; anything else is UNKNOWN. */
GrpcCode grpc_code_parse(StrView text);
GrpcCode grpc_code_from_h2(int h2_error);
GrpcCode grpc_code_from_http(int status);
const char *grpc_code_name(GrpcCode code); /* "DEADLINE_EXCEEDED" */
