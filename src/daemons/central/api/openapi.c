#include "api/api.h"
#include "api/routes.h"

/* The names in {..} of a path. */
static bool next_param(const char **at, StrView *ret)
{
    const char *open = strchr(*at, '{'), *end = open ? strchr(open, '}') : NULL;
    if (!end)
        return false;
    *ret = (StrView){open + 1, (size_t)(end - open - 1)};
    *at = end + 1;
    return true;
}

static void add_param(JsonOut *j, StrView name, const char *in)
{
    json_obj(j);
    json_put_sv(j, "name", name);
    json_put_str(j, "in", in);
    json_put_bool(j, "required", str_eq(in, "path"));
    json_put_raw(j, "schema", SV("{\"type\":\"string\"}"));
    json_obj_end(j);
}

/* The summary names query parameters as "?name". */
static void add_params(JsonOut *j, const ApiRouteInfo *r)
{
    StrView name;
    const char *at = r->path;
    json_key(j, "parameters");
    json_arr(j);
    while (next_param(&at, &name))
        add_param(j, name, "path");
    for (at = strchr(r->summary, '?'); at; at = strchr(at, '?')) {
        at++;
        name = (StrView){at, strspn(at, "abcdefghijklmnopqrstuvwxyz_")};
        if (name.n)
            add_param(j, name, "query");
    }
    json_arr_end(j);
}

static void add_ref(JsonOut *j, const char *name)
{
    StrBuf ref = {0};
    strbuf_addf(&ref, "#/components/schemas/%s", name);
    json_obj(j);
    json_put_str(j, "$ref", ref.p);
    json_obj_end(j);
    strbuf_done(&ref);
}

static void add_list(JsonOut *j, const char *name)
{
    json_obj(j);
    json_put_str(j, "type", "object");
    json_put_raw(j, "required", SV("[\"items\",\"total\"]"));
    json_key(j, "properties");
    json_obj(j);
    json_key(j, "items");
    json_obj(j);
    json_put_str(j, "type", "array");
    json_key(j, "items");
    add_ref(j, name);
    json_obj_end(j);
    json_put_raw(j, "total", SV("{\"type\":\"integer\"}"));
    json_put_raw(j, "next", SV("{\"type\":\"string\"}"));
    json_obj_end(j);
    json_obj_end(j);
}

static void add_body(JsonOut *j, const ApiBody *b)
{
    json_key(j, "content");
    json_obj(j);
    json_key(j, b->kind == BODY_TEXT  ? "text/plain"
                : b->kind == BODY_ANY ? "*/*"
                                      : "application/json");
    json_obj(j);
    json_key(j, "schema");
    if (b->kind == BODY_ONE)
        add_ref(j, b->schema->name);
    else if (b->kind == BODY_LIST)
        add_list(j, b->schema->name);
    else
        json_raw(j, b->kind == BODY_TEXT ? SV("{\"type\":\"string\"}") : SV("{}"));
    json_obj_end(j);
    json_obj_end(j);
}

static void add_responses(JsonOut *j, const ApiRouteInfo *r)
{
    static const struct {
        const char *status, *text;
    } ERRORS[] = {
        {"401", "No valid token"}, {"403", "The role does not allow it"}, {"default", "An error"}};
    json_key(j, "responses");
    json_obj(j);
    json_key(j, r->response.kind == BODY_NONE ? "204" : "2XX");
    json_obj(j);
    json_put_str(j, "description", r->response.kind == BODY_NONE ? "Done" : "The answer");
    if (r->response.kind != BODY_NONE)
        add_body(j, &r->response);
    json_obj_end(j);
    for (size_t i = r->role == API_OPEN ? 2 : 0; i < sizeof ERRORS / sizeof *ERRORS; i++) {
        json_key(j, ERRORS[i].status);
        json_obj(j);
        json_put_str(j, "description", ERRORS[i].text);
        json_put_raw(j, "content",
                     SV("{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/"
                        "ERROR\"}}}"));
        json_obj_end(j);
    }
    json_obj_end(j);
}

static void add_operation(JsonOut *j, Arena *a, const ApiRouteInfo *r)
{
    char *method = arena_strdup(a, r->method), *id = arena_strdup(a, r->name);
    for (char *m = method; *m; m++)
        *m = (char)(*m | 0x20);
    for (char *m = id; *m; m++)
        if (*m >= 'A' && *m <= 'Z')
            *m = (char)(*m | 0x20);
    json_key(j, method);
    json_obj(j);
    json_put_str(j, "operationId", id);
    json_put_str(j, "summary", r->summary);
    if (r->role == API_OPEN)
        json_put_raw(j, "security", SV("[]"));
    else
        json_put_str(j, "x-role", api_role_name(r->role));
    add_params(j, r);
    if (r->request.kind != BODY_NONE) {
        json_key(j, "requestBody");
        json_obj(j);
        add_body(j, &r->request);
        json_obj_end(j);
    }
    add_responses(j, r);
    json_obj_end(j);
}

static bool path_seen(size_t before)
{
    for (size_t i = 0; i < before; i++)
        if (str_eq(api_route((ApiRoute)i)->path, api_route((ApiRoute)before)->path))
            return true;
    return false;
}

static void add_paths(JsonOut *j, Arena *a)
{
    json_key(j, "paths");
    json_obj(j);
    for (size_t i = 0; i < API_ROUTE_COUNT; i++) {
        const char *path = api_route((ApiRoute)i)->path;
        if (path_seen(i))
            continue;
        json_key(j, path);
        json_obj(j);
        for (size_t k = i; k < API_ROUTE_COUNT; k++)
            if (str_eq(api_route((ApiRoute)k)->path, path))
                add_operation(j, a, api_route((ApiRoute)k));
        json_obj_end(j);
    }
    json_obj_end(j);
}

static const char ERROR_SCHEMA[] =
    "{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\","
    "\"required\":[\"code\",\"message\",\"request_id\"],\"properties\":{"
    "\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
    "\"request_id\":{\"type\":\"string\"},\"fields\":{\"type\":\"array\",\"items\":{"
    "\"type\":\"object\",\"properties\":{\"field\":{\"type\":\"string\"},"
    "\"value\":{\"type\":\"string\",\"nullable\":true},\"want\":{\"type\":\"string\"}}}}}}}}";

static void add_components(JsonOut *j)
{
    json_key(j, "components");
    json_obj(j);
    json_put_raw(j, "securitySchemes", SV("{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}}"));
    json_key(j, "schemas");
    json_obj(j);
    for (const Schema *const *s = api_schemas; *s; s++) {
        json_key(j, (*s)->name);
        fields_openapi(j, *s);
    }
    json_put_raw(j, "ERROR", SV(ERROR_SCHEMA));
    json_obj_end(j);
    json_obj_end(j);
}

char *api_openapi(Arena *a)
{
    AUTO_STRBUF b = {0};
    JsonOut j = json_out_pretty(&b);
    json_obj(&j);
    json_put_str(&j, "openapi", "3.0.3");
    json_put_raw(&j, "info", SV("{\"title\":\"PG-Swarm central\",\"version\":\"v1\"}"));
    json_put_raw(&j, "security", SV("[{\"token\":[]}]"));
    add_paths(&j, a);
    add_components(&j);
    json_obj_end(&j);
    return arena_strndup(a, b.p, b.n);
}
