/* net/tls.h - TLS contexts on OpenSSL 3: TLS 1.2 and up, ALPN, optional or required client
 * certificates, hot reload. */
#pragma once
#include "core/str.h"

typedef struct TlsCtx TlsCtx;

typedef enum TlsVerify {
    TLS_VERIFY_NONE,     /* server: no client certificate asked for */
    TLS_VERIFY_OPTIONAL, /* server: asked for; when given it must verify */
    TLS_VERIFY_REQUIRED, /* server: handshake fails without one; client: always so */
} TlsVerify;

typedef struct TlsConfig {
    /* Contents, not paths; a chain starts with the own certificate. A client may leave both NULL.
     */
    const char *cert_pem, *key_pem;
    const char *ca_pem; /* whom to trust; client NULL: the system's store */
    /* Client: hex SHA-256 of the DER of a certificate that must be in the chain, or NULL. Without
     * ca_pem it alone is trusted, and the server must send it (cert_pem: its own, then its CA). */
    const char *ca_sha256;
    TlsVerify verify;
    const char *const *alpn; /* in order of preference, ends with NULL; NULL: none */
} TlsConfig;

ErrCode tls_server_new(const TlsConfig *cfg, TlsCtx **ret, Error *err) MUST_USE;
ErrCode tls_client_new(const TlsConfig *cfg, TlsCtx **ret, Error *err) MUST_USE;
/* New certificates for connections to come; those that stand keep theirs. */
ErrCode tls_ctx_reload(TlsCtx *c, const TlsConfig *cfg, Error *err) MUST_USE;
void tls_ctx_free(TlsCtx *c); /* connections hold a reference of their own */
