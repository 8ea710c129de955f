#include "grpc/text.h"

#include "core/ident.h"
#include "net/h2.h"
#include <stdio.h>

/* ---- timeouts ---- */

/* In units of a nanosecond. */
static const struct {
    char letter;
    uint64_t ns;
} UNITS[] = {
    {'H', 3600000000000}, {'M', 60000000000}, {'S', 1000000000},
    {'m', 1000000},       {'u', 1000},        {'n', 1},
};
enum { NS_PER_MS = 1000000, TIMEOUT_DIGITS = 8 };

bool grpc_timeout_parse(StrView text, uint64_t *ret_ms)
{
    uint64_t n = 0;
    if (text.n < 2)
        return false;
    size_t digits = text.n - 1;
    for (size_t i = 0; i < digits; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        if (n <= UINT64_MAX / 100)
            n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    for (size_t u = 0; u < sizeof UNITS / sizeof *UNITS; u++) {
        if (UNITS[u].letter != text.p[digits])
            continue;
        uint64_t ns = UNITS[u].ns;
        if (digits > TIMEOUT_DIGITS)
            *ret_ms = UINT64_MAX; /* endless, in practice */
        else if (ns >= NS_PER_MS)
            *ret_ms = n * (ns / NS_PER_MS);
        else
            *ret_ms = (n * ns + NS_PER_MS - 1) / NS_PER_MS;
        return true;
    }
    return false;
}

/* The finest unit that fits eight digits; rounded up, so that the server never gives up first. */
void grpc_timeout_format(char ret[GRPC_TIMEOUT_LEN + 1], uint64_t ms)
{
    const uint64_t most = 99999999;
    if (ms <= most)
        snprintf(ret, GRPC_TIMEOUT_LEN + 1, "%um", (unsigned)ms);
    else if (ms / 1000 < most)
        snprintf(ret, GRPC_TIMEOUT_LEN + 1, "%uS", (unsigned)(ms / 1000 + 1));
    else if (ms / 3600000 < most)
        snprintf(ret, GRPC_TIMEOUT_LEN + 1, "%uH", (unsigned)(ms / 3600000 + 1));
    else
        snprintf(ret, GRPC_TIMEOUT_LEN + 1, "%uH", (unsigned)most);
}

/* ---- messages ---- */

static bool plain(unsigned char c)
{
    return c >= 0x20 && c <= 0x7e && c != '%';
}

char *grpc_message_encode(Arena *a, const char *text)
{
    size_t n = strlen(text), at = 0;
    char *out = arena_alloc(a, 3 * n + 1);
    bool utf8 = utf8_valid(text, n);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!utf8 && c >= 0x80)
            c = '?';
        if (plain(c))
            out[at++] = (char)c;
        else
            at += (size_t)snprintf(out + at, 4, "%%%02X", c);
    }
    out[at] = 0;
    return out;
}

char *grpc_message_decode(Arena *a, StrView text)
{
    char *out = arena_alloc(a, text.n + 1);
    size_t at = 0;
    for (size_t i = 0; i < text.n; i++) {
        char byte;
        if (text.p[i] == '%' && i + 2 < text.n && hex_decode(&byte, 1, text.p + i + 1, 2) == 1) {
            out[at++] = byte;
            i += 2;
        } else {
            out[at++] = text.p[i];
        }
    }
    for (size_t i = 0; i < at; i++) /* it ends as a C string */
        if (!out[i])
            out[i] = '?';
    out[at] = 0;
    return out;
}

/* ---- metadata ---- */

bool grpc_is_bin(StrView name)
{
    return sv_ends(name, "-bin");
}

char *grpc_bin_encode(Arena *a, StrView bytes)
{
    char *out = base64_encode(a, bytes.p, bytes.n);
    for (size_t n = strlen(out); n && out[n - 1] == '='; n--)
        out[n - 1] = 0;
    return out;
}

const char *grpc_bin_decode(Arena *a, StrView text, size_t *ret_n)
{
    StrView first = sv_trim(sv_cut(&text, ','));
    return (const char *)base64_decode(a, first.p ? first.p : "", first.n, ret_n);
}

bool grpc_content_type_ok(StrView value)
{
    if (!sv_starts(value, "application/grpc"))
        return false;
    size_t n = strlen("application/grpc");
    return value.n == n || value.p[n] == '+' || value.p[n] == ';';
}

/* ---- codes ---- */

static const char *const NAMES[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};
enum { CODE_COUNT = sizeof NAMES / sizeof *NAMES };

const char *grpc_code_name(GrpcCode code)
{
    return (unsigned)code < CODE_COUNT ? NAMES[code] : "UNKNOWN";
}

GrpcCode grpc_code_parse(StrView text)
{
    unsigned n = 0;
    if (text.n < 1 || text.n > 2)
        return GRPC_UNKNOWN;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return GRPC_UNKNOWN;
        n = n * 10 + (unsigned)(text.p[i] - '0');
    }
    return n < CODE_COUNT ? (GrpcCode)n : GRPC_UNKNOWN;
}

typedef struct CodeRow {
    int from;
    GrpcCode to;
} CodeRow;

static GrpcCode look_up(const CodeRow *rows, size_t n, int from, GrpcCode otherwise)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].from == from)
            return rows[i].to;
    return otherwise;
}

GrpcCode grpc_code_from_h2(int h2_error)
{
    static const CodeRow rows[] = {
        {H2_REFUSED_STREAM, GRPC_UNAVAILABLE},
        {H2_LINK_LOST, GRPC_UNAVAILABLE},
        {H2_CANCEL, GRPC_CANCELLED},
        {H2_ENHANCE_YOUR_CALM, GRPC_RESOURCE_EXHAUSTED},
        {H2_INADEQUATE_SECURITY, GRPC_PERMISSION_DENIED},
    };
    return look_up(rows, sizeof rows / sizeof *rows, h2_error, GRPC_INTERNAL);
}

GrpcCode grpc_code_from_http(int status)
{
    static const CodeRow rows[] = {
        {400, GRPC_INTERNAL},      {401, GRPC_UNAUTHENTICATED}, {403, GRPC_PERMISSION_DENIED},
        {404, GRPC_UNIMPLEMENTED}, {429, GRPC_UNAVAILABLE},     {502, GRPC_UNAVAILABLE},
        {503, GRPC_UNAVAILABLE},   {504, GRPC_UNAVAILABLE},
    };
    return look_up(rows, sizeof rows / sizeof *rows, status, GRPC_UNKNOWN);
}
