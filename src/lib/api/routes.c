#include "api/routes.h"
#include "core/ident.h"

/* A body as it stands in routes.def, pasted behind B_, becomes an ApiBody. An unknown name does not
 * compile. */
#define B_NONE          \
    {                   \
        BODY_NONE, NULL \
    }
#define B_ANY          \
    {                  \
        BODY_ANY, NULL \
    }
#define B_TEXT          \
    {                   \
        BODY_TEXT, NULL \
    }
#define B_LIST_OF(x)           \
    {                          \
        BODY_LIST, &schema_##x \
    }
#define ONE(x)                \
    {                         \
        BODY_ONE, &schema_##x \
    }
#define B_CLUSTER ONE(CLUSTER)
#define B_CLUSTER_DETAIL ONE(CLUSTER_DETAIL)
#define B_CREDENTIALS ONE(CREDENTIALS)
#define B_FAILOVER_INPUT ONE(FAILOVER_INPUT)
#define B_FENCE_INPUT ONE(FENCE_INPUT)
#define B_HEALTHZ ONE(HEALTHZ)
#define B_ENROLMENT ONE(ENROLMENT)
#define B_ENROLMENT_CREATE ONE(ENROLMENT_CREATE)
#define B_LOGIN ONE(LOGIN)
#define B_LOG_LEVEL ONE(LOG_LEVEL)
#define B_MEMBER_INPUT ONE(MEMBER_INPUT)
#define B_OPERATION ONE(OPERATION)
#define B_OPERATION_ABORT ONE(OPERATION_ABORT)
#define B_OPERATION_CONTINUE ONE(OPERATION_CONTINUE)
#define B_PAUSE_INPUT ONE(PAUSE_INPUT)
#define B_PGVERSION ONE(PGVERSION)
#define B_PGVERSION_INPUT ONE(PGVERSION_INPUT)
#define B_PROFILE ONE(PROFILE)
#define B_PROFILE_DIFF ONE(PROFILE_DIFF)
#define B_PROFILE_INPUT           \
    {                             \
        BODY_ONE, &profile_schema \
    }
#define B_RESTART_INPUT ONE(RESTART_INPUT)
#define B_RULE ONE(RULE)
#define B_RULE_INPUT ONE(RULE_INPUT)
#define B_RULE_PREVIEW ONE(RULE_PREVIEW)
#define B_SATELLITE ONE(SATELLITE)
#define B_SATELLITE_APPROVE ONE(SATELLITE_APPROVE)
#define B_SATELLITE_LABELS ONE(SATELLITE_LABELS)
#define B_STATUS ONE(STATUS)
#define B_SWITCHOVER_INPUT ONE(SWITCHOVER_INPUT)
#define B_TOKEN ONE(TOKEN)
#define B_TOKEN_CREATE ONE(TOKEN_CREATE)
#define B_USER ONE(USER)
#define B_USER_CREATE ONE(USER_CREATE)
#define B_VALIDATION ONE(VALIDATION)
#define B_VERSION ONE(VERSION)

static const ApiRouteInfo routes[API_ROUTE_COUNT] = {
#define ROUTE(rid, meth, rpath, rrole, req, resp, raudit, text) \
    [API_##rid] = {.id = API_##rid,                             \
                   .name = #rid,                                \
                   .method = #meth,                             \
                   .path = rpath,                               \
                   .role = API_##rrole,                         \
                   .request = B_##req,                          \
                   .response = B_##resp,                        \
                   .audit = raudit,                             \
                   .summary = text},
#include "api/routes.def"
#undef ROUTE
};

const ApiRouteInfo *api_route(ApiRoute r)
{
    if ((unsigned)r >= API_ROUTE_COUNT)
        BUG("no route %d", (int)r);
    return &routes[r];
}

const char *api_role_name(ApiRole r)
{
    static const char *const names[] = {"", "viewer", "operator", "admin"};
    return (unsigned)r <= API_ADMIN ? names[r] : "";
}

bool api_role_of(const char *name, ApiRole *ret)
{
    for (ApiRole r = API_VIEWER; r <= API_ADMIN; r++)
        if (str_eq(api_role_name(r), name)) {
            *ret = r;
            return true;
        }
    return false;
}

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~@:", c));
}

void api_percent_encode(StrBuf *out, const char *s)
{
    for (; *s; s++) {
        if (unreserved((unsigned char)*s))
            strbuf_addc(out, *s);
        else
            strbuf_addf(out, "%%%02X", (unsigned char)*s);
    }
}

char *api_percent_decode(Arena *a, StrView s)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            out[n++] = s.p[i];
            continue;
        }
        unsigned char byte;
        if (s.n - i < 3 || hex_decode(&byte, 1, s.p + i + 1, 2) != 1 || !byte)
            return NULL;
        out[n++] = (char)byte;
        i += 2;
    }
    out[n] = '\0';
    return out;
}

char *api_path(Arena *a, ApiRoute r, ...)
{
    AUTO_STRBUF b = {0};
    va_list ap;
    va_start(ap, r);
    for (const char *p = api_route(r)->path; *p; p++) {
        if (*p != '{') {
            strbuf_addc(&b, *p);
            continue;
        }
        const char *value = va_arg(ap, const char *);
        if (!value)
            BUG("path of %s: too few values", routes[r].name);
        /* A lone "." or ".." would be taken for a step in the path. */
        if (str_eq(value, ".") || str_eq(value, ".."))
            strbuf_addf(&b, "%s", value[1] ? "%2E%2E" : "%2E");
        else
            api_percent_encode(&b, value);
        p = strchr(p, '}');
    }
    va_end(ap);
    return arena_strdup(a, strbuf_str(&b));
}

void api_query(StrBuf *path, const char *key, const char *value)
{
    if (!value)
        return;
    strbuf_addc(path, path->n && memchr(path->p, '?', path->n) ? '&' : '?');
    api_percent_encode(path, key);
    strbuf_addc(path, '=');
    api_percent_encode(path, value);
}
