/* net/tls_priv.h - between tls.c, which makes sessions, and conn.c, which runs them. */
#pragma once
#include "net/tls.h"
#include <openssl/ssl.h>

/* host: what a client expects the certificate to name; NULL for a server. */
ErrCode tls_session_new(TlsCtx *c, const char *host, SSL **ret, Error *err) MUST_USE;
/* Text of the oldest error in OpenSSL's queue, which is emptied. */
ErrCode tls_err(Error *err, ErrCode code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Why the peer was refused, when verification was what failed; else NULL. */
const char *tls_verify_failure(const SSL *ssl);
