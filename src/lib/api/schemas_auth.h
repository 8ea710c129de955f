/* api/schemas_auth.h - users, tokens, audit, versions of central. */
#pragma once
#include "codec/fields.h"

typedef struct ApiHealthz {
    const char *status; /* ok, degraded */
    bool database;
    int64_t satellites_connected;
} ApiHealthz;
typedef struct ApiVersion {
    const char *version, *api;
    int64_t schema_version;
    const char *started_at_text;
} ApiVersion;
typedef struct ApiLogin {
    const char *name, *password, *description;
    uint32_t ttl_hours;
} ApiLogin;
typedef struct ApiToken {
    const char *id, *token, *user, *role, *description;
    int64_t expires_at;
} ApiToken;
typedef struct ApiTokenInfo {
    const char *id, *user, *role, *description;
    int64_t created_at, last_used_at, expires_at;
} ApiTokenInfo;
typedef struct ApiTokenCreate {
    const char *description, *role;
    uint32_t ttl_hours;
} ApiTokenCreate;
typedef struct ApiUser {
    const char *name, *role;
    int64_t created_at;
} ApiUser;
typedef struct ApiUserCreate {
    const char *name, *role, *password;
} ApiUserCreate;
typedef struct ApiAudit {
    const char *id;
    int64_t at;
    const char *user, *role, *action, *target, *from, *request_id, *result;
    const char *before, *after; /* JSON */
} ApiAudit;

extern const Schema schema_HEALTHZ, schema_VERSION, schema_LOGIN, schema_TOKEN, schema_TOKEN_INFO;
extern const Schema schema_TOKEN_CREATE, schema_USER, schema_USER_CREATE, schema_AUDIT;
