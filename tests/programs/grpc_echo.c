/* A gRPC server with the methods of the interop tests: the other end of stock clients.
 * grpc_echo [cert=FILE key=FILE [ca=FILE]] [min-ping=MS] [keepalive=MS] [grace=MS]
 * listens on a free port of 127.0.0.1 and says "port N"; SIGTERM drains it. */
#include "core/file.h"
#include "core/log.h"
#include "grpc/server.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static Loop *loop;
static GrpcServer *server;
static unsigned ends[32]; /* how calls ended, by code */
static uint64_t grace_ms = 1000;

/* One call's own state. */
typedef struct Call {
    GrpcStream *s;
    Timer *timer;
    size_t total;
    bool asked;
} Call;

static Call *call_of(GrpcStream *s)
{
    return grpc_stream_data(s);
}

static void on_open(void *ctx, GrpcStream *s)
{
    (void)ctx;
    Call *c = xnew(Call);
    c->s = s;
    grpc_stream_set_data(s, c);
}

static void on_end(void *ctx, GrpcStream *s, GrpcCode code)
{
    (void)ctx;
    Call *c = call_of(s);
    timer_stop(c->timer);
    free(c);
    ends[code & 31]++;
}

static void answer(GrpcStream *s, const void *p, size_t n)
{
    Error err;
    if (grpc_stream_send(s, sv_n(p, n), &err))
        grpc_stream_finish(s, (GrpcCode)err_grpc(err.code), err.msg);
}

static void send_size(GrpcStream *s, size_t n)
{
    char *p = xcalloc(n, 1);
    answer(s, p, n);
    free(p);
}

static size_t number(StrView msg)
{
    char text[24];
    snprintf(text, sizeof text, SV_FMT, SV_ARG(msg));
    uint64_t n = 0;
    return str_to_u64(text, &n) && n <= 8u << 20 ? (size_t)n : 0;
}

static void finish_ok(void *ctx, GrpcStream *s)
{
    (void)ctx;
    grpc_stream_finish(s, GRPC_OK, NULL);
}

/* What came goes back: unary, and streams of any shape. */
static void echo(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx;
    answer(s, msg.p, msg.n);
}

/* "PADDING/SIZE SIZE ...": a message of each size. */
static void sizes(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx;
    sv_cut(&msg, '/');
    while (msg.p)
        send_size(s, number(sv_cut(&msg, ' ')));
}

static void add_up(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx;
    call_of(s)->total += msg.n;
}

static void tell_sum(void *ctx, GrpcStream *s)
{
    (void)ctx;
    char text[24];
    answer(s, text, (size_t)snprintf(text, sizeof text, "%zu", call_of(s)->total));
    grpc_stream_finish(s, GRPC_OK, NULL);
}

/* "CODE MESSAGE" */
static void status(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx;
    StrView code = sv_cut(&msg, ' ');
    char *text = xstrndup(msg.p ? msg.p : "", msg.n);
    grpc_stream_finish(s, (GrpcCode)number(code), text);
    free(text);
}

static void meta(void *ctx, GrpcStream *s, StrView msg)
{
    static const char *const names[] = {"x-grpc-test-echo-initial",
                                        "x-grpc-test-echo-trailing-bin"};
    for (int i = 0; i < 2; i++) {
        StrView v = grpc_stream_meta(s, names[i]);
        if (v.p)
            grpc_stream_reply_meta(s, (GrpcMeta){names[i], v}, i == 1);
    }
    echo(ctx, s, msg);
}

static void resume(void *ctx)
{
    Call *c = ctx;
    grpc_stream_resume(c->s);
}

/* Takes each message only after a while; the sum at the end shows that none was lost. */
static void slow(void *ctx, GrpcStream *s, StrView msg)
{
    add_up(ctx, s, msg);
    grpc_stream_pause(s);
    timer_stop(call_of(s)->timer);
    call_of(s)->timer = timer_start(loop, 5, 0, resume, call_of(s));
}

static void accept_only(void *ctx, GrpcStream *s)
{
    on_open(ctx, s);
    grpc_stream_accept(s);
}

static void stats(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx, (void)msg;
    const GrpcServerStats *st = grpc_server_stats(server);
    char text[256];
    int n = snprintf(text, sizeof text,
                     "conns=%llu streams=%llu ok=%u cancelled=%u deadline=%u "
                     "unavailable=%u bad=%llu",
                     (unsigned long long)st->conns_open, (unsigned long long)st->streams_open,
                     ends[GRPC_OK], ends[GRPC_CANCELLED], ends[GRPC_DEADLINE_EXCEEDED],
                     ends[GRPC_UNAVAILABLE], (unsigned long long)st->bad_frames);
    answer(s, text, (size_t)n);
}

static void serving(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx;
    StrView on = sv_cut(&msg, ' ');
    char *name = xstrndup(msg.p ? msg.p : "", msg.n);
    grpc_server_set_serving(server, name, sv_eqs(on, "1"));
    answer(s, name, strlen(name));
    free(name);
}

static void peer(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx, (void)msg;
    const char *pem = grpc_stream_peer_cert(s);
    pem = pem ? pem : "none";
    answer(s, pem, strlen(pem));
}

#define METHOD(name, open, message, half)                                                      \
    {                                                                                          \
        "/test.Echo/" name,                                                                    \
            {.on_open = open, .on_message = message, .on_half_close = half, .on_end = on_end}, \
            NULL                                                                               \
    }
static const GrpcMethod METHODS[] = {
    METHOD("Echo", on_open, echo, finish_ok),       METHOD("Sizes", on_open, sizes, finish_ok),
    METHOD("Sum", on_open, add_up, tell_sum),       METHOD("Status", on_open, status, finish_ok),
    METHOD("Meta", on_open, meta, finish_ok),       METHOD("Slow", on_open, slow, tell_sum),
    METHOD("Sleep", on_open, NULL, NULL),           METHOD("Accept", accept_only, NULL, NULL),
    METHOD("Stats", on_open, stats, finish_ok),     METHOD("Peer", on_open, peer, finish_ok),
    METHOD("Serving", on_open, serving, finish_ok), {NULL, {0}, NULL},
};

/* ---- the program ---- */

typedef struct Args {
    const char *cert, *key, *ca;
    uint64_t min_ping, keepalive;
} Args;

static void die(const char *why)
{
    fprintf(stderr, "grpc_echo: %s\n", why);
    exit(1);
}

static Args parse(int argc, char **argv)
{
    Args a = {0};
    struct {
        const char *name, **text;
        uint64_t *number;
    } rows[] = {{"cert=", &a.cert, NULL},
                {"key=", &a.key, NULL},
                {"ca=", &a.ca, NULL},
                {"min-ping=", NULL, &a.min_ping},
                {"keepalive=", NULL, &a.keepalive},
                {"grace=", NULL, &grace_ms}};
    for (int i = 1; i < argc; i++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            if (!str_starts(argv[i], rows[r].name))
                continue;
            const char *value = argv[i] + strlen(rows[r].name);
            if (rows[r].text)
                *rows[r].text = value;
            else if (!str_to_u64(value, rows[r].number))
                die(argv[i]);
        }
    return a;
}

static const char *text_of(Arena *a, const char *path)
{
    StrView v;
    Error err;
    if (!path)
        return NULL;
    if (file_read(a, path, 1 << 20, &v, &err))
        die(err.msg);
    return v.p;
}

static TlsCtx *make_tls(const Args *args)
{
    static const char *const ALPN[] = {"h2", NULL};
    AUTO_ARENA a = arena_new();
    Error err;
    TlsCtx *tls = NULL;
    TlsConfig cfg = {.cert_pem = text_of(a, args->cert),
                     .key_pem = text_of(a, args->key),
                     .ca_pem = text_of(a, args->ca),
                     .verify = args->ca ? TLS_VERIFY_REQUIRED : TLS_VERIFY_NONE,
                     .alpn = ALPN};
    if (args->cert && tls_server_new(&cfg, &tls, &err))
        die(err.msg);
    return tls;
}

static void drained(void *ctx)
{
    (void)ctx;
    loop_stop(loop);
}

static void on_signal(void *ctx, int signum)
{
    (void)ctx, (void)signum;
    grpc_server_drain(server, grace_ms, drained, NULL);
}

int main(int argc, char **argv)
{
    Args args = parse(argc, argv);
    Error err;
    log_init("grpc_echo", LOG_INFO);
    loop = loop_new();
    TlsCtx *tls = make_tls(&args);
    GrpcServerConfig cfg = {.addr = "127.0.0.1:0",
                            .tls = tls,
                            .methods = METHODS,
                            .min_ping_ms = args.min_ping,
                            .keepalive_ms = args.keepalive};
    if (grpc_server_start(loop, &cfg, &server, &err))
        die(err.msg);
    SigWatch *term = sigwatch_start(loop, SIGTERM, on_signal, NULL);
    printf("port %d\n", grpc_server_port(server));
    fflush(stdout);
    loop_run(loop);
    sigwatch_stop(term);
    grpc_server_free(server);
    tls_ctx_free(tls);
    loop_free(loop);
    return 0;
}
