#include "codec/fields.h"
#include "core/clock.h"
#include "core/limits.h"

/* One run over a JSON object. */
typedef struct Decode {
    Arena *a;
    FieldErrors *errs;
} Decode;

static char *path_join(Arena *a, const char *prefix, const char *name)
{
    return *prefix ? arena_printf(a, "%s.%s", prefix, name) : arena_strdup(a, name);
}

/* What the value of a field looks like in an error: text bare, scalars as JSON, the rest in short.
 */
static const char *shown(Arena *a, const cJSON *v)
{
    if (!v)
        return NULL;
    if (cJSON_IsArray(v) || cJSON_IsObject(v))
        return v->child ? cJSON_IsArray(v) ? "[...]" : "{...}" : json_text(a, v);
    return cJSON_IsString(v) ? v->valuestring : json_text(a, v);
}

static bool has_bounds(const FieldSpec *f)
{
    return f->min || f->max;
}

static void bounds_error(Decode *d, const FieldSpec *f, const char *path, const char *value,
                         const char *what)
{
    if (f->max)
        field_error(d->errs, path, value, "%lld to %lld%s", (long long)f->min, (long long)f->max,
                    what);
    else
        field_error(d->errs, path, value, "at least %lld%s", (long long)f->min, what);
}

static bool in_bounds(const FieldSpec *f, double v)
{
    return !has_bounds(f) || (v >= (double)f->min && (!f->max || v <= (double)f->max));
}

static const char *choices_text(Arena *a, const char *const *choices)
{
    AUTO_STRBUF b = {0};
    for (size_t i = 0; choices[i]; i++)
        strbuf_addf(&b, "%s%s", i ? (choices[i + 1] ? ", " : " or ") : "",
                    *choices[i] ? choices[i] : "\"\"");
    return arena_strdup(a, strbuf_str(&b));
}

static bool choice_known(const char *const *choices, const char *v)
{
    for (size_t i = 0; choices[i]; i++)
        if (strcmp(choices[i], v) == 0)
            return true;
    return false;
}

/* The rules for one text: the value itself, a list item, a map value. */
static void check_text(Decode *d, const FieldSpec *f, const char *path, const char *v)
{
    const char *want = NULL;
    if (f->choices && !choice_known(f->choices, v))
        field_error(d->errs, path, v, "%s", choices_text(d->a, f->choices));
    else if (f->check && !f->check(d->a, v, &want))
        field_error(d->errs, path, v, "%s", want);
}

/* Text of a scalar as it was written; NULL when it is no text (and not FF_SCALARS). */
static const char *scalar_text(Arena *a, const FieldSpec *f, const cJSON *v)
{
    if (cJSON_IsString(v))
        return arena_strdup(a, v->valuestring);
    if (!(f->flags & FF_SCALARS))
        return NULL;
    if (cJSON_IsNumber(v))
        return v->valuestring ? arena_strdup(a, v->valuestring) : json_text(a, v);
    if (cJSON_IsBool(v))
        return cJSON_IsTrue(v) ? "true" : "false";
    return NULL;
}

static void decode_str(Decode *d, const FieldSpec *f, const cJSON *v, void *out, const char *path)
{
    const char *text = scalar_text(d->a, f, v);
    if (!text) {
        field_error(d->errs, path, shown(d->a, v), "a string");
        return;
    }
    *(const char **)out = text;
    if (!*text && !(f->flags & FF_REQUIRED) && !f->choices)
        return;
    if (!*text && f->flags & FF_REQUIRED)
        field_error(d->errs, path, "", "a value, it is required");
    else if (!in_bounds(f, (double)strlen(text)))
        bounds_error(d, f, path, text, " bytes");
    else
        check_text(d, f, path, text);
}

static void decode_number(Decode *d, const FieldSpec *f, const cJSON *v, void *out,
                          const char *path)
{
    int64_t n = 0;
    if (f->kind == FK_F64) {
        if (!cJSON_IsNumber(v))
            field_error(d->errs, path, shown(d->a, v), "a number");
        else if (!in_bounds(f, v->valuedouble))
            bounds_error(d, f, path, shown(d->a, v), "");
        else
            *(double *)out = v->valuedouble;
        return;
    }
    bool ok = f->kind == FK_I64_STR && cJSON_IsString(v) ? str_to_i64(v->valuestring, &n)
                                                         : json_to_i64(v, &n);
    if (!ok)
        field_error(d->errs, path, shown(d->a, v), "a whole number");
    else if (!in_bounds(f, (double)n))
        bounds_error(d, f, path, shown(d->a, v), "");
    else if (f->kind == FK_U32 && (n < 0 || n > UINT32_MAX))
        field_error(d->errs, path, shown(d->a, v), "0 to %u", UINT32_MAX);
    else if (f->kind == FK_U32)
        *(uint32_t *)out = (uint32_t)n;
    else
        *(int64_t *)out = n;
}

static void decode_time(Decode *d, const cJSON *v, void *out, const char *path)
{
    int64_t at;
    if (!cJSON_IsString(v) || !clock_parse_rfc3339(v->valuestring, &at))
        field_error(d->errs, path, shown(d->a, v), "a time like 2026-11-23T03:08:37Z");
    else
        *(int64_t *)out = at;
}

/* Collections here are inserted into sorted arrays: none may be unbounded. */
enum { ITEMS_MAX = 2000 };

static bool count_fits(Decode *d, const FieldSpec *f, const cJSON *v, const char *path)
{
    int n = cJSON_GetArraySize(v);
    if (n > ITEMS_MAX) {
        field_error(d->errs, path, arena_printf(d->a, "%d items", n), "at most %d items",
                    ITEMS_MAX);
        return false;
    }
    if (in_bounds(f, n))
        return true;
    bounds_error(d, f, path, arena_printf(d->a, "%d items", n), " items");
    return true;
}

static void decode_list(Decode *d, const FieldSpec *f, const cJSON *v, void *out, const char *path)
{
    StrList *l = out;
    size_t i = 0;
    if (!cJSON_IsArray(v)) {
        field_error(d->errs, path, shown(d->a, v), "a list of strings");
        return;
    }
    if (!count_fits(d, f, v, path))
        return;
    for (const cJSON *c = v->child; c; c = c->next, i++) {
        const char *at = arena_printf(d->a, "%s.%zu", path, i);
        const char *text = scalar_text(d->a, f, c);
        if (!text) {
            field_error(d->errs, at, shown(d->a, c), "a string");
            continue;
        }
        check_text(d, f, at, text);
        strlist_add(d->a, l, text);
    }
}

static void decode_map(Decode *d, const FieldSpec *f, const cJSON *v, void *out, const char *path)
{
    StrMap *m = out;
    const char *want = NULL;
    if (!cJSON_IsObject(v)) {
        field_error(d->errs, path, shown(d->a, v), "an object with strings");
        return;
    }
    if (!count_fits(d, f, v, path))
        return;
    for (const cJSON *c = v->child; c; c = c->next) {
        const char *at = path_join(d->a, path, c->string);
        const char *text = scalar_text(d->a, f, c);
        if (f->check_key && !f->check_key(d->a, c->string, &want))
            field_error(d->errs, at, c->string, "a key that is %s", want);
        if (!text) {
            field_error(d->errs, at, shown(d->a, c), "a string");
            continue;
        }
        check_text(d, f, at, text);
        strmap_put(d->a, m, arena_strdup(d->a, c->string), text);
    }
}

static void decode_object(Decode *d, const Schema *s, const cJSON *in, void *out,
                          const char *prefix);

static void decode_objects(Decode *d, const FieldSpec *f, const cJSON *v, void *out,
                           const char *path)
{
    ObjList *l = out;
    if (!cJSON_IsArray(v)) {
        field_error(d->errs, path, shown(d->a, v), "a list of objects");
        return;
    }
    if (!count_fits(d, f, v, path))
        return;
    size_t n = (size_t)cJSON_GetArraySize(v), i = 0;
    l->at = arena_calloc(d->a, n ? n : 1, f->of->size);
    l->n = n;
    for (const cJSON *c = v->child; c; c = c->next, i++)
        decode_object(d, f->of, c, (char *)l->at + i * f->of->size,
                      arena_printf(d->a, "%s.%zu", path, i));
}

static void decode_value(Decode *d, const FieldSpec *f, const cJSON *v, void *out, const char *path)
{
    switch (f->kind) {
    case FK_STR:
        decode_str(d, f, v, out, path);
        break;
    case FK_BOOL:
        if (cJSON_IsBool(v))
            *(bool *)out = cJSON_IsTrue(v);
        else
            field_error(d->errs, path, shown(d->a, v), "true or false");
        break;
    case FK_U32:
    case FK_I64:
    case FK_I64_STR:
    case FK_F64:
        decode_number(d, f, v, out, path);
        break;
    case FK_TIME:
        decode_time(d, v, out, path);
        break;
    case FK_STRS:
        decode_list(d, f, v, out, path);
        break;
    case FK_MAP:
        decode_map(d, f, v, out, path);
        break;
    case FK_OBJ:
        decode_object(d, f->of, v, out, path);
        break;
    case FK_OBJ_PTR:
        *(void **)out = arena_alloc(d->a, f->of->size);
        decode_object(d, f->of, v, *(void **)out, path);
        break;
    case FK_OBJS:
        decode_objects(d, f, v, out, path);
        break;
    case FK_JSON:
        *(const char **)out = json_text(d->a, v);
        break;
    case FK_KIND_COUNT:
        BUG("field '%s' has no kind", f->name);
    }
}

static const FieldSpec *row_of(const Schema *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->fields[i].name, name) == 0)
            return &s->fields[i];
    return NULL;
}

static void unknown_keys(Decode *d, const Schema *s, const cJSON *in, const char *prefix)
{
    const char **names = NULL;
    for (const cJSON *c = in->child; c && d->errs->n < FIELD_ERRORS_MAX; c = c->next) {
        if (row_of(s, c->string))
            continue;
        if (!names) {
            names = arena_array(d->a, const char *, s->n + 1);
            for (size_t i = 0; i < s->n; i++)
                names[i] = s->fields[i].name;
        }
        const char *near = str_nearest(c->string, names);
        const char *path = path_join(d->a, prefix, c->string);
        if (near)
            field_error(d->errs, path, shown(d->a, c), "no such field; did you mean \"%s\"?", near);
        else
            field_error(d->errs, path, shown(d->a, c), "no such field");
    }
}

static void decode_object(Decode *d, const Schema *s, const cJSON *in, void *out,
                          const char *prefix)
{
    fields_defaults(d->a, s, out);
    if (!cJSON_IsObject(in)) {
        field_error(d->errs, prefix, shown(d->a, in), "an object");
        return;
    }
    unknown_keys(d, s, in, prefix);
    for (size_t i = 0; i < s->n; i++) {
        const FieldSpec *f = &s->fields[i];
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(in, f->name);
        const char *path = path_join(d->a, prefix, f->name);
        if (f->flags & FF_READONLY)
            continue;
        if (v && !cJSON_IsNull(v))
            decode_value(d, f, v, (char *)out + f->offset, path);
        else if (f->flags & FF_REQUIRED && f->kind == FK_OBJ)
            decode_object(d, f->of, json_own(d->a, cJSON_CreateObject()), (char *)out + f->offset,
                          path);
        else if (f->flags & FF_REQUIRED)
            field_error(d->errs, path, NULL, "a value, it is required");
    }
}

void fields_decode(Arena *a, const Schema *s, const cJSON *in, void *out, const char *prefix,
                   FieldErrors *errs)
{
    Decode d = {a, errs};
    decode_object(&d, s, in, out, prefix);
    if (s->validate && cJSON_IsObject(in))
        s->validate(a, out, errs);
}

ErrCode fields_decode_text(Arena *a, const Schema *s, StrView text, void *out, FieldErrors *errs,
                           Error *err)
{
    cJSON *root;
    FieldErrors own = field_errors(a);
    if (!errs)
        errs = &own;
    if (json_parse(a, text, LIMIT_JSON_BODY, &root, err))
        return err->code;
    fields_decode(a, s, root, out, "", errs);
    return field_errors_result(errs, err);
}
