/* Two sessions of ours, back to back, with every split of the bytes between them. */
#include "net/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

typedef struct Seen {
    StrBuf log; /* one word per event */
    StrBuf data;
    H2 *h;
    H2Stream *last;
    bool consume;
    int goaway;
    char debug[64];
} Seen;

typedef struct Pair {
    Seen client, server;
    uint64_t now;
    size_t split; /* bytes given at a time; 0: all */
} Pair;

static void on_headers(void *ctx, H2Stream *s, H2Block block, const H2Headers *h, bool end)
{
    Seen *seen = ctx;
    const char *names[] = {"request", "response", "trailers"};
    seen->last = s;
    strbuf_addf(&seen->log, "%s%s%s ", names[block], h->too_large ? "!" : "", end ? "." : "");
    StrView v = h2_header(h, "x-note");
    if (v.n)
        strbuf_addf(&seen->log, "[" SV_FMT "] ", SV_ARG(v));
}

static void on_data(void *ctx, H2Stream *s, const char *p, size_t n)
{
    Seen *seen = ctx;
    strbuf_add(&seen->data, p, n);
    if (seen->consume)
        h2_consume(s, n);
}

static void on_half_close(void *ctx, H2Stream *s)
{
    (void)s;
    strbuf_adds(&((Seen *)ctx)->log, "half ");
}

static void on_drain(void *ctx, H2Stream *s)
{
    (void)s;
    strbuf_adds(&((Seen *)ctx)->log, "drain ");
}

static void on_close(void *ctx, H2Stream *s, int code)
{
    Seen *seen = ctx;
    if (seen->last == s)
        seen->last = NULL;
    strbuf_addf(&seen->log, "close(%d) ", code);
}

static void on_goaway(void *ctx, int code, StrView debug)
{
    Seen *seen = ctx;
    seen->goaway = code;
    snprintf(seen->debug, sizeof seen->debug, SV_FMT, SV_ARG(debug));
}

static const H2Events EVENTS = {
    .on_headers = on_headers,
    .on_data = on_data,
    .on_half_close = on_half_close,
    .on_drain = on_drain,
    .on_close = on_close,
    .on_goaway = on_goaway,
};

static void pair_init(Pair *p, const H2Config *server)
{
    *p = (Pair){.now = 1000};
    p->client.consume = p->server.consume = true;
    p->client.h = h2_new(&(H2Config){.client = true}, &EVENTS, &p->client, NULL);
    p->server.h = h2_new(server, &EVENTS, &p->server, NULL);
}

static void pair_done(Pair *p)
{
    Seen *both[] = {&p->client, &p->server};
    for (int i = 0; i < 2; i++) {
        h2_free(both[i]->h);
        strbuf_done(&both[i]->log);
        strbuf_done(&both[i]->data);
    }
}

/* Bytes of one into the other; false when there were none. */
static bool carry(Pair *p, H2 *from, H2 *to)
{
    AUTO_STRBUF out = {0};
    h2_pull(from, &out, 64 * 1024);
    size_t step = p->split ? p->split : out.n;
    for (size_t at = 0; at < out.n; at += step) {
        Error err;
        size_t n = out.n - at < step ? out.n - at : step;
        if (h2_recv(to, out.p + at, n, p->now, &err))
            break;
    }
    return out.n > 0;
}

static void settle(Pair *p)
{
    while (carry(p, p->client.h, p->server.h) | carry(p, p->server.h, p->client.h))
        ;
}

static const char *log_of(Seen *s)
{
    static char copy[4096];
    snprintf(copy, sizeof copy, "%s", strbuf_str(&s->log));
    strbuf_reset(&s->log);
    return copy;
}

#define FIELD(n, v)  \
    {                \
        SV(n), SV(v) \
    }
static const H2Field REQUEST[] = {FIELD(":method", "POST"), FIELD(":scheme", "http"),
                                  FIELD(":path", "/x"), FIELD(":authority", "a"),
                                  FIELD("x-note", "hello")};
static const H2Field OK_200[] = {FIELD(":status", "200"), FIELD("x-note", "yes")};
static const H2Field TRAILER[] = {FIELD("x-note", "bye")};
#define REQUEST_N (sizeof REQUEST / sizeof *REQUEST)

static void exchange(size_t split)
{
    Pair p;
    pair_init(&p, &(H2Config){0});
    p.split = split;
    H2Stream *c = h2_request(p.client.h, REQUEST, REQUEST_N, false);
    h2_send(c, SV("he"), SV("llo "));
    h2_send(c, SV(""), SV("world"));
    assert_int_equal(h2_queued(c), 2);
    assert_int_equal(h2_unsent(c), 11);
    h2_send_end(c);
    settle(&p);
    assert_string_equal(log_of(&p.server), "request [hello] half ");
    assert_string_equal(strbuf_str(&p.server.data), "hello world");
    H2Stream *s = p.server.last;
    h2_respond(s, OK_200, 2, false);
    h2_send(s, SV(""), SV("answer"));
    settle(&p);
    assert_string_equal(log_of(&p.client), "drain response [yes] ");
    h2_send_trailers(s, TRAILER, 1);
    settle(&p);
    assert_string_equal(log_of(&p.client), "trailers. [bye] half close(0) ");
    assert_string_equal(log_of(&p.server), "drain close(0) ");
    assert_string_equal(strbuf_str(&p.client.data), "answer");
    assert_int_equal(h2_stream_count(p.client.h), 0);
    assert_int_equal(h2_stream_count(p.server.h), 0);
    pair_done(&p);
}

static void test_exchange_at_every_split(void **state)
{
    (void)state;
    for (size_t split = 0; split <= 64; split++)
        exchange(split);
}

static void test_early_answer_resets_the_rest(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){0});
    h2_request(p.client.h, REQUEST, REQUEST_N, false);
    settle(&p);
    log_of(&p.server);
    h2_respond(p.server.last, OK_200, 2, true);
    settle(&p);
    assert_string_equal(log_of(&p.client), "response. [yes] half close(0) ");
    assert_string_equal(log_of(&p.server), "close(0) ");
    pair_done(&p);
}

static void test_window_closes_until_consumed(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){.stream_window = 1000});
    p.server.consume = false;
    H2Stream *c = h2_request(p.client.h, REQUEST, REQUEST_N, false);
    settle(&p); /* the window is known after SETTINGS */
    AUTO_STRBUF big = {0};
    for (int i = 0; i < 3000; i++)
        strbuf_addc(&big, 'x');
    h2_send(c, SV(""), sv_n(big.p, big.n));
    settle(&p);
    assert_int_equal(p.server.data.n, 1000);
    assert_int_equal(h2_unsent(c), 2000);
    h2_consume(p.server.last, 1000);
    settle(&p);
    assert_int_equal(p.server.data.n, 2000);
    p.server.consume = true;
    h2_consume(p.server.last, 1000);
    settle(&p);
    assert_int_equal(p.server.data.n, 3000);
    assert_int_equal(h2_unsent(c), 0);
    pair_done(&p);
}

/* What a closed stream did not consume is given back to the connection. */
static void test_connection_window_survives_resets(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){.stream_window = 65535, .conn_window = 65535});
    p.server.consume = false;
    AUTO_STRBUF big = {0};
    for (int i = 0; i < 40000; i++)
        strbuf_addc(&big, 'x');
    for (int i = 0; i < 20; i++) {
        H2Stream *c = h2_request(p.client.h, REQUEST, REQUEST_N, false);
        h2_send(c, SV(""), sv_n(big.p, big.n));
        settle(&p);
        assert_int_equal(p.server.data.n, (size_t)(i + 1) * 40000);
        h2_reset(i % 2 ? c : p.server.last, H2_CANCEL);
        settle(&p);
    }
    assert_int_equal(h2_stream_count(p.server.h), 0);
    pair_done(&p);
}

static void test_header_list_limit(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){.header_limit = 400});
    H2Field f[REQUEST_N + 3];
    memcpy(f, REQUEST, sizeof REQUEST);
    for (size_t i = 0; i < 3; i++)
        f[REQUEST_N + i] = (H2Field)FIELD("x-more", "0123456789012345678901234567890123456789");
    h2_request(p.client.h, f, REQUEST_N + 3, true);
    settle(&p);
    assert_string_equal(log_of(&p.server), "request!. [hello] half ");
    pair_done(&p);
}

static void test_hostile_header_list_ends_the_session(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){.header_limit = 400});
    H2Field f[REQUEST_N + 30];
    memcpy(f, REQUEST, sizeof REQUEST);
    for (size_t i = 0; i < 30; i++)
        f[REQUEST_N + i] = (H2Field)FIELD("x-more", "0123456789012345678901234567890123456789");
    h2_request(p.client.h, f, REQUEST_N + 30, true);
    settle(&p);
    assert_string_equal(log_of(&p.server), "");
    assert_int_equal(p.client.goaway, H2_ENHANCE_YOUR_CALM);
    pair_done(&p);
}

/* The client sends `n` PINGs, a second apart; how many until the server said goodbye? */
static int pings_until_goaway(Pair *p, int n)
{
    for (int i = 1; i <= n; i++) {
        p->now += 1000;
        static const char ping[17] = {0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
        Error err;
        if (h2_recv(p->server.h, ping, sizeof ping, p->now, &err))
            return i;
        AUTO_STRBUF out = {0};
        if (!h2_pull(p->server.h, &out, 4096)) {
            assert_int_equal(h2_recv(p->client.h, out.p, out.n, p->now, &err), ERR_OK);
            return i;
        }
    }
    return 0;
}

static void test_too_many_pings(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){.min_ping_ms = 10000});
    h2_request(p.client.h, REQUEST, REQUEST_N, false);
    settle(&p);
    assert_int_equal(pings_until_goaway(&p, 20), 4);
    assert_int_equal(p.client.goaway, H2_ENHANCE_YOUR_CALM);
    assert_string_equal(p.client.debug, "too_many_pings");
    pair_done(&p);
}

static void test_slow_pings_are_fine(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){.min_ping_ms = 900});
    h2_request(p.client.h, REQUEST, REQUEST_N, false);
    settle(&p);
    assert_int_equal(pings_until_goaway(&p, 50), 0);
    pair_done(&p);
}

static void test_keepalive(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){.keepalive_ms = 30000, .keepalive_timeout_ms = 20000});
    h2_request(p.client.h, REQUEST, REQUEST_N, false);
    settle(&p);
    h2_tick(p.server.h, p.now + 29999);
    AUTO_STRBUF out = {0};
    assert_true(h2_pull(p.server.h, &out, 4096));
    assert_int_equal(out.n, 0);
    h2_tick(p.server.h, p.now + 30000);
    assert_true(h2_pull(p.server.h, &out, 4096));
    assert_int_equal(out.n, 17); /* one PING */
    h2_tick(p.server.h, p.now + 49999);
    assert_true(h2_pull(p.server.h, &out, 4096));
    h2_tick(p.server.h, p.now + 50000);
    assert_false(h2_pull(p.server.h, &out, 4096));
    pair_done(&p);
}

static void test_drain(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){0});
    H2Stream *c = h2_request(p.client.h, REQUEST, REQUEST_N, false);
    settle(&p);
    p.client.goaway = -7;
    h2_drain_notice(p.server.h);
    settle(&p);
    assert_int_equal(p.client.goaway, 0);
    assert_false(h2_takes_streams(p.client.h));
    assert_null(h2_request(p.client.h, REQUEST, REQUEST_N, false));
    h2_drain(p.server.h);
    settle(&p);
    log_of(&p.client);
    h2_send(c, SV(""), SV("still works"));
    h2_send_end(c);
    h2_respond(p.server.last, OK_200, 2, true);
    settle(&p);
    assert_string_equal(strbuf_str(&p.server.data), "still works");
    assert_string_equal(log_of(&p.client), "drain response. [yes] half close(0) ");
    AUTO_STRBUF out = {0};
    assert_false(h2_pull(p.server.h, &out, 4096)); /* nothing left to live for */
    pair_done(&p);
}

static void test_streams_wait_for_the_peers_limit(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){.max_streams = 1});
    settle(&p);
    for (int i = 0; i < 10; i++)
        assert_non_null(h2_request(p.client.h, REQUEST, REQUEST_N, true));
    for (int i = 0; i < 10; i++) {
        settle(&p);
        assert_int_equal(h2_stream_count(p.server.h), 1);
        h2_respond(p.server.last, OK_200, 2, true);
    }
    settle(&p);
    assert_int_equal(h2_stream_count(p.client.h), 0);
    pair_done(&p);
}

static void test_rapid_reset_is_stopped(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){0});
    settle(&p);
    int n = 0;
    for (; n < 1000 && h2_takes_streams(p.client.h); n++) {
        H2Stream *c = h2_request(p.client.h, REQUEST, REQUEST_N, false);
        carry(&p, p.client.h, p.server.h);
        h2_reset(c, H2_CANCEL);
        settle(&p);
    }
    assert_in_range(n, 90, 200);
    pair_done(&p);
}

static void test_lost_link_tells_every_stream(void **state)
{
    (void)state;
    Pair p;
    pair_init(&p, &(H2Config){0});
    for (int i = 0; i < 3; i++)
        h2_request(p.client.h, REQUEST, REQUEST_N, false);
    settle(&p);
    log_of(&p.server);
    h2_free(p.server.h);
    p.server.h = NULL;
    assert_string_equal(log_of(&p.server), "close(-1) close(-1) close(-1) ");
    pair_done(&p);
}

static void test_not_http2_is_refused(void **state)
{
    (void)state;
    Pair p;
    Error err;
    pair_init(&p, &(H2Config){0});
    const char *text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(h2_recv(p.server.h, text, strlen(text), 1, &err), ERR_MALFORMED);
    AUTO_STRBUF out = {0};
    assert_false(h2_pull(p.server.h, &out, 4096));
    assert_int_equal(h2_stats(p.server.h)->bad_frames, 1);
    pair_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange_at_every_split),
        cmocka_unit_test(test_early_answer_resets_the_rest),
        cmocka_unit_test(test_window_closes_until_consumed),
        cmocka_unit_test(test_connection_window_survives_resets),
        cmocka_unit_test(test_header_list_limit),
        cmocka_unit_test(test_hostile_header_list_ends_the_session),
        cmocka_unit_test(test_too_many_pings),
        cmocka_unit_test(test_slow_pings_are_fine),
        cmocka_unit_test(test_keepalive),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_streams_wait_for_the_peers_limit),
        cmocka_unit_test(test_rapid_reset_is_stopped),
        cmocka_unit_test(test_lost_link_tells_every_stream),
        cmocka_unit_test(test_not_http2_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
