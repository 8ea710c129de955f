#include "model/quantity.h"

enum { DIGITS_MAX = 40 };

/* Thousandths: every suffix below "" but m is finer than we keep. */
typedef struct Suffix {
    const char *text;
    int64_t times; /* of one */
} Suffix;
static const Suffix suffixes[] = {
    {"Ei", 1ll << 60},          {"Pi", 1ll << 50},       {"Ti", 1ll << 40},
    {"Gi", 1ll << 30},          {"Mi", 1ll << 20},       {"Ki", 1ll << 10},
    {"E", 1000000000000000000}, {"P", 1000000000000000}, {"T", 1000000000000},
    {"G", 1000000000},          {"M", 1000000},          {"k", 1000},
};

/* digits [. digits] as an integer and a power of ten */
typedef struct Number {
    __int128 digits;
    int fraction; /* digits behind the point */
    bool negative;
} Number;

static bool read_number(StrView *v, Number *ret)
{
    Number n = {0};
    int count = 0;
    bool point = false;
    if (v->n && (*v->p == '+' || *v->p == '-')) {
        n.negative = *v->p == '-';
        *v = sv_n(v->p + 1, v->n - 1);
    }
    for (; v->n; *v = sv_n(v->p + 1, v->n - 1)) {
        char c = *v->p;
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        if (++count > DIGITS_MAX || n.digits > (__int128)1 << 100)
            return false;
        n.digits = n.digits * 10 + (c - '0');
        n.fraction += point;
    }
    *ret = n;
    return count > 0;
}

static bool times_fits(__int128 *v, __int128 by)
{
    __int128 r;
    if (__builtin_mul_overflow(*v, by, &r))
        return false;
    *v = r;
    return true;
}

/* The decimal exponent of "e3", "E-2". */
static bool read_exponent(StrView v, int *ret)
{
    char text[8];
    int64_t n;
    if (v.n < 2 || v.n >= sizeof text || (*v.p != 'e' && *v.p != 'E'))
        return false;
    size_t skip = v.p[1] == '+' ? 2 : 1;
    memcpy(text, v.p + skip, v.n - skip);
    text[v.n - skip] = '\0';
    if (!str_to_i64(text, &n) || n < -30 || n > 30)
        return false;
    *ret = (int)n;
    return true;
}

bool quantity_parse(StrView text, Quantity *ret)
{
    Number n;
    StrView v = text;
    int64_t times = 1;
    int exponent = 3; /* to thousandths */
    if (text.n > 64 || !read_number(&v, &n))
        return false;
    if (v.n == 1 && *v.p == 'm') {
        exponent = 0;
    } else if (v.n) {
        bool known = false;
        for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && !known; i++) {
            known = sv_eqs(v, suffixes[i].text);
            if (known)
                times = suffixes[i].times;
        }
        int e;
        if (!known && !read_exponent(v, &e))
            return false;
        exponent += known ? 0 : e;
    }
    exponent -= n.fraction;
    __int128 q = n.digits;
    if (!times_fits(&q, times))
        return false;
    for (; exponent > 0; exponent--)
        if (!times_fits(&q, 10))
            return false;
    for (; exponent < 0; exponent++) {
        if (q % 10)
            return false;
        q /= 10;
    }
    ret->milli = n.negative ? -q : q;
    return true;
}

int quantity_cmp(Quantity a, Quantity b)
{
    return a.milli < b.milli ? -1 : a.milli > b.milli;
}

static int64_t clamp(__int128 v)
{
    return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

int64_t quantity_units(Quantity q)
{
    __int128 up = q.milli / 1000 + (q.milli % 1000 > 0);
    return clamp(up);
}

int64_t quantity_millis(Quantity q)
{
    return clamp(q.milli);
}

int64_t quantity_bytes(const char *s, int64_t alt)
{
    Quantity q;
    return !str_empty(s) && quantity_parses(s, &q) ? quantity_units(q) : alt;
}

static char *int128_text(Arena *a, __int128 v, const char *suffix)
{
    char buf[48];
    size_t i = sizeof buf;
    bool negative = v < 0;
    unsigned __int128 u = negative ? -(unsigned __int128)v : (unsigned __int128)v;
    buf[--i] = '\0';
    do {
        buf[--i] = (char)('0' + (int)(u % 10));
        u /= 10;
    } while (u);
    return arena_printf(a, "%s%s%s", negative ? "-" : "", buf + i, suffix);
}

char *quantity_text(Arena *a, Quantity q)
{
    if (q.milli % 1000)
        return int128_text(a, q.milli, "m");
    __int128 units = q.milli / 1000;
    if (units)
        for (size_t i = 0; i < 6; i++)
            if (units % suffixes[i].times == 0)
                return int128_text(a, units / suffixes[i].times, suffixes[i].text);
    return int128_text(a, units, "");
}
