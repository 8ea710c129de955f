/* auth/auth.h - who asks: the site's CA and keys, the admin's token, service-account tokens. */
#pragma once
#include "app.h"

typedef struct Identity {
    const char *name;
    const char *const *groups;        /* ends with NULL */
    const char *ns, *service_account; /* of a service account, else NULL */
} Identity;

/* Makes what is missing in DIR: ca.crt, ca.key, token.key, admin.token. */
ErrCode auth_open(const char *dir, Store *store, Auth **ret, Error *err) MUST_USE;
void auth_free(Auth *a);
const char *auth_ca_pem(const Auth *a);
const char *auth_admin_token(const Auth *a);
/* A server certificate for these names ("DNS:..", "IP:..", ends with NULL), signed by our CA. */
ErrCode auth_server_cert(Auth *a, Arena *arena, const char *const *san, char **ret_cert,
                         char **ret_key, Error *err) MUST_USE;
/* From the value of the Authorization header; NULL is system:anonymous. UNAUTHENTICATED for a token
 * that is unknown, expired, or whose service account or pod is gone. */
ErrCode auth_identify(Auth *a, Arena *arena, const char *header, Identity *ret,
                      Error *err) MUST_USE;
