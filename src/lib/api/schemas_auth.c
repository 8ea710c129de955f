#include "api/schemas_auth.h"
#include "model/profile.h"

static const char *const role_choices[] = {"viewer", "operator", "admin", NULL};

/* Names of people also come from other systems: an address is one. */
static bool check_user_name(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "1 to 63 of a-z A-Z 0-9 . _ - @, starting with an alphanumeric";
    size_t n = strlen(v);
    if (n < 1 || n > 63 || strchr("._-@", *v))
        return false;
    return strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@") == n;
}

static const FieldSpec healthz_fields[] = {
    FIELD(ApiHealthz, status, FK_STR, .help = "ok or degraded"),
    FIELD(ApiHealthz, database, FK_BOOL, .help = "The database answers"),
    FIELD(ApiHealthz, satellites_connected, FK_I64, .help = "Streams held by this process"),
};
SCHEMA_DEF(schema_HEALTHZ, "HEALTHZ", ApiHealthz, healthz_fields, "Is this process able to serve");

static const FieldSpec version_fields[] = {
    FIELD(ApiVersion, version, FK_STR, .help = "Of the program"),
    FIELD(ApiVersion, api, FK_STR, .help = "Of this interface", .example = "v1"),
    FIELD(ApiVersion, schema_version, FK_I64, .help = "Newest migration of the database"),
    FIELD_AS(ApiVersion, "started_at", started_at_text, FK_STR, .help = "When it was started"),
};
SCHEMA_DEF(schema_VERSION, "VERSION", ApiVersion, version_fields, "Versions of central");

static const FieldSpec login_fields[] = {
    FIELD(ApiLogin, name, FK_STR, .flags = FF_REQUIRED, .max = 63, .help = "User"),
    FIELD(ApiLogin, password, FK_STR, .flags = FF_REQUIRED | FF_WRITEONLY, .max = 1024,
          .help = "Password"),
    FIELD(ApiLogin, description, FK_STR, .max = 200, .check = check_one_line,
          .help = "Where the token will be used", .example = "laptop"),
    FIELD(ApiLogin, ttl_hours, FK_U32, .def = "720", .min = 1, .max = 8760,
          .help = "How long the token works"),
};
SCHEMA_DEF(schema_LOGIN, "LOGIN", ApiLogin, login_fields, "Name and password for a token");

static const FieldSpec token_fields[] = {
    FIELD(ApiToken, id, FK_STR, .help = "To end it by"),
    FIELD(ApiToken, token, FK_STR, .help = "The token itself; shown this once"),
    FIELD(ApiToken, user, FK_STR, .help = "Whose it is"),
    FIELD(ApiToken, role, FK_STR, .choices = role_choices, .help = "What it may do"),
    FIELD(ApiToken, description, FK_STR, .help = "Where it is used"),
    FIELD(ApiToken, expires_at, FK_TIME, .help = "When it ends by itself"),
};
SCHEMA_DEF(schema_TOKEN, "TOKEN", ApiToken, token_fields, "A new token");

static const FieldSpec token_info_fields[] = {
    FIELD(ApiTokenInfo, id, FK_STR, .help = "To end it by"),
    FIELD(ApiTokenInfo, user, FK_STR, .help = "Whose it is"),
    FIELD(ApiTokenInfo, role, FK_STR, .choices = role_choices, .help = "What it may do"),
    FIELD(ApiTokenInfo, description, FK_STR, .help = "Where it is used"),
    FIELD(ApiTokenInfo, created_at, FK_TIME, .help = "When it was made"),
    FIELD(ApiTokenInfo, last_used_at, FK_TIME, .help = "When it was used last"),
    FIELD(ApiTokenInfo, expires_at, FK_TIME, .help = "When it ends by itself"),
};
SCHEMA_DEF(schema_TOKEN_INFO, "TOKEN_INFO", ApiTokenInfo, token_info_fields,
           "A token, without the token itself");

static const FieldSpec token_create_fields[] = {
    FIELD(ApiTokenCreate, description, FK_STR, .max = 200, .check = check_one_line,
          .help = "Where it will be used", .example = "ci"),
    FIELD(ApiTokenCreate, role, FK_STR, .flags = FF_REQUIRED, .choices = role_choices,
          .help = "At most your own role"),
    FIELD(ApiTokenCreate, ttl_hours, FK_U32, .def = "720", .min = 1, .max = 87600,
          .help = "How long it works"),
};
SCHEMA_DEF(schema_TOKEN_CREATE, "TOKEN_CREATE", ApiTokenCreate, token_create_fields,
           "A token for scripts");

static const FieldSpec user_fields[] = {
    FIELD(ApiUser, name, FK_STR, .help = "Name"),
    FIELD(ApiUser, role, FK_STR, .choices = role_choices,
          .help = "viewer: read; operator: change; admin: also users and removals"),
    FIELD(ApiUser, created_at, FK_TIME, .help = "When the user was added"),
};
SCHEMA_DEF(schema_USER, "USER", ApiUser, user_fields, "A user");

static const FieldSpec user_create_fields[] = {
    FIELD(ApiUserCreate, name, FK_STR, .flags = FF_REQUIRED, .check = check_user_name,
          .help = "Name", .example = "anna"),
    FIELD(ApiUserCreate, role, FK_STR, .flags = FF_REQUIRED, .choices = role_choices,
          .help = "viewer, operator or admin"),
    FIELD(ApiUserCreate, password, FK_STR, .flags = FF_REQUIRED | FF_WRITEONLY, .min = 10,
          .max = 1024, .help = "Password, at least 10 bytes"),
};
SCHEMA_DEF(schema_USER_CREATE, "USER_CREATE", ApiUserCreate, user_create_fields, "A new user");

static const FieldSpec audit_fields[] = {
    FIELD(ApiAudit, id, FK_STR, .help = "Number of the entry"),
    FIELD(ApiAudit, at, FK_TIME, .help = "When"),
    FIELD(ApiAudit, user, FK_STR, .help = "Who"),
    FIELD(ApiAudit, role, FK_STR, .help = "With which role"),
    FIELD(ApiAudit, action, FK_STR, .help = "What", .example = "profile.update"),
    FIELD(ApiAudit, target, FK_STR, .help = "On what"),
    FIELD(ApiAudit, from, FK_STR, .help = "From which address"),
    FIELD(ApiAudit, request_id, FK_STR, .help = "Of the request"),
    FIELD(ApiAudit, result, FK_STR, .help = "ok, or the error's code"),
    FIELD(ApiAudit, before, FK_JSON, .help = "The object before"),
    FIELD(ApiAudit, after, FK_JSON, .help = "The object after"),
};
SCHEMA_DEF(schema_AUDIT, "AUDIT", ApiAudit, audit_fields, "Who changed what");
