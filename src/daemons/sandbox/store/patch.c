#include "store/patch.h"

/* ---- JSON patch ---- */

/* One step of an RFC 6901 pointer, unescaped; false at the end. */
static bool pointer_step(Arena *a, const char **p, char **ret)
{
    if (**p != '/') {
        return false;
    }
    size_t n = strcspn(*p + 1, "/");
    char *out = arena_strndup(a, *p + 1, n), *w = out;
    for (const char *r = out; *r; r++, w++) {
        bool esc = *r == '~' && (r[1] == '0' || r[1] == '1');
        *w = esc ? (r[1] == '0' ? '~' : '/') : *r;
        r += esc;
    }
    *w = '\0';
    *ret = out;
    *p += n + 1;
    return true;
}

typedef struct Place {
    cJSON *parent; /* NULL: the document itself */
    char *last;
} Place;

static cJSON *child_of(const cJSON *o, const char *step)
{
    uint64_t i;
    if (cJSON_IsArray(o)) {
        return str_to_u64(step, &i) && i < INT32_MAX ? cJSON_GetArrayItem(o, (int)i) : NULL;
    }
    return js_get(o, step);
}

static bool locate(Arena *a, cJSON *doc, const char *pointer, Place *ret)
{
    char *step;
    *ret = (Place){0};
    if (!*pointer) {
        return true;
    }
    cJSON *at = doc;
    while (pointer_step(a, &pointer, &step)) {
        if (!cJSON_IsObject(at) && !cJSON_IsArray(at)) {
            return false;
        }
        *ret = (Place){at, step};
        at = child_of(at, step);
    }
    return ret->parent && !*pointer;
}

static cJSON *value_at(cJSON *doc, const Place *pl)
{
    return pl->parent ? child_of(pl->parent, pl->last) : doc;
}

/* Takes v over, also when it fails. */
static bool put_at(cJSON **doc, const Place *pl, cJSON *v)
{
    uint64_t i = 0;
    if (!pl->parent) {
        cJSON_Delete(*doc);
        *doc = v;
        return true;
    }
    if (cJSON_IsObject(pl->parent)) {
        cJSON_DeleteItemFromObjectCaseSensitive(pl->parent, pl->last);
        cJSON_AddItemToObject(pl->parent, pl->last, v);
        return true;
    }
    int n = cJSON_GetArraySize(pl->parent);
    bool end = str_eq(pl->last, "-");
    if (!end && (!str_to_u64(pl->last, &i) || i > (uint64_t)n)) {
        cJSON_Delete(v);
        return false;
    }
    js_insert(pl->parent, end ? n : (int)i, v);
    return true;
}

static cJSON *take_from(cJSON *doc, const Place *pl)
{
    cJSON *v = pl->parent ? value_at(doc, pl) : NULL;
    return v ? cJSON_DetachItemViaPointer(pl->parent, v) : NULL;
}

static bool put_path(Arena *a, cJSON **doc, const char *path, cJSON *v)
{
    Place pl;
    if (!locate(a, *doc, path, &pl)) {
        cJSON_Delete(v);
        return false;
    }
    return put_at(doc, &pl, v);
}

static bool json_op(Arena *a, cJSON **doc, const cJSON *op)
{
    const char *kind = js_text(op, "op"), *path = js_text(op, "path");
    const cJSON *value = js_get(op, "value");
    Place pl, from;
    bool found = locate(a, *doc, path, &pl);
    cJSON *there = found ? value_at(*doc, &pl) : NULL;
    if (str_eq(kind, "add") && value) {
        return found && put_at(doc, &pl, js_dup(value));
    }
    if (str_eq(kind, "replace") && value) {
        if (there && pl.parent && cJSON_IsArray(pl.parent)) {
            return cJSON_ReplaceItemViaPointer(pl.parent, there, js_dup(value));
        }
        bool member = found && pl.parent && cJSON_IsObject(pl.parent); /* made when absent, too */
        return (there || member) && put_at(doc, &pl, js_dup(value));
    }
    if (str_eq(kind, "test")) {
        return there ? js_equal(there, value) || (cJSON_IsNull(there) && !value)
                     : !value || cJSON_IsNull(value);
    }
    if (str_eq(kind, "remove")) {
        cJSON *gone = found ? take_from(*doc, &pl) : NULL;
        cJSON_Delete(gone);
        return gone != NULL;
    }
    const char *src = js_text(op, "from");
    bool into_itself = str_starts(path, src) && path[strlen(src)] == '/';
    if (!locate(a, *doc, src, &from) || !value_at(*doc, &from)) {
        return false;
    }
    if (str_eq(kind, "copy")) {
        return put_path(a, doc, path, js_dup(value_at(*doc, &from)));
    }
    if (str_eq(kind, "move") && !into_itself && from.parent) {
        return put_path(a, doc, path, take_from(*doc, &from));
    }
    return false;
}

ErrCode patch_json(cJSON **doc, const cJSON *patch, Error *err)
{
    AUTO_ARENA a = arena_new();
    if (!cJSON_IsArray(patch) || cJSON_GetArraySize(patch) > PATCH_OPS) {
        return err_set(err, ERR_MALFORMED,
                       "json: cannot unmarshal into Go value of type "
                       "jsonpatch.Patch: no array of at most %d operations",
                       PATCH_OPS);
    }
    const cJSON *op;
    js_each(op, patch)
    {
        if (!js_str(op, "op") || !js_str(op, "path")) {
            return err_set(err, ERR_MALFORMED, "a JSON patch operation needs op and path");
        }
        if (!json_op(a, doc, op)) {
            return err_set(err, ERR_INVALID,
                           "the server rejected our request due to an error in our request");
        }
    }
    return ERR_OK;
}

/* ---- JSON merge patch ---- */

cJSON *patch_merge(const cJSON *target, const cJSON *patch)
{
    if (!cJSON_IsObject(patch)) {
        return js_dup(patch);
    }
    cJSON *out = cJSON_IsObject(target) ? js_dup(target) : cJSON_CreateObject();
    const cJSON *m;
    js_each(m, patch)
    {
        cJSON *now = cJSON_IsNull(m) ? NULL : patch_merge(js_get(out, m->string), m);
        cJSON_DeleteItemFromObjectCaseSensitive(out, m->string);
        if (now) {
            cJSON_AddItemToObject(out, m->string, now);
        }
    }
    return out;
}
