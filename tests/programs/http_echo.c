/* An HTTP server whose answers show what it understood: the integration tests' other end.
 * http_echo [CERT KEY]: listens on a free port of 127.0.0.1, says "port N" on stdout. */
#include "core/file.h"
#include "core/log.h"
#include "http/server.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static Loop *loop;
static HttpServer *server;

typedef struct Later {
    HttpReq *req;
    Timer *timer;
    unsigned left;
} Later;

static void show(HttpReq *r)
{
    AUTO_STRBUF b = {0};
    const char *name, *value;
    strbuf_addf(&b, "%s %s\n", http_method(r), http_path(r));
    for (size_t i = 0; http_query_at(r, i, &name, &value); i++)
        strbuf_addf(&b, "query %s=%s\n", name, value);
    strbuf_addf(&b, "host %s\nx-test %s\ntls %d\nbody %zu ", http_header(r, "HOST"),
                str_or(http_header(r, "x-test"), "-"), http_is_tls(r), http_body(r).n);
    strbuf_add(&b, http_body(r).p, http_body(r).n);
    http_reply_header(r, "X-Echo", "a\r\nInjected: yes");
    http_reply(r, 200, "text/plain", (StrView){b.p, b.n});
}

static void reply_later(void *ctx)
{
    Later *l = ctx;
    timer_stop(l->timer);
    show(l->req);
    free(l);
}

static void next_piece(void *ctx)
{
    Later *l = ctx;
    char piece[1000];
    memset(piece, 'a' + (int)(l->left % 26), sizeof piece);
    while (l->left && http_chunk_unsent(l->req) < 64 * 1024) {
        http_reply_chunk(l->req, piece, sizeof piece);
        l->left--;
    }
    if (l->left)
        return;
    http_reply_end(l->req);
    free(l);
}

static void gone(void *ctx)
{
    free(ctx);
}

static void stream(HttpReq *r)
{
    Later *l = xnew(Later);
    l->req = r;
    l->left = 5000;
    http_on_gone(r, gone, l);
    http_on_drain(r, next_piece, l);
    http_reply_begin(r, 200, "text/plain");
    next_piece(l);
}

static void stats(HttpReq *r)
{
    const HttpServerStats *s = http_server_stats(server);
    char text[160];
    int n = snprintf(text, sizeof text, "open=%llu requests=%llu bad=%llu ws=%llu bad_conns=%llu\n",
                     (unsigned long long)s->conns_open, (unsigned long long)s->requests,
                     (unsigned long long)s->bad_requests, (unsigned long long)s->ws_open,
                     (unsigned long long)s->bad_conns);
    http_reply(r, 200, "text/plain", (StrView){text, (size_t)n});
}

typedef struct Talk {
    HttpWs *ws;
} Talk;

static void on_message(void *ctx, const char *text, size_t n, bool binary)
{
    Talk *t = ctx;
    if (n == 5 && memcmp(text, "close", 5) == 0) {
        http_ws_close(t->ws, 4000, "as you wish");
    } else if (n == 5 && memcmp(text, "flood", 5) == 0) {
        char *big = xmalloc(64 * 1024);
        memset(big, 'x', 64 * 1024);
        for (int i = 0; i < 1000; i++)
            http_ws_send(t->ws, big, 64 * 1024, false);
        free(big);
    } else {
        http_ws_send(t->ws, text, n, binary);
    }
}

static void ws_open(HttpReq *r)
{
    static const HttpWsEvents EVENTS = {.on_message = on_message, .on_close = gone};
    Talk *t = xnew(Talk);
    t->ws = http_ws_accept(r, NULL, &EVENTS, t);
    if (!t->ws)
        free(t);
}

static void ws_open_later(void *ctx)
{
    Later *l = ctx;
    timer_stop(l->timer);
    ws_open(l->req);
    free(l);
}

static void handler(void *ctx, HttpReq *r)
{
    (void)ctx;
    if (str_eq(http_path(r), "/stream")) {
        stream(r);
    } else if (str_eq(http_path(r), "/stats")) {
        stats(r);
    } else if (str_starts(http_path(r), "/later") || str_eq(http_path(r), "/ws-later")) {
        Later *l = xnew(Later);
        l->req = r;
        l->timer = timer_start(loop, 30, 0, http_is_ws(r) ? ws_open_later : reply_later, l);
    } else if (str_eq(http_path(r), "/ws") && http_is_ws(r)) {
        ws_open(r);
    } else if (str_eq(http_path(r), "/empty")) {
        http_reply(r, 204, NULL, (StrView){0});
    } else {
        show(r);
    }
}

static size_t limit_for(void *ctx, const char *method, const char *path)
{
    (void)ctx, (void)method;
    return str_starts(path, "/import") ? 8 * 1024 * 1024 : 1024 * 1024;
}

static void drained(void *ctx)
{
    *(bool *)ctx = true;
    loop_stop(loop);
}

static void on_signal(void *ctx, int signum)
{
    (void)signum;
    http_server_drain(server, 2000, drained, ctx);
}

static TlsCtx *make_tls(Arena *a, char **argv)
{
    static const char *const ALPN[] = {"h2", "http/1.1", NULL};
    StrView cert, key;
    TlsCtx *tls;
    Error err;
    if (file_read(a, argv[1], 1 << 20, &cert, &err) || file_read(a, argv[2], 1 << 20, &key, &err) ||
        tls_server_new(&(TlsConfig){.cert_pem = cert.p, .key_pem = key.p, .alpn = ALPN}, &tls,
                       &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return tls;
}

int main(int argc, char **argv)
{
    AUTO_ARENA a = arena_new();
    Error err;
    bool done = false;
    log_init("http_echo", LOG_INFO);
    loop = loop_new();
    TlsCtx *tls = argc > 2 ? make_tls(a, argv) : NULL;
    HttpServerConfig cfg = {.addr = "127.0.0.1:0",
                            .tls = tls,
                            .handler = handler,
                            .body_limit_for = limit_for,
                            .max_conns_per_ip = 200};
    if (http_server_start(loop, &cfg, &server, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    SigWatch *term = sigwatch_start(loop, SIGTERM, on_signal, &done);
    printf("port %d\n", http_server_port(server));
    fflush(stdout);
    loop_run(loop);
    sigwatch_stop(term);
    http_server_free(server);
    tls_ctx_free(tls);
    loop_free(loop);
    return done ? 0 : 1;
}
