#include "store/quantity.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *suffix;
    double factor;
} suffixes[] = {
    {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},    {"", 1},        {"k", 1e3},     {"M", 1e6},
    {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},    {"Ki", 0x1p10}, {"Mi", 0x1p20},
    {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60},
};

bool quantity_parse(const char *text, int64_t *ret_milli)
{
    const char *p = text;
    p += *p == '+' || *p == '-';
    size_t digits = 0, dots = 0;
    for (; isdigit((unsigned char)*p) || *p == '.'; p++) {
        *(*p == '.' ? &dots : &digits) += 1;
    }
    size_t number = (size_t)(p - text);
    if (!digits || dots > 1 || number > 60) {
        return false;
    }
    char copy[64];
    memcpy(copy, text, number);
    copy[number] = '\0';
    double v = strtod(copy, NULL), factor = 0;
    char *end;
    if ((*p == 'e' || *p == 'E') && (isdigit((unsigned char)p[1]) || p[1] == '-' || p[1] == '+')) {
        long exp10 = strtol(p + 1, &end, 10);
        if (*end || end == p + 1 || labs(exp10) > 30) {
            return false;
        }
        factor = pow(10, (double)exp10);
    }
    for (size_t i = 0; factor == 0 && i < sizeof suffixes / sizeof *suffixes; i++) {
        factor = str_eq(p, suffixes[i].suffix) ? suffixes[i].factor : 0;
    }
    if (factor == 0) {
        return false;
    }
    double milli = ceil(v * factor * 1000 - 1e-6);
    *ret_milli = milli > 9.2e18 ? INT64_MAX : milli < -9.2e18 ? INT64_MIN : (int64_t)milli;
    return true;
}

bool quantity_canonical(const char *text, char ret[QUANTITY_TEXT])
{
    static const char *const decimal[] = {"m", "", "k", "M", "G", "T", "P", "E"};
    static const char *const binary[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    int64_t v;
    size_t n = strlen(text);
    bool exponent = strpbrk(text, "eE") && n && isdigit((unsigned char)text[n - 1]);
    if (exponent || strpbrk(text, "nu") || !quantity_parse(text, &v) || llabs(v) > INT64_MAX / 4) {
        return false;
    }
    size_t u = 0;
    if (n && text[n - 1] == 'i' && v % 1000 == 0) {
        for (v /= 1000; v && v % 1024 == 0 && u < 6; u++) {
            v /= 1024;
        }
    } else {
        for (; v % 1000 == 0 && u < 7 && (v || u < 1); u++) {
            v /= 1000;
        }
        u += 16; /* of the other list */
    }
    snprintf(ret, QUANTITY_TEXT, "%lld%s", (long long)v, u < 16 ? binary[u] : decimal[u - 16]);
    return !str_eq(ret, text);
}

char *quantity_text(Arena *a, int64_t milli, bool binary)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    if (milli % 1000) {
        return arena_printf(a, "%lldm", (long long)milli);
    }
    int64_t v = milli / 1000;
    int u = 0;
    while (binary && v && v % 1024 == 0 && u < 4) {
        v /= 1024;
        u++;
    }
    return arena_printf(a, "%lld%s", (long long)v, units[u]);
}
