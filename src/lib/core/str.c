#include "core/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

bool sv_eq(StrView a, StrView b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
bool sv_eqs(StrView a, const char *s)
{
    return sv_eq(a, sv(s));
}
bool sv_ieqs(StrView a, const char *s)
{
    size_t n = strlen(s);
    return a.n == n && strncasecmp(a.p, s, n) == 0;
}
bool sv_starts(StrView a, const char *prefix)
{
    size_t n = strlen(prefix);
    return a.n >= n && memcmp(a.p, prefix, n) == 0;
}
bool sv_ends(StrView a, const char *suffix)
{
    size_t n = strlen(suffix);
    return a.n >= n && memcmp(a.p + a.n - n, suffix, n) == 0;
}

StrView sv_trim(StrView v)
{
    while (v.n && (v.p[0] == ' ' || v.p[0] == '\t'))
        v.p++, v.n--;
    while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
        v.n--;
    return v;
}

StrView sv_cut(StrView *rest, char sep)
{
    StrView head = *rest;
    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    if (!at) {
        *rest = (StrView){0};
        return head;
    }
    head.n = (size_t)(at - rest->p);
    rest->p = at + 1;
    rest->n -= head.n + 1;
    return head;
}

char *sv_dup(Arena *a, StrView v)
{
    char *p = arena_alloc(a, v.n + 1);
    if (v.n)
        memcpy(p, v.p, v.n);
    return p;
}

bool str_starts(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}
bool str_ends(const char *s, const char *suffix)
{
    return s && sv_ends(sv(s), suffix);
}

void strbuf_done(StrBuf *b)
{
    free(b->p);
    *b = (StrBuf){0};
}

void strbuf_reset(StrBuf *b)
{
    b->n = 0;
    if (b->p)
        b->p[0] = 0;
}

void strbuf_reserve(StrBuf *b, size_t more)
{
    if (more > SIZE_MAX / 2 - b->n - 1)
        BUG("buffer of %zu + %zu bytes", b->n, more);
    size_t need = b->n + more + 1;
    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap * 2 : 64;
    if (cap < need)
        cap = need;
    b->p = xrealloc(b->p, cap);
    b->cap = cap;
}

void strbuf_add(StrBuf *b, const void *p, size_t n)
{
    strbuf_reserve(b, n);
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = 0;
}

void strbuf_adds(StrBuf *b, const char *s)
{
    strbuf_add(b, s, strlen(s));
}

void strbuf_addc(StrBuf *b, char c)
{
    strbuf_add(b, &c, 1);
}

void strbuf_addv(StrBuf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0)
        BUG("bad format '%s'", fmt);
    strbuf_reserve(b, (size_t)n);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
    b->n += (size_t)n;
    va_end(again);
}

void strbuf_addf(StrBuf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    strbuf_addv(b, fmt, ap);
    va_end(ap);
}

void strbuf_consume(StrBuf *b, size_t n)
{
    if (n > b->n)
        BUG("consume %zu of %zu", n, b->n);
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
    b->p[b->n] = 0;
}

const char *strbuf_str(const StrBuf *b)
{
    return b->p ? b->p : "";
}

bool str_to_u64(const char *s, uint64_t *ret)
{
    if (!s || !isdigit((unsigned char)s[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long long v = strtoull(s, &end, 10);
    if (errno || *end)
        return false;
    *ret = v;
    return true;
}

bool str_to_i64(const char *s, int64_t *ret)
{
    if (!s || !(isdigit((unsigned char)s[0]) || (s[0] == '-' && isdigit((unsigned char)s[1]))))
        return false;
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno || *end)
        return false;
    *ret = v;
    return true;
}

bool str_to_f64(const char *s, double *ret)
{
    if (!s || !(isdigit((unsigned char)s[0]) || s[0] == '-' || s[0] == '.'))
        return false;
    if (strpbrk(s, "xXnNiI"))
        return false;
    char *end;
    double v = strtod(s, &end);
    if (*end || !isfinite(v))
        return false;
    *ret = v;
    return true;
}

/* How many continuation bytes follow a lead byte, and the range of the first of them (RFC 3629
 * section 4). */
static int utf8_lead(unsigned char c, unsigned char *lo, unsigned char *hi)
{
    *lo = 0x80, *hi = 0xBF;
    if (c >= 0xC2 && c <= 0xDF)
        return 1;
    if (c >= 0xE0 && c <= 0xEF) {
        if (c == 0xE0)
            *lo = 0xA0;
        if (c == 0xED)
            *hi = 0x9F;
        return 2;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (c == 0xF0)
            *lo = 0x90;
        if (c == 0xF4)
            *hi = 0x8F;
        return 3;
    }
    return -1;
}

bool utf8_valid(const void *p, size_t n)
{
    const unsigned char *s = p, *end = s + n;
    while (s < end) {
        unsigned char c = *s++, lo, hi;
        if (c == 0)
            return false;
        if (c < 0x80)
            continue;
        int more = utf8_lead(c, &lo, &hi);
        if (more < 0 || end - s < more)
            return false;
        if (*s < lo || *s > hi)
            return false;
        for (int i = 1; i < more; i++)
            if ((s[i] & 0xC0) != 0x80)
                return false;
        s += more;
    }
    return true;
}

enum { DIST_MAX = 48 };

unsigned str_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > DIST_MAX || lb > DIST_MAX)
        return DIST_MAX;
    unsigned rows[3][DIST_MAX + 1];
    unsigned *prev2 = rows[0], *prev = rows[1], *cur = rows[2];
    for (size_t j = 0; j <= lb; j++)
        prev[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        cur[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = prev[j - 1] + (a[i - 1] != b[j - 1]);
            if (prev[j] + 1 < best)
                best = prev[j] + 1;
            if (cur[j - 1] + 1 < best)
                best = cur[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                prev2[j - 2] + 1 < best)
                best = prev2[j - 2] + 1;
            cur[j] = best;
        }
        unsigned *t = prev2;
        prev2 = prev, prev = cur, cur = t;
    }
    return prev[lb];
}

const char *str_nearest(const char *word, const char *const *list)
{
    size_t n = strlen(word);
    unsigned limit = (unsigned)n / 3, best = (limit ? limit : 1) + 1;
    const char *found = NULL;
    if (n > DIST_MAX)
        return NULL;
    for (; *list; list++) {
        /* The lengths alone rule most of a long list out. */
        size_t len = strlen(*list);
        if ((len > n ? len - n : n - len) >= best)
            continue;
        unsigned d = str_distance(word, *list);
        if (d < best)
            best = d, found = *list;
    }
    return found;
}
