#include "net/h1.h"

#include "core/limits.h"
#include <stdlib.h>

enum {
    MAX_CHUNK_LINE = 256,       /* a size and its extensions */
    MAX_CHUNK_LINES = 16 << 10, /* extensions of a whole request: nobody needs them */
    MAX_SIZE_DIGITS = 15,       /* hex; fits 60 bits */
    MAX_LENGTH_DIGITS = 18,     /* decimal; fits 60 bits */
};

typedef enum State {
    S_START, /* in or before the request line; one empty line before it is let pass */
    S_FIELD,
    S_BODY,
    S_CHUNK_SIZE,
    S_CHUNK_DATA,
    S_CHUNK_END,
    S_TRAILER,
    S_END,
    S_DONE, /* H1_END was told; the next call begins anew */
    S_BAD,
} State;

/* A field as offsets into `text`, which moves as it grows. */
typedef struct Span {
    size_t name, name_n, value, value_n;
} Span;

struct H1 {
    State state;
    StrBuf text; /* the head: lines without CRLF, parts NUL-terminated */
    size_t line; /* where the line being read starts in text */
    Span spans[LIMIT_HTTP_HEADER_COUNT];
    H1Field fields[LIMIT_HTTP_HEADER_COUNT];
    size_t n_fields, field_bytes, chunk_line_bytes;
    size_t method_n, target, target_n, host, host_n; /* of the request line */
    H1Head head;
    uint64_t left; /* of the body or of the chunk */
    StrView body;
    int status;
    const char *reason;
    bool skipped_empty;
};

/* RFC 9110 section 5.6.2 */
static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(StrView v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_token_char((unsigned char)v.p[i]))
            return false;
    return v.n > 0;
}

static bool digits_to_u64(StrView v, uint64_t *ret)
{
    uint64_t n = 0;
    if (v.n == 0 || v.n > MAX_LENGTH_DIGITS)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    *ret = n;
    return true;
}

static H1Step bad(H1 *p, int status, const char *reason)
{
    p->state = S_BAD;
    p->status = status;
    p->reason = reason;
    return H1_BAD;
}

/* ---- lines ---- */

static size_t line_limit(const H1 *p)
{
    if (p->state == S_CHUNK_SIZE)
        return MAX_CHUNK_LINE;
    return p->state == S_START ? LIMIT_HTTP_LINE : LIMIT_HTTP_HEADERS;
}

static H1Step line_too_long(H1 *p)
{
    if (p->state == S_CHUNK_SIZE)
        return bad(p, 400, "a chunk line is longer than 256 bytes");
    if (p->state == S_START)
        return bad(p, 414, "the request line is longer than 8 KiB");
    return bad(p, 431, "the header fields are larger than 16 KiB");
}

/* Control bytes are refused as they come, so that a stranger who speaks something else is told at
 * once. A CR is kept until the next byte shows that it ends the line. */
static bool bytes_ok(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
            return false;
    }
    return true;
}

/* Move one line from *in to the end of text. H1_HEAD here means: a whole line stands at p->line,
 * NUL-terminated, without its CRLF. */
static H1Step take_line(H1 *p, StrView *in)
{
    const char *lf = in->n ? memchr(in->p, '\n', in->n) : NULL;
    size_t n = lf ? (size_t)(lf - in->p) + 1 : in->n;
    size_t room = p->line + line_limit(p) + 2 - p->text.n;
    size_t take = n < room ? n : room;
    if (!bytes_ok(in->p, take))
        return bad(p, 400, "control bytes in the request");
    strbuf_add(&p->text, in->p, take);
    in->p += take;
    in->n -= take;
    char *line = p->text.p + p->line;
    size_t len = p->text.n - p->line;
    /* A CR anywhere but at the end, where its LF may follow, is not a line end. */
    char *cr = memchr(line, '\r', len);
    if (cr && cr + 2 < line + len)
        return bad(p, 400, "a CR that ends no line");
    if (take < n || (!lf && take == room))
        return line_too_long(p);
    if (!lf)
        return cr && cr + 1 < line + len ? bad(p, 400, "a CR that ends no line") : H1_MORE;
    if (!cr || cr + 2 != line + len)
        return bad(p, 400, "a line that ends without CR LF");
    *cr = 0;
    p->text.n -= 1; /* the NUL stays in place of the CR */
    return H1_HEAD;
}

/* ---- the request line ---- */

/* "http://host/path" of a client that takes us for a proxy: RFC 9112 section 3.2.2 wants it read.
 */
static bool split_absolute(H1 *p, char *target, size_t n)
{
    size_t scheme = str_starts(target, "http://") ? 7 : str_starts(target, "https://") ? 8 : 0;
    if (!scheme)
        return false;
    size_t host_n = strcspn(target + scheme, "/?");
    if (host_n == 0 || target[scheme + host_n] != '/')
        return false;
    p->host = p->target + scheme;
    p->host_n = host_n;
    p->target += scheme + host_n;
    p->target_n = n - scheme - host_n;
    return true;
}

static bool target_ok(H1 *p, StrView method)
{
    char *target = p->text.p + p->target;
    for (size_t i = 0; i < p->target_n; i++)
        if ((unsigned char)target[i] <= 0x20 || (unsigned char)target[i] >= 0x7f ||
            target[i] == '#')
            return false;
    if (target[0] == '/')
        return true;
    if (p->target_n == 1 && target[0] == '*')
        return sv_eqs(method, "OPTIONS");
    return split_absolute(p, target, p->target_n);
}

static H1Step parse_request_line(H1 *p)
{
    char *line = p->text.p + p->line;
    StrView rest = sv(line), method = sv_cut(&rest, ' '), target = sv_cut(&rest, ' ');
    if (!rest.p || !is_token(method) || !target.n)
        return bad(p, 400, "the request line is not METHOD TARGET HTTP/1.1");
    if (!sv_starts(rest, "HTTP/") || rest.n != 8 || rest.p[6] != '.')
        return bad(p, 400, "the request line does not end in HTTP/1.1");
    if (rest.p[5] != '1' || (rest.p[7] != '0' && rest.p[7] != '1'))
        return bad(p, 505, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here");
    p->head.minor = rest.p[7] - '0';
    p->method_n = method.n;
    p->target = (size_t)(target.p - p->text.p);
    p->target_n = target.n;
    line[method.n] = 0;
    p->text.p[p->target + target.n] = 0;
    if (!target_ok(p, (StrView){line, method.n}))
        return bad(p, 400, "the request target is not a path of visible ASCII");
    p->line = p->text.n;
    p->state = S_FIELD;
    return H1_MORE;
}

/* ---- fields ---- */

/* Check the line at p->line as a field and, for a header, remember it. */
static H1Step parse_field(H1 *p, bool keep)
{
    char *line = p->text.p + p->line;
    size_t n = p->text.n - p->line - 1;
    StrView value = {line, n};
    if (line[0] == ' ' || line[0] == '\t')
        return bad(p, 400, "a header field folded over two lines");
    StrView name = sv_cut(&value, ':');
    if (!value.p || !is_token(name))
        return bad(p, 400, "a header field is not NAME: VALUE");
    value = sv_trim(value);
    p->field_bytes += n + 30; /* name + value + 32, and blanks nobody needs */
    if (p->field_bytes > LIMIT_HTTP_HEADERS || p->n_fields == LIMIT_HTTP_HEADER_COUNT)
        return bad(p, 431, "more than 16 KiB or 100 header fields");
    size_t at = p->n_fields++;
    if (!keep) {
        p->text.n = p->line;
        return H1_MORE;
    }
    for (size_t i = 0; i < name.n; i++)
        if (line[i] >= 'A' && line[i] <= 'Z')
            line[i] = (char)(line[i] + 'a' - 'A');
    line[name.n] = 0;
    size_t value_at = (size_t)(value.p - p->text.p);
    p->text.p[value_at + value.n] = 0;
    p->spans[at] = (Span){p->line, name.n, value_at, value.n};
    p->line = p->text.n;
    return H1_MORE;
}

static unsigned count_fields(const H1 *p, const char *name, StrView *first)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->n_fields; i++)
        if (sv_eqs(p->fields[i].name, name) && n++ == 0)
            *first = p->fields[i].value;
    return n;
}

static H1Step settle_length(H1 *p)
{
    StrView te = {0}, cl = {0};
    unsigned n_te = count_fields(p, "transfer-encoding", &te);
    unsigned n_cl = count_fields(p, "content-length", &cl);
    if (n_te && n_cl)
        return bad(p, 400, "Transfer-Encoding beside Content-Length");
    if (n_te && (n_te > 1 || !sv_ieqs(te, "chunked") || p->head.minor == 0))
        return bad(p, 400, "Transfer-Encoding is not exactly one \"chunked\" on HTTP/1.1");
    if (n_cl && !digits_to_u64(cl, &p->head.length))
        return bad(p, 400, "Content-Length is not a number of at most 18 digits");
    for (size_t i = 0; n_cl > 1 && i < p->n_fields; i++)
        if (sv_eqs(p->fields[i].name, "content-length") && !sv_eq(p->fields[i].value, cl))
            return bad(p, 400, "two Content-Length fields that differ");
    p->head.chunked = n_te == 1;
    return H1_HEAD;
}

static bool host_ok(StrView host)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"#/<>?@\\^`{|}", c))
            return false;
    }
    return true;
}

static H1Step settle_host(H1 *p)
{
    StrView host = {0};
    unsigned n = count_fields(p, "host", &host);
    if (n > 1 || (n == 0 && p->head.minor == 1))
        return bad(p, 400, "HTTP/1.1 wants exactly one Host field");
    if (p->host_n)
        host = (StrView){p->text.p + p->host, p->host_n};
    if (!host_ok(host))
        return bad(p, 400, "the Host field is not HOST or HOST:PORT");
    p->head.host = host;
    return H1_HEAD;
}

static H1Step settle_connection(H1 *p)
{
    bool close = false, keep = false;
    StrView expect = {0};
    for (size_t i = 0; i < p->n_fields; i++) {
        if (!sv_eqs(p->fields[i].name, "connection"))
            continue;
        close |= h1_has_token(p->fields[i].value, "close");
        keep |= h1_has_token(p->fields[i].value, "keep-alive");
        p->head.upgrade |= h1_has_token(p->fields[i].value, "upgrade");
    }
    p->head.keep_alive = !close && (p->head.minor == 1 || keep);
    if (count_fields(p, "expect", &expect) && !sv_ieqs(expect, "100-continue"))
        return bad(p, 417, "only 100-continue can be expected");
    p->head.expects_continue = expect.n && p->head.minor == 1;
    return H1_HEAD;
}

static H1Step finish_head(H1 *p)
{
    /* Chunk lines and trailers are read behind the head, which must not move any more. */
    strbuf_reserve(&p->text, LIMIT_HTTP_HEADERS + 4);
    char *t = p->text.p;
    p->head.method = (StrView){t, p->method_n};
    p->head.target = (StrView){t + p->target, p->target_n};
    for (size_t i = 0; i < p->n_fields; i++) {
        Span s = p->spans[i];
        p->fields[i] = (H1Field){{t + s.name, s.name_n}, {t + s.value, s.value_n}};
    }
    p->head.fields = p->fields;
    p->head.n_fields = p->n_fields;
    if (settle_length(p) == H1_BAD || settle_host(p) == H1_BAD || settle_connection(p) == H1_BAD)
        return H1_BAD;
    p->left = p->head.length;
    p->state = p->head.chunked ? S_CHUNK_SIZE : p->left ? S_BODY : S_END;
    p->n_fields = p->field_bytes = 0; /* count the trailers from here */
    p->line = p->text.n;
    return H1_HEAD;
}

/* ---- the body ---- */

static H1Step take_body(H1 *p, StrView *in, State after)
{
    if (in->n == 0)
        return H1_MORE;
    size_t n = in->n < p->left ? in->n : (size_t)p->left;
    p->body = (StrView){in->p, n};
    in->p += n;
    in->n -= n;
    p->left -= n;
    if (p->left == 0)
        p->state = after;
    return H1_BODY;
}

static H1Step parse_chunk_size(H1 *p)
{
    const char *line = p->text.p + p->line;
    size_t n = p->text.n - p->line - 1, digits = 0;
    uint64_t size = 0;
    for (; digits < n; digits++) {
        char c = line[digits];
        int v = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (v < 0)
            break;
        size = size << 4 | (uint64_t)v;
    }
    if (digits == 0 || digits > MAX_SIZE_DIGITS || (digits < n && line[digits] != ';'))
        return bad(p, 400, "a chunk size is not up to 15 hexadecimal digits");
    p->chunk_line_bytes += n - digits;
    if (p->chunk_line_bytes > MAX_CHUNK_LINES)
        return bad(p, 400, "more than 16 KiB of chunk extensions");
    p->text.n = p->line;
    p->left = size;
    p->state = size ? S_CHUNK_DATA : S_TRAILER;
    return H1_MORE;
}

/* p->left is 0 behind a chunk; it counts the bytes of the CRLF. */
static H1Step take_chunk_end(H1 *p, StrView *in)
{
    static const char CRLF[] = "\r\n";
    while (in->n && p->left < 2) {
        if (*in->p != CRLF[p->left])
            return bad(p, 400, "a chunk is longer than its size says");
        in->p++, in->n--;
        p->left++;
    }
    if (p->left == 2)
        p->state = S_CHUNK_SIZE;
    return H1_MORE;
}

/* ---- steps ---- */

static void begin(H1 *p)
{
    strbuf_reset(&p->text);
    p->line = p->n_fields = p->field_bytes = p->chunk_line_bytes = p->host_n = 0;
    p->head = (H1Head){0};
    p->skipped_empty = false;
    p->state = S_START;
}

static H1Step on_line(H1 *p)
{
    bool empty = p->text.n - p->line == 1;
    switch (p->state) {
    case S_START:
        if (!empty)
            return parse_request_line(p);
        if (p->skipped_empty)
            return bad(p, 400, "empty lines where a request should be");
        p->skipped_empty = true;
        p->text.n = p->line;
        return H1_MORE;
    case S_FIELD:
        return empty ? finish_head(p) : parse_field(p, true);
    case S_TRAILER:
        if (!empty)
            return parse_field(p, false);
        p->state = S_END;
        return H1_MORE;
    case S_CHUNK_SIZE:
        return parse_chunk_size(p);
    case S_BODY:
    case S_CHUNK_DATA:
    case S_CHUNK_END:
    case S_END:
    case S_DONE:
    case S_BAD:
        break;
    }
    BUG("a line in state %d", (int)p->state);
}

static H1Step step(H1 *p, StrView *in)
{
    if (p->state == S_BODY)
        return take_body(p, in, S_END);
    if (p->state == S_CHUNK_DATA)
        return take_body(p, in, S_CHUNK_END);
    if (p->state == S_CHUNK_END)
        return take_chunk_end(p, in);
    H1Step s = take_line(p, in);
    return s == H1_HEAD ? on_line(p) : s;
}

H1Step h1_next(H1 *p, StrView *in)
{
    if (p->state == S_BAD)
        return H1_BAD;
    if (p->state == S_DONE)
        begin(p);
    for (;;) {
        if (p->state == S_END) {
            p->state = S_DONE;
            return H1_END;
        }
        if (in->n == 0)
            return H1_MORE;
        H1Step s = step(p, in);
        if (s != H1_MORE)
            return s;
    }
}

H1 *h1_new(void)
{
    return xnew(H1);
}

void h1_free(H1 *p)
{
    if (!p)
        return;
    strbuf_done(&p->text);
    free(p);
}

const H1Head *h1_head(const H1 *p)
{
    return &p->head;
}

StrView h1_body(const H1 *p)
{
    return p->body;
}

int h1_status(const H1 *p)
{
    return p->status;
}

const char *h1_reason(const H1 *p)
{
    return p->reason;
}

bool h1_between(const H1 *p)
{
    return p->state == S_DONE || (p->state == S_START && p->text.n == 0 && !p->skipped_empty);
}

StrView h1_field(const H1Head *h, const char *name)
{
    for (size_t i = 0; i < h->n_fields; i++)
        if (sv_eqs(h->fields[i].name, name))
            return h->fields[i].value;
    return (StrView){0};
}

bool h1_has_token(StrView value, const char *token)
{
    while (value.p)
        if (sv_ieqs(sv_trim(sv_cut(&value, ',')), token))
            return true;
    return false;
}
