#include "net/tls.h"

#include "core/ident.h"
#include "net/tls_priv.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { SHA256_LEN = 32, ALPN_MAX = 64 };

/* Hangs on the SSL_CTX, so that it lives as long as the last connection made from it. */
typedef struct CtxExtra {
    unsigned char alpn[ALPN_MAX]; /* wire form: length byte, name, ... */
    unsigned alpn_n;
    bool pinned, own_ca;
    unsigned char pin[SHA256_LEN];
} CtxExtra;

struct TlsCtx {
    SSL_CTX *ssl;
    bool server;
};

/* ---- errors ---- */

ErrCode tls_err(Error *err, ErrCode code, const char *fmt, ...)
{
    char head[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    unsigned long e = ERR_get_error();
    ERR_clear_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    return err_set(err, code, "%s: %s", head, reason ? reason : "unknown TLS error");
}

const char *tls_verify_failure(const SSL *ssl)
{
    long rc = SSL_get_verify_result(ssl);
    return rc == X509_V_OK ? NULL : X509_verify_cert_error_string(rc);
}

/* ---- what hangs on a context ---- */

static void free_extra(void *parent, void *p, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    free(p);
}

static int extra_index(void)
{
    static int idx = -1;
    if (idx < 0)
        idx = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_extra);
    return idx;
}

static ErrCode set_alpn(CtxExtra *x, const char *const *names, Error *err)
{
    for (; names && *names; names++) {
        size_t n = strlen(*names);
        if (n == 0 || x->alpn_n + n + 1 > sizeof x->alpn)
            return err_set(err, ERR_INVALID, "alpn: '%s' is empty or too long", *names);
        x->alpn[x->alpn_n++] = (unsigned char)n;
        memcpy(x->alpn + x->alpn_n, *names, n);
        x->alpn_n += (unsigned)n;
    }
    return ERR_OK;
}

/* A client that offers protocols, but none of ours, is refused rather than guessed at. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *in, unsigned in_n, void *arg)
{
    (void)ssl;
    const CtxExtra *x = arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_n, x->alpn, x->alpn_n, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- pinned certificates ---- */

static bool is_pinned(X509 *cert, const CtxExtra *x)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    return X509_digest(cert, EVP_sha256(), sum, &n) && n == SHA256_LEN &&
           CRYPTO_memcmp(sum, x->pin, SHA256_LEN) == 0;
}

static X509 *find_pinned(STACK_OF(X509) * certs, const CtxExtra *x)
{
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (is_pinned(sk_X509_value(certs, i), x))
            return sk_X509_value(certs, i);
    return NULL;
}

static int refuse(X509_STORE_CTX *sc)
{
    X509_STORE_CTX_set_error(sc, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

/* The pin takes the place of a CA file: the chain must lead to the certificate with this hash,
 * which the server sends along. With a CA file as well, both must agree. */
static int verify_pinned(X509_STORE_CTX *sc, void *arg)
{
    const CtxExtra *x = arg;
    if (x->own_ca) {
        if (X509_verify_cert(sc) <= 0)
            return 0;
        return find_pinned(X509_STORE_CTX_get0_chain(sc), x) ? 1 : refuse(sc);
    }
    X509 *root = find_pinned(X509_STORE_CTX_get0_untrusted(sc), x);
    STACK_OF(X509) *trusted = root ? sk_X509_new_null() : NULL;
    if (!trusted || !sk_X509_push(trusted, root)) {
        sk_X509_free(trusted);
        return refuse(sc);
    }
    X509_STORE_CTX_set0_trusted_stack(sc, trusted);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(sc), X509_V_FLAG_PARTIAL_CHAIN);
    int ok = X509_verify_cert(sc) > 0;
    X509_STORE_CTX_set0_trusted_stack(sc, NULL);
    sk_X509_free(trusted);
    return ok;
}

/* ---- certificates of a context ---- */

static ErrCode use_cert(SSL_CTX *ctx, const TlsConfig *cfg, Error *err)
{
    BIO *cb = BIO_new_mem_buf(cfg->cert_pem, -1);
    BIO *kb = BIO_new_mem_buf(cfg->key_pem ? cfg->key_pem : "", -1);
    X509 *leaf = PEM_read_bio_X509(cb, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(kb, NULL, NULL, NULL);
    ErrCode rc = ERR_OK;
    if (!leaf || SSL_CTX_use_certificate(ctx, leaf) != 1)
        rc = tls_err(err, ERR_INVALID, "certificate");
    else if (!key || SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        rc = tls_err(err, ERR_INVALID, "private key");
    for (X509 *more; !rc && (more = PEM_read_bio_X509(cb, NULL, NULL, NULL));)
        if (SSL_CTX_add0_chain_cert(ctx, more) != 1) {
            X509_free(more);
            rc = tls_err(err, ERR_INVALID, "certificate chain");
        }
    ERR_clear_error(); /* reading past the last certificate leaves one */
    X509_free(leaf);
    EVP_PKEY_free(key);
    BIO_free(cb);
    BIO_free(kb);
    return rc;
}

static ErrCode use_ca(SSL_CTX *ctx, const TlsConfig *cfg, bool server, Error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *b = BIO_new_mem_buf(cfg->ca_pem, -1);
    int n = 0;
    ErrCode rc = ERR_OK;
    for (X509 *ca; (ca = PEM_read_bio_X509(b, NULL, NULL, NULL)); n++) {
        if (X509_STORE_add_cert(store, ca) != 1 || (server && SSL_CTX_add_client_CA(ctx, ca) != 1))
            rc = tls_err(err, ERR_INVALID, "CA certificate");
        X509_free(ca);
    }
    BIO_free(b);
    ERR_clear_error();
    return rc || n ? rc : err_set(err, ERR_INVALID, "CA certificate: no PEM certificate in it");
}

static ErrCode set_trust(SSL_CTX *ctx, CtxExtra *x, const TlsConfig *cfg, bool server, Error *err)
{
    if (cfg->ca_sha256) {
        x->pinned = true;
        x->own_ca = cfg->ca_pem != NULL;
        if (hex_decode(x->pin, SHA256_LEN, cfg->ca_sha256, strlen(cfg->ca_sha256)) != SHA256_LEN)
            return err_set(err, ERR_INVALID, "ca_sha256: '%s' is not 64 hex digits",
                           cfg->ca_sha256);
        SSL_CTX_set_cert_verify_callback(ctx, verify_pinned, x);
    }
    int mode = SSL_VERIFY_NONE;
    if (!server || cfg->verify != TLS_VERIFY_NONE)
        mode = SSL_VERIFY_PEER;
    if (server && cfg->verify == TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, mode, NULL);
    if (cfg->ca_pem)
        return use_ca(ctx, cfg, server, err);
    if (!server && !cfg->ca_sha256 && SSL_CTX_set_default_verify_paths(ctx) != 1)
        return tls_err(err, ERR_INTERNAL, "the system's certificate store");
    if (server && cfg->verify != TLS_VERIFY_NONE)
        return err_set(err, ERR_INVALID, "client certificates are asked for, but no CA is given");
    return ERR_OK;
}

/* No session tickets: each connection proves itself anew, so that a revoked certificate is out at
 * once and no state is kept for the absent. */
static void set_policy(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static ErrCode fill(SSL_CTX *ctx, const TlsConfig *cfg, bool server, Error *err)
{
    CtxExtra *x = xnew(CtxExtra);
    SSL_CTX_set_ex_data(ctx, extra_index(), x);
    set_policy(ctx);
    ErrCode rc = set_alpn(x, cfg->alpn, err);
    if (!rc && server && !cfg->cert_pem)
        rc = err_set(err, ERR_INVALID, "a TLS server needs a certificate");
    if (!rc && cfg->cert_pem)
        rc = use_cert(ctx, cfg, err);
    if (!rc)
        rc = set_trust(ctx, x, cfg, server, err);
    if (!rc && x->alpn_n && server)
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, x);
    if (!rc && x->alpn_n && !server && SSL_CTX_set_alpn_protos(ctx, x->alpn, x->alpn_n))
        rc = tls_err(err, ERR_INTERNAL, "alpn");
    return rc;
}

static ErrCode ctx_make(const TlsConfig *cfg, bool server, SSL_CTX **ret, Error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!ctx)
        return tls_err(err, ERR_INTERNAL, "TLS context");
    ErrCode rc = fill(ctx, cfg, server, err);
    if (rc)
        SSL_CTX_free(ctx);
    else
        *ret = ctx;
    return rc;
}

static ErrCode tls_new(const TlsConfig *cfg, bool server, TlsCtx **ret, Error *err)
{
    SSL_CTX *ctx = NULL;
    ErrCode rc = ctx_make(cfg, server, &ctx, err);
    if (rc)
        return rc;
    TlsCtx *c = xnew(TlsCtx);
    c->ssl = ctx;
    c->server = server;
    *ret = c;
    return ERR_OK;
}

ErrCode tls_server_new(const TlsConfig *cfg, TlsCtx **ret, Error *err)
{
    return tls_new(cfg, true, ret, err);
}

ErrCode tls_client_new(const TlsConfig *cfg, TlsCtx **ret, Error *err)
{
    return tls_new(cfg, false, ret, err);
}

ErrCode tls_ctx_reload(TlsCtx *c, const TlsConfig *cfg, Error *err)
{
    SSL_CTX *fresh = NULL;
    ErrCode rc = ctx_make(cfg, c->server, &fresh, err);
    if (rc)
        return rc;
    SSL_CTX_free(c->ssl);
    c->ssl = fresh;
    return ERR_OK;
}

void tls_ctx_free(TlsCtx *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->ssl);
    free(c);
}

/* ---- sessions ---- */

static bool is_address(const char *host)
{
    unsigned char buf[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, buf) == 1 || inet_pton(AF_INET6, host, buf) == 1;
}

static bool expect_host(SSL *ssl, const char *host)
{
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

ErrCode tls_session_new(TlsCtx *c, const char *host, SSL **ret, Error *err)
{
    SSL *ssl = SSL_new(c->ssl);
    if (!ssl || (host && !expect_host(ssl, host))) {
        SSL_free(ssl);
        return tls_err(err, ERR_INTERNAL, "TLS session");
    }
    if (c->server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    *ret = ssl;
    return ERR_OK;
}
