#include "codec/json_out.h"
#include "core/clock.h"
#include <math.h>
#include <stdio.h>

enum { DEPTH_MAX = 64 };

static void newline(JsonOut *j)
{
    if (!j->indent)
        return;
    strbuf_addc(j->buf, '\n');
    for (unsigned i = 0; i < j->depth * j->indent; i++)
        strbuf_addc(j->buf, ' ');
}

/* What must stand before a value or a key at this place. */
static void before_item(JsonOut *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->depth == 0)
        return;
    uint64_t bit = 1ull << (j->depth - 1);
    if (j->has_item & bit)
        strbuf_addc(j->buf, ',');
    j->has_item |= bit;
    newline(j);
}

static void open_level(JsonOut *j, char c)
{
    before_item(j);
    if (j->depth >= DEPTH_MAX)
        BUG("JSON output nested deeper than %d", DEPTH_MAX);
    strbuf_addc(j->buf, c);
    uint64_t bit = 1ull << j->depth;
    j->has_item &= ~bit;
    j->is_array = c == '[' ? j->is_array | bit : j->is_array & ~bit;
    j->depth++;
}

static void close_level(JsonOut *j, char c)
{
    if (j->depth == 0 || j->after_key)
        BUG("JSON output closed where nothing is open");
    uint64_t bit = 1ull << (j->depth - 1);
    if (!!(j->is_array & bit) != (c == ']'))
        BUG("JSON output closed with '%c'", c);
    j->depth--;
    if (j->has_item & bit)
        newline(j);
    strbuf_addc(j->buf, c);
}

void json_obj(JsonOut *j)
{
    open_level(j, '{');
}

void json_obj_end(JsonOut *j)
{
    close_level(j, '}');
}

void json_arr(JsonOut *j)
{
    open_level(j, '[');
}

void json_arr_end(JsonOut *j)
{
    close_level(j, ']');
}

/* Length of the valid UTF-8 sequence at p, 0 when there is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    size_t want = p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    return want && want <= n && utf8_valid(p, want) ? want : 0;
}

static void escape_byte(StrBuf *b, unsigned char c)
{
    switch (c) {
    case '"':
        strbuf_adds(b, "\\\"");
        break;
    case '\\':
        strbuf_adds(b, "\\\\");
        break;
    case '\n':
        strbuf_adds(b, "\\n");
        break;
    case '\r':
        strbuf_adds(b, "\\r");
        break;
    case '\t':
        strbuf_adds(b, "\\t");
        break;
    default:
        strbuf_addf(b, "\\u%04x", c);
    }
}

void json_escape(StrBuf *b, StrView s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t start = 0, i = 0;
    while (i < s.n) {
        unsigned char c = p[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t seq = c < 0x80 ? 0 : utf8_len(p + i, s.n - i);
        if (seq) {
            i += seq;
            continue;
        }
        strbuf_add(b, p + start, i - start);
        if (c < 0x80)
            escape_byte(b, c);
        else
            strbuf_adds(b, "\xEF\xBF\xBD");
        start = ++i;
    }
    strbuf_add(b, p + start, s.n - start);
}

void json_key(JsonOut *j, const char *key)
{
    if (j->depth == 0 || j->after_key || j->is_array & (1ull << (j->depth - 1)))
        BUG("JSON key '%s' outside an object", key);
    before_item(j);
    strbuf_addc(j->buf, '"');
    json_escape(j->buf, sv(key));
    strbuf_adds(j->buf, j->indent ? "\": " : "\":");
    j->after_key = true;
}

void json_sv(JsonOut *j, StrView s)
{
    before_item(j);
    strbuf_addc(j->buf, '"');
    json_escape(j->buf, s);
    strbuf_addc(j->buf, '"');
}

void json_str(JsonOut *j, const char *s)
{
    if (s)
        json_sv(j, sv(s));
    else
        json_null(j);
}

/* Digits by hand: lists of ten thousand rows are mostly numbers, and printf costs most of them. */
static void add_digits(StrBuf *b, uint64_t v)
{
    char tmp[20];
    size_t i = sizeof tmp;
    do {
        tmp[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    strbuf_add(b, tmp + i, sizeof tmp - i);
}

void json_uint(JsonOut *j, uint64_t v)
{
    before_item(j);
    add_digits(j->buf, v);
}

void json_int(JsonOut *j, int64_t v)
{
    before_item(j);
    if (v < 0)
        strbuf_addc(j->buf, '-');
    add_digits(j->buf, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_f64(JsonOut *j, double v)
{
    if (!isfinite(v)) {
        json_null(j);
        return;
    }
    if (fabs(v) < 1e15 && v == (double)(int64_t)v) {
        json_int(j, (int64_t)v);
        return;
    }
    before_item(j);
    char buf[32];
    for (int digits = 6; digits <= 17; digits++) {
        double back;
        snprintf(buf, sizeof buf, "%.*g", digits, v);
        if (str_to_f64(buf, &back) && back == v)
            break;
    }
    strbuf_adds(j->buf, buf);
}

void json_bool(JsonOut *j, bool v)
{
    before_item(j);
    strbuf_adds(j->buf, v ? "true" : "false");
}

void json_null(JsonOut *j)
{
    before_item(j);
    strbuf_adds(j->buf, "null");
}

void json_time(JsonOut *j, int64_t wall_us)
{
    if (!wall_us) {
        json_null(j);
        return;
    }
    char text[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(text, wall_us);
    json_str(j, text);
}

void json_raw(JsonOut *j, StrView text)
{
    before_item(j);
    strbuf_add(j->buf, text.p, text.n);
}

void json_put_str(JsonOut *j, const char *key, const char *s)
{
    json_key(j, key);
    json_str(j, s);
}

void json_put_sv(JsonOut *j, const char *key, StrView s)
{
    json_key(j, key);
    json_sv(j, s);
}

void json_put_int(JsonOut *j, const char *key, int64_t v)
{
    json_key(j, key);
    json_int(j, v);
}

void json_put_uint(JsonOut *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_uint(j, v);
}

void json_put_f64(JsonOut *j, const char *key, double v)
{
    json_key(j, key);
    json_f64(j, v);
}

void json_put_bool(JsonOut *j, const char *key, bool v)
{
    json_key(j, key);
    json_bool(j, v);
}

void json_put_time(JsonOut *j, const char *key, int64_t wall_us)
{
    json_key(j, key);
    json_time(j, wall_us);
}

void json_put_raw(JsonOut *j, const char *key, StrView text)
{
    json_key(j, key);
    json_raw(j, text);
}
