/* net/ws: both ends talk to each other, in any cut; what breaks the protocol ends it with the right
 * code. */
#include "net/ws.h"

#include "core/ident.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct End {
    Ws *ws;
    StrBuf got;
    unsigned messages;
    bool close_on_message;
} End;

static void on_message(void *ctx, const char *p, size_t n, bool binary)
{
    End *e = ctx;
    e->messages++;
    strbuf_addf(&e->got, "%s%zu:", binary ? "b" : "t", n);
    strbuf_add(&e->got, p, n);
    if (e->close_on_message)
        ws_close(e->ws, WS_GOING_AWAY, "enough");
}

static const WsEvents EVENTS = {.on_message = on_message};

static void open_both(End *client, End *server)
{
    *client = *server = (End){0};
    client->ws = ws_new(true, 1000, &EVENTS, client);
    server->ws = ws_new(false, 1000, &EVENTS, server);
}

static void close_both(End *client, End *server)
{
    ws_free(client->ws);
    ws_free(server->ws);
    strbuf_done(&client->got);
    strbuf_done(&server->got);
}

/* Move what `from` has to say to `to`, in pieces of at most `piece`. */
static void carry(End *from, End *to, size_t piece)
{
    AUTO_STRBUF wire = {0};
    ws_pull(from->ws, &wire);
    for (size_t at = 0; at < wire.n; at += piece)
        ws_recv(to->ws, wire.p + at, wire.n - at < piece ? wire.n - at : piece);
}

static void test_both_ways(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 300; piece += 1 + random_u64() % 40) {
        End c, s;
        char big[1000];
        memset(big, 'z', sizeof big);
        open_both(&c, &s);
        ws_send(c.ws, "hello", 5, false);
        ws_ping(c.ws);
        ws_send(c.ws, big, sizeof big, true);
        ws_send(c.ws, "", 0, false);
        carry(&c, &s, piece);
        assert_int_equal(s.messages, 3);
        assert_true(str_starts(s.got.p, "t5:hellob1000:zzz"));
        ws_send(s.ws, "back", 4, false);
        carry(&s, &c, piece);
        assert_string_equal(c.got.p, "t4:back");
        assert_false(ws_over(c.ws) || ws_over(s.ws));
        ws_close(s.ws, WS_NORMAL, "done");
        ws_send(s.ws, "late", 4, false);
        carry(&s, &c, piece);
        carry(&c, &s, piece);
        assert_true(ws_over(c.ws) && ws_over(s.ws));
        assert_int_equal(ws_close_code(c.ws), WS_NORMAL);
        assert_int_equal(c.messages, 1);
        close_both(&c, &s);
    }
}

static void test_close_inside_a_message(void **state)
{
    (void)state;
    End c, s;
    open_both(&c, &s);
    s.close_on_message = true;
    ws_send(c.ws, "one", 3, false);
    ws_send(c.ws, "two", 3, false);
    carry(&c, &s, 4096);
    assert_int_equal(s.messages, 1);
    carry(&s, &c, 4096);
    assert_int_equal(ws_close_code(c.ws), WS_GOING_AWAY);
    close_both(&c, &s);
}

/* Feed raw bytes to a server; the code of the close frame it answers with. */
static int code_for(const char *bytes, size_t n, size_t piece)
{
    End s = {0};
    StrBuf out = {0};
    s.ws = ws_new(false, 1000, &EVENTS, &s);
    for (size_t at = 0; at < n; at += piece)
        ws_recv(s.ws, bytes + at, n - at < piece ? n - at : piece);
    ws_pull(s.ws, &out);
    int code = -1;
    if (out.n >= 2 && (unsigned char)out.p[0] == 0x88)
        code = out.n >= 4 ? (unsigned char)out.p[2] << 8 | (unsigned char)out.p[3] : 0;
    if (code >= 0)
        assert_true(ws_over(s.ws));
    ws_recv(s.ws, bytes, n); /* nothing is heard any more */
    ws_free(s.ws);
    strbuf_done(&s.got);
    strbuf_done(&out);
    return code;
}

#define M "\0\0\0\0"
static void test_breaches(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int code;
    } CASES[] = {
#define C(text, code) {text, sizeof text - 1, code}
        C("\x81\x01x", WS_PROTOCOL),                    /* not masked */
        C("\xc1\x81" M "x", WS_PROTOCOL),               /* reserved bit */
        C("\x83\x81" M "x", WS_PROTOCOL),               /* unknown kind */
        C("\x80\x81" M "x", WS_PROTOCOL),               /* continues nothing */
        C("\x01\x81" M "x\x81\x81" M "y", WS_PROTOCOL), /* a new message inside of one */
        C("\x09\x81" M "x", WS_PROTOCOL),               /* a ping in pieces */
        C("\x89\xfe\x00\x7e" M "x", WS_PROTOCOL),       /* a long ping */
        C("\x81\xfe\x00\x05" M "hello", WS_PROTOCOL),   /* not the shortest length */
        C("\x81\xff\0\0\0\0\0\0\0\x05" M "hello", WS_PROTOCOL),
        C("\x81\x82" M "\xc3\x28", 1007),        /* not UTF-8 */
        C("\x88\x81" M "\x03", 0),               /* half a code: closed, wslay names no reason */
        C("\x88\x82" M "\x03\xec", WS_PROTOCOL), /* 1004 is nobody's to send */
        C("\x81\xfe\x03\xe9" M "x", WS_TOO_BIG),
        C("\x88\x82" M "\x03\xe8", WS_NORMAL),
#undef C
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (size_t piece = 1; piece < 8; piece += 3)
            if (code_for(CASES[i].bytes, CASES[i].n, piece) != CASES[i].code)
                fail_msg("case %zu in pieces of %zu: %d, wanted %d", i, piece,
                         code_for(CASES[i].bytes, CASES[i].n, piece), CASES[i].code);
}

static void test_accept_key(void **state)
{
    (void)state;
    char accept[WS_ACCEPT_LEN + 1];
    assert_true(ws_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept)); /* RFC 6455 section 1.3 */
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_false(ws_accept_key("dGhlIHNhbXBsZSBub25jZQ", accept));
    assert_false(ws_accept_key("", accept));
    assert_false(ws_accept_key("dGhlIHNhbXBsZSBub25jZSE=", accept));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_close_inside_a_message),
        cmocka_unit_test(test_breaches),
        cmocka_unit_test(test_accept_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
