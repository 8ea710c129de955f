/* Connections over loopback, plain and TLS, with certificates of our own CA. */
#include "core/ident.h"
#include "net/conn.h"
#include "net/x509.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { WAIT_MS = 60000, TURN_MS = 5 };

typedef struct End {
    struct Rig *rig;
    Conn *c;
    StrBuf got;
    bool opened, closed, drained, failed, echo, bye;
    char alpn[16], cert_cn[64], error[200];
} End;

typedef struct Rig {
    Loop *loop;
    Listener *ln;
    TlsCtx *server_tls, *client_tls;
    const char *host;
    End client, server;
    bool accepted;
} Rig;

typedef struct Pki {
    char *ca, *ca_key, *cert, *key, *client_cert, *other_ca;
} Pki;

static Pki pki;
static Arena *pki_arena;

static char *issue(const char *cn, const char *const *san, bool server)
{
    char *csr, *cert;
    assert_int_equal(x509_csr_new(pki_arena, pki.key, "ignored", &csr, NULL), ERR_OK);
    CertRequest req = {.ca_cert_pem = pki.ca,
                       .ca_key_pem = pki.ca_key,
                       .csr_pem = csr,
                       .cn = cn,
                       .san = san,
                       .days = 2,
                       .server = server,
                       .client = !server};
    assert_int_equal(x509_sign(pki_arena, &req, &cert, NULL), ERR_OK);
    return cert;
}

static int make_pki(void **state)
{
    (void)state;
    char *unused;
    const char *san[] = {"DNS:localhost", "IP:127.0.0.1", NULL};
    pki_arena = arena_new();
    assert_int_equal(x509_ca_new(pki_arena, "Test CA", 9, &pki.ca, &pki.ca_key, NULL), ERR_OK);
    assert_int_equal(x509_ca_new(pki_arena, "Other CA", 9, &pki.other_ca, &unused, NULL), ERR_OK);
    assert_int_equal(x509_key_new(pki_arena, &pki.key, NULL), ERR_OK);
    pki.cert = arena_printf(pki_arena, "%s%s", issue("localhost", san, true), pki.ca);
    pki.client_cert = issue("edge-1", NULL, false);
    return 0;
}

static int free_pki(void **state)
{
    (void)state;
    arena_free(pki_arena);
    return 0;
}

/* ---- the rig ---- */

static void on_open(void *ctx)
{
    End *e = ctx;
    e->opened = true;
    snprintf(e->alpn, sizeof e->alpn, "%s", conn_alpn(e->c));
    AUTO_ARENA a = arena_new();
    CertInfo info;
    if (conn_peer_cert(e->c) && x509_info(a, conn_peer_cert(e->c), &info, NULL) == ERR_OK)
        snprintf(e->cert_cn, sizeof e->cert_cn, "%s", info.subject_cn);
}

static void on_read(void *ctx, const char *p, size_t n)
{
    End *e = ctx;
    strbuf_add(&e->got, p, n);
    if (e->echo)
        conn_write(e->c, p, n);
    if (e->bye)
        conn_shutdown(e->c);
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
    e->c = NULL;
    e->failed = err != NULL;
    if (err)
        snprintf(e->error, sizeof e->error, "%.150s", err->msg);
}

static const ConnEvents EVENTS = {
    .on_open = on_open, .on_read = on_read, .on_drain = on_drain, .on_close = on_close};

static void on_accept(void *ctx, Stream *s)
{
    Rig *r = ctx;
    r->accepted = true;
    r->server.c = conn_server(s, r->server_tls, &EVENTS, &r->server);
}

static void on_dialled(void *ctx, const Error *err, Stream *s)
{
    Rig *r = ctx;
    assert_null(err);
    r->client.c = conn_client(s, r->client_tls, r->host, &EVENTS, &r->client);
}

static void rig_start(Rig *r, const TlsConfig *server, const TlsConfig *client)
{
    char addr[64];
    Error err = {0};
    *r = (Rig){.loop = loop_new(), .host = "localhost"};
    if (server && tls_server_new(server, &r->server_tls, &err))
        fail_msg("%s", err.msg);
    if (client && tls_client_new(client, &r->client_tls, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(listener_open(r->loop, "127.0.0.1:0", on_accept, r, &r->ln, NULL), ERR_OK);
    snprintf(addr, sizeof addr, "127.0.0.1:%d", listener_port(r->ln));
    stream_dial(r->loop, addr, WAIT_MS, on_dialled, r);
}

static void rig_wait(Rig *r, const bool *done)
{
    if (!loop_run_until(r->loop, done, WAIT_MS))
        fail_msg("it did not happen in %d ms; client: %s; server: %s", WAIT_MS, r->client.error,
                 r->server.error);
}

static void rig_wait_bytes(Rig *r, End *e, size_t n)
{
    const bool never = false;
    for (int i = 0; i < WAIT_MS / TURN_MS && e->got.n < n; i++)
        loop_run_until(r->loop, &never, TURN_MS);
    assert_int_equal(e->got.n, n);
}

static void rig_done(Rig *r)
{
    End *ends[] = {&r->client, &r->server};
    listener_close(r->ln);
    for (int i = 0; i < 2; i++) {
        if (ends[i]->c) {
            conn_close(ends[i]->c);
            rig_wait(r, &ends[i]->closed);
        }
        strbuf_done(&ends[i]->got);
    }
    loop_free(r->loop);
    tls_ctx_free(r->server_tls);
    tls_ctx_free(r->client_tls);
}

static const char *const ALPN[] = {"h2", "http/1.1", NULL};
#define SERVER_TLS                                             \
    {                                                          \
        .cert_pem = pki.cert, .key_pem = pki.key, .alpn = ALPN \
    }
#define CLIENT_TLS                     \
    {                                  \
        .ca_pem = pki.ca, .alpn = ALPN \
    }

/* ---- tests ---- */

static void echo(const TlsConfig *server, const TlsConfig *client)
{
    Rig r;
    rig_start(&r, server, client);
    r.server.echo = true;
    rig_wait(&r, &r.client.opened);
    conn_write(r.client.c, "hello ", 6);
    conn_write(r.client.c, "world", 5);
    rig_wait_bytes(&r, &r.client, 11);
    assert_string_equal(strbuf_str(&r.client.got), "hello world");
    assert_string_equal(r.client.alpn, server ? "h2" : "");
    assert_int_equal(conn_is_tls(r.client.c), server != NULL);
    rig_done(&r);
}

static void test_echo_plain(void **state)
{
    (void)state;
    echo(NULL, NULL);
}

static void test_echo_tls(void **state)
{
    (void)state;
    echo(&(TlsConfig)SERVER_TLS, &(TlsConfig)CLIENT_TLS);
}

/* 8 MiB there and back, with back pressure on the way; then an orderly end loses nothing. */
static void bulk(const TlsConfig *server, const TlsConfig *client)
{
    Rig r;
    enum { TOTAL = 8 * 1024 * 1024 };
    rig_start(&r, server, client);
    r.server.echo = true;
    rig_wait(&r, &r.client.opened);
    char *big = xmalloc(TOTAL);
    for (int i = 0; i < TOTAL; i++)
        big[i] = (char)(i * 31 + i / 251);
    conn_write(r.client.c, big, TOTAL);
    rig_wait_bytes(&r, &r.client, TOTAL);
    assert_memory_equal(r.client.got.p, big, TOTAL);
    assert_true(r.client.drained);
    r.server.echo = false;
    conn_write(r.server.c, big, TOTAL);
    conn_shutdown(r.server.c);
    rig_wait_bytes(&r, &r.client, 2 * TOTAL);
    rig_wait(&r, &r.client.closed);
    rig_wait(&r, &r.server.closed);
    assert_false(r.client.failed);
    assert_false(r.server.failed);
    free(big);
    rig_done(&r);
}

static void test_bulk_plain(void **state)
{
    (void)state;
    bulk(NULL, NULL);
}

static void test_bulk_tls(void **state)
{
    (void)state;
    bulk(&(TlsConfig)SERVER_TLS, &(TlsConfig)CLIENT_TLS);
}

/* A server that answers and closes while the client still sends: the answer must arrive. */
static void test_last_words_arrive(void **state)
{
    (void)state;
    Rig r;
    rig_start(&r, NULL, NULL);
    rig_wait(&r, &r.client.opened);
    r.server.bye = true;
    char *big = xcalloc(1, 4 << 20);
    conn_write(r.client.c, big, 4 << 20);
    rig_wait(&r, &r.server.opened);
    conn_write(r.server.c, "too large", 9);
    rig_wait_bytes(&r, &r.client, 9);
    rig_wait(&r, &r.client.closed);
    free(big);
    rig_done(&r);
}

static void refused(TlsConfig server, TlsConfig client, const char *host, const char *why)
{
    Rig r;
    rig_start(&r, &server, &client);
    r.host = host;
    rig_wait(&r, &r.client.closed);
    rig_wait(&r, &r.server.closed);
    assert_true(r.client.failed || r.server.failed);
    assert_false(r.server.opened);
    const char *said = r.client.failed ? r.client.error : r.server.error;
    if (!strstr(said, why) && !strstr(r.server.error, why))
        fail_msg("'%s' / '%s' does not say '%s'", said, r.server.error, why);
    rig_done(&r);
}

static void test_untrusted_server(void **state)
{
    (void)state;
    refused((TlsConfig)SERVER_TLS, (TlsConfig){.ca_pem = pki.other_ca}, "localhost",
            "self-signed certificate in certificate chain");
}

static void test_wrong_name(void **state)
{
    (void)state;
    refused((TlsConfig)SERVER_TLS, (TlsConfig)CLIENT_TLS, "central.example", "hostname mismatch");
    refused((TlsConfig)SERVER_TLS, (TlsConfig)CLIENT_TLS, "127.0.0.2", "IP address mismatch");
}

static void test_no_common_alpn(void **state)
{
    (void)state;
    static const char *const other[] = {"spdy/1", NULL};
    refused((TlsConfig)SERVER_TLS, (TlsConfig){.ca_pem = pki.ca, .alpn = other}, "localhost",
            "no application protocol");
}

static void with_verify(TlsVerify verify, bool give, const char *want_cn)
{
    Rig r;
    TlsConfig server = SERVER_TLS, client = CLIENT_TLS;
    server.verify = verify;
    server.ca_pem = pki.ca;
    if (give) {
        client.cert_pem = pki.client_cert;
        client.key_pem = pki.key;
    }
    rig_start(&r, &server, &client);
    rig_wait(&r, &r.server.opened);
    assert_string_equal(r.server.cert_cn, want_cn);
    rig_done(&r);
}

static void test_client_certificate(void **state)
{
    (void)state;
    with_verify(TLS_VERIFY_REQUIRED, true, "edge-1");
    with_verify(TLS_VERIFY_OPTIONAL, true, "edge-1");
    with_verify(TLS_VERIFY_OPTIONAL, false, "");
    with_verify(TLS_VERIFY_NONE, true, "");
}

/* In TLS 1.3 the client is done before the server has looked at its certificate. */
static void test_missing_client_certificate(void **state)
{
    (void)state;
    Rig r;
    TlsConfig server = SERVER_TLS;
    server.verify = TLS_VERIFY_REQUIRED;
    server.ca_pem = pki.ca;
    rig_start(&r, &server, &(TlsConfig)CLIENT_TLS);
    rig_wait(&r, &r.server.closed);
    assert_false(r.server.opened);
    assert_non_null(strstr(r.server.error, "did not return a certificate"));
    rig_wait(&r, &r.client.closed);
    rig_done(&r);
}

static void pinned(const char *ca, const char *pin, bool good)
{
    Rig r;
    rig_start(&r, &(TlsConfig)SERVER_TLS,
              &(TlsConfig){.ca_pem = ca, .ca_sha256 = pin, .alpn = ALPN});
    rig_wait(&r, good ? &r.client.opened : &r.client.closed);
    assert_int_equal(r.client.opened, good);
    rig_done(&r);
}

static void test_pinned_ca(void **state)
{
    (void)state;
    CertInfo ca, other;
    assert_int_equal(x509_info(pki_arena, pki.ca, &ca, NULL), ERR_OK);
    assert_int_equal(x509_info(pki_arena, pki.other_ca, &other, NULL), ERR_OK);
    pinned(NULL, ca.sha256_hex, true);
    pinned(NULL, other.sha256_hex, false);
    pinned(pki.ca, ca.sha256_hex, true);
    pinned(pki.ca, other.sha256_hex, false);
}

static void test_plain_client_at_tls_server(void **state)
{
    (void)state;
    Rig r;
    rig_start(&r, &(TlsConfig)SERVER_TLS, NULL);
    rig_wait(&r, &r.client.opened);
    conn_write(r.client.c, "GET / HTTP/1.1\r\n\r\n", 18);
    rig_wait(&r, &r.client.closed);
    rig_wait(&r, &r.server.closed);
    assert_false(r.server.opened);
    assert_true(r.server.failed);
    rig_done(&r);
}

static void test_reload(void **state)
{
    (void)state;
    Rig r;
    rig_start(&r, &(TlsConfig)SERVER_TLS, &(TlsConfig)CLIENT_TLS);
    rig_wait(&r, &r.client.opened);
    Error err;
    TlsConfig broken = {.cert_pem = "no", .key_pem = "no"};
    assert_int_equal(tls_ctx_reload(r.server_tls, &broken, &err), ERR_INVALID);
    assert_int_equal(tls_ctx_reload(r.server_tls, &(TlsConfig)SERVER_TLS, &err), ERR_OK);
    r.server.echo = true;
    conn_write(r.client.c, "x", 1); /* what stands goes on */
    rig_wait_bytes(&r, &r.client, 1);
    rig_done(&r);
}

static void test_certificates(void **state)
{
    (void)state;
    CertInfo info;
    Error err;
    char *csr, *cert;
    assert_int_equal(x509_info(pki_arena, pki.client_cert, &info, &err), ERR_OK);
    assert_string_equal(info.subject_cn, "edge-1");
    assert_int_equal(strlen(info.sha256_hex), 64);
    assert_true(strlen(info.serial_hex) > 20);
    int64_t days = (info.not_after_us - info.not_before_us) / 1000000 / 3600 / 24;
    assert_int_equal(days, 2);
    assert_int_equal(x509_info(pki_arena, "junk", &info, &err), ERR_MALFORMED);

    assert_int_equal(x509_csr_new(pki_arena, pki.key, "", &csr, &err), ERR_INVALID);
    assert_int_equal(x509_csr_new(pki_arena, pki.key, "edge-2", &csr, &err), ERR_OK);
    const char *bad[] = {"edge.example", NULL};
    CertRequest req = {.ca_cert_pem = pki.ca,
                       .ca_key_pem = pki.ca_key,
                       .csr_pem = csr,
                       .cn = "edge-2",
                       .days = 2,
                       .client = true,
                       .san = bad};
    assert_int_equal(x509_sign(pki_arena, &req, &cert, &err), ERR_INVALID);
    req.san = NULL;
    assert_int_equal(x509_sign(pki_arena, &req, &cert, &err), ERR_OK);
    req.ca_cert_pem = pki.other_ca; /* not of that key */
    assert_int_equal(x509_sign(pki_arena, &req, &cert, &err), ERR_INVALID);
    req.ca_cert_pem = pki.ca;
    char *tampered = arena_strdup(pki_arena, csr);
    char *at = strstr(tampered, "\n") + 100;
    *at = *at == 'A' ? 'B' : 'A';
    req.csr_pem = tampered;
    assert_int_equal(x509_sign(pki_arena, &req, &cert, &err), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_plain),
        cmocka_unit_test(test_echo_tls),
        cmocka_unit_test(test_bulk_plain),
        cmocka_unit_test(test_bulk_tls),
        cmocka_unit_test(test_last_words_arrive),
        cmocka_unit_test(test_untrusted_server),
        cmocka_unit_test(test_wrong_name),
        cmocka_unit_test(test_no_common_alpn),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_missing_client_certificate),
        cmocka_unit_test(test_pinned_ca),
        cmocka_unit_test(test_plain_client_at_tls_server),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_certificates),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
