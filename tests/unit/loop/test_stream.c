/* Streams over TCP and unix sockets: both ends in one loop. */
#include "core/str.h"
#include "loop/stream.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { WAIT_MS = 60000, TURN_MS = 5, BULK = 4 * 1024 * 1024 };

typedef struct End {
    Stream *s;
    StrBuf got;
    bool eof, drained, closed, failed;
    char error[sizeof((Error *)0)->msg];
} End;

static Loop *loop;
static Listener *listener;
static End server, client;
static bool accepted, dialled;
static ErrCode dial_error;
static char dial_text[sizeof((Error *)0)->msg], unix_path[64];

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    server = client = (End){0};
    accepted = dialled = false;
    dial_error = ERR_OK;
    snprintf(unix_path, sizeof unix_path, "unix:/tmp/test_stream.%d", (int)getpid());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    listener_close(listener);
    listener = NULL;
    loop_free(loop);
    strbuf_done(&server.got);
    strbuf_done(&client.got);
    unlink(unix_path + 5);
    return 0;
}

static void on_read(void *ctx, const char *p, size_t n)
{
    strbuf_add(&((End *)ctx)->got, p, n);
}

static void on_eof(void *ctx)
{
    ((End *)ctx)->eof = true;
}

static void on_drain(void *ctx)
{
    ((End *)ctx)->drained = true;
}

static void on_close(void *ctx, const Error *err)
{
    End *e = ctx;
    assert_false(e->closed);
    e->closed = true;
    e->failed = err != NULL;
    snprintf(e->error, sizeof e->error, "%s", err ? err->msg : "");
}

static const StreamEvents EVENTS = {on_read, on_eof, on_drain, on_close};

static void on_accept(void *ctx, Stream *s)
{
    (void)ctx;
    server.s = s;
    stream_set_events(s, &EVENTS, &server);
    accepted = true;
}

static void on_dialled(void *ctx, const Error *err, Stream *s)
{
    (void)ctx;
    assert_false(dialled);
    assert_true(!err != !s);
    dialled = true;
    if (err) {
        dial_error = err->code;
        snprintf(dial_text, sizeof dial_text, "%s", err->msg);
        return;
    }
    client.s = s;
    stream_set_events(s, &EVENTS, &client);
}

#define WAIT(flag) assert_true(loop_run_until(loop, &(flag), WAIT_MS))

static void wait_bytes(End *e, size_t n)
{
    const bool never = false;
    for (int i = 0; i < WAIT_MS / TURN_MS && e->got.n < n; i++)
        loop_run_until(loop, &never, TURN_MS);
    assert_int_equal(e->got.n, n);
}

static void connect_over(const char *listen_addr)
{
    Error err;
    char addr[128];
    if (listener_open(loop, listen_addr, on_accept, NULL, &listener, &err))
        fail_msg("%s", err.msg);
    if (str_starts(listen_addr, "unix:"))
        snprintf(addr, sizeof addr, "%s", listen_addr);
    else
        snprintf(addr, sizeof addr, "127.0.0.1:%d", listener_port(listener));
    stream_dial(loop, addr, WAIT_MS, on_dialled, NULL);
    assert_false(dialled);
    WAIT(dialled);
    WAIT(accepted);
}

static void talk(void)
{
    stream_write(client.s, "ping", 4);
    wait_bytes(&server, 4);
    stream_write(server.s, "pong", 4);
    wait_bytes(&client, 4);
    assert_memory_equal(client.got.p, "pong", 4);
    stream_shutdown(client.s);
    WAIT(server.eof);
    stream_write(server.s, "!", 1); /* the other half still works */
    wait_bytes(&client, 5);
    stream_close(server.s);
    assert_false(server.closed); /* never from inside */
    WAIT(server.closed);
    WAIT(client.eof);
    stream_close(client.s);
    stream_close(client.s);
    WAIT(client.closed);
    assert_false(client.failed || server.failed);
}

static void test_tcp(void **state)
{
    (void)state;
    connect_over("127.0.0.1:0");
    assert_true(str_starts(stream_peer(server.s), "127.0.0.1:"));
    assert_true(str_starts(listener_addr(listener), "127.0.0.1:"));
    talk();
}

static void test_tcp_any_address(void **state)
{
    (void)state;
    connect_over(":0");
    talk();
}

static void test_tcp_v6(void **state)
{
    (void)state;
    Error err;
    char addr[64];
    if (listener_open(loop, "[::1]:0", on_accept, NULL, &listener, &err))
        skip(); /* no IPv6 on this machine */
    snprintf(addr, sizeof addr, "[::1]:%d", listener_port(listener));
    stream_dial(loop, addr, WAIT_MS, on_dialled, NULL);
    WAIT(dialled);
    WAIT(accepted);
    assert_true(str_starts(stream_peer(client.s), "[::1]:"));
    talk();
}

static void test_unix(void **state)
{
    (void)state;
    connect_over(unix_path);
    assert_string_equal(stream_peer(client.s), "unix");
    talk();
}

static void test_unix_replaces_a_stale_socket(void **state)
{
    (void)state;
    Listener *dead;
    assert_int_equal(listener_open(loop, unix_path, on_accept, NULL, &dead, NULL), ERR_OK);
    connect_over(unix_path);
    talk();
    listener_close(dead);
}

/* A kernel with large socket buffers would take all of BULK, and nothing would be left unsent. */
static void connect_narrow(void)
{
    const int small = 64 * 1024;
    connect_over("127.0.0.1:0");
    stream_pause(server.s);
    assert_int_equal(setsockopt(stream_fd(server.s), SOL_SOCKET, SO_RCVBUF, &small, sizeof small),
                     0);
    assert_int_equal(setsockopt(stream_fd(client.s), SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
                     0);
}

/* More than a socket takes at once, towards a reader who pauses. */
static void test_bulk_and_pause(void **state)
{
    (void)state;
    connect_narrow();
    char *big = xmalloc(BULK);
    for (size_t i = 0; i < BULK; i++)
        big[i] = (char)(i % 251);
    for (size_t at = 0; at < BULK; at += BULK / 64)
        stream_write(client.s, big + at, BULK / 64);
    const bool never = false;
    loop_run_until(loop, &never, 50);
    size_t unsent = stream_unsent(client.s);
    assert_true(unsent > 0 && unsent < BULK);
    assert_int_equal(server.got.n, 0);
    assert_false(client.drained);
    stream_resume(server.s);
    wait_bytes(&server, BULK);
    assert_memory_equal(server.got.p, big, BULK);
    WAIT(client.drained);
    assert_int_equal(stream_unsent(client.s), 0);
    free(big);
}

static void test_close_with_unsent_data(void **state)
{
    (void)state;
    connect_narrow();
    char *big = xcalloc(1, BULK);
    stream_write(client.s, big, BULK);
    free(big);
    stream_close(client.s);
    WAIT(client.closed);
    assert_false(client.drained);
}

static void test_reset_is_an_error(void **state)
{
    (void)state;
    connect_over("127.0.0.1:0");
    struct linger hard = {1, 0};
    setsockopt(stream_fd(client.s), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    stream_close(client.s);
    WAIT(server.closed);
    assert_true(server.failed);
    assert_non_null(strstr(server.error, "127.0.0.1"));
}

static void dial_fails(const char *addr, uint64_t timeout_ms, ErrCode want)
{
    dialled = false;
    stream_dial(loop, addr, timeout_ms, on_dialled, NULL);
    assert_false(dialled);
    WAIT(dialled);
    if (dial_error != want)
        fail_msg("%s: %s", err_name(dial_error), dial_text);
    assert_non_null(strstr(dial_text, addr));
}

static int bound_port(int fd)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    getsockname(fd, (struct sockaddr *)&in, &n);
    return ntohs(in.sin_port);
}

static void test_dial_refused(void **state)
{
    (void)state;
    char addr[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    snprintf(addr, sizeof addr, "127.0.0.1:%d", bound_port(fd)); /* ours, and nobody listens */
    dial_fails(addr, WAIT_MS, ERR_UNAVAILABLE);
    dial_fails("unix:/no/such/socket", WAIT_MS, ERR_NOT_FOUND);
    close(fd);
}

static void test_dial_bad_address(void **state)
{
    (void)state;
    dial_fails("nonsense", WAIT_MS, ERR_INVALID);
    dial_fails(":80", WAIT_MS, ERR_INVALID);
    dial_fails("host:", WAIT_MS, ERR_INVALID);
}

/* Both families of "localhost" are tried: the listener is on one of them only. */
static void test_dial_tries_every_address(void **state)
{
    (void)state;
    char addr[64];
    assert_int_equal(listener_open(loop, "127.0.0.1:0", on_accept, NULL, &listener, NULL), ERR_OK);
    snprintf(addr, sizeof addr, "localhost:%d", listener_port(listener));
    stream_dial(loop, addr, WAIT_MS, on_dialled, NULL);
    WAIT(dialled);
    assert_int_equal(dial_error, ERR_OK);
    WAIT(accepted);
    talk();
}

/* A port that never answers: its queue of waiting connections is full. */
static int deaf_port(int fds[16])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    int port = bound_port(fds[0]);
    in.sin_port = htons((uint16_t)port);
    assert_int_equal(listen(fds[0], 0), 0);
    for (int i = 1; i < 16; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&in, sizeof in);
    }
    return port;
}

static void test_dial_timeout_and_cancel(void **state)
{
    (void)state;
    int fds[16];
    char addr[64];
    const bool never = false;
    snprintf(addr, sizeof addr, "127.0.0.1:%d", deaf_port(fds));
    dial_fails(addr, 50, ERR_TIMEOUT);
    dialled = false;
    Dial *d = stream_dial(loop, addr, 60000, on_dialled, NULL);
    loop_run_until(loop, &never, 20);
    dial_cancel(d);                                                    /* while connecting */
    dial_cancel(stream_dial(loop, addr, 100, on_dialled, NULL));       /* while resolving */
    dial_cancel(stream_dial(loop, "nonsense", 100, on_dialled, NULL)); /* before the refusal */
    dial_cancel(NULL);
    loop_run(loop);
    assert_false(dialled);
    for (int i = 0; i < 16; i++)
        close(fds[i]);
}

static void test_free_while_dialling(void **state)
{
    (void)state;
    int fds[16];
    char addr[64];
    const bool never = false;
    Loop *l = loop_new();
    snprintf(addr, sizeof addr, "127.0.0.1:%d", deaf_port(fds));
    stream_dial(l, addr, 10000, on_dialled, NULL);
    loop_run_until(l, &never, 10);
    stream_dial(l, addr, 10000, on_dialled, NULL);
    loop_free(l);
    assert_false(dialled);
    for (int i = 0; i < 16; i++)
        close(fds[i]);
}

static void test_listen_failures(void **state)
{
    (void)state;
    Error err;
    Listener *second;
    assert_int_equal(listener_open(loop, "127.0.0.1:0", on_accept, NULL, &listener, &err), ERR_OK);
    assert_int_equal(listener_open(loop, listener_addr(listener), on_accept, NULL, &second, &err),
                     ERR_CONFLICT);
    assert_non_null(strstr(err.msg, listener_addr(listener)));
    assert_int_not_equal(listener_open(loop, "junk", on_accept, NULL, &second, &err), ERR_OK);
    assert_int_not_equal(listener_open(loop, "unix:/no/such/dir/x", on_accept, NULL, &second, &err),
                         ERR_OK);
}

static void test_adopt(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), pair[2];
    Error err;
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listener_adopt(loop, fd, on_accept, NULL, &listener, &err), ERR_OK);
    assert_int_equal(listener_adopt(loop, 9999, on_accept, NULL, &(Listener *){0}, &err),
                     ERR_INTERNAL);
    char addr[64];
    snprintf(addr, sizeof addr, "127.0.0.1:%d", listener_port(listener));
    stream_dial(loop, addr, WAIT_MS, on_dialled, NULL);
    WAIT(accepted);
    WAIT(dialled);
    talk();
    strbuf_reset(&server.got);
    strbuf_reset(&client.got);
    server.eof = server.closed = client.eof = client.closed = false;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    server.s = stream_adopt(loop, pair[0]);
    client.s = stream_adopt(loop, pair[1]);
    stream_set_events(server.s, &EVENTS, &server);
    stream_set_events(client.s, &EVENTS, &client);
    talk();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_tcp),
        T(test_tcp_any_address),
        T(test_tcp_v6),
        T(test_unix),
        T(test_unix_replaces_a_stale_socket),
        T(test_bulk_and_pause),
        T(test_close_with_unsent_data),
        T(test_reset_is_an_error),
        T(test_dial_refused),
        T(test_dial_bad_address),
        T(test_dial_tries_every_address),
        T(test_dial_timeout_and_cancel),
        T(test_free_while_dialling),
        T(test_listen_failures),
        T(test_adopt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
