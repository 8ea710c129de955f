#include "codec/json.h"
#include "core/limits.h"

/* cJSON accepts more than JSON (leading zeros, control bytes, trailing text by another call) and
 * says less about where: so the text is checked here first, and cJSON only builds the tree. */
typedef struct Scan {
    const unsigned char *p;
    size_t i, n;
    unsigned depth;
    Error *err;
} Scan;

static ErrCode scan_value(Scan *s);

static ErrCode fail(Scan *s, const char *what)
{
    size_t line = 1, col = 1, to = s->i < s->n ? s->i : s->n;
    for (size_t i = 0; i < to; i++) {
        if (s->p[i] == '\n') {
            line++;
            col = 1;
        } else if ((s->p[i] & 0xC0) != 0x80) {
            col++;
        }
    }
    return err_set(s->err, ERR_MALFORMED, "JSON line %zu column %zu: %s", line, col, what);
}

static int peek(const Scan *s)
{
    return s->i < s->n ? s->p[s->i] : -1;
}

static void skip_blanks(Scan *s)
{
    while (s->i < s->n && memchr(" \t\r\n", s->p[s->i], 4))
        s->i++;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u; -1 when they are not there. */
static int scan_hex4(Scan *s)
{
    int v = 0;
    for (int k = 0; k < 4; k++) {
        int d = s->i < s->n ? hex_value(s->p[s->i]) : -1;
        if (d < 0)
            return -1;
        v = v << 4 | d;
        s->i++;
    }
    return v;
}

static ErrCode scan_unicode(Scan *s)
{
    int v = scan_hex4(s);
    if (v < 0)
        return fail(s, "\\u needs four hex digits");
    if (v == 0)
        return fail(s, "a NUL character is not accepted");
    if (v >= 0xDC00 && v <= 0xDFFF)
        return fail(s, "\\u: half of a surrogate pair");
    if (v < 0xD800 || v > 0xDBFF)
        return ERR_OK;
    if (s->i + 2 > s->n || s->p[s->i] != '\\' || s->p[s->i + 1] != 'u')
        return fail(s, "\\u: half of a surrogate pair");
    s->i += 2;
    int low = scan_hex4(s);
    return low >= 0xDC00 && low <= 0xDFFF ? ERR_OK : fail(s, "\\u: half of a surrogate pair");
}

static ErrCode scan_string(Scan *s)
{
    s->i++;
    while (s->i < s->n) {
        unsigned char c = s->p[s->i];
        if (c == '"') {
            s->i++;
            return ERR_OK;
        }
        if (c < 0x20)
            return fail(s, "control byte in a string; write \\n, \\t or \\u00XX");
        s->i++;
        if (c != '\\')
            continue;
        int e = peek(s);
        if (e < 0)
            break;
        s->i++;
        if (e == 'u') {
            ErrCode rc = scan_unicode(s);
            if (rc)
                return rc;
        } else if (!memchr("\"\\/bfnrt", e, 8)) {
            s->i--;
            return fail(s, "unknown escape in a string");
        }
    }
    return fail(s, "a string has no end");
}

static ErrCode scan_number(Scan *s)
{
    if (peek(s) == '-')
        s->i++;
    if (!is_digit(peek(s)))
        return fail(s, "a digit is expected");
    if (peek(s) == '0' && s->i + 1 < s->n && is_digit(s->p[s->i + 1]))
        return fail(s, "a number has no leading zero");
    while (is_digit(peek(s)))
        s->i++;
    if (peek(s) == '.') {
        s->i++;
        if (!is_digit(peek(s)))
            return fail(s, "a digit is expected behind the point");
        while (is_digit(peek(s)))
            s->i++;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->i++;
        if (peek(s) == '+' || peek(s) == '-')
            s->i++;
        if (!is_digit(peek(s)))
            return fail(s, "a digit is expected in the exponent");
        while (is_digit(peek(s)))
            s->i++;
    }
    return ERR_OK;
}

static ErrCode scan_word(Scan *s, const char *word)
{
    size_t n = strlen(word);
    if (s->n - s->i < n || memcmp(s->p + s->i, word, n) != 0)
        return fail(s, "a value is expected");
    s->i += n;
    return ERR_OK;
}

/* One member `"key": value` of an object. */
static ErrCode scan_member(Scan *s)
{
    if (peek(s) != '"')
        return fail(s, "a key in quotes is expected");
    ErrCode rc = scan_string(s);
    if (rc)
        return rc;
    skip_blanks(s);
    if (peek(s) != ':')
        return fail(s, "':' is expected behind a key");
    s->i++;
    return scan_value(s);
}

static ErrCode scan_items(Scan *s, char close)
{
    s->i++;
    skip_blanks(s);
    if (peek(s) == close) {
        s->i++;
        return ERR_OK;
    }
    for (;;) {
        skip_blanks(s);
        ErrCode rc = close == '}' ? scan_member(s) : scan_value(s);
        if (rc)
            return rc;
        skip_blanks(s);
        int c = peek(s);
        if (c == close) {
            s->i++;
            return ERR_OK;
        }
        if (c != ',')
            return fail(s, close == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
        s->i++;
    }
}

static ErrCode scan_value(Scan *s)
{
    skip_blanks(s);
    switch (peek(s)) {
    case '{':
    case '[': {
        if (++s->depth > LIMIT_JSON_DEPTH)
            return fail(s, "nested too deeply");
        ErrCode rc = scan_items(s, peek(s) == '{' ? '}' : ']');
        s->depth--;
        return rc;
    }
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    case -1:
        return fail(s, "the text ends where a value is expected");
    default:
        return scan_number(s);
    }
}

ErrCode json_check(StrView text, size_t limit, Error *err)
{
    if (text.n > limit)
        return err_set(err, ERR_TOO_LARGE, "JSON: %zu bytes, the limit is %zu", text.n, limit);
    Scan s = {.p = (const unsigned char *)text.p, .n = text.n, .err = err};
    if (!utf8_valid(text.p, text.n))
        return err_set(err, ERR_MALFORMED, "JSON: the text is not UTF-8, or has a NUL byte");
    ErrCode rc = scan_value(&s);
    if (rc)
        return rc;
    skip_blanks(&s);
    return s.i == s.n ? ERR_OK : fail(&s, "text behind the value");
}
