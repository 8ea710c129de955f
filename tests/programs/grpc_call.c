/* A gRPC client for the interop tests: our client against stock servers.
 * grpc_call target=HOST:PORT [ca=FILE] [name=HOST] [timeout=MS] [count=N] [meta=NAME:VALUE]
 *           path=/pkg.Service/Method mode=MODE [body=TEXT] [size=N]
 * Says what happens, a line each: "headers", "message BYTES", "meta VALUE", "end CODE TEXT".
 *   unary   one call, `count` times one after the other on one channel
 *   stream  one request, then whatever comes
 *   chat    `count` messages in strict alternation, then half-close
 *   push    `count` messages as fast as they go, then half-close
 *   cancel  like stream, cancelled at the first message */
#include "core/file.h"
#include "core/log.h"
#include "grpc/client.h"
#include "grpc/text.h"
#include <stdio.h>
#include <stdlib.h>

static const char *target, *ca, *name, *path, *mode, *body = "", *meta;
static uint64_t timeout_ms, count = 1, size;
static Loop *loop;
static GrpcChannel *channel;
static bool done;
static uint64_t sent;
static StrView request;

static void die(const char *why)
{
    fprintf(stderr, "grpc_call: %s\n", why);
    exit(2);
}

static void parse(int argc, char **argv)
{
    struct {
        const char *key, **text;
        uint64_t *number;
    } rows[] = {{"target=", &target, NULL},      {"ca=", &ca, NULL},       {"name=", &name, NULL},
                {"timeout=", NULL, &timeout_ms}, {"count=", NULL, &count}, {"path=", &path, NULL},
                {"mode=", &mode, NULL},          {"body=", &body, NULL},   {"meta=", &meta, NULL},
                {"size=", NULL, &size}};
    for (int i = 1; i < argc; i++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            if (!str_starts(argv[i], rows[r].key))
                continue;
            const char *value = argv[i] + strlen(rows[r].key);
            if (rows[r].text)
                *rows[r].text = value;
            else if (!str_to_u64(value, rows[r].number))
                die(argv[i]);
        }
    if (!target || !path || !mode)
        die("target, path and mode are needed");
}

static void say_meta(GrpcStream *s)
{
    if (!meta)
        return;
    const char *colon = strchr(meta, ':');
    char *key = xstrndup(meta, (size_t)(colon - meta));
    StrView v = grpc_stream_meta(s, key);
    printf("meta " SV_FMT "\n", SV_ARG(v));
    free(key);
}

static GrpcCallSpec call_spec(void)
{
    static GrpcMeta list[2];
    if (meta && !list[0].name) {
        const char *colon = strchr(meta, ':');
        list[0] = (GrpcMeta){xstrndup(meta, (size_t)(colon - meta)), sv(colon + 1)};
    }
    return (GrpcCallSpec){.path = path, .meta = list, .timeout_ms = timeout_ms};
}

static void call_unary(void);

static void on_unary(void *ctx, GrpcCode code, const char *message, StrView reply)
{
    (void)ctx;
    if (code == GRPC_OK)
        printf("message %zu\n", reply.n);
    printf("end %s %s\n", grpc_code_name(code), message);
    if (++sent < count)
        call_unary();
    else
        done = true;
}

static void call_unary(void)
{
    GrpcCallSpec spec = call_spec();
    grpc_unary(channel, &spec, request, on_unary, NULL);
}

static void send_one(GrpcStream *s)
{
    Error err;
    sent++;
    if (grpc_stream_send(s, request, &err))
        die(err.msg);
}

static void on_headers(void *ctx, GrpcStream *s)
{
    (void)ctx;
    printf("headers\n");
    say_meta(s);
}

static void on_message(void *ctx, GrpcStream *s, StrView msg)
{
    (void)ctx;
    printf("message %zu\n", msg.n);
    if (str_eq(mode, "cancel"))
        grpc_stream_cancel(s);
    if (!str_eq(mode, "chat"))
        return;
    if (sent < count)
        send_one(s);
    else
        grpc_stream_half_close(s);
}

/* As much as the queue takes; the rest when it is empty. */
static void push(GrpcStream *s)
{
    while (sent < count && grpc_stream_queued(s) < 100)
        send_one(s);
    if (sent == count)
        grpc_stream_half_close(s);
}

static void on_drain(void *ctx, GrpcStream *s)
{
    (void)ctx;
    if (str_eq(mode, "push"))
        push(s);
}

static void on_end(void *ctx, GrpcStream *s, GrpcCode code, const char *message)
{
    (void)ctx;
    say_meta(s);
    printf("end %s %s\n", grpc_code_name(code), message);
    done = true;
}

static TlsCtx *make_tls(void)
{
    static const char *const ALPN[] = {"h2", NULL};
    AUTO_ARENA a = arena_new();
    StrView pem;
    Error err;
    TlsCtx *tls = NULL;
    if (ca && (file_read(a, ca, 1 << 20, &pem, &err) ||
               tls_client_new(&(TlsConfig){.ca_pem = pem.p, .alpn = ALPN}, &tls, &err)))
        die(err.msg);
    return tls;
}

static void start(void)
{
    static const GrpcClientHandler handler = {on_headers, on_message, on_drain, on_end};
    if (str_eq(mode, "unary")) {
        call_unary();
        return;
    }
    GrpcCallSpec spec = call_spec();
    GrpcStream *s = grpc_open(channel, &spec, &handler, NULL);
    if (str_eq(mode, "push")) {
        push(s);
        return;
    }
    send_one(s);
    if (!str_eq(mode, "chat"))
        grpc_stream_half_close(s);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    log_init("grpc_call", LOG_INFO);
    setvbuf(stdout, NULL, _IOLBF, 0);
    char *filler = xcalloc(size ? size : 1, 1);
    request = size ? sv_n(filler, size) : sv(body);
    loop = loop_new();
    TlsCtx *tls = make_tls();
    channel = grpc_channel_new(
        loop, &(GrpcChannelConfig){.target = target, .tls = tls, .server_name = name});
    start();
    bool ended = loop_run_until(loop, &done, 30 * 1000);
    grpc_channel_free(channel);
    tls_ctx_free(tls);
    loop_free(loop);
    free(filler);
    return ended ? 0 : 1;
}
