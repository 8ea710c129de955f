#include "store/managed.h"
#include <stdlib.h>

/* The first check of a server-side apply: the configuration fits the types. What it refuses is an
 * answer 500, as on a cluster. */

static ErrCode untyped(Error *err, const char *path, const char *what)
{
    return err_set(err, ERR_INTERNAL, "failed to create typed patch object: %s: %s", path, what);
}

/* [name="c",protocol="TCP"] of an element of a keyed list. */
static void key_text(StrBuf *b, const Type *list, const cJSON *el)
{
    strbuf_addc(b, '[');
    for (size_t i = 0; list->keys[i]; i++) {
        const cJSON *v = js_get(el, list->keys[i]);
        const char *def = schema_key_default(list, list->keys[i]);
        char *text = v ? js_print(v) : xasprintf("\"%s\"", str_or(def, ""));
        strbuf_addf(b, "%s%s=%s", i ? "," : "", list->keys[i], text);
        free(text);
    }
    strbuf_addc(b, ']');
}

static ErrCode check_list(const Type *t, const cJSON *list, const char *path, Error *err)
{
    const cJSON *el, *other;
    int i = 0;
    js_each(el, list)
    {
        AUTO_STRBUF at = {0};
        AUTO_STRBUF key = {0};
        if (t->keys[0] && cJSON_IsObject(el)) {
            key_text(&key, t, el);
        } else {
            strbuf_addf(&key, "[%d]", i);
        }
        i++;
        for (other = list->child; t->keys[0] && other != el; other = other->next) {
            if (schema_same_key(t, other, el)) {
                strbuf_addf(&at, "duplicate entries for key %s", strbuf_str(&key));
                return untyped(err, path, strbuf_str(&at));
            }
        }
        strbuf_addf(&at, "%s%s", path, strbuf_str(&key));
        ErrCode rc = apply_typed(t->elem, el, strbuf_str(&at), err);
        if (rc) {
            return rc;
        }
    }
    return ERR_OK;
}

static ErrCode check_members(const Type *t, const cJSON *o, const char *path, Error *err)
{
    const cJSON *m;
    js_each(m, o)
    {
        AUTO_STRBUF at = {0};
        const Type *mt = schema_member(t, m->string);
        strbuf_addf(&at, "%s.%s", path, m->string);
        if (!mt) {
            return untyped(err, strbuf_str(&at), "field not declared in schema");
        }
        ErrCode rc = apply_typed(mt, m, strbuf_str(&at), err);
        if (rc) {
            return rc;
        }
    }
    return ERR_OK;
}

ErrCode apply_typed(const Type *t, const cJSON *v, const char *path, Error *err)
{
    if (!t || cJSON_IsNull(v)) {
        return ERR_OK;
    }
    bool object = t->shape == SHAPE_OBJECT || t->shape == SHAPE_MAP;
    bool wrong = object ? !cJSON_IsObject(v) : t->shape == SHAPE_LIST && !cJSON_IsArray(v);
    if (wrong) {
        AUTO_STRBUF what = {0};
        char *text = js_print(v);
        strbuf_addf(&what, "expected %s, got %s%s%s", object ? "map" : "list",
                    cJSON_IsArray(v) ? "&{" : "", text, cJSON_IsArray(v) ? "}" : "");
        free(text);
        return untyped(err, path, strbuf_str(&what));
    }
    return object                   ? check_members(t, v, path, err)
           : t->shape == SHAPE_LIST ? check_list(t, v, path, err)
                                    : ERR_OK;
}
