/* The load of the gRPC bench: many connections with one bidirectional stream each, and a fixed
 * number of 200-byte messages under way on every one of them.
 * grpc_load PORT STREAMS WINDOW [CA]
 * Opens the streams with one message each and says "open"; then, for each line "SECONDS" on stdin,
 * runs so long and says how many messages came back. */
#include "bench.pb-c.h"
#include "core/clock.h"
#include "core/file.h"
#include "grpc/client.h"
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE = 200, PARALLEL_DIALS = 100 };

typedef struct Client {
    GrpcChannel *channel;
    GrpcStream *stream;
    unsigned under_way;
    bool open;
} Client;

static Loop *loop;
static Client *clients;
static unsigned stream_count, started, opened, window;
static uint64_t answers;
static bool running, all_open, time_up, quiet;
static uint64_t in_flight;
static uint8_t message[MESSAGE];
static TlsCtx *tls;
static char target[64];

static void make_message(void)
{
    uint8_t filler[MESSAGE] = {0};
    Bench__SatMsg m = BENCH__SAT_MSG__INIT;
    m.id = (char *)(uintptr_t) "3f2b8c1e-6d4a-4c0f-9a57-8e21d3b6c901";
    m.seq = 1000;
    m.unix_ms = 1700000000000;
    m.body.data = filler;
    m.body.len = 1;
    while (bench__sat_msg__get_packed_size(&m) < MESSAGE)
        m.body.len++;
    if (bench__sat_msg__get_packed_size(&m) != MESSAGE)
        BUG("the message has %zu bytes", bench__sat_msg__get_packed_size(&m));
    bench__sat_msg__pack(&m, message);
}

static void send_one(Client *c)
{
    Error err;
    if (grpc_stream_send(c->stream, sv_n((char *)message, MESSAGE), &err))
        BUG("send: %s", err.msg);
    c->under_way++;
    in_flight++;
}

static void start_next(void);

static void on_message(void *ctx, GrpcStream *s, StrView msg)
{
    Client *c = ctx;
    (void)s;
    if (msg.n != MESSAGE)
        BUG("an answer of %zu bytes", msg.n);
    answers++;
    c->under_way--;
    in_flight--;
    if (running)
        send_one(c);
    quiet = in_flight == 0;
    if (c->open)
        return;
    c->open = true;
    all_open = ++opened == stream_count;
    start_next();
}

static void on_end(void *ctx, GrpcStream *s, GrpcCode code, const char *text)
{
    (void)ctx, (void)s;
    BUG("a stream ended: %d %s", (int)code, text);
}

static void start_next(void)
{
    static const GrpcClientHandler handler = {.on_message = on_message, .on_end = on_end};
    if (started == stream_count)
        return;
    Client *c = &clients[started++];
    c->channel = grpc_channel_new(loop, &(GrpcChannelConfig){.target = target,
                                                             .tls = tls,
                                                             .server_name = "localhost",
                                                             .connect_timeout_ms = 30000,
                                                             .keepalive_ms = 3600 * 1000});
    c->stream = grpc_open(c->channel, &(GrpcCallSpec){.path = "/bench.Bench/Chat"}, &handler, c);
    send_one(c);
}

static void stop_running(void *ctx)
{
    (void)ctx;
    time_up = true;
}

/* Run, then let what is under way come back. */
static void run(uint64_t ms)
{
    uint64_t before = answers, began = clock_mono_ms();
    running = true;
    time_up = false;
    for (unsigned i = 0; i < stream_count; i++)
        while (clients[i].under_way < window)
            send_one(&clients[i]);
    Timer *t = timer_start(loop, ms, 0, stop_running, NULL);
    loop_run_until(loop, &time_up, 0);
    timer_stop(t);
    running = false;
    quiet = in_flight == 0;
    loop_run_until(loop, &quiet, 10000);
    printf("%llu %llu\n", (unsigned long long)(answers - before),
           (unsigned long long)(clock_mono_ms() - began));
    fflush(stdout);
}

static void use_tls(const char *path)
{
    static const char *const alpn[] = {"h2", NULL};
    AUTO_ARENA a = arena_new();
    StrView pem;
    Error err;
    if (file_read(a, path, 1 << 20, &pem, &err) ||
        tls_client_new(&(TlsConfig){.ca_pem = pem.p, .alpn = alpn}, &tls, &err))
        BUG("%s", err.msg);
}

int main(int argc, char **argv)
{
    char line[64];
    if (argc < 4)
        BUG("grpc_load PORT STREAMS WINDOW [CA]");
    snprintf(target, sizeof target, "127.0.0.1:%s", argv[1]);
    stream_count = (unsigned)strtoul(argv[2], NULL, 10);
    window = (unsigned)strtoul(argv[3], NULL, 10);
    clients = xcalloc(stream_count, sizeof *clients);
    if (argc > 4)
        use_tls(argv[4]);
    make_message();
    loop = loop_new();
    for (unsigned i = 0; i < PARALLEL_DIALS; i++)
        start_next();
    if (!loop_run_until(loop, &all_open, 60 * 1000))
        BUG("%u of %u streams opened", opened, stream_count);
    printf("open\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        run(strtoul(line, NULL, 10));
    return 0;
}
