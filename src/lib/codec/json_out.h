/* codec/json_out.h - append-only JSON writer into a StrBuf.
 *
 * Commas, escaping and indentation are the writer's; balance is the caller's (a wrong close is a
 * BUG). Bytes that are not UTF-8 become U+FFFD, so the output is always valid JSON. A NULL string
 * is written as null. Nesting is limited to 64. */
#pragma once
#include "core/str.h"

typedef struct JsonOut {
    StrBuf *buf;
    uint64_t has_item; /* one bit a level: something stands there already */
    uint64_t is_array; /* one bit a level */
    unsigned depth;
    unsigned indent; /* 0: one line; else blanks per level */
    bool after_key;
} JsonOut;

static inline JsonOut json_out(StrBuf *buf)
{
    return (JsonOut){.buf = buf};
}
static inline JsonOut json_out_pretty(StrBuf *buf)
{
    return (JsonOut){.buf = buf, .indent = 2};
}

void json_obj(JsonOut *j);
void json_obj_end(JsonOut *j);
void json_arr(JsonOut *j);
void json_arr_end(JsonOut *j);
void json_key(JsonOut *j, const char *key);

void json_str(JsonOut *j, const char *s); /* NULL gives null */
void json_sv(JsonOut *j, StrView s);
void json_int(JsonOut *j, int64_t v);
void json_uint(JsonOut *j, uint64_t v);
void json_f64(JsonOut *j, double v); /* shortest text that reads back the same; NaN gives null */
void json_bool(JsonOut *j, bool v);
void json_null(JsonOut *j);
void json_time(JsonOut *j, int64_t wall_us); /* RFC 3339 with Z; 0 gives null */
/* Ready JSON text, trusted to be one complete value. */
void json_raw(JsonOut *j, StrView text);

/* Key and value in one. */
void json_put_str(JsonOut *j, const char *key, const char *s);
void json_put_sv(JsonOut *j, const char *key, StrView s);
void json_put_int(JsonOut *j, const char *key, int64_t v);
void json_put_uint(JsonOut *j, const char *key, uint64_t v);
void json_put_f64(JsonOut *j, const char *key, double v);
void json_put_bool(JsonOut *j, const char *key, bool v);
void json_put_time(JsonOut *j, const char *key, int64_t wall_us);
void json_put_raw(JsonOut *j, const char *key, StrView text);

/* The bytes of a JSON string without its quotes. */
void json_escape(StrBuf *b, StrView s);
