/* net/x509.h - the few certificate operations of our own CA: make a CA, make and sign requests,
 * read a certificate. */
#pragma once
#include "core/str.h"

typedef struct CertInfo {
    char *subject_cn;
    char *serial_hex, *sha256_hex; /* of the DER */
    int64_t not_before_us, not_after_us;
} CertInfo;

/* EC P-256 keys, PEM out. */
ErrCode x509_key_new(Arena *a, char **ret_key_pem, Error *err) MUST_USE;
ErrCode x509_ca_new(Arena *a, const char *cn, unsigned days, char **ret_cert_pem,
                    char **ret_key_pem, Error *err) MUST_USE;
ErrCode x509_csr_new(Arena *a, const char *key_pem, const char *cn, char **ret_csr_pem,
                     Error *err) MUST_USE;
typedef struct CertRequest {
    const char *ca_cert_pem, *ca_key_pem;
    const char
        *csr_pem; /* its key is certified; its subject is ignored; the self-signature must verify */
    const char *cn;
    const char *const *san; /* "DNS:..", "IP:.."; ends with NULL; may be NULL */
    unsigned days;
    bool server, client; /* extended key usage */
} CertRequest;
ErrCode x509_sign(Arena *a, const CertRequest *req, char **ret_cert_pem, Error *err) MUST_USE;
ErrCode x509_info(Arena *a, const char *cert_pem, CertInfo *ret, Error *err) MUST_USE;
