#include "api/request.h"

/* OpenAPI v2 in protobuf, the form that kubectl before 1.31 reads: which query parameters a PATCH
 * of each kind takes, and nothing else; kubectl's own types do the rest. Field numbers are those of
 * gnostic's OpenAPIv2.proto. */

enum { DOC_SWAGGER = 1, DOC_INFO = 2, DOC_PATHS = 8, PATHS_PATH = 2, ITEM_PATCH = 8 };
enum { OP_PARAMETERS = 8, OP_EXTENSION = 13, QUERY_IN = 2, QUERY_NAME = 4, QUERY_TYPE = 6 };

static void add_varint(StrBuf *b, uint64_t v)
{
    for (; v > 0x7f; v >>= 7) {
        strbuf_addc(b, (char)(v | 0x80));
    }
    strbuf_addc(b, (char)v);
}

static void add_bytes(StrBuf *b, unsigned field, const void *p, size_t n)
{
    add_varint(b, field << 3 | 2);
    add_varint(b, n);
    strbuf_add(b, p, n);
}

static void add_text(StrBuf *b, unsigned field, const char *text)
{
    add_bytes(b, field, text, strlen(text));
}

/* Wrap what b has into a field of its own. */
static void nest(StrBuf *b, unsigned field)
{
    AUTO_STRBUF outer = {0};
    add_bytes(&outer, field, strbuf_str(b), b->n);
    strbuf_reset(b);
    strbuf_add(b, outer.p, outer.n);
}

static void add_parameter(StrBuf *op, const char *name)
{
    AUTO_STRBUF b = {0};
    add_text(&b, QUERY_IN, "query");
    add_text(&b, QUERY_NAME, name);
    add_text(&b, QUERY_TYPE, "string");
    nest(&b, 3); /* NonBodyParameter.query_parameter_sub_schema */
    nest(&b, 2); /* Parameter.non_body_parameter */
    nest(&b, 1); /* ParametersItem.parameter */
    add_bytes(op, OP_PARAMETERS, b.p, b.n);
}

static void add_path(StrBuf *paths, const Kind *k)
{
    AUTO_STRBUF op = {0};
    AUTO_STRBUF ext = {0};
    AUTO_STRBUF value = {0};
    AUTO_STRBUF path = {0};
    AUTO_STRBUF name = {0};
    add_parameter(&op, "dryRun");
    add_parameter(&op, "fieldManager");
    add_parameter(&op, "fieldValidation");
    strbuf_addf(&value, "group: \"%s\"\nkind: %s\nversion: %s\n", k->group, k->kind, k->version);
    nest(&value, 2); /* Any.yaml */
    add_text(&ext, 1, "x-kubernetes-group-version-kind");
    add_bytes(&ext, 2, value.p, value.n);
    add_bytes(&op, OP_EXTENSION, ext.p, ext.n);
    nest(&op, ITEM_PATCH);
    strbuf_addf(&name, "/api%s/%s/%s%s/{name}", *k->group ? "s" : "", kind_api_version(k),
                kind_namespaced(k) ? "namespaces/{namespace}/" : "", k->plural);
    add_text(&path, 1, strbuf_str(&name));
    add_bytes(&path, 2, op.p, op.n);
    add_bytes(paths, PATHS_PATH, path.p, path.n);
}

void handle_openapi_v2(ApiReq *r)
{
    if (!strstr(str_or(http_header(r->http, "accept"), ""), "protobuf")) {
        reply_not_found(r); /* as JSON it is not served; /openapi/v3 is */
        return;
    }
    AUTO_STRBUF doc = {0};
    AUTO_STRBUF info = {0};
    AUTO_STRBUF paths = {0};
    add_text(&info, 1, "Kubernetes");
    add_text(&info, 2, str_or(r->srv->app->cfg.version, "unversioned"));
    for (int i = 0; i < KIND_COUNT; i++) {
        add_path(&paths, &kinds[i]);
    }
    add_text(&doc, DOC_SWAGGER, "2.0");
    add_bytes(&doc, DOC_INFO, info.p, info.n);
    add_bytes(&doc, DOC_PATHS, paths.p, paths.n);
    http_reply(r->http, 200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
               sv_n(doc.p, doc.n));
}
