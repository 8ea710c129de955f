#include "api/request.h"
#include "codec/yaml.h"
#include "store/schema.h"

static void json_free(void *o)
{
    cJSON_Delete(o);
}

ErrCode body_parse(ApiReq *r, cJSON **ret, Error *err)
{
    StrView body = http_body(r->http);
    const char *type = str_or(http_header(r->http, "content-type"), "application/json");
    cJSON *o = NULL;
    *ret = NULL;
    if (!sv_trim(body).n) {
        return ERR_OK;
    }
    if (!strstr(type, "json") && !strstr(type, "yaml") && !strstr(type, "protobuf")) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the body of the request was in an unknown format - accepted media types "
                       "include: application/json, application/yaml, "
                       "application/vnd.kubernetes.protobuf");
    }
    bool yaml = strstr(type, "yaml") && body.p[0] != '{';
    ErrCode rc = strstr(type, "protobuf") ? schema_from_protobuf(body, &o, err)
                 : yaml                   ? yaml_parse(r->a, body, LIMIT_KUBE_OBJECT, &o, err)
                                          : js_parse(body, &o, err);
    if (rc) {
        return rc;
    }
    if (!yaml) {
        arena_on_free(r->a, json_free, o);
    }
    *ret = o;
    return ERR_OK;
}

bool query_bool(ApiReq *r, const char *name)
{
    const char *v = http_query(r->http, name);
    return str_eq(v, "true") || str_eq(v, "1");
}

int64_t query_int(ApiReq *r, const char *name, int64_t absent)
{
    int64_t v;
    return str_to_i64(str_or(http_query(r->http, name), ""), &v) ? v : absent;
}

static ErrCode check_numbers(ApiReq *r, Error *err)
{
    static const char *const names[] = {"limit", "timeoutSeconds"};
    for (size_t i = 0; i < 2; i++) {
        int64_t v;
        const char *text = str_or(http_query(r->http, names[i]), "");
        if (*text && !str_to_i64(text, &v)) {
            return err_set(err, ERR_MALFORMED, "strconv.ParseInt: parsing \"%s\": invalid syntax",
                           text);
        }
    }
    return ERR_OK;
}

ErrCode query_selectors(ApiReq *r, StoreQuery *q, Error *err)
{
    const char *labels = http_query(r->http, "labelSelector");
    const char *fields = http_query(r->http, "fieldSelector");
    ErrCode rc = check_numbers(r, err);
    q->kind = r->kind;
    q->ns = r->ns;
    if (!rc && !str_empty(labels)) {
        rc = selector_parse(r->a, labels, &q->labels, err);
    }
    if (!rc && !str_empty(fields)) {
        rc = field_selector_parse(r->a, r->kind, fields, &q->fields, err);
    }
    return rc;
}
