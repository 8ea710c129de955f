#include "net/x509.h"

#include "core/ident.h"
#include "net/tls_priv.h"
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { DAY_S = 24 * 3600, BACKDATE_S = 5 * 60, SERIAL_BITS = 127, MAX_DAYS = 3650 * 3 };

/* Everything OpenSSL made in one call; fields may be NULL. */
typedef struct Bag {
    X509 *ca, *cert;
    EVP_PKEY *key;
    X509_REQ *csr;
    BIO *bio;
} Bag;

static void bag_done(Bag *b)
{
    X509_free(b->ca);
    X509_free(b->cert);
    EVP_PKEY_free(b->key);
    X509_REQ_free(b->csr);
    BIO_free(b->bio);
}
#define AUTO_BAG __attribute__((cleanup(bag_done))) Bag

/* ---- PEM in and out ---- */

static char *bio_text(Arena *a, BIO *b)
{
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);
    return arena_strndup(a, p, (size_t)n);
}

static ErrCode cert_to_pem(Arena *a, X509 *cert, char **ret, Error *err)
{
    BIO *b = BIO_new(BIO_s_mem());
    ErrCode rc =
        b && PEM_write_bio_X509(b, cert) ? ERR_OK : tls_err(err, ERR_INTERNAL, "write certificate");
    if (!rc)
        *ret = bio_text(a, b);
    BIO_free(b);
    return rc;
}

static ErrCode key_to_pem(Arena *a, EVP_PKEY *key, char **ret, Error *err)
{
    BIO *b = BIO_new(BIO_s_mem());
    ErrCode rc = b && PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL)
                     ? ERR_OK
                     : tls_err(err, ERR_INTERNAL, "write key");
    if (!rc)
        *ret = bio_text(a, b);
    BIO_free(b);
    return rc;
}

static X509 *read_cert(const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem ? pem : "", -1);
    X509 *cert = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    return cert;
}

/* An encrypted key is refused, not asked a password for on the terminal. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
    (void)buf, (void)size, (void)rwflag, (void)u;
    return -1;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem ? pem : "", -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
    BIO_free(b);
    return key;
}

static X509_REQ *read_csr(const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem ? pem : "", -1);
    X509_REQ *csr = PEM_read_bio_X509_REQ(b, NULL, NULL, NULL);
    BIO_free(b);
    return csr;
}

/* ---- parts of a certificate ---- */

static bool add_cn(X509_NAME *name, const char *cn)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1,
                                      0) == 1;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *bn = BN_new();
    bool ok = bn && BN_rand(bn, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
              BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
    BN_free(bn);
    return ok;
}

/* Backdated a little: the clocks of edge sites are never quite right. */
static bool set_times(X509 *cert, unsigned days)
{
    return X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE_S) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), (long)days * DAY_S);
}

static bool add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool add_general_name(GENERAL_NAMES *all, const char *san)
{
    GENERAL_NAME *g = NULL;
    if (str_starts(san, "DNS:"))
        g = a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_DNS, san + 4, 0);
    else if (str_starts(san, "IP:"))
        g = a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_IPADD, san + 3, 0);
    if (g && sk_GENERAL_NAME_push(all, g) > 0)
        return true;
    GENERAL_NAME_free(g);
    return false;
}

/* Built name by name, not from one text: a comma in a name must not make two of it. */
static ErrCode add_san(X509 *cert, const char *const *san, Error *err)
{
    GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
    ErrCode rc = ERR_OK;
    for (; !rc && san && *san; san++)
        if (!add_general_name(all, *san))
            rc = err_set(err, ERR_INVALID, "name '%s': want DNS:NAME or IP:ADDRESS", *san);
    if (!rc && sk_GENERAL_NAME_num(all) > 0 &&
        X509_add1_ext_i2d(cert, NID_subject_alt_name, all, 0, X509V3_ADD_APPEND) != 1)
        rc = tls_err(err, ERR_INTERNAL, "subject names");
    GENERAL_NAMES_free(all);
    ERR_clear_error();
    return rc;
}

static bool cn_ok(const char *cn)
{
    return !str_empty(cn) && strlen(cn) <= ub_common_name && utf8_valid(cn, strlen(cn));
}

static ErrCode check_terms(const char *cn, unsigned days, Error *err)
{
    if (!cn_ok(cn))
        return err_set(err, ERR_INVALID, "common name '%s': want 1 to %d bytes of text",
                       str_or(cn, ""), ub_common_name);
    if (days < 1 || days > MAX_DAYS)
        return err_set(err, ERR_INVALID, "days: %u is not 1 to %d", days, MAX_DAYS);
    return ERR_OK;
}

/* ---- the operations ---- */

static ErrCode new_key(EVP_PKEY **ret, Error *err)
{
    *ret = EVP_EC_gen("P-256");
    return *ret ? ERR_OK : tls_err(err, ERR_INTERNAL, "make a key");
}

ErrCode x509_key_new(Arena *a, char **ret_key_pem, Error *err)
{
    AUTO_BAG b = {0};
    ErrCode rc = new_key(&b.key, err);
    return rc ? rc : key_to_pem(a, b.key, ret_key_pem, err);
}

static bool fill_ca(X509 *cert, EVP_PKEY *key, const char *cn, unsigned days)
{
    return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) && set_times(cert, days) &&
           add_cn(X509_get_subject_name(cert), cn) &&
           X509_set_issuer_name(cert, X509_get_subject_name(cert)) && X509_set_pubkey(cert, key) &&
           add_ext(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_ext(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_ext(cert, cert, NID_subject_key_identifier, "hash") &&
           X509_sign(cert, key, EVP_sha256());
}

ErrCode x509_ca_new(Arena *a, const char *cn, unsigned days, char **ret_cert_pem,
                    char **ret_key_pem, Error *err)
{
    AUTO_BAG b = {0};
    ErrCode rc = check_terms(cn, days, err);
    if (!rc)
        rc = new_key(&b.key, err);
    if (rc)
        return rc;
    b.cert = X509_new();
    if (!b.cert || !fill_ca(b.cert, b.key, cn, days))
        return tls_err(err, ERR_INTERNAL, "make a CA");
    char *cert_pem, *key_pem;
    rc = cert_to_pem(a, b.cert, &cert_pem, err);
    if (!rc)
        rc = key_to_pem(a, b.key, &key_pem, err);
    if (!rc) {
        *ret_cert_pem = cert_pem;
        *ret_key_pem = key_pem;
    }
    return rc;
}

ErrCode x509_csr_new(Arena *a, const char *key_pem, const char *cn, char **ret_csr_pem, Error *err)
{
    AUTO_BAG b = {.key = read_key(key_pem), .csr = X509_REQ_new(), .bio = BIO_new(BIO_s_mem())};
    if (!b.key)
        return tls_err(err, ERR_INVALID, "private key");
    if (!cn_ok(cn))
        return check_terms(cn, 1, err);
    if (!b.csr || !b.bio || !X509_REQ_set_version(b.csr, X509_REQ_VERSION_1) ||
        !add_cn(X509_REQ_get_subject_name(b.csr), cn) || !X509_REQ_set_pubkey(b.csr, b.key) ||
        !X509_REQ_sign(b.csr, b.key, EVP_sha256()) || !PEM_write_bio_X509_REQ(b.bio, b.csr))
        return tls_err(err, ERR_INTERNAL, "make a certificate request");
    *ret_csr_pem = bio_text(a, b.bio);
    return ERR_OK;
}

static const char *usage_text(const CertRequest *req)
{
    if (req->server && req->client)
        return "serverAuth,clientAuth";
    return req->server ? "serverAuth" : "clientAuth";
}

static bool fill_leaf(X509 *cert, X509 *ca, EVP_PKEY *subject_key, const CertRequest *req)
{
    return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
           set_times(cert, req->days) && add_cn(X509_get_subject_name(cert), req->cn) &&
           X509_set_issuer_name(cert, X509_get_subject_name(ca)) &&
           X509_set_pubkey(cert, subject_key) &&
           add_ext(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add_ext(cert, ca, NID_key_usage, "critical,digitalSignature") &&
           add_ext(cert, ca, NID_ext_key_usage, usage_text(req)) &&
           add_ext(cert, ca, NID_subject_key_identifier, "hash") &&
           add_ext(cert, ca, NID_authority_key_identifier, "keyid:always");
}

/* The requester must hold the key: the request is signed with it. Weak keys are not certified. */
static ErrCode check_csr(X509_REQ *csr, EVP_PKEY **ret_key, Error *err)
{
    EVP_PKEY *key = csr ? X509_REQ_get0_pubkey(csr) : NULL;
    if (!key)
        return tls_err(err, ERR_MALFORMED, "certificate request");
    if (X509_REQ_verify(csr, key) != 1)
        return tls_err(err, ERR_MALFORMED, "certificate request: signature");
    if (EVP_PKEY_get_security_bits(key) < 112)
        return err_set(err, ERR_INVALID, "certificate request: the key is too weak");
    *ret_key = key;
    return ERR_OK;
}

ErrCode x509_sign(Arena *a, const CertRequest *req, char **ret_cert_pem, Error *err)
{
    AUTO_BAG b = {.ca = read_cert(req->ca_cert_pem),
                  .key = read_key(req->ca_key_pem),
                  .csr = read_csr(req->csr_pem),
                  .cert = X509_new()};
    EVP_PKEY *subject_key = NULL;
    ErrCode rc = check_terms(req->cn, req->days, err);
    if (!rc)
        rc = check_csr(b.csr, &subject_key, err);
    if (rc)
        return rc;
    if (!b.ca || !b.key || X509_check_private_key(b.ca, b.key) != 1)
        return tls_err(err, ERR_INVALID, "CA certificate and key");
    if (!b.cert || !fill_leaf(b.cert, b.ca, subject_key, req))
        return tls_err(err, ERR_INTERNAL, "make a certificate");
    rc = add_san(b.cert, req->san, err);
    if (rc)
        return rc;
    if (!X509_sign(b.cert, b.key, EVP_sha256()))
        return tls_err(err, ERR_INTERNAL, "sign a certificate");
    return cert_to_pem(a, b.cert, ret_cert_pem, err);
}

/* ---- reading ---- */

static int64_t time_us(const ASN1_TIME *t)
{
    struct tm tm = {0};
    ASN1_TIME_to_tm(t, &tm);
    return (int64_t)timegm(&tm) * 1000000;
}

static char *subject_cn(Arena *a, X509 *cert)
{
    X509_NAME *name = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    unsigned char *utf8 = NULL;
    int n = at < 0 ? -1
                   : ASN1_STRING_to_UTF8(&utf8,
                                         X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    char *cn = n > 0 && utf8_valid(utf8, (size_t)n) ? arena_strndup(a, (char *)utf8, (size_t)n)
                                                    : arena_strdup(a, "");
    OPENSSL_free(utf8);
    return cn;
}

static char *serial_hex(Arena *a, X509 *cert)
{
    BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = bn ? BN_bn2hex(bn) : NULL;
    char *out = arena_strdup(a, hex ? hex : "");
    for (char *p = out; *p; p++)
        *p = *p >= 'A' && *p <= 'F' ? (char)(*p + 32) : *p;
    OPENSSL_free(hex);
    BN_free(bn);
    return out;
}

ErrCode x509_info(Arena *a, const char *cert_pem, CertInfo *ret, Error *err)
{
    AUTO_BAG b = {.cert = read_cert(cert_pem)};
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!b.cert)
        return tls_err(err, ERR_MALFORMED, "certificate");
    if (X509_digest(b.cert, EVP_sha256(), sum, &n) != 1)
        return tls_err(err, ERR_INTERNAL, "hash a certificate");
    char *sha = arena_alloc(a, 2 * (size_t)n + 1);
    hex_encode(sha, sum, n);
    *ret = (CertInfo){
        .subject_cn = subject_cn(a, b.cert),
        .serial_hex = serial_hex(a, b.cert),
        .sha256_hex = sha,
        .not_before_us = time_us(X509_get0_notBefore(b.cert)),
        .not_after_us = time_us(X509_get0_notAfter(b.cert)),
    };
    return ERR_OK;
}
