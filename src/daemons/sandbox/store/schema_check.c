#include "core/clock.h"
#include "core/ident.h"
#include "store/quantity.h"
#include "store/schema.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- decoding: what Go's decoder would refuse ---- */

typedef struct Decode {
    const Kind *kind;
    cJSON *unknown;
    Error *err;
} Decode;

static const char *json_name(const cJSON *v)
{
    return cJSON_IsString(v)   ? "string"
           : cJSON_IsNumber(v) ? "number"
           : cJSON_IsBool(v)   ? "bool"
           : cJSON_IsArray(v)  ? "array"
                               : "object";
}

static const char *go_name(const Type *t, char *buf, size_t n)
{
    static const char *const names[] = {[SHAPE_STRING] = "string",
                                        [SHAPE_INT] = "int32",
                                        [SHAPE_NONNEG] = "int32",
                                        [SHAPE_PORT] = "int32",
                                        [SHAPE_LONG] = "int64",
                                        [SHAPE_BOOL] = "bool",
                                        [SHAPE_QUANTITY] = "resource.Quantity",
                                        [SHAPE_TIME] = "v1.Time",
                                        [SHAPE_INT_OR_STRING] = "intstr.IntOrString",
                                        [SHAPE_BYTES] = "[]uint8",
                                        [SHAPE_ANY] = "interface {}"};
    char inner[80];
    switch (t->shape) {
    case SHAPE_MAP:
        snprintf(buf, n, "map[string]%s", go_name(t->elem, inner, sizeof inner));
        return buf;
    case SHAPE_LIST:
        snprintf(buf, n, "[]%s", go_name(t->elem, inner, sizeof inner));
        return buf;
    case SHAPE_OBJECT:
        snprintf(buf, n, "v1.%s", t->name);
        return buf;
    case SHAPE_STRING:
    case SHAPE_INT:
    case SHAPE_NONNEG:
    case SHAPE_PORT:
    case SHAPE_LONG:
    case SHAPE_BOOL:
    case SHAPE_QUANTITY:
    case SHAPE_TIME:
    case SHAPE_INT_OR_STRING:
    case SHAPE_BYTES:
    case SHAPE_ANY:
        break;
    }
    return names[t->shape];
}

static bool fits(const Type *t, const cJSON *v)
{
    switch (t->shape) {
    case SHAPE_STRING:
    case SHAPE_TIME:
    case SHAPE_BYTES:
        return cJSON_IsString(v);
    case SHAPE_INT:
    case SHAPE_NONNEG:
    case SHAPE_PORT:
        return cJSON_IsNumber(v) && v->valuedouble == floor(v->valuedouble) &&
               fabs(v->valuedouble) <= 2147483647.0;
    case SHAPE_LONG:
        return cJSON_IsNumber(v) && v->valuedouble == floor(v->valuedouble);
    case SHAPE_BOOL:
        return cJSON_IsBool(v);
    case SHAPE_QUANTITY:
    case SHAPE_INT_OR_STRING:
        return cJSON_IsString(v) || cJSON_IsNumber(v);
    case SHAPE_ANY:
        return true;
    case SHAPE_MAP:
    case SHAPE_OBJECT:
        return cJSON_IsObject(v);
    case SHAPE_LIST:
        return cJSON_IsArray(v);
    }
    return false;
}

static ErrCode refuse(const Decode *d, const char *fmt, const char *detail)
{
    const Kind *k = d->kind;
    return err_set(d->err, ERR_MALFORMED, "%s in version \"%s\" cannot be handled as a %s: %s%s",
                   k->kind, k->version, k->kind, fmt, detail);
}

/* metav1.MicroTime: six digits behind the second, no more and no fewer. */
static bool is_micro_field(const char *name)
{
    static const char *const names[] = {"acquireTime", "renewTime", "eventTime",
                                        "lastObservedTime"};
    bool is = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        is = is || str_eq(names[i], name);
    }
    return is;
}

static bool is_micro_time(const char *s)
{
    return strlen(s) > 26 && s[19] == '.' && strspn(s + 20, "0123456789") == 6;
}

/* Values that are text in JSON but more than text in Go. */
static ErrCode check_text(const Decode *d, const Type *t, const cJSON *v)
{
    int64_t any;
    const char *s = cJSON_GetStringValue(v);
    if (t->shape == SHAPE_QUANTITY && !quantity_parse(s, &any)) {
        return refuse(d,
                      "quantities must match the regular expression "
                      "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
                      "");
    }
    bool micro = t->shape == SHAPE_TIME && is_micro_field(v->string);
    if (t->shape == SHAPE_TIME && *s &&
        (!clock_parse_rfc3339(s, &any) || (micro && !is_micro_time(s)))) {
        return refuse(d,
                      micro ? "parsing time: not as 2006-01-02T15:04:05.000000Z: "
                            : "parsing time: not RFC 3339: ",
                      s);
    }
    if (t->shape == SHAPE_BYTES) {
        AUTO_ARENA a = arena_new();
        size_t n;
        if (!base64_decode(a, s, strlen(s), &n)) {
            return refuse(d, "illegal base64 data", "");
        }
    }
    return ERR_OK;
}

static ErrCode decode(const Decode *d, const Type *t, const char *owner, cJSON *v,
                      const char *path);

static void replace_text(cJSON *o, cJSON *m, const char *text)
{
    char *name = xstrdup(m->string);
    cJSON_ReplaceItemInObjectCaseSensitive(o, name, cJSON_CreateString(text));
    free(name);
}

static ErrCode decode_member(const Decode *d, const Type *t, cJSON *o, cJSON *m, const char *path)
{
    char *at = xasprintf("%s%s%s", path, *path ? "." : "", m->string);
    const Type *mt = schema_member(t, m->string);
    ErrCode rc = ERR_OK;
    char number[QUANTITY_TEXT];
    if (!mt) {
        if (d->unknown) {
            char *text = xasprintf("unknown field \"%s\"", at);
            cJSON_AddItemToArray(d->unknown, cJSON_CreateString(text));
            free(text);
        }
        cJSON_Delete(cJSON_DetachItemViaPointer(o, m));
    } else if (cJSON_IsNull(m) && mt->shape != SHAPE_ANY) {
        if (t->shape == SHAPE_MAP && mt->shape == SHAPE_STRING) {
            replace_text(o, m, ""); /* as in Go */
        } else {
            cJSON_Delete(cJSON_DetachItemViaPointer(o, m));
        }
    } else if (mt->shape == SHAPE_QUANTITY && cJSON_IsNumber(m)) {
        char text[40];
        snprintf(text, sizeof text, "%.15g", m->valuedouble);
        replace_text(o, m, quantity_canonical(text, number) ? number : text);
    } else if (mt->shape == SHAPE_QUANTITY && cJSON_IsString(m) &&
               quantity_canonical(m->valuestring, number)) {
        replace_text(o, m, number);
    } else {
        rc = decode(d, mt, t->shape == SHAPE_OBJECT ? t->name : "", m, at);
        if (!rc && !m->child && (mt->shape == SHAPE_LIST || mt->shape == SHAPE_MAP)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(o, m)); /* Go's omitempty */
        }
    }
    free(at);
    return rc;
}

static ErrCode decode(const Decode *d, const Type *t, const char *owner, cJSON *v, const char *path)
{
    if (!fits(t, v)) {
        char go[96], text[360];
        snprintf(text, sizeof text, "cannot unmarshal %s into Go struct field %s.%s of type %s",
                 json_name(v), owner, path, go_name(t, go, sizeof go));
        return refuse(d, "json: ", text);
    }
    ErrCode rc = ERR_OK;
    if (t->shape == SHAPE_OBJECT || t->shape == SHAPE_MAP) {
        for (cJSON *m = v->child, *next; m && !rc; m = next) {
            next = m->next;
            rc = decode_member(d, t, v, m, path);
        }
    } else if (t->shape == SHAPE_LIST) {
        int i = 0;
        for (cJSON *m = v->child; m && !rc; m = m->next, i++) {
            char *at = xasprintf("%s[%d]", path, i);
            rc = decode(d, t->elem, owner, m, at);
            free(at);
        }
    } else if (t->shape != SHAPE_ANY) {
        rc = check_text(d, t, v);
    }
    return rc;
}

ErrCode schema_decode(const Kind *k, cJSON *obj, cJSON *unknown, Error *err)
{
    const Decode d = {k, unknown, err};
    return decode(&d, schema_of(k), k->kind, obj, "");
}

/* ---- validation ---- */

static void go_map(StrBuf *b, const cJSON *map)
{
    const cJSON *m;
    strbuf_adds(b, "map[string]string{");
    js_each(m, map)
    {
        char *v = js_print(m);
        strbuf_addf(b, "%s\"%s\":%s", m == map->child ? "" : ", ", m->string, v);
        free(v);
    }
    strbuf_addc(b, '}');
}

static void go_texts(StrBuf *b, const cJSON *list)
{
    const cJSON *m;
    strbuf_adds(b, "[]string{");
    js_each(m, list)
    {
        strbuf_addf(b, "%s\"%s\"", m == list->child ? "" : ", ", str_or(m->valuestring, ""));
    }
    strbuf_addc(b, '}');
}

static bool only_texts(const cJSON *o)
{
    const cJSON *m;
    js_each(m, o)
    {
        if (!cJSON_IsString(m)) {
            return false;
        }
    }
    return true;
}

/* Objects as Go's %#v prints the few that turn up in messages. */
static void go_value(StrBuf *b, const char *field, const cJSON *v)
{
    const cJSON *labels = js_get(v, "matchLabels");
    size_t n = strlen(field);
    bool selector = n >= 8 && str_eq(field + n - 8, "selector") && cJSON_IsObject(v);
    if (selector && !js_get(v, "matchExpressions")) {
        strbuf_adds(b, "v1.LabelSelector{MatchLabels:");
        if (labels) {
            go_map(b, labels);
        } else {
            strbuf_adds(b, "map[string]string(nil)");
        }
        strbuf_adds(b, ", MatchExpressions:[]v1.LabelSelectorRequirement(nil)}");
    } else if (cJSON_IsNull(v)) {
        strbuf_adds(b, "\"null\"");
    } else if (cJSON_IsArray(v) && only_texts(v)) {
        go_texts(b, v);
    } else if (js_get(v, "apiGroup") && js_get(v, "kind") && js_get(v, "name")) {
        strbuf_addf(b, "rbac.RoleRef{APIGroup:\"%s\", Kind:\"%s\", Name:\"%s\"}",
                    js_text(v, "apiGroup"), js_text(v, "kind"), js_text(v, "name"));
    } else if (cJSON_IsObject(v) && only_texts(v) && v->child) {
        go_map(b, v);
    } else if (cJSON_IsObject(v) && !v->child) {
        strbuf_adds(b, "map[string]string(nil)");
    } else {
        char *text = js_print(v);
        strbuf_adds(b, text);
        free(text);
    }
}

void cause_add(Causes *c, CauseKind kind, const char *field, const cJSON *value, const char *fmt,
               ...)
{
    static const struct {
        const char *reason, *text;
    } words[] = {
        [CAUSE_REQUIRED] = {"FieldValueRequired", "Required value"},
        [CAUSE_INVALID] = {"FieldValueInvalid", "Invalid value"},
        [CAUSE_UNSUPPORTED] = {"FieldValueNotSupported", "Unsupported value"},
        [CAUSE_FORBIDDEN] = {"FieldValueForbidden", "Forbidden"},
        [CAUSE_DUPLICATE] = {"FieldValueDuplicate", "Duplicate value"},
        [CAUSE_NOT_FOUND] = {"FieldValueNotFound", "Not found"},
        [CAUSE_TOO_LONG] = {"FieldValueTooLong", "Too long"},
    };
    AUTO_STRBUF b = {0};
    strbuf_adds(&b, words[kind].text);
    if (value) {
        strbuf_adds(&b, ": ");
        go_value(&b, field, value);
    }
    size_t before = b.n;
    va_list ap;
    va_start(ap, fmt);
    strbuf_adds(&b, ": ");
    strbuf_addv(&b, fmt, ap);
    va_end(ap);
    if (b.n == before + 2) { /* nothing more to say */
        b.n = before;
        b.p[before] = '\0';
    }
    cJSON *one = cJSON_CreateObject();
    js_set_str(one, "reason", words[kind].reason);
    js_set_str(one, "message", strbuf_str(&b));
    js_set_str(one, "field", field);
    cJSON_AddItemToArray(c->list, one);
}

static void check_enum(const Type *t, const cJSON *v, const char *path, Causes *c)
{
    AUTO_STRBUF all = {0};
    for (size_t i = 0; t->enums[i]; i++) {
        if (str_eq(t->enums[i], v->valuestring)) {
            return;
        }
        strbuf_addf(&all, "%s\"%s\"", i ? ", " : "", t->enums[i]);
    }
    cause_add(c, CAUSE_UNSUPPORTED, path, v, "supported values: %s", strbuf_str(&all));
}

/* Validated by its kind's own code, in other words or not at all. */
static bool checked_elsewhere(const Type *t, const Field *f)
{
    return str_eq(t->name, "OwnerReference") ||
           (str_eq(t->name, "StatefulSetSpec") && str_eq(f->name, "template")) ||
           (str_eq(t->name, "RoleRef") && str_eq(f->name, "kind"));
}

static void validate_members(const Type *t, const cJSON *o, const char *path, Causes *c)
{
    for (size_t i = 0; i < t->field_count; i++) {
        const Field *f = &t->fields[i];
        const cJSON *m = js_get(o, f->name);
        if (checked_elsewhere(t, f)) {
            continue;
        }
        char *at = xasprintf("%s%s%s", path, *path ? "." : "", f->name);
        bool empty = (cJSON_IsString(m) && !*m->valuestring) || (cJSON_IsArray(m) && !m->child);
        if (f->required && (!m || empty)) {
            cause_add(c, CAUSE_REQUIRED, at, NULL, "%s", "");
        } else if (m && !(empty && f->type->enums)) {
            schema_validate(f->type, m, at, c);
        }
        free(at);
    }
}

void schema_validate(const Type *t, const cJSON *v, const char *path, Causes *c)
{
    if (t->shape == SHAPE_OBJECT) {
        validate_members(t, v, path, c);
    } else if (t->shape == SHAPE_LIST) {
        int i = 0;
        for (const cJSON *m = v->child; m; m = m->next, i++) {
            char *at = xasprintf("%s[%d]", path, i);
            schema_validate(t->elem, m, at, c);
            free(at);
        }
    } else if (t->shape == SHAPE_STRING && t->enums) {
        check_enum(t, v, path, c);
    } else if (t->shape == SHAPE_NONNEG && v->valuedouble < 0) {
        cause_add(c, CAUSE_INVALID, path, v, "must be greater than or equal to 0");
    } else if (t->shape == SHAPE_PORT && (v->valuedouble < 1 || v->valuedouble > 65535)) {
        cause_add(c, CAUSE_INVALID, path, v, "must be between 1 and 65535, inclusive");
    }
}
