/* Our client and our server in one loop: the lives and deaths of calls, links, servers, channels.
 */
#include "core/clock.h"
#include "core/limits.h"
#include "grpc/client.h"
#include "grpc/text.h"
#include "loop/stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { WAIT_MS = 60000, TURN_MS = 5 };

/* What one end saw of one call. */
typedef struct Seen {
    GrpcStream *s;
    StrBuf got;
    unsigned messages, headers, half_closes, drains, ends;
    GrpcCode code;
    char text[200];
    bool ended, ready;
} Seen;

static Loop *loop;
static GrpcServer *server;
static GrpcChannel *channel;
static Seen at_server[4], at_client[4];
static unsigned served;
static bool echo, drained;
static char target[64];

/* ---- the server's side ---- */

static void on_open(void *ctx, GrpcStream *s)
{
    (void)ctx;
    Seen *seen = &at_server[served++];
    seen->s = s;
    seen->ready = true;
    grpc_stream_set_data(s, seen);
    if (echo)
        grpc_stream_accept(s);
}

static void on_message(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx;
    Seen *seen = grpc_stream_data(s);
    seen->messages++;
    strbuf_add(&seen->got, msg.p, msg.n);
    Error err;
    if (echo && grpc_stream_send(s, msg, &err))
        grpc_stream_finish(s, GRPC_RESOURCE_EXHAUSTED, err.msg);
}

static void on_half_close(void *ctx, GrpcStream *s)
{
    (void)ctx;
    Seen *seen = grpc_stream_data(s);
    seen->half_closes++;
    if (echo)
        grpc_stream_finish(s, GRPC_OK, "done");
}

static void on_drain(void *ctx, GrpcStream *s)
{
    (void)ctx;
    ((Seen *)grpc_stream_data(s))->drains++;
}

static void on_end(void *ctx, GrpcStream *s, GrpcCode code)
{
    (void)ctx;
    Seen *seen = grpc_stream_data(s);
    seen->ends++;
    seen->ended = true;
    seen->code = code;
    seen->s = NULL;
}

static const GrpcMethod METHODS[] = {
    {"/t.T/M", {on_open, on_message, on_half_close, on_drain, on_end}, NULL},
    {NULL, {0}, NULL},
};

/* ---- the client's side ---- */

static void client_headers(void *ctx, GrpcStream *s)
{
    (void)s;
    ((Seen *)ctx)->headers++;
}

static void client_message(void *ctx, GrpcStream *s, StrView msg)
{
    Seen *seen = ctx;
    (void)s;
    seen->messages++;
    seen->ready = true;
    strbuf_add(&seen->got, msg.p, msg.n);
}

static void client_end(void *ctx, GrpcStream *s, GrpcCode code, const char *text)
{
    Seen *seen = ctx;
    (void)s;
    seen->ends++;
    seen->ended = true;
    seen->code = code;
    seen->s = NULL;
    snprintf(seen->text, sizeof seen->text, "%s", text);
}

static const GrpcClientHandler CLIENT = {client_headers, client_message, NULL, client_end};

static GrpcStream *open_call(Seen *seen, uint64_t timeout_ms)
{
    GrpcCallSpec spec = {.path = "/t.T/M", .timeout_ms = timeout_ms};
    seen->s = grpc_open(channel, &spec, &CLIENT, seen);
    assert_int_equal(seen->ends, 0);
    return seen->s;
}

static void put(GrpcStream *s, const char *text)
{
    Error err;
    assert_int_equal(grpc_stream_send(s, sv(text), &err), ERR_OK);
}

/* ---- the rig ---- */

/* Below the ports that the kernel hands out by itself: one of those may be anybody's before a
 * second server has it. */
enum { PORT_FIRST = 20000, PORTS = 10000 };

static void start_server(int port)
{
    char addr[32];
    Error err = {.code = ERR_CONFLICT};
    for (int i = 0; i < (port ? 1 : PORTS) && err.code == ERR_CONFLICT; i++) {
        snprintf(addr, sizeof addr, "127.0.0.1:%d",
                 port ? port : PORT_FIRST + ((int)getpid() + i) % PORTS);
        GrpcServerConfig cfg = {.addr = addr, .methods = METHODS};
        if (grpc_server_start(loop, &cfg, &server, &err) == ERR_OK)
            err.code = ERR_OK;
    }
    if (err.code)
        fail_msg("%s", err.msg);
    snprintf(target, sizeof target, "127.0.0.1:%d", grpc_server_port(server));
}

static int setup(void **state)
{
    (void)state;
    memset(at_server, 0, sizeof at_server);
    memset(at_client, 0, sizeof at_client);
    served = 0;
    echo = true;
    drained = false;
    loop = loop_new();
    start_server(0);
    channel = grpc_channel_new(loop, &(GrpcChannelConfig){.target = target});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    grpc_channel_free(channel);
    grpc_server_free(server);
    loop_free(loop);
    for (int i = 0; i < 4; i++) {
        assert_in_range(at_client[i].ends, 0, 1);
        assert_in_range(at_server[i].ends, 0, 1);
        strbuf_done(&at_server[i].got);
        strbuf_done(&at_client[i].got);
    }
    return 0;
}

#define WAIT(flag) assert_true(loop_run_until(loop, &(flag), WAIT_MS))

/* So long, and as many turns of the loop as that takes: a machine that stands still takes the time,
 * not the turns. */
static void turns(unsigned ms)
{
    const bool never = false;
    for (unsigned i = 0; i < ms; i += TURN_MS)
        loop_run_until(loop, &never, TURN_MS);
}

static void wait_messages(Seen *seen, unsigned n)
{
    for (int i = 0; i < WAIT_MS / TURN_MS && seen->messages < n; i++)
        turns(TURN_MS);
    assert_int_equal(seen->messages, n);
}

/* ---- tests ---- */

static void test_stream(void **state)
{
    (void)state;
    GrpcStream *s = open_call(&at_client[0], 0);
    put(s, "sent before "); /* there is a link */
    put(s, "the link");
    assert_int_equal(grpc_stream_queued(s), 2);
    wait_messages(&at_client[0], 2);
    assert_string_equal(strbuf_str(&at_client[0].got), "sent before the link");
    assert_int_equal(at_client[0].headers, 1);
    assert_string_equal(grpc_stream_path(at_server[0].s), "/t.T/M");
    assert_true(str_starts(grpc_stream_peer(at_server[0].s), "127.0.0.1:"));
    grpc_stream_half_close(s);
    WAIT(at_client[0].ended);
    WAIT(at_server[0].ended);
    assert_int_equal(at_client[0].code, GRPC_OK);
    assert_int_equal(at_server[0].code, GRPC_OK);
    assert_true(at_server[0].drains > 0);
    const GrpcServerStats *st = grpc_server_stats(server);
    assert_int_equal(st->streams_open, 0);
    assert_int_equal(st->messages_in, 2);
    assert_int_equal(st->messages_out, 2);
}

static void on_unary(void *ctx, GrpcCode code, const char *text, StrView reply)
{
    Seen *seen = ctx;
    if (code == GRPC_OK)
        client_message(seen, NULL, reply);
    client_end(seen, NULL, code, text);
}

static void test_unary(void **state)
{
    (void)state;
    GrpcCallSpec spec = {.path = "/t.T/M"};
    grpc_unary(channel, &spec, SV("hello"), on_unary, &at_client[0]);
    assert_false(at_client[0].ended);
    WAIT(at_client[0].ended);
    assert_string_equal(strbuf_str(&at_client[0].got), "hello");
    spec.path = "/t.T/Nothing";
    grpc_unary(channel, &spec, SV("hello"), on_unary, &at_client[1]);
    WAIT(at_client[1].ended);
    assert_int_equal(at_client[1].code, GRPC_UNIMPLEMENTED);
}

static void test_cancel_by_the_client(void **state)
{
    (void)state;
    grpc_stream_cancel(open_call(&at_client[0], 0)); /* before the link is up */
    assert_false(at_client[0].ended);
    WAIT(at_client[0].ended);
    assert_int_equal(at_client[0].code, GRPC_CANCELLED);
    put(open_call(&at_client[1], 0), "x");
    WAIT(at_client[1].ready);
    grpc_stream_cancel(at_client[1].s);
    grpc_stream_cancel(at_client[1].s);
    Error err;
    assert_int_equal(grpc_stream_send(at_client[1].s, SV("late"), &err), ERR_CANCELLED);
    WAIT(at_client[1].ended);
    WAIT(at_server[0].ended);
    assert_int_equal(at_server[0].code, GRPC_CANCELLED);
}

static void test_cancel_by_the_server(void **state)
{
    (void)state;
    put(open_call(&at_client[0], 0), "x");
    WAIT(at_client[0].ready);
    grpc_stream_cancel(at_server[0].s);
    assert_false(at_server[0].ended);
    WAIT(at_server[0].ended);
    WAIT(at_client[0].ended);
    assert_int_equal(at_client[0].code, GRPC_CANCELLED);
}

static void test_deadline(void **state)
{
    (void)state;
    echo = false;
    enum { LONG = 600 * 1000, SLACK = 50 }; /* the client's own clock comes first */
    put(open_call(&at_client[0], LONG), "x");
    WAIT(at_server[0].ready);
    assert_in_range(grpc_stream_time_left_ms(at_server[0].s), LONG / 2, LONG + SLACK);
    put(open_call(&at_client[1], 0), "x");
    WAIT(at_server[1].ready);
    assert_true(grpc_stream_time_left_ms(at_server[1].s) == UINT64_MAX);
    put(open_call(&at_client[2], 200), "x"); /* over a link that is up: it goes out at once */
    WAIT(at_server[2].ready);
    WAIT(at_client[2].ended);
    WAIT(at_server[2].ended);
    assert_int_equal(at_client[2].code, GRPC_DEADLINE_EXCEEDED);
    assert_true(at_server[2].code == GRPC_DEADLINE_EXCEEDED || at_server[2].code == GRPC_CANCELLED);
    assert_false(at_client[0].ended || at_client[1].ended);
}

static void test_finish_after_what_is_queued(void **state)
{
    (void)state;
    echo = false;
    put(open_call(&at_client[0], 0), "x");
    WAIT(at_server[0].ready);
    for (int i = 0; i < 100; i++)
        put(at_server[0].s, "0123456789");
    grpc_stream_finish(at_server[0].s, GRPC_DATA_LOSS, "tab\there");
    grpc_stream_finish(at_server[0].s, GRPC_OK, "too late");
    assert_false(at_server[0].ended);
    WAIT(at_client[0].ended);
    assert_int_equal(at_client[0].messages, 100);
    assert_int_equal(at_client[0].code, GRPC_DATA_LOSS);
    assert_string_equal(at_client[0].text, "tab\there");
    WAIT(at_server[0].ended);
    assert_int_equal(at_server[0].code, GRPC_DATA_LOSS);
}

static void test_the_queue_has_an_end(void **state)
{
    (void)state;
    Error err;
    GrpcStream *s = open_call(&at_client[0], 0);
    unsigned n = 0;
    while (grpc_stream_send(s, SV("x"), &err) == ERR_OK)
        n++;
    assert_int_equal(n, LIMIT_GRPC_QUEUE);
    assert_int_equal(err.code, ERR_EXHAUSTED);
    wait_messages(&at_client[0], n);
    assert_int_equal(grpc_stream_queued(s), 0);
    assert_int_equal(grpc_stream_send(s, SV("x"), &err), ERR_OK);
    wait_messages(&at_client[0], n + 1);
}

/* A paused stream takes nothing; the sender feels it once the window is full. */
static void test_pause(void **state)
{
    (void)state;
    echo = false;
    Error err;
    GrpcStream *s = open_call(&at_client[0], 0);
    put(s, "x");
    WAIT(at_server[0].ready);
    wait_messages(&at_server[0], 1);
    grpc_stream_pause(at_server[0].s);
    char *big = xcalloc(1, 100 * 1024);
    for (int i = 0; i < 10; i++)
        assert_int_equal(grpc_stream_send(s, sv_n(big, 100 * 1024), &err), ERR_OK);
    grpc_stream_half_close(s);
    for (int i = 0; i < WAIT_MS / TURN_MS && grpc_stream_queued(s) > 9; i++)
        turns(TURN_MS);
    turns(50);
    assert_int_equal(at_server[0].messages, 1);
    assert_in_range(grpc_stream_queued(s), 6, 9); /* 256 KiB are on the other side */
    grpc_stream_resume(at_server[0].s);
    assert_int_equal(at_server[0].messages, 1); /* not from inside */
    wait_messages(&at_server[0], 11);
    for (int i = 0; i < WAIT_MS / TURN_MS && !at_server[0].half_closes; i++)
        turns(TURN_MS);
    assert_int_equal(at_server[0].half_closes, 1);
    free(big);
}

/* The end waits for a paused reader. */
static void test_pause_at_the_end(void **state)
{
    (void)state;
    put(open_call(&at_client[0], 0), "one");
    grpc_stream_pause(at_client[0].s);
    grpc_stream_half_close(at_client[0].s);
    WAIT(at_server[0].ended);
    turns(20);
    assert_int_equal(at_client[0].messages, 0);
    assert_false(at_client[0].ended);
    grpc_stream_resume(at_client[0].s);
    WAIT(at_client[0].ended);
    assert_int_equal(at_client[0].messages, 1);
    assert_int_equal(at_client[0].code, GRPC_OK);
}

/* A client that sends and never reads: it is cut off when the server's queue is full. */
static void test_a_client_that_does_not_read(void **state)
{
    (void)state;
    Error err;
    GrpcStream *s = open_call(&at_client[0], 0);
    char *big = xcalloc(1, 50 * 1024);
    put(s, "x");
    WAIT(at_client[0].ready);
    grpc_stream_pause(s);
    for (int i = 0; i < WAIT_MS && !at_server[0].ended; i++) {
        if (!at_client[0].ended && grpc_stream_queued(s) < 10)
            assert_int_equal(grpc_stream_send(s, sv_n(big, 50 * 1024), &err), ERR_OK);
        const bool never = false;
        loop_run_until(loop, &never, 1);
    }
    assert_int_equal(at_server[0].code, GRPC_RESOURCE_EXHAUSTED);
    assert_in_range(at_server[0].got.n, LIMIT_GRPC_MESSAGE, LIMIT_GRPC_MESSAGE + (1 << 20));
    WAIT(at_client[0].ended);
    assert_int_equal(at_client[0].code, GRPC_RESOURCE_EXHAUSTED);
    free(big);
}

static void note_drained(void *ctx)
{
    (void)ctx;
    drained = true;
}

/* A server that drains: the old call goes on until its end, the next one finds the successor. */
static void test_drain_and_successor(void **state)
{
    (void)state;
    int port = grpc_server_port(server);
    put(open_call(&at_client[0], 0), "x");
    WAIT(at_client[0].ready);
    GrpcServer *old = server;
    uint64_t began = clock_mono_ms();
    grpc_server_drain(old, 600 * 1000, note_drained, NULL);
    turns(50);
    start_server(port);
    put(open_call(&at_client[1], 0), "y");
    WAIT(at_client[1].ready);
    if (!at_client[0].ended)
        put(at_client[0].s, "z"); /* the old one still serves */
    for (int i = 0; i < WAIT_MS / TURN_MS && at_client[0].messages < 2 && !at_client[0].ended; i++)
        turns(TURN_MS);
    if (at_client[0].ended) { /* on a machine that stood still: calls are ended from 1 s on */
        assert_true(clock_mono_ms() - began >= 1000);
        assert_int_equal(at_client[0].code, GRPC_UNAVAILABLE);
    } else {
        assert_int_equal(at_client[0].messages, 2);
        assert_false(drained);
        grpc_stream_half_close(at_client[0].s);
        WAIT(at_client[0].ended);
        assert_true(at_client[0].code == GRPC_OK || clock_mono_ms() - began >= 1000);
    }
    WAIT(drained);
    grpc_server_free(old);
    assert_int_equal(grpc_server_stats(server)->streams_open, 1);
}

static void test_drain_ends_what_does_not_end(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        put(open_call(&at_client[i], 0), "x");
        WAIT(at_client[i].ready);
    }
    grpc_server_drain(server, 300, note_drained, NULL);
    WAIT(drained);
    for (int i = 0; i < 3; i++) {
        WAIT(at_client[i].ended);
        assert_int_equal(at_client[i].code, GRPC_UNAVAILABLE);
        assert_int_equal(at_server[i].code, GRPC_UNAVAILABLE);
    }
}

static void test_drain_of_an_idle_server(void **state)
{
    (void)state;
    grpc_server_drain(server, 10000, note_drained, NULL);
    assert_false(drained);
    WAIT(drained);
}

static void test_server_free_ends_calls(void **state)
{
    (void)state;
    put(open_call(&at_client[0], 0), "x");
    WAIT(at_client[0].ready);
    grpc_server_free(server);
    server = NULL;
    assert_true(at_server[0].ended);
    WAIT(at_client[0].ended);
    assert_int_equal(at_client[0].code, GRPC_UNAVAILABLE);
    open_call(&at_client[1], 0); /* nobody listens any more */
    WAIT(at_client[1].ended);
    assert_int_equal(at_client[1].code, GRPC_UNAVAILABLE);
    assert_non_null(strstr(at_client[1].text, target));
    start_server((int)strtol(target + 10, NULL, 10));
    put(open_call(&at_client[2], 0), "x"); /* and now somebody does */
    WAIT(at_client[2].ready);
}

static void test_channel_free_ends_calls(void **state)
{
    (void)state;
    put(open_call(&at_client[0], 0), "x");
    WAIT(at_client[0].ready);
    open_call(&at_client[1], 1000);
    grpc_channel_free(channel);
    channel = grpc_channel_new(loop, &(GrpcChannelConfig){.target = target});
    assert_int_equal(at_client[0].code, GRPC_CANCELLED);
    assert_true(at_client[0].ended && at_client[1].ended);
    WAIT(at_server[0].ended);
    assert_int_equal(at_server[0].code, GRPC_UNAVAILABLE);
    open_call(&at_client[2], 0); /* freed while dialling: teardown does it */
}

static void free_server(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx, (void)s, (void)msg;
    grpc_server_free(server);
    server = NULL;
}

/* The harshest moment for a free: a handler of the same server is on the stack. */
static void test_server_free_from_a_handler(void **state)
{
    (void)state;
    static const GrpcMethod methods[] = {
        {"/t.T/M", {on_open, free_server, on_half_close, on_drain, on_end}, NULL},
        {NULL, {0}, NULL},
    };
    grpc_server_free(server);
    GrpcServerConfig cfg = {.addr = "127.0.0.1:0", .methods = methods};
    assert_int_equal(grpc_server_start(loop, &cfg, &server, NULL), ERR_OK);
    snprintf(target, sizeof target, "127.0.0.1:%d", grpc_server_port(server));
    grpc_channel_free(channel);
    channel = grpc_channel_new(loop, &(GrpcChannelConfig){.target = target});
    put(open_call(&at_client[0], 0), "one");
    put(at_client[0].s, "two");
    grpc_stream_half_close(at_client[0].s);
    WAIT(at_client[0].ended);
    assert_int_equal(at_client[0].code, GRPC_UNAVAILABLE);
    assert_int_equal(at_server[0].ends, 1);
}

static void on_accept_silently(void *ctx, Stream *s)
{
    (void)ctx, (void)s; /* accepted, and never read */
}

/* A peer that accepts and says nothing: only a deadline helps, and it does. */
static void test_deaf_server(void **state)
{
    (void)state;
    Listener *ln;
    char addr[64];
    assert_int_equal(listener_open(loop, "127.0.0.1:0", on_accept_silently, NULL, &ln, NULL),
                     ERR_OK);
    snprintf(addr, sizeof addr, "127.0.0.1:%d", listener_port(ln));
    grpc_channel_free(channel);
    channel = grpc_channel_new(loop, &(GrpcChannelConfig){.target = addr});
    put(open_call(&at_client[0], 100), "x");
    WAIT(at_client[0].ended);
    assert_int_equal(at_client[0].code, GRPC_DEADLINE_EXCEEDED);
    listener_close(ln);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_stream),
        T(test_unary),
        T(test_cancel_by_the_client),
        T(test_cancel_by_the_server),
        T(test_deadline),
        T(test_finish_after_what_is_queued),
        T(test_the_queue_has_an_end),
        T(test_pause),
        T(test_pause_at_the_end),
        T(test_a_client_that_does_not_read),
        T(test_drain_and_successor),
        T(test_drain_ends_what_does_not_end),
        T(test_drain_of_an_idle_server),
        T(test_server_free_ends_calls),
        T(test_channel_free_ends_calls),
        T(test_server_free_from_a_handler),
        T(test_deaf_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
