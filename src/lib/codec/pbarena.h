/* codec/pbarena.h - protobuf-c messages in an arena.
 *
 * An unpacked message is never freed by itself: it ends with the arena. */
#pragma once
#include "core/str.h"
#include <protobuf-c/protobuf-c.h>

/* The allocator for one unpack call; it points to `a`, which must outlive the message. */
ProtobufCAllocator pb_arena(Arena *a);
/* Unpack into the arena and check every string for UTF-8 (protobuf-c does not). More than `limit`
 * bytes: ERR_TOO_LARGE. */
ErrCode pb_unpack(Arena *a, const ProtobufCMessageDescriptor *d, StrView bytes, size_t limit,
                  ProtobufCMessage **ret, Error *err) MUST_USE;
void pb_pack(const ProtobufCMessage *m, StrBuf *out); /* appended */
/* Every string of the message and of the messages in it is UTF-8; else *ret_field names the first
 * that is not. */
bool pb_strings_valid(const ProtobufCMessage *m, const char **ret_field);
