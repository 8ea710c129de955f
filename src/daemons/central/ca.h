/* central/ca.h - our own certificate authority, its key sealed in the database.
 *
 * Made once by whichever central comes first; every central of the database uses the same. The
 * server certificate is a central's own, made at start, renewed before its last third. */
#pragma once
#include "net/tls.h"
#include "pg/pool.h"
#include "seal.h"

enum { CA_DAYS = 3650, SERVER_CERT_DAYS = 90, CLIENT_CERT_DAYS = 365 };

typedef struct Ca Ca;
typedef void (*CaDone)(void *ctx, const Error *err, Ca *ca);
/* Load, or make when there is none. A key file that does not open what is stored is
 * ERR_PRECONDITION. */
void ca_open(Loop *l, PgPool *pool, const Sealer *s, CaDone done, void *ctx);
void ca_free(Ca *ca);
const char *ca_cert_pem(const Ca *ca);
/* Contexts for both listeners, with a fresh server certificate for these names. The gRPC one asks
 * for client certificates (registration has none yet). Both are renewed by a timer of the Ca. */
ErrCode ca_serve(Ca *ca, const char *const *sans, TlsCtx **ret_http, TlsCtx **ret_grpc,
                 Error *err) MUST_USE;
/* Certificate of a satellite for the key of its request. */
typedef struct ClientCert {
    char *pem, *sha256_hex;
    int64_t not_after_us;
} ClientCert;
ErrCode ca_sign_client(const Ca *ca, Arena *a, const char *csr_pem, const char *satellite_id,
                       ClientCert *ret, Error *err) MUST_USE;
