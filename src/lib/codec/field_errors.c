#include "codec/fields.h"

enum { VALUE_SHOWN = 253, TEXT_SHOWN = 3 };

/* At most VALUE_SHOWN bytes, not cutting a character: paths have keys of the input in them. */
static char *shorten(Arena *a, const char *v)
{
    size_t n = strlen(v);
    if (n <= VALUE_SHOWN)
        return arena_strdup(a, v);
    n = VALUE_SHOWN;
    while (n > 0 && ((unsigned char)v[n] & 0xC0) == 0x80)
        n--;
    return arena_printf(a, "%.*s...", (int)n, v);
}

void field_error(FieldErrors *e, const char *path, const char *value, const char *want, ...)
{
    if (e->n >= FIELD_ERRORS_MAX)
        return;
    if (e->n == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 8;
        FieldError *grown = arena_array(e->arena, FieldError, cap);
        if (e->n)
            memcpy(grown, e->at, e->n * sizeof *grown);
        e->at = grown;
        e->cap = cap;
    }
    va_list ap;
    va_start(ap, want);
    e->at[e->n++] = (FieldError){.field = shorten(e->arena, path),
                                 .value = value ? shorten(e->arena, value) : NULL,
                                 .want = arena_vprintf(e->arena, want, ap)};
    va_end(ap);
}

ErrCode field_errors_result(const FieldErrors *e, Error *err)
{
    if (!e->n)
        return ERR_OK;
    AUTO_STRBUF b = {0};
    for (size_t i = 0; i < e->n && i < TEXT_SHOWN; i++) {
        const FieldError *f = &e->at[i];
        strbuf_addf(&b, "%s%s: ", i ? "; " : "", str_or(f->field, "body"));
        if (f->value)
            strbuf_addf(&b, "\"%s\": ", f->value);
        strbuf_addf(&b, "want %s", f->want);
    }
    if (e->n > TEXT_SHOWN)
        strbuf_addf(&b, "; and %zu more", e->n - TEXT_SHOWN);
    return err_set(err, ERR_INVALID, "%s", strbuf_str(&b));
}

void field_errors_json(const FieldErrors *e, JsonOut *j)
{
    json_arr(j);
    for (size_t i = 0; i < e->n; i++) {
        json_obj(j);
        json_put_str(j, "field", e->at[i].field);
        json_put_str(j, "value", e->at[i].value);
        json_put_str(j, "want", e->at[i].want);
        json_obj_end(j);
    }
    json_arr_end(j);
}
