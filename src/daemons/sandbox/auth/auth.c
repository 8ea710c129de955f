#include "auth/auth.h"
#include "core/file.h"
#include "core/ident.h"
#include "net/x509.h"
#include "store/js.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEY_FILE_MAX = 64 * 1024, CERT_DAYS = 3650, TOKEN_DEFAULT_TTL = 3600 };
static const char ISSUER[] = "https://kubernetes.default.svc.cluster.local";

struct Auth {
    Arena *mem;
    Store *store;
    char *ca_cert, *ca_key, *token_key, *admin_token;
};

/* Read DIR/NAME; when absent write what `make` gives. */
static ErrCode file_or_new(Auth *a, const char *dir, const char *name, char **ret, Error *err)
{
    char *path = arena_printf(a->mem, "%s/%s", dir, name);
    StrView text;
    if (file_exists(path)) {
        ErrCode rc = file_read(a->mem, path, KEY_FILE_MAX, &text, err);
        if (!rc) {
            *ret = sv_dup(a->mem, sv_trim(text));
        }
        return rc;
    }
    char token[TOKEN_LEN + 1];
    token_new(token);
    *ret = arena_strdup(a->mem, token);
    return file_write_atomic(path, sv(*ret), 0600, err);
}

static ErrCode open_ca(Auth *a, const char *dir, Error *err)
{
    char *cert = arena_printf(a->mem, "%s/ca.crt", dir),
         *key = arena_printf(a->mem, "%s/ca.key", dir);
    StrView c, k;
    ErrCode rc;
    if (file_exists(cert) && file_exists(key)) {
        rc = file_read(a->mem, cert, KEY_FILE_MAX, &c, err);
        rc = rc ? rc : file_read(a->mem, key, KEY_FILE_MAX, &k, err);
        if (!rc) {
            a->ca_cert = sv_dup(a->mem, c);
            a->ca_key = sv_dup(a->mem, k);
        }
        return rc;
    }
    rc = x509_ca_new(a->mem, "pg-swarm-sandbox", CERT_DAYS, &a->ca_cert, &a->ca_key, err);
    rc = rc ? rc : file_write_atomic(key, sv(a->ca_key), 0600, err);
    return rc ? rc : file_write_atomic(cert, sv(a->ca_cert), 0644, err);
}

ErrCode auth_open(const char *dir, Store *store, Auth **ret, Error *err)
{
    Auth *a = xnew(Auth);
    a->mem = arena_new();
    a->store = store;
    ErrCode rc = file_mkdirs(dir, 0700, err);
    rc = rc ? rc : open_ca(a, dir, err);
    rc = rc ? rc : file_or_new(a, dir, "token.key", &a->token_key, err);
    rc = rc ? rc : file_or_new(a, dir, "admin.token", &a->admin_token, err);
    if (rc) {
        auth_free(a);
        return rc;
    }
    *ret = a;
    return ERR_OK;
}

void auth_free(Auth *a)
{
    if (a) {
        arena_free(a->mem);
        free(a);
    }
}

const char *auth_ca_pem(const Auth *a)
{
    return a->ca_cert;
}

const char *auth_admin_token(const Auth *a)
{
    return a->admin_token;
}

ErrCode auth_server_cert(Auth *a, Arena *arena, const char *const *san, char **ret_cert,
                         char **ret_key, Error *err)
{
    char *key, *csr, *cert;
    ErrCode rc = x509_key_new(arena, &key, err);
    rc = rc ? rc : x509_csr_new(arena, key, "kube-apiserver", &csr, err);
    if (rc) {
        return rc;
    }
    const CertRequest req = {.ca_cert_pem = a->ca_cert,
                             .ca_key_pem = a->ca_key,
                             .csr_pem = csr,
                             .cn = "kube-apiserver",
                             .san = san,
                             .days = CERT_DAYS,
                             .server = true};
    rc = x509_sign(arena, &req, &cert, err);
    if (!rc) {
        *ret_cert = cert;
        *ret_key = key;
    }
    return rc;
}

/* ---- tokens: JWT (RFC 7519) with HS256; the key never leaves this process ---- */

static char *base64url(Arena *arena, const void *p, size_t n)
{
    char *t = base64_encode(arena, p, n);
    for (char *c = t; *c; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    t[strcspn(t, "=")] = '\0';
    return t;
}

static char *signature(const Auth *a, Arena *arena, const char *text, size_t n)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    HMAC(EVP_sha256(), a->token_key, (int)strlen(a->token_key), (const unsigned char *)text, n, mac,
         &len);
    return base64url(arena, mac, len);
}

ErrCode auth_token_issue(Auth *a, Arena *arena, const TokenSpec *spec, char **ret_token, Error *err)
{
    static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    const Obj *sa = store_get(a->store, arena, K(SERVICEACCOUNT), spec->ns, spec->service_account);
    if (!sa) {
        return err_set(err, ERR_NOT_FOUND, "serviceaccounts \"%s\" not found",
                       spec->service_account);
    }
    int64_t now = store_now_us(a->store) / 1000000;
    AUTO_JSON c = cJSON_CreateObject();
    js_set_str(c, "iss", ISSUER);
    js_set_int(c, "iat", now);
    js_set_int(c, "nbf", now);
    js_set_int(c, "exp", now + (spec->ttl_seconds > 0 ? spec->ttl_seconds : TOKEN_DEFAULT_TTL));
    cJSON_AddItemToArray(js_arr(c, "aud"), cJSON_CreateString(str_or(spec->audience, ISSUER)));
    js_set_str(c, "sub",
               arena_printf(arena, "system:serviceaccount:%s:%s", spec->ns, spec->service_account));
    cJSON *k = js_obj(c, "[kubernetes.io]");
    js_set_str(k, "namespace", spec->ns);
    js_set_str(k, "serviceaccount.name", sa->name);
    js_set_str(k, "serviceaccount.uid", sa->uid);
    if (spec->pod_name) {
        js_set_str(k, "pod.name", spec->pod_name);
        js_set_str(k, "pod.uid", str_or(spec->pod_uid, ""));
    }
    char *text = js_print(c);
    char *body = arena_printf(arena, "%s.%s", base64url(arena, head, sizeof head - 1),
                              base64url(arena, text, strlen(text)));
    free(text);
    *ret_token = arena_printf(arena, "%s.%s", body, signature(a, arena, body, strlen(body)));
    return ERR_OK;
}

static bool still_there(Auth *a, Arena *arena, const Kind *k, const char *ns, const cJSON *who)
{
    const Obj *o = store_get(a->store, arena, k, ns, js_text(who, "name"));
    return o && str_eq(o->uid, js_str(who, "uid"));
}

/* The claims of a token that is ours, in time, and whose account and pod still exist; else NULL. */
static const cJSON *claims_of(Auth *a, Arena *arena, const char *token)
{
    const char *last = strrchr(token, '.');
    const char *mid = strchr(token, '.');
    if (!last || mid == last ||
        !secure_eq(last + 1, signature(a, arena, token, (size_t)(last - token)))) {
        return NULL;
    }
    size_t n;
    const char *text = (const char *)base64_decode(arena, mid + 1, (size_t)(last - mid - 1), &n);
    cJSON *c = NULL;
    if (!text || js_parse(sv_n(text, n), &c, NULL)) {
        return NULL;
    }
    arena_on_free(arena, (void (*)(void *))cJSON_Delete, c);
    const cJSON *k = js_at(c, "[kubernetes.io]");
    const char *ns = js_text(k, "namespace");
    bool ok = js_int(c, "exp", 0) > store_now_us(a->store) / 1000000 &&
              str_eq(js_str(c, "aud[0]"), ISSUER) && /* it is meant for us */
              still_there(a, arena, K(SERVICEACCOUNT), ns, js_at(k, "serviceaccount")) &&
              (!js_at(k, "pod") || still_there(a, arena, K(POD), ns, js_at(k, "pod")));
    return ok ? k : NULL;
}

ErrCode auth_identify(Auth *a, Arena *arena, const char *header, Identity *ret, Error *err)
{
    static const char *const anonymous[] = {"system:unauthenticated", NULL};
    static const char *const admin[] = {"system:masters", "system:authenticated", NULL};
    *ret = (Identity){.name = "system:anonymous", .groups = anonymous};
    if (str_empty(header) || !sv_ieqs(sv_n(header, strcspn(header, " ")), "bearer")) {
        return ERR_OK;
    }
    const char *token = header + 6 + strspn(header + 6, " ");
    if (secure_eq(token, a->admin_token)) {
        *ret = (Identity){.name = "kubernetes-admin", .groups = admin};
        return ERR_OK;
    }
    const cJSON *k = claims_of(a, arena, token);
    if (!k) {
        return err_set(err, ERR_UNAUTHENTICATED, "Unauthorized");
    }
    ret->ns = js_text(k, "namespace");
    ret->service_account = js_text(k, "serviceaccount.name");
    ret->name = arena_printf(arena, "system:serviceaccount:%s:%s", ret->ns, ret->service_account);
    const char **groups = arena_array(arena, const char *, 4);
    groups[0] = "system:serviceaccounts";
    groups[1] = arena_printf(arena, "system:serviceaccounts:%s", ret->ns);
    groups[2] = "system:authenticated";
    ret->groups = groups;
    return ERR_OK;
}
