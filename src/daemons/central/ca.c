#include "ca.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/strmap.h"
#include "net/x509.h"
#include "store/secrets.h"
#include <stdlib.h>

#define SECRET_NAME "ca"
enum { RENEW_CHECK_MS = 3600 * 1000 };

struct Ca {
    Loop *l;
    Arena *arena; /* as long as the Ca */
    const char *cert_pem, *key_pem;
    TlsCtx *http, *grpc;
    const char *const *sans;
    int64_t server_cert_renew_us;
    Timer *timer;
};

/* ---- making and loading: the secret is the certificate followed by the key, both PEM ---- */

typedef struct Opening {
    Ca *ca;
    PgPool *pool;
    const Sealer *sealer;
    CaDone done;
    void *ctx;
} Opening;

static void finish(Opening *o, const Error *err)
{
    CaDone done = o->done;
    void *ctx = o->ctx;
    Ca *ca = o->ca;
    Error copy = err ? *err : (Error){0};
    free(o);
    if (err) {
        ca_free(ca);
        err_wrap(&copy, "certificate authority");
        done(ctx, &copy, NULL);
    } else {
        done(ctx, NULL, ca);
    }
}

static ErrCode adopt(Ca *ca, StrView both, Error *err)
{
    const char *text = sv_dup(ca->arena, both);
    const char *key = strstr(text, "-----END CERTIFICATE-----\n");
    if (!key)
        return err_set(err, ERR_DATA_LOSS, "what is stored is no certificate and key");
    key += strlen("-----END CERTIFICATE-----\n");
    ca->cert_pem = arena_strndup(ca->arena, text, (size_t)(key - text));
    ca->key_pem = key;
    return ERR_OK;
}

static void settled(void *ctx, const Error *err, const StrView *plain)
{
    Opening *o = ctx;
    Error why;
    if (!err && adopt(o->ca, *plain, &why))
        err = &why;
    finish(o, err);
}

static void loaded(void *ctx, const Error *err, const StrView *plain)
{
    Opening *o = ctx;
    Error why;
    char *cert, *key;
    Arena *a = o->ca->arena;
    if (err || plain) {
        settled(ctx, err, plain);
        return;
    }
    if (x509_ca_new(a, "PG-Swarm CA", CA_DAYS, &cert, &key, &why)) {
        finish(o, &why);
        return;
    }
    SecretNew both = {SECRET_NAME, sv(arena_printf(a, "%s%s", cert, key))};
    secret_settle(o->pool, o->sealer, a, &both, settled, o);
}

void ca_open(Loop *l, PgPool *pool, const Sealer *s, CaDone done, void *ctx)
{
    Opening *o = xnew(Opening);
    Ca *ca = xnew(Ca);
    ca->l = l;
    ca->arena = arena_new();
    *o = (Opening){ca, pool, s, done, ctx};
    secret_get(pool, s, ca->arena, SECRET_NAME, loaded, o);
}

void ca_free(Ca *ca)
{
    if (!ca)
        return;
    timer_stop(ca->timer);
    tls_ctx_free(ca->http);
    tls_ctx_free(ca->grpc);
    arena_free(ca->arena);
    free(ca);
}

const char *ca_cert_pem(const Ca *ca)
{
    return ca->cert_pem;
}

/* ---- our own server certificate ---- */

static ErrCode make_server_cert(Ca *ca, Arena *a, TlsConfig *ret, Error *err)
{
    char *key, *csr, *cert;
    if (x509_key_new(a, &key, err) || x509_csr_new(a, key, "pg-swarm-central", &csr, err))
        return err->code;
    CertRequest req = {.ca_cert_pem = ca->cert_pem,
                       .ca_key_pem = ca->key_pem,
                       .csr_pem = csr,
                       .cn = "pg-swarm-central",
                       .san = ca->sans,
                       .days = SERVER_CERT_DAYS,
                       .server = true};
    if (x509_sign(a, &req, &cert, err))
        return err->code;
    *ret = (TlsConfig){.cert_pem = arena_printf(a, "%s%s", cert, ca->cert_pem),
                       .key_pem = key,
                       .ca_pem = ca->cert_pem};
    ca->server_cert_renew_us =
        clock_wall_us() + (int64_t)SERVER_CERT_DAYS * 2 / 3 * 86400 * 1000000;
    return ERR_OK;
}

static const char *const ALPN_HTTP[] = {"h2", "http/1.1", NULL};
static const char *const ALPN_GRPC[] = {"h2", NULL};

static TlsConfig for_http(TlsConfig c)
{
    c.verify = TLS_VERIFY_NONE;
    c.alpn = ALPN_HTTP;
    return c;
}

static TlsConfig for_grpc(TlsConfig c)
{
    c.verify = TLS_VERIFY_OPTIONAL;
    c.alpn = ALPN_GRPC;
    return c;
}

static void renew(void *ctx)
{
    Ca *ca = ctx;
    AUTO_ARENA a = arena_new();
    TlsConfig c, http, grpc;
    Error err;
    if (clock_wall_us() < ca->server_cert_renew_us)
        return;
    ErrCode rc = make_server_cert(ca, a, &c, &err);
    if (!rc) {
        http = for_http(c);
        rc = tls_ctx_reload(ca->http, &http, &err);
    }
    if (!rc) {
        grpc = for_grpc(c);
        rc = tls_ctx_reload(ca->grpc, &grpc, &err);
    }
    if (rc)
        log_error("ca", "server certificate not renewed", "err=%s", log_quote(err.msg));
    else
        log_info("ca", "server certificate renewed", "days=%d", SERVER_CERT_DAYS);
}

ErrCode ca_serve(Ca *ca, const char *const *sans, TlsCtx **ret_http, TlsCtx **ret_grpc, Error *err)
{
    AUTO_ARENA a = arena_new();
    TlsConfig c, http, grpc;
    StrList copy = {0};
    for (; *sans; sans++)
        strlist_add(ca->arena, &copy, arena_strdup(ca->arena, *sans));
    strlist_add(ca->arena, &copy, NULL);
    ca->sans = copy.at;
    if (make_server_cert(ca, a, &c, err))
        return err_wrap(err, "server certificate");
    http = for_http(c);
    grpc = for_grpc(c);
    if (tls_server_new(&http, &ca->http, err) || tls_server_new(&grpc, &ca->grpc, err))
        return err_wrap(err, "server certificate");
    ca->timer = timer_start(ca->l, RENEW_CHECK_MS, RENEW_CHECK_MS, renew, ca);
    *ret_http = ca->http;
    *ret_grpc = ca->grpc;
    return ERR_OK;
}

ErrCode ca_sign_client(const Ca *ca, Arena *a, const char *csr_pem, const char *satellite_id,
                       ClientCert *ret, Error *err)
{
    CertInfo info;
    CertRequest req = {.ca_cert_pem = ca->cert_pem,
                       .ca_key_pem = ca->key_pem,
                       .csr_pem = csr_pem,
                       .cn = satellite_id,
                       .days = CLIENT_CERT_DAYS,
                       .client = true};
    if (x509_sign(a, &req, &ret->pem, err) || x509_info(a, ret->pem, &info, err))
        return err->code;
    ret->sha256_hex = info.sha256_hex;
    ret->not_after_us = info.not_after_us;
    return ERR_OK;
}
