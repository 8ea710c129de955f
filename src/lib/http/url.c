#include "http/url.h"

enum { MAX_PAIRS = 100 };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *url_decode(Arena *a, StrView s, bool form)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            out[n++] = form && s.p[i] == '+' ? ' ' : s.p[i];
            continue;
        }
        int hi = i + 1 < s.n ? hex_value(s.p[i + 1]) : -1;
        int lo = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;
        if (hi < 0 || lo < 0)
            return NULL;
        out[n++] = (char)(hi << 4 | lo);
        i += 2;
    }
    return utf8_valid(out, n) ? out : NULL;
}

char *url_path(Arena *a, StrView raw)
{
    char *path = url_decode(a, raw, false);
    if (!path || path[0] != '/')
        return NULL;
    StrView rest = sv(path);
    while (rest.p) {
        StrView segment = sv_cut(&rest, '/');
        if (sv_eqs(segment, ".") || sv_eqs(segment, ".."))
            return NULL;
    }
    return path;
}

void url_encode(StrBuf *out, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            strchr("-._~", c))
            strbuf_addc(out, *s);
        else
            strbuf_addf(out, "%%%02X", c);
    }
}

bool url_query(Arena *a, StrView raw, const UrlPair **ret, size_t *ret_n)
{
    size_t n = 0, cap = 1;
    for (size_t i = 0; i < raw.n; i++)
        cap += raw.p[i] == '&';
    if (cap > MAX_PAIRS)
        return false;
    UrlPair *pairs = arena_array(a, UrlPair, cap);
    while (raw.p) {
        StrView value = sv_cut(&raw, '&');
        if (value.n == 0)
            continue;
        StrView name = sv_cut(&value, '=');
        UrlPair p = {url_decode(a, name, true), url_decode(a, value, true)};
        if (!p.name || !p.value)
            return false;
        pairs[n++] = p;
    }
    *ret = pairs;
    *ret_n = n;
    return true;
}
