/* api/routes.h - the REST surface as data: routes.def expanded for everybody who serves or calls
 * it.
 *
 * An unknown route does not compile: API_<ID>. */
#pragma once
#include "api/schemas.h"

typedef enum ApiRoute {
#define ROUTE(id, method, path, role, req, resp, audit, summary) API_##id,
#include "api/routes.def"
#undef ROUTE
    API_ROUTE_COUNT
} ApiRoute;

typedef enum ApiRole { API_OPEN, API_VIEWER, API_OPERATOR, API_ADMIN } ApiRole;
const char *api_role_name(ApiRole r); /* "viewer"; API_OPEN: "" */
/* False for what is no role of a user. */
bool api_role_of(const char *name, ApiRole *ret);

typedef struct ApiRouteInfo {
    ApiRoute id;
    const char *name; /* "PROFILE_LIST" */
    const char *method, *path;
    ApiRole role;
    ApiBody request, response;
    const char *audit, *summary;
} ApiRouteInfo;

const ApiRouteInfo *api_route(ApiRoute r);
/* Path with {..} replaced in order, percent-encoded, NULL-terminated: api_path(a, API_PROFILE_SHOW,
 * "std", NULL). A missing value is a BUG. */
char *api_path(Arena *a, ApiRoute r, ...) __attribute__((sentinel));
/* Append "?k=v" or "&k=v", encoded; a NULL value appends nothing. */
void api_query(StrBuf *path, const char *key, const char *value);
void api_percent_encode(StrBuf *out, const char *s);
/* Decoded copy; NULL on a bad escape or an encoded NUL. */
char *api_percent_decode(Arena *a, StrView s);
