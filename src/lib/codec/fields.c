#include "codec/fields.h"

/* One field's default into zeroed memory. The tables are ours: a default that does not fit is a
 * BUG, not an error. */
static void set_default(Arena *a, const FieldSpec *f, void *at)
{
    int64_t n = 0;
    switch (f->kind) {
    case FK_STR:
        *(const char **)at = f->def ? f->def : "";
        break;
    case FK_BOOL:
        *(bool *)at = f->def && strcmp(f->def, "true") == 0;
        break;
    case FK_U32:
    case FK_I64:
    case FK_I64_STR:
        if (f->def && !str_to_i64(f->def, &n))
            BUG("default of field '%s'", f->name);
        if (f->kind == FK_U32)
            *(uint32_t *)at = (uint32_t)n;
        else
            *(int64_t *)at = n;
        break;
    case FK_F64:
        if (f->def && !str_to_f64(f->def, at))
            BUG("default of field '%s'", f->name);
        break;
    case FK_OBJ:
        fields_defaults(a, f->of, at);
        break;
    case FK_JSON:
        *(const char **)at = f->def;
        break;
    case FK_TIME:
    case FK_STRS:
    case FK_MAP:
    case FK_OBJ_PTR:
    case FK_OBJS:
        break;
    case FK_KIND_COUNT:
        BUG("field '%s' has no kind", f->name);
    }
}

void fields_defaults(Arena *a, const Schema *s, void *out)
{
    memset(out, 0, s->size);
    for (size_t i = 0; i < s->n; i++)
        set_default(a, &s->fields[i], (char *)out + s->fields[i].offset);
}

static bool is_empty(const FieldSpec *f, const void *at)
{
    switch (f->kind) {
    case FK_STR:
    case FK_JSON:
        return str_empty(*(const char *const *)at);
    case FK_BOOL:
        return !*(const bool *)at;
    case FK_U32:
        return !*(const uint32_t *)at;
    case FK_I64:
    case FK_I64_STR:
    case FK_TIME:
        return !*(const int64_t *)at;
    case FK_F64:
        return *(const double *)at == 0;
    case FK_STRS:
        return !((const StrList *)at)->n;
    case FK_MAP:
        return !((const StrMap *)at)->n;
    case FK_OBJ_PTR:
        return !*(void *const *)at;
    case FK_OBJS:
        return !((const ObjList *)at)->n;
    case FK_OBJ:
        for (size_t i = 0; i < f->of->n; i++)
            if (!is_empty(&f->of->fields[i], (const char *)at + f->of->fields[i].offset))
                return false;
        return true;
    case FK_KIND_COUNT:
        break;
    }
    BUG("field '%s' has no kind", f->name);
}

static void encode_list(JsonOut *j, const StrList *l)
{
    json_arr(j);
    for (size_t i = 0; i < l->n; i++)
        json_str(j, l->at[i]);
    json_arr_end(j);
}

static void encode_map(JsonOut *j, const StrMap *m)
{
    json_obj(j);
    for (size_t i = 0; i < m->n; i++)
        json_put_str(j, m->at[i].key, m->at[i].value);
    json_obj_end(j);
}

static void encode_i64_text(JsonOut *j, int64_t v)
{
    AUTO_STRBUF b = {0};
    strbuf_addf(&b, "%lld", (long long)v);
    json_sv(j, sv_n(b.p, b.n));
}

static void encode_value(JsonOut *j, const FieldSpec *f, const void *at)
{
    switch (f->kind) {
    case FK_STR:
        json_str(j, *(const char *const *)at ? *(const char *const *)at : "");
        break;
    case FK_BOOL:
        json_bool(j, *(const bool *)at);
        break;
    case FK_U32:
        json_uint(j, *(const uint32_t *)at);
        break;
    case FK_I64:
        json_int(j, *(const int64_t *)at);
        break;
    case FK_I64_STR:
        encode_i64_text(j, *(const int64_t *)at);
        break;
    case FK_F64:
        json_f64(j, *(const double *)at);
        break;
    case FK_TIME:
        json_time(j, *(const int64_t *)at);
        break;
    case FK_STRS:
        encode_list(j, at);
        break;
    case FK_MAP:
        encode_map(j, at);
        break;
    case FK_OBJ:
        fields_encode(j, f->of, at);
        break;
    case FK_OBJ_PTR:
        if (*(void *const *)at)
            fields_encode(j, f->of, *(void *const *)at);
        else
            json_null(j);
        break;
    case FK_OBJS: {
        const ObjList *l = at;
        json_arr(j);
        for (size_t i = 0; i < l->n; i++)
            fields_encode(j, f->of, (const char *)l->at + i * f->of->size);
        json_arr_end(j);
        break;
    }
    case FK_JSON:
        if (str_empty(*(const char *const *)at))
            json_null(j);
        else
            json_raw(j, sv(*(const char *const *)at));
        break;
    case FK_KIND_COUNT:
        BUG("field '%s' has no kind", f->name);
    }
}

void fields_encode_members(JsonOut *j, const Schema *s, const void *obj)
{
    for (size_t i = 0; i < s->n; i++) {
        const FieldSpec *f = &s->fields[i];
        const void *at = (const char *)obj + f->offset;
        if (f->flags & FF_WRITEONLY || (f->flags & FF_OMIT && is_empty(f, at)))
            continue;
        json_key(j, f->name);
        encode_value(j, f, at);
    }
}

void fields_encode(JsonOut *j, const Schema *s, const void *obj)
{
    json_obj(j);
    fields_encode_members(j, s, obj);
    json_obj_end(j);
}

char *fields_to_text(Arena *a, const Schema *s, const void *obj, unsigned indent)
{
    AUTO_STRBUF b = {0};
    JsonOut j = {.buf = &b, .indent = indent};
    fields_encode(&j, s, obj);
    return arena_strndup(a, b.p, b.n);
}

const FieldSpec *fields_find(const Schema *s, const char *path)
{
    StrView rest = sv(path);
    const FieldSpec *f = NULL;
    while (rest.n) {
        StrView part = sv_cut(&rest, '.');
        f = NULL;
        for (size_t i = 0; s && i < s->n && !f; i++)
            if (sv_eqs(part, s->fields[i].name))
                f = &s->fields[i];
        if (!f)
            return NULL;
        s = f->of;
    }
    return f;
}
