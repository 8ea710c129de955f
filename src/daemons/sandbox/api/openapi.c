#include "api/request.h"
#include "store/schema.h"
#include <stdio.h>

/* OpenAPI v3 of one group version, from the field table: enough for kubectl's validation and
 * explain. Strategic merge is left to kubectl's own types (no requestBody is told). */

static cJSON *type_schema(const Type *t);

static cJSON *ref_schema(const char *name)
{
    char ref[128];
    snprintf(ref, sizeof ref, "#/components/schemas/%s", name);
    cJSON *o = cJSON_CreateObject(), *r = cJSON_CreateObject();
    js_set_str(r, "$ref", ref);
    cJSON_AddItemToArray(js_arr(o, "allOf"), r);
    return o;
}

static cJSON *scalar_schema(const Type *t)
{
    static const struct {
        const char *type, *format;
    } rows[] = {[SHAPE_STRING] = {"string", NULL},
                [SHAPE_INT] = {"integer", "int32"},
                [SHAPE_NONNEG] = {"integer", "int32"},
                [SHAPE_PORT] = {"integer", "int32"},
                [SHAPE_LONG] = {"integer", "int64"},
                [SHAPE_BOOL] = {"boolean", NULL},
                [SHAPE_QUANTITY] = {"string", NULL},
                [SHAPE_TIME] = {"string", "date-time"},
                [SHAPE_INT_OR_STRING] = {"string", "int-or-string"},
                [SHAPE_BYTES] = {"string", "byte"},
                [SHAPE_ANY] = {"object", NULL}};
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "type", rows[t->shape].type);
    if (rows[t->shape].format) {
        js_set_str(o, "format", rows[t->shape].format);
    }
    for (size_t i = 0; t->enums && t->enums[i]; i++) {
        cJSON_AddItemToArray(js_arr(o, "enum"), cJSON_CreateString(t->enums[i]));
    }
    return o;
}

static cJSON *list_schema(const Type *t)
{
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "type", "array");
    js_set(o, "items", type_schema(t->elem));
    js_set_str(o, "x-kubernetes-list-type", t->set ? "set" : t->keys[0] ? "map" : "atomic");
    for (size_t i = 0; t->keys[i]; i++) {
        cJSON_AddItemToArray(js_arr(o, "x-kubernetes-list-map-keys"),
                             cJSON_CreateString(t->keys[i]));
    }
    if (t->keys[0] || t->set) {
        js_set_str(o, "x-kubernetes-patch-strategy", "merge");
    }
    if (t->keys[0]) {
        js_set_str(o, "x-kubernetes-patch-merge-key", t->keys[0]);
    }
    return o;
}

static cJSON *type_schema(const Type *t)
{
    if (t->shape == SHAPE_OBJECT) {
        return ref_schema(t->name);
    }
    if (t->shape == SHAPE_LIST) {
        return list_schema(t);
    }
    if (t->shape == SHAPE_MAP) {
        cJSON *o = cJSON_CreateObject();
        js_set_str(o, "type", "object");
        js_set(o, "additionalProperties", type_schema(t->elem));
        return o;
    }
    return scalar_schema(t);
}

static cJSON *object_schema(const Type *t)
{
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "type", "object");
    js_set_str(o, "description", t->name);
    cJSON *props = js_obj(o, "properties");
    for (size_t i = 0; i < t->field_count; i++) {
        cJSON_AddItemToObject(props, t->fields[i].name, type_schema(t->fields[i].type));
        if (t->fields[i].required) {
            cJSON_AddItemToArray(js_arr(o, "required"), cJSON_CreateString(t->fields[i].name));
        }
    }
    return o;
}

static cJSON *gvk(const Kind *k)
{
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "group", k->group);
    js_set_str(o, "version", k->version);
    js_set_str(o, "kind", k->kind);
    return o;
}

static cJSON *operation(const Kind *k, const char *action)
{
    static const char *const params[] = {"dryRun", "fieldManager", "fieldValidation", "force"};
    cJSON *op = cJSON_CreateObject();
    js_set_str(op, "x-kubernetes-action", action);
    js_set(op, "x-kubernetes-group-version-kind", gvk(k));
    for (size_t i = 0; i < 4; i++) {
        cJSON *p = cJSON_CreateObject();
        js_set_str(p, "name", params[i]);
        js_set_str(p, "in", "query");
        js_set_str(p, "schema.type", i == 3 ? "boolean" : "string");
        cJSON_AddItemToArray(js_arr(op, "parameters"), p);
    }
    js_set_str(op, "responses.[default].description", "OK");
    return op;
}

static void add_paths(cJSON *paths, const Kind *k, const char *prefix)
{
    char path[200];
    const char *ns = kind_namespaced(k) ? "namespaces/{namespace}/" : "";
    snprintf(path, sizeof path, "%s/%s%s", prefix, ns, k->plural);
    cJSON *all = cJSON_AddObjectToObject(paths, path);
    cJSON_AddItemToObject(all, "get", operation(k, "list"));
    cJSON_AddItemToObject(all, "post", operation(k, "post"));
    snprintf(path, sizeof path, "%s/%s%s/{name}", prefix, ns, k->plural);
    cJSON *one = cJSON_AddObjectToObject(paths, path);
    cJSON_AddItemToObject(one, "get", operation(k, "get"));
    cJSON_AddItemToObject(one, "put", operation(k, "put"));
    cJSON_AddItemToObject(one, "patch", operation(k, "patch"));
}

static cJSON *document(const char *gv, const char *prefix)
{
    cJSON *doc = cJSON_CreateObject();
    js_set_str(doc, "openapi", "3.0.0");
    js_set_str(doc, "info.title", "Kubernetes");
    js_set_str(doc, "info.version", "v1.28.15");
    cJSON *paths = js_obj(doc, "paths"), *schemas = js_obj(doc, "components.schemas");
    const Type *t;
    for (size_t i = 0; (t = schema_at(i)); i++) {
        cJSON_AddItemToObject(schemas, t->name, object_schema(t));
    }
    for (int i = 0; i < KIND_COUNT; i++) {
        const Kind *k = &kinds[i];
        if (str_eq(kind_api_version(k), gv)) {
            add_paths(paths, k, prefix);
            cJSON *o = js_get(schemas, k->kind);
            cJSON_AddItemToArray(js_arr(o, "x-kubernetes-group-version-kind"), gvk(k));
        }
    }
    return doc;
}

static cJSON *index_of(void)
{
    cJSON *o = cJSON_CreateObject(), *paths = js_obj(o, "paths");
    for (int i = 0; i < KIND_COUNT; i++) {
        char name[96], url[160];
        snprintf(name, sizeof name, "api%s/%s", *kinds[i].group ? "s" : "",
                 kind_api_version(&kinds[i]));
        if (!js_get(paths, name)) {
            snprintf(url, sizeof url, "/openapi/v3/%s?hash=" PGSWARM_VERSION, name);
            cJSON *row = cJSON_AddObjectToObject(paths, name);
            js_set_str(row, "serverRelativeURL", url);
        }
    }
    return o;
}

void handle_openapi(ApiReq *r, const char *path)
{
    AUTO_JSON index = index_of();
    if (str_eq(path, "/openapi/v3")) {
        reply_json(r, 200, index);
        return;
    }
    const char *name = str_starts(path, "/openapi/v3/") ? path + 12 : "";
    if (!js_get(js_get(index, "paths"), name)) {
        reply_not_found(r);
        return;
    }
    const char *gv = strchr(name, '/') + 1;
    AUTO_JSON doc = document(gv, arena_printf(r->a, "/%s", name));
    reply_json(r, 200, doc);
}
