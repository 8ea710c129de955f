#include "codec/fields.h"

const char *field_kind_name(FieldKind k)
{
    static const char *const names[] = {
        [FK_STR] = "string",
        [FK_BOOL] = "boolean",
        [FK_U32] = "integer",
        [FK_I64] = "integer",
        [FK_I64_STR] = "integer as string",
        [FK_F64] = "number",
        [FK_TIME] = "time",
        [FK_STRS] = "list of strings",
        [FK_MAP] = "map of strings",
        [FK_OBJ] = "object",
        [FK_OBJ_PTR] = "object",
        [FK_OBJS] = "list of objects",
        [FK_JSON] = "any",
    };
    return k < FK_KIND_COUNT ? names[k] : "?";
}

static void ref(JsonOut *j, const Schema *s)
{
    AUTO_STRBUF b = {0};
    strbuf_addf(&b, "#/components/schemas/%s", s->name);
    json_put_str(j, "$ref", strbuf_str(&b));
}

static void doc_string(JsonOut *j, const FieldSpec *f)
{
    json_put_str(j, "type", "string");
    if (f->max)
        json_put_int(j, "maxLength", f->max);
    if (f->min)
        json_put_int(j, "minLength", f->min);
    if (!f->choices)
        return;
    json_key(j, "enum");
    json_arr(j);
    for (size_t i = 0; f->choices[i]; i++)
        json_str(j, f->choices[i]);
    json_arr_end(j);
}

static void doc_number(JsonOut *j, const FieldSpec *f, const char *type)
{
    json_put_str(j, "type", type);
    if (f->min || f->max)
        json_put_int(j, "minimum", f->min);
    if (f->max)
        json_put_int(j, "maximum", f->max);
}

static void doc_items(JsonOut *j, const FieldSpec *f)
{
    json_put_str(j, "type", "array");
    if (f->max)
        json_put_int(j, "maxItems", f->max);
    json_key(j, "items");
    json_obj(j);
    if (f->of)
        ref(j, f->of);
    else
        json_put_str(j, "type", "string");
    json_obj_end(j);
}

static void doc_type(JsonOut *j, const FieldSpec *f)
{
    switch (f->kind) {
    case FK_STR:
        doc_string(j, f);
        break;
    case FK_BOOL:
        json_put_str(j, "type", "boolean");
        break;
    case FK_U32:
    case FK_I64:
        doc_number(j, f, "integer");
        break;
    case FK_I64_STR:
        json_put_str(j, "type", "string");
        json_put_str(j, "pattern", "^-?[0-9]+$");
        break;
    case FK_F64:
        doc_number(j, f, "number");
        break;
    case FK_TIME:
        json_put_str(j, "type", "string");
        json_put_str(j, "format", "date-time");
        json_put_bool(j, "nullable", true);
        break;
    case FK_STRS:
    case FK_OBJS:
        doc_items(j, f);
        break;
    case FK_MAP:
        json_put_str(j, "type", "object");
        json_key(j, "additionalProperties");
        json_obj(j);
        json_put_str(j, "type", "string");
        json_obj_end(j);
        break;
    case FK_OBJ:
    case FK_OBJ_PTR:
        json_key(j, "allOf");
        json_arr(j);
        json_obj(j);
        ref(j, f->of);
        json_obj_end(j);
        json_arr_end(j);
        break;
    case FK_JSON:
        json_put_bool(j, "nullable", true);
        break;
    case FK_KIND_COUNT:
        BUG("field '%s' has no kind", f->name);
    }
}

static void doc_default(JsonOut *j, const FieldSpec *f)
{
    if (!f->def)
        return;
    json_key(j, "default");
    if (f->kind == FK_STR)
        json_str(j, f->def);
    else
        json_raw(j, sv(f->def));
}

static void doc_required(JsonOut *j, const Schema *s)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        if (!(s->fields[i].flags & FF_REQUIRED))
            continue;
        if (!any) {
            json_key(j, "required");
            json_arr(j);
        }
        any = true;
        json_str(j, s->fields[i].name);
    }
    if (any)
        json_arr_end(j);
}

void fields_openapi(JsonOut *j, const Schema *s)
{
    json_obj(j);
    json_put_str(j, "type", "object");
    if (s->help)
        json_put_str(j, "description", s->help);
    doc_required(j, s);
    json_key(j, "properties");
    json_obj(j);
    for (size_t i = 0; i < s->n; i++) {
        const FieldSpec *f = &s->fields[i];
        json_key(j, f->name);
        json_obj(j);
        doc_type(j, f);
        if (f->help)
            json_put_str(j, "description", f->help);
        if (f->example)
            json_put_str(j, "example", f->example);
        doc_default(j, f);
        if (f->flags & FF_READONLY)
            json_put_bool(j, "readOnly", true);
        if (f->flags & FF_WRITEONLY)
            json_put_bool(j, "writeOnly", true);
        json_obj_end(j);
    }
    json_obj_end(j);
    json_obj_end(j);
}
