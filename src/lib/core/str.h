/* core/str.h - text as (pointer, length) views, growing buffers, and the few string helpers C
 * lacks.
 *
 * A StrView never owns. A StrBuf owns malloc memory, is always NUL-terminated once anything was
 * appended, and is freed by strbuf_done. Zero-initialised structs of both kinds are valid and
 * empty. */
#pragma once
#include "core/arena.h"
#include <stdint.h>
#include <string.h>

typedef struct StrView {
    const char *p;
    size_t n;
} StrView;

#define SV(literal) ((StrView){(literal), sizeof(literal) - 1})
#define SV_FMT "%.*s"
/* Evaluates its argument twice: a variable, not a call. */
#define SV_ARG(v) (int)(v).n, (v).p
static inline StrView sv(const char *s)
{
    return (StrView){s, s ? strlen(s) : 0};
}
static inline StrView sv_n(const char *s, size_t n)
{
    return (StrView){s, n};
}
bool sv_eq(StrView a, StrView b);
bool sv_eqs(StrView a, const char *s);
bool sv_ieqs(StrView a, const char *s); /* ASCII case-insensitive */
bool sv_starts(StrView a, const char *prefix);
bool sv_ends(StrView a, const char *suffix);
StrView sv_trim(StrView v); /* blanks and tabs on both ends */
/* Cut at the first `sep`: returns what stood before it and moves *rest behind it; at the end *rest
 * is empty with p NULL. */
StrView sv_cut(StrView *rest, char sep);
char *sv_dup(Arena *a, StrView v);

static inline bool str_eq(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}
static inline bool str_empty(const char *s)
{
    return !s || !*s;
}
static inline const char *str_or(const char *s, const char *alt)
{
    return str_empty(s) ? alt : s;
}
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

typedef struct StrBuf {
    char *p;
    size_t n, cap;
} StrBuf;

void strbuf_done(StrBuf *b);
void strbuf_reset(StrBuf *b); /* length 0, memory kept */
void strbuf_reserve(StrBuf *b, size_t more);
void strbuf_add(StrBuf *b, const void *p, size_t n);
void strbuf_adds(StrBuf *b, const char *s);
void strbuf_addc(StrBuf *b, char c);
void strbuf_addf(StrBuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_addv(StrBuf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Drop the first n bytes. */
void strbuf_consume(StrBuf *b, size_t n);
const char *strbuf_str(const StrBuf *b); /* "" when empty */
#define AUTO_STRBUF __attribute__((cleanup(strbuf_done))) StrBuf

/* Strict number parsing: whole text, no sign surprises, no overflow. */
bool str_to_i64(const char *s, int64_t *ret);
bool str_to_u64(const char *s, uint64_t *ret);
bool str_to_f64(const char *s, double *ret); /* finite, C locale */

/* Valid UTF-8 without overlong forms or surrogates, and without NUL (RFC 3629). */
bool utf8_valid(const void *p, size_t n);

/* Edit distance (insert, delete, replace, swap), capped; for did-you-mean. */
unsigned str_distance(const char *a, const char *b);
/* The best candidate within a third of the length (at least 1 edit), or NULL. `list` ends with
 * NULL. */
const char *str_nearest(const char *word, const char *const *list);
