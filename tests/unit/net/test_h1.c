/* net/h1: what is read, what is refused, and that the cut of the input never matters. */
#include "net/h1.h"

#include "core/ident.h"
#include "core/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* One line a step, so that two runs can be compared as text. */
static void trace_step(const H1 *p, H1Step s, StrBuf *out)
{
    if (s == H1_HEAD) {
        const H1Head *h = h1_head(p);
        strbuf_addf(out, "\n%s %s 1.%d host=" SV_FMT " len=%llu%s%s%s%s\n", h->method.p,
                    h->target.p, h->minor, SV_ARG(h->host), (unsigned long long)h->length,
                    h->chunked ? " chunked" : "", h->keep_alive ? " keep" : " close",
                    h->upgrade ? " upgrade" : "", h->expects_continue ? " 100" : "");
        for (size_t i = 0; i < h->n_fields; i++)
            strbuf_addf(out, "%s=%s\n", h->fields[i].name.p, h->fields[i].value.p);
    } else if (s == H1_BODY) {
        strbuf_add(out, h1_body(p).p, h1_body(p).n);
    } else if (s == H1_END) {
        strbuf_adds(out, "\nend");
    } else if (s == H1_BAD) {
        strbuf_addf(out, "\nbad %d", h1_status(p));
    }
}

/* Feed `text` in pieces of the sizes that `piece` gives; returns the trace. */
static char *trace(const char *text, size_t n, size_t (*piece)(void))
{
    H1 *p = h1_new();
    StrBuf out = {0};
    H1Step s = H1_MORE;
    for (size_t at = 0; at < n && s != H1_BAD;) {
        size_t take = piece ? piece() : n;
        if (take > n - at)
            take = n - at;
        char *copy = malloc(take);
        memcpy(copy, text + at, take);
        StrView in = {copy, take};
        at += take;
        while ((s = h1_next(p, &in)) != H1_MORE && s != H1_BAD)
            trace_step(p, s, &out);
        trace_step(p, s, &out);
        free(copy);
    }
    h1_free(p);
    return out.p ? out.p : xstrdup("");
}

static size_t one(void)
{
    return 1;
}

static size_t some(void)
{
    return 1 + random_u64() % 40;
}

static void same_for_every_cut(const char *text, size_t n)
{
    char *whole = trace(text, n, NULL), *bytes = trace(text, n, one);
    assert_string_equal(whole, bytes);
    for (int i = 0; i < 20; i++) {
        char *cut = trace(text, n, some);
        assert_string_equal(whole, cut);
        free(cut);
    }
    free(whole);
    free(bytes);
}

static void reads(const char *text, const char *want)
{
    char *got = trace(text, strlen(text), NULL);
    if (!strstr(got, want))
        fail_msg("%s\ngave %s\nwanted %s", text, got, want);
    free(got);
    same_for_every_cut(text, strlen(text));
}

static void test_reads(void **state)
{
    (void)state;
    reads("GET /a?b=c HTTP/1.1\r\nHost: x:1\r\nX-Some:  a b \t\r\n\r\n",
          "\nGET /a?b=c 1.1 host=x:1 len=0 keep\nhost=x:1\nx-some=a b\n\nend");
    reads("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.0\r\n\r\n",
          "len=3 keep\nhost=x\ncontent-length=3\nabc\nend\nGET /2 1.0 host= len=0 close\n\nend");
    reads("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
          "3;q=\"1\"\r\nabc\r\n00a\r\n0123456789\r\n0\r\nTrailer: dropped\r\n\r\n",
          "\nabc0123456789\nend");
    reads("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", " keep\n");
    reads("GET / HTTP/1.1\r\nHost:\r\nConnection: foo, Close\r\n\r\n", " close\n");
    reads("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\r\n", " upgrade\n");
    reads("PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 0\r\n\r\n",
          " 100\n");
    reads("GET http://h:2/p HTTP/1.1\r\nHost: other\r\n\r\n", "\nGET /p 1.1 host=h:2 ");
    reads("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "\nOPTIONS * ");
    reads("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "\nGET / ");
    reads("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
          "\nab\nend");
    reads("GET / HTTP/1.1\r\nHost: x\r\nX: caf\xc3\xa9\r\n\r\n", "x=caf\xc3\xa9");
}

#define HOST "Host: x\r\n"
static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } CASES[] = {
        {"GET / HTTP/1.1\nHost: x\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "A: b\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "B\xc3\xa4: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "A: \x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "A: \x7f\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: u@b\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
        {"GET /\tHTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /#x HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"G(T / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET / http/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.10\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
        {"\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"\x16\x03\x01\x02", 400},
        /* request smuggling: two ways to read the length */
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3 4\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1234567890123456789\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n", 417},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char *got = trace(CASES[i].text, strlen(CASES[i].text), NULL), want[16];
        snprintf(want, sizeof want, "\nbad %d", CASES[i].status);
        if (!str_eq(got, want))
            fail_msg("%s\ngave %s, wanted %s", CASES[i].text, got, want);
        free(got);
        same_for_every_cut(CASES[i].text, strlen(CASES[i].text));
    }
}

static void test_refuses_chunks(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "\r\n",
        "g\r\n",
        "-1\r\nabc\r\n",
        "0x3\r\nabc\r\n",
        " 3\r\nabc\r\n",
        "3 \r\nabc",
        "3\nabc\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\rX",
        "0\r\nA\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "1000000000000000\r\n",
        "3;a\x01\r\nabc\r\n",
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%s", CASES[i]);
        char *got = trace(text, strlen(text), NULL);
        if (!strstr(got, "\nbad 400"))
            fail_msg("chunk '%s' gave %s", CASES[i], got);
        free(got);
        same_for_every_cut(text, strlen(text));
    }
}

static void has_status(const StrBuf *text, const char *want)
{
    char *got = trace(text->p, text->n, some);
    if (!strstr(got, want))
        fail_msg("wanted %s, got %s", want, got);
    free(got);
}

static void fill(StrBuf *b, char c, size_t n)
{
    while (n--)
        strbuf_addc(b, c);
}

static void test_limits(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    strbuf_adds(&b, "GET /");
    fill(&b, 'a', LIMIT_HTTP_LINE - 14);
    strbuf_adds(&b, " HTTP/1.1\r\n" HOST "\r\n");
    has_status(&b, "end");
    strbuf_reset(&b);
    strbuf_adds(&b, "GET /");
    fill(&b, 'a', LIMIT_HTTP_LINE);
    has_status(&b, "bad 414");
    strbuf_reset(&b);
    strbuf_adds(&b, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 1; i < LIMIT_HTTP_HEADER_COUNT; i++)
        strbuf_addf(&b, "A%d: b\r\n", i);
    strbuf_adds(&b, "\r\n");
    has_status(&b, "end");
    b.n -= 2;
    strbuf_adds(&b, "One-more: b\r\n\r\n");
    has_status(&b, "bad 431");
    strbuf_reset(&b);
    strbuf_adds(&b, "GET / HTTP/1.1\r\n" HOST "A: ");
    fill(&b, 'a', LIMIT_HTTP_HEADERS + 8);
    has_status(&b, "bad 431");
    strbuf_reset(&b);
    strbuf_adds(&b, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 5; i++) {
        strbuf_adds(&b, "A: ");
        fill(&b, ' ', 4000); /* blanks that are dropped count as well */
        strbuf_adds(&b, "b\r\n");
    }
    has_status(&b, "bad 431");
}

static void test_limits_of_chunks(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    strbuf_adds(&b, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    size_t head = b.n;
    strbuf_adds(&b, "1;");
    fill(&b, 'x', 300);
    has_status(&b, "bad 400");
    b.n = head;
    for (int i = 0; i < 100; i++) {
        strbuf_adds(&b, "1;");
        fill(&b, 'x', 200);
        strbuf_adds(&b, "\r\na\r\n");
    }
    has_status(&b, "bad 400");
    b.n = head;
    strbuf_adds(&b, "0\r\n");
    for (int i = 0; i <= LIMIT_HTTP_HEADER_COUNT; i++)
        strbuf_adds(&b, "T: x\r\n");
    has_status(&b, "bad 431");
}

static void test_between(void **state)
{
    (void)state;
    H1 *p = h1_new();
    assert_true(h1_between(p));
    StrView in = SV("GET / HTTP/1.1\r\nHost: x\r\n\r\nG");
    assert_int_equal(h1_next(p, &in), H1_HEAD);
    assert_false(h1_between(p));
    assert_int_equal(h1_next(p, &in), H1_END);
    assert_true(h1_between(p));
    assert_int_equal(h1_next(p, &in), H1_MORE);
    assert_false(h1_between(p));
    h1_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_refuses_chunks),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_limits_of_chunks),
        cmocka_unit_test(test_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
