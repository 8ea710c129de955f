/* http/client and http/server on one loop, over TLS and HTTP/2: what each tells of the other. */
#include "http/client.h"
#include "http/server.h"
#include "net/x509.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WAIT_MS = 60000 };

typedef struct Fixture {
    Loop *loop;
    Arena *arena;
    HttpServer *server;
    TlsCtx *tls;
    HttpClient *client;
    char *ca_pem, *ca_key, *other_ca;
    char base[64];
    /* of the request seen last */
    char seen[256], peer_cn[64];
    HttpReq *held;
    bool gone;
} Fixture;

static void on_gone(void *ctx)
{
    Fixture *f = ctx;
    f->gone = true;
    f->held = NULL;
}

static void handler(void *ctx, HttpReq *r)
{
    Fixture *f = ctx;
    CertInfo info;
    Error err;
    snprintf(f->seen, sizeof f->seen, "%s %s tls=%d body=%zu", http_method(r), http_path(r),
             http_is_tls(r), http_body(r).n);
    const char *cert = http_peer_cert(r);
    f->peer_cn[0] = 0;
    if (cert && x509_info(http_arena(r), cert, &info, &err) == ERR_OK)
        snprintf(f->peer_cn, sizeof f->peer_cn, "%s", info.subject_cn);
    if (str_eq(http_path(r), "/hold")) {
        f->held = r;
        http_on_gone(r, on_gone, f);
        http_reply_begin(r, 200, "text/plain");
        http_reply_chunk(r, "begun", 5);
    } else if (str_eq(http_path(r), "/error")) {
        err_set(&err, ERR_CONFLICT, "say \"no\"\n");
        http_reply_err(r, &err);
    } else {
        http_reply(r, 200, "application/octet-stream", http_body(r));
    }
}

static char *certify(Fixture *f, const char *cn, bool server, char **ret_key)
{
    static const char *const SAN[] = {"IP:127.0.0.1", NULL};
    Error err;
    char *csr, *cert;
    assert_int_equal(x509_key_new(f->arena, ret_key, &err), 0);
    assert_int_equal(x509_csr_new(f->arena, *ret_key, cn, &csr, &err), 0);
    CertRequest req = {.ca_cert_pem = f->ca_pem,
                       .ca_key_pem = f->ca_key,
                       .csr_pem = csr,
                       .cn = cn,
                       .san = server ? SAN : NULL,
                       .days = 1,
                       .server = server,
                       .client = !server};
    assert_int_equal(x509_sign(f->arena, &req, &cert, &err), 0);
    return cert;
}

static int setup(void **state)
{
    static const char *const ALPN[] = {"h2", "http/1.1", NULL};
    Fixture *f = xnew(Fixture);
    Error err;
    char *key, *unused;
    f->loop = loop_new();
    f->arena = arena_new();
    assert_int_equal(x509_ca_new(f->arena, "ours", 1, &f->ca_pem, &f->ca_key, &err), 0);
    assert_int_equal(x509_ca_new(f->arena, "other", 1, &f->other_ca, &unused, &err), 0);
    char *cert = certify(f, "server", true, &key);
    TlsConfig tls = {.cert_pem = cert,
                     .key_pem = key,
                     .ca_pem = f->ca_pem,
                     .verify = TLS_VERIFY_OPTIONAL,
                     .alpn = ALPN};
    assert_int_equal(tls_server_new(&tls, &f->tls, &err), 0);
    HttpServerConfig cfg = {
        .addr = "127.0.0.1:0", .tls = f->tls, .handler = handler, .ctx = f, .body_limit = 4 << 20};
    assert_int_equal(http_server_start(f->loop, &cfg, &f->server, &err), 0);
    snprintf(f->base, sizeof f->base, "https://127.0.0.1:%d", http_server_port(f->server));
    *state = f;
    return 0;
}

static void note_true(void *ctx)
{
    *(bool *)ctx = true;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    bool drained = false, never = false;
    http_client_free(f->client);
    http_server_drain(f->server, 200, note_true, &drained);
    loop_run_until(f->loop, &drained, WAIT_MS);
    assert_true(drained);
    http_server_free(f->server);
    tls_ctx_free(f->tls);
    loop_run_until(f->loop, &never, 5);
    loop_free(f->loop);
    arena_free(f->arena);
    free(f);
    return 0;
}

typedef struct Outcome {
    bool done;
    ErrCode code;
    int status;
    size_t n, streamed;
    char msg[480], head[200], type[64];
    bool pieces;
} Outcome;

static void on_done(void *ctx, const Error *err, const HttpResponse *r)
{
    Outcome *o = ctx;
    o->done = true;
    if (err) {
        o->code = err->code;
        snprintf(o->msg, sizeof o->msg, "%s", err->msg);
        return;
    }
    o->status = r->status;
    o->n = r->body.n;
    snprintf(o->head, sizeof o->head, "%s", r->body.n ? r->body.p : "");
    snprintf(o->type, sizeof o->type, "%s", str_or(r->header(r, "content-type"), ""));
}

static void use_client(Fixture *f, HttpClientConfig cfg)
{
    Error err;
    http_client_free(f->client);
    cfg.connect_timeout_ms = WAIT_MS;
    assert_int_equal(http_client_new(f->loop, &cfg, &f->client, &err), 0);
}

static Outcome call(Fixture *f, const char *method, const char *path, StrView body)
{
    Outcome o = {0};
    char url[128];
    snprintf(url, sizeof url, "%s%s", f->base, path);
    http_call(
        f->client,
        &(HttpCallSpec){.method = method, .url = url, .body = body, .on_done = on_done, .ctx = &o});
    assert_true(loop_run_until(f->loop, &o.done, WAIT_MS));
    return o;
}

static void test_exchange(void **state)
{
    Fixture *f = *state;
    use_client(f, (HttpClientConfig){.ca_pem = f->ca_pem});
    Outcome o = call(f, "POST", "/a%20b", SV("hello"));
    assert_int_equal(o.status, 200);
    assert_string_equal(o.head, "hello");
    assert_string_equal(f->seen, "POST /a b tls=1 body=5");
    assert_string_equal(f->peer_cn, "");
    size_t n = 3 << 20;
    char *big = xcalloc(1, n);
    o = call(f, "PUT", "/big", (StrView){big, n});
    assert_int_equal(o.n, n);
    free(big);
    big = xcalloc(1, 5 << 20);
    o = call(f, "PUT", "/too-big", (StrView){big, 5 << 20});
    assert_int_equal(o.status, 413);
    free(big);
    o = call(f, "GET", "/error", (StrView){0});
    assert_int_equal(o.status, 409);
    assert_string_equal(o.type, "application/json");
    assert_non_null(
        strstr(o.head, "{\"error\":{\"code\":\"conflict\",\"message\":\"say \\\"no\\\"\\u000a\","
                       "\"request_id\":\""));
    /* Kept, but for the one that was ended over a body that is too big. */
    assert_int_equal(http_server_stats(f->server)->conns_total, 2);
}

static void test_many_at_once(void **state)
{
    Fixture *f = *state;
    enum { N = 400 };
    Outcome o[N] = {0};
    char url[128];
    use_client(f, (HttpClientConfig){.ca_pem = f->ca_pem});
    snprintf(url, sizeof url, "%s/x", f->base);
    for (int i = 0; i < N; i++)
        http_call(f->client, &(HttpCallSpec){.method = "POST",
                                             .url = url,
                                             .body = SV("12345678"),
                                             .on_done = on_done,
                                             .ctx = &o[i]});
    for (int i = 0; i < N; i++) {
        assert_true(loop_run_until(f->loop, &o[i].done, WAIT_MS));
        assert_int_equal(o[i].status, 200);
        assert_int_equal(o[i].n, 8);
    }
    assert_true(http_server_stats(f->server)->conns_total <= 256);
}

static void test_trust(void **state)
{
    Fixture *f = *state;
    char *key;
    use_client(f, (HttpClientConfig){.ca_pem = f->other_ca});
    Outcome o = call(f, "GET", "/x", (StrView){0});
    assert_int_equal(o.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(o.msg, "certificate"));
    use_client(f, (HttpClientConfig){0}); /* the system's store does not know us either */
    assert_int_equal(call(f, "GET", "/x", (StrView){0}).code, ERR_UNAVAILABLE);
    char *cert = certify(f, "edge-a", false, &key);
    use_client(f, (HttpClientConfig){.ca_pem = f->ca_pem, .cert_pem = cert, .key_pem = key});
    assert_int_equal(call(f, "GET", "/x", (StrView){0}).status, 200);
    assert_string_equal(f->peer_cn, "edge-a");
}

static bool take(void *ctx, int status, const char *data, size_t n)
{
    Outcome *o = ctx;
    assert_int_equal(status, 200);
    (void)data;
    o->streamed += n;
    o->pieces = true;
    return true;
}

static void test_gone_and_ended(void **state)
{
    Fixture *f = *state;
    char url[128];
    Outcome o = {0};
    use_client(f, (HttpClientConfig){.ca_pem = f->ca_pem});
    snprintf(url, sizeof url, "%s/hold", f->base);
    HttpCallSpec spec = {
        .method = "GET", .url = url, .on_data = take, .on_done = on_done, .ctx = &o};
    HttpCall *held = http_call(f->client, &spec);
    assert_true(loop_run_until(f->loop, &o.pieces, WAIT_MS));
    assert_int_equal(o.streamed, 5);
    http_call_cancel(held);
    assert_int_equal(call(f, "GET", "/x", (StrView){0}).status, 200);
    assert_true(loop_run_until(f->loop, &f->gone, WAIT_MS));
    assert_false(o.done);
    f->gone = false;
    o = (Outcome){0};
    http_call(f->client, &spec);
    assert_true(loop_run_until(f->loop, &o.pieces, WAIT_MS));
    http_reply_chunk(f->held, " and more", 9);
    http_reply_end(f->held);
    assert_true(loop_run_until(f->loop, &o.done, WAIT_MS));
    assert_int_equal(o.streamed, 14);
    assert_false(f->gone);
}

static void test_server_that_ends(void **state)
{
    Fixture *f = *state;
    char url[128];
    Outcome o = {0};
    use_client(f, (HttpClientConfig){.ca_pem = f->ca_pem});
    snprintf(url, sizeof url, "%s/hold", f->base);
    http_call(f->client,
              &(HttpCallSpec){
                  .method = "GET", .url = url, .on_data = take, .on_done = on_done, .ctx = &o});
    assert_true(loop_run_until(f->loop, &o.pieces, WAIT_MS));
    bool drained = false;
    http_server_drain(f->server, 50, note_true, &drained);
    assert_true(loop_run_until(f->loop, &drained, WAIT_MS));
    assert_true(f->gone); /* the grace was over before its answer */
    assert_true(loop_run_until(f->loop, &o.done, WAIT_MS));
    assert_int_equal(o.code, ERR_UNAVAILABLE);
    HttpServerConfig cfg = {.addr = "127.0.0.1:0", .tls = f->tls, .handler = handler, .ctx = f};
    Error err;
    http_server_free(f->server);
    assert_int_equal(http_server_start(f->loop, &cfg, &f->server, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exchange, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trust, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_and_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_that_ends, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
