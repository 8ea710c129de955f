/* The text parts of gRPC and its message framing. */
#include "grpc/frame.h"
#include "grpc/text.h"
#include "net/h2.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void test_timeouts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
        bool ok;
    } rows[] = {
        {"1H", 3600000, true},
        {"2M", 120000, true},
        {"3S", 3000, true},
        {"100m", 100, true},
        {"1500u", 2, true}, /* rounded up: never earlier than asked */
        {"1n", 1, true},
        {"0n", 0, true},
        {"99999999H", 99999999ull * 3600000, true},
        {"99999999n", 100, true},
        {"123456789m", UINT64_MAX, true}, /* nine digits: endless */
        {"99999999999999999999999999S", UINT64_MAX, true},
        {"", 0, false},
        {"m", 0, false},
        {"10", 0, false},
        {"10x", 0, false},
        {"-1m", 0, false},
        {"1 m", 0, false},
        {"1.5S", 0, false},
        {"m1", 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t ms = 0;
        if (grpc_timeout_parse(sv(rows[i].text), &ms) != rows[i].ok || ms != rows[i].ms)
            fail_msg("'%s' gave %llu", rows[i].text, (unsigned long long)ms);
    }
}

static void test_timeouts_there_and_back(void **state)
{
    (void)state;
    const uint64_t values[] = {0, 1, 99999999, 100000000, 99999998999, 100000000000, 1ull << 48};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[GRPC_TIMEOUT_LEN + 1];
        uint64_t back;
        grpc_timeout_format(text, values[i]);
        assert_true(grpc_timeout_parse(sv(text), &back));
        assert_true(back >= values[i]); /* the server is never first */
        assert_true(back <= values[i] + values[i] / 1000 + 3600000);
    }
}

static void test_messages(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    assert_string_equal(grpc_message_encode(a, "plain text ~"), "plain text ~");
    assert_string_equal(grpc_message_encode(a, "50%\r\n"), "50%25%0D%0A");
    assert_string_equal(grpc_message_encode(a, "\t☺😈"), "%09%E2%98%BA%F0%9F%98%88");
    assert_string_equal(grpc_message_encode(a, "bad \xff utf8"), "bad ? utf8");
    static const struct {
        const char *wire, *text;
    } rows[] = {
        {"", ""},     {"a%20b", "a b"}, {"%E2%98%BA", "☺"}, {"%", "%"},     {"100%", "100%"},
        {"%4", "%4"}, {"%zz", "%zz"},   {"%41%4", "A%4"},   {"%00x", "?x"}, {"%25%34%31", "%41"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(grpc_message_decode(a, sv(rows[i].wire)), rows[i].text);
}

static void test_binary_metadata(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    size_t n;
    assert_string_equal(grpc_bin_encode(a, SV("\xab\xab\xab")), "q6ur");
    assert_string_equal(grpc_bin_encode(a, SV("a")), "YQ"); /* no padding */
    const char *same[] = {"YWI=", "YWI", " YWI , eHg=", "YWI,"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const char *p = grpc_bin_decode(a, sv(same[i]), &n);
        assert_non_null(p);
        assert_int_equal(n, 2);
        assert_memory_equal(p, "ab", 2);
    }
    assert_non_null(grpc_bin_decode(a, SV(""), &n));
    assert_int_equal(n, 0);
    assert_null(grpc_bin_decode(a, SV("a!b"), &n));
    assert_null(grpc_bin_decode(a, SV("a"), &n));
}

static void test_content_types(void **state)
{
    (void)state;
    assert_true(grpc_content_type_ok(SV("application/grpc")));
    assert_true(grpc_content_type_ok(SV("application/grpc+proto")));
    assert_true(grpc_content_type_ok(SV("application/grpc;charset=x")));
    assert_false(grpc_content_type_ok(SV("application/grpc-web")));
    assert_false(grpc_content_type_ok(SV("application/json")));
    assert_false(grpc_content_type_ok(SV("")));
}

static void test_codes(void **state)
{
    (void)state;
    for (int i = 0; i <= 16; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(grpc_code_parse(sv(text)), i);
        assert_string_not_equal(grpc_code_name((GrpcCode)i), "");
    }
    const char *unknown[] = {"", "17", "99", "100", "-1", "x", "1x"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_int_equal(grpc_code_parse(sv(unknown[i])), GRPC_UNKNOWN);
    assert_int_equal(grpc_code_from_h2(H2_REFUSED_STREAM), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_code_from_h2(H2_PROTOCOL_ERROR), GRPC_INTERNAL);
    assert_int_equal(grpc_code_from_h2(H2_LINK_LOST), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_code_from_http(429), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_code_from_http(418), GRPC_UNKNOWN);
}

/* ---- framing ---- */

/* Feed `bytes` in pieces of `step`; the messages come out joined by '|', a failure as "!CODE". */
static char *unframe(Arena *a, GrpcFramer *f, StrView bytes, size_t step)
{
    AUTO_STRBUF out = {0};
    for (size_t at = 0; at < bytes.n; at += step) {
        StrView in = sv_n(bytes.p + at, bytes.n - at < step ? bytes.n - at : step);
        for (;;) {
            StrView msg;
            GrpcCode code;
            Error err;
            GrpcFrameResult r = grpc_frame_next(f, &in, &msg, &code, &err);
            if (r == GRPC_FRAME_BAD)
                return arena_printf(a, "%s!%d", strbuf_str(&out), (int)code);
            if (r == GRPC_FRAME_MORE)
                break;
            strbuf_add(&out, msg.p, msg.n);
            strbuf_addc(&out, '|');
            grpc_frame_done(f);
        }
        assert_int_equal(in.n, 0);
    }
    return arena_strdup(a, strbuf_str(&out));
}

static void add_message(StrBuf *b, int flag, StrView body)
{
    unsigned char prefix[GRPC_PREFIX_LEN];
    grpc_prefix(prefix, body.n);
    prefix[0] = (unsigned char)flag;
    strbuf_add(b, prefix, sizeof prefix);
    strbuf_add(b, body.p, body.n);
}

static void test_frames_at_every_split(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    add_message(&b, 0, SV("hello"));
    add_message(&b, 0, SV(""));
    add_message(&b, 0, SV("the quick brown fox"));
    add_message(&b, 0, SV("x"));
    for (size_t step = 1; step <= b.n; step++) {
        GrpcFramer f = {.max_message = 19};
        assert_string_equal(unframe(a, &f, sv_n(b.p, b.n), step), "hello||the quick brown fox|x|");
        assert_true(grpc_frame_at_edge(&f));
        grpc_frame_done(&f);
    }
}

static void test_the_edge_is_known(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    add_message(&b, 0, SV("hello"));
    for (size_t n = 0; n <= b.n; n++) {
        GrpcFramer f = {.max_message = 100};
        unframe(a, &f, sv_n(b.p, n), 3);
        assert_int_equal(grpc_frame_at_edge(&f), n == 0 || n == b.n);
        grpc_frame_done(&f);
    }
}

static char *gzip(Arena *a, StrView in, size_t *ret_n)
{
    z_stream z = {0};
    size_t cap = in.n + 1000;
    char *out = arena_alloc(a, cap);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, 0), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *ret_n = cap - z.avail_out;
    deflateEnd(&z);
    return out;
}

static void test_gzip(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    size_t n;
    char *zipped = gzip(a, SV("squeezed"), &n);
    add_message(&b, 1, sv_n(zipped, n));
    add_message(&b, 0, SV("plain"));
    for (size_t step = 1; step <= b.n; step += 3) {
        GrpcFramer f = {.max_message = 100, .gzip = true};
        assert_string_equal(unframe(a, &f, sv_n(b.p, b.n), step), "squeezed|plain|");
        grpc_frame_done(&f);
    }
    GrpcFramer f = {.max_message = 100}; /* not announced */
    assert_string_equal(unframe(a, &f, sv_n(b.p, b.n), b.n), "!13");
    grpc_frame_done(&f);
}

static void test_bad_frames(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    size_t n;
    char *big = arena_alloc(a, 100000);
    char *bomb = gzip(a, sv_n(big, 100000), &n);
    AUTO_STRBUF too_much = {0}, cut = {0}, junk = {0};
    add_message(&too_much, 1, sv_n(bomb, n));
    char *small = gzip(a, SV("squeezed"), &n);
    add_message(&cut, 1, sv_n(small, n - 9));
    add_message(&junk, 1, SV("no gzip"));
    const struct {
        StrView in;
        const char *want;
    } rows[] = {
        {SV("\0\0\0\3\xe9"), "!8"}, /* 1,001 bytes, before any of them came */
        {SV("\0\xff\xff\xff\xff"), "!8"},     {SV("\2\0\0\0\1x"), "!13"},
        {sv_n(too_much.p, too_much.n), "!8"}, {sv_n(cut.p, cut.n), "!13"},
        {sv_n(junk.p, junk.n), "!13"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        GrpcFramer f = {.max_message = 1000, .gzip = true};
        char *got = unframe(a, &f, rows[i].in, rows[i].in.n);
        if (!str_eq(got, rows[i].want))
            fail_msg("row %zu: '%s', want '%s'", i, got, rows[i].want);
        grpc_frame_done(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_timeouts_there_and_back),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_binary_metadata),
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_frames_at_every_split),
        cmocka_unit_test(test_the_edge_is_known),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_bad_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
