#include "core/ident.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *p, size_t n)
{
    unsigned char *s = p;
    while (n) {
        ssize_t got = getrandom(s, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            BUG("getrandom: %s", strerror(errno));
        s += got;
        n -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t v;
    random_bytes(&v, sizeof v);
    return v;
}

static const char HEX[] = "0123456789abcdef";

void hex_encode(char *ret, const void *p, size_t n)
{
    const unsigned char *s = p;
    for (size_t i = 0; i < n; i++) {
        *ret++ = HEX[s[i] >> 4];
        *ret++ = HEX[s[i] & 15];
    }
    *ret = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ptrdiff_t hex_decode(void *ret, size_t cap, const char *s, size_t n)
{
    unsigned char *out = ret;
    if (n % 2 || n / 2 > cap)
        return -1;
    for (size_t i = 0; i < n; i += 2) {
        int hi = hex_digit(s[i]), lo = hex_digit(s[i + 1]);
        if (hi < 0 || lo < 0)
            return -1;
        *out++ = (unsigned char)(hi << 4 | lo);
    }
    return (ptrdiff_t)(n / 2);
}

void uuid_new(char ret[UUID_LEN + 1])
{
    unsigned char b[16];
    char hex[33];
    random_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    hex_encode(hex, b, sizeof b);
    snprintf(ret, UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

bool uuid_valid(const char *s)
{
    if (!s || strlen(s) != UUID_LEN)
        return false;
    for (int i = 0; i < UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : hex_digit(s[i]) < 0)
            return false;
    }
    return true;
}

void token_new(char ret[TOKEN_LEN + 1])
{
    unsigned char b[TOKEN_LEN / 2];
    random_bytes(b, sizeof b);
    hex_encode(ret, b, sizeof b);
}

static const char B64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(Arena *a, const void *p, size_t n)
{
    const unsigned char *s = p;
    char *ret = arena_alloc(a, (n + 2) / 3 * 4 + 1), *o = ret;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)s[i] << 16;
        if (i + 1 < n)
            v |= (uint32_t)s[i + 1] << 8;
        if (i + 2 < n)
            v |= s[i + 2];
        *o++ = B64[v >> 18];
        *o++ = B64[v >> 12 & 63];
        *o++ = i + 1 < n ? B64[v >> 6 & 63] : '=';
        *o++ = i + 2 < n ? B64[v & 63] : '=';
    }
    return ret;
}

static int b64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

unsigned char *base64_decode(Arena *a, const char *s, size_t n, size_t *ret_n)
{
    for (int pad = 0; pad < 2 && n && s[n - 1] == '='; pad++)
        n--;
    if (n % 4 == 1)
        return NULL;
    unsigned char *ret = arena_alloc(a, n / 4 * 3 + 3), *o = ret;
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++) {
        int d = b64_digit(s[i]);
        if (d < 0)
            return NULL;
        v = v << 6 | (uint32_t)d;
        if (i % 4 == 1)
            *o++ = (unsigned char)(v >> 4);
        else if (i % 4 == 2)
            *o++ = (unsigned char)(v >> 2);
        else if (i % 4 == 3)
            *o++ = (unsigned char)v;
    }
    *o = 0;
    *ret_n = (size_t)(o - ret);
    return ret;
}

bool secure_eq(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    volatile unsigned char diff = (unsigned char)(la != lb);
    for (size_t i = 0; i < la; i++)
        diff |= (unsigned char)((unsigned char)a[i] ^ (unsigned char)b[lb ? i % lb : 0]);
    return diff == 0;
}
