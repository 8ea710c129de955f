#include "store/js.h"
#include "core/clock.h"
#include <ctype.h>
#include <math.h>

/* One step of a path: "name", "[name.with.dots]" or "[3]". Returns false at the end. */
typedef struct Step {
    char name[256];
    int index; /* -1: a name */
} Step;

static bool next_step(const char **path, Step *ret)
{
    const char *p = *path;
    if (*p == '.') {
        p++;
    }
    if (!*p) {
        return false;
    }
    const char *end;
    bool bracket = *p == '[';
    if (bracket) {
        p++;
        end = strchr(p, ']');
        if (!end) {
            BUG("path without ]: %s", *path);
        }
    } else {
        end = p + strcspn(p, ".[");
    }
    size_t n = (size_t)(end - p) < sizeof ret->name ? (size_t)(end - p) : sizeof ret->name - 1;
    memcpy(ret->name, p, n);
    ret->name[n] = '\0';
    uint64_t index = 0;
    ret->index = bracket && str_to_u64(ret->name, &index) && index < INT32_MAX ? (int)index : -1;
    *path = bracket ? end + 1 : end;
    return true;
}

cJSON *js_get(const cJSON *o, const char *name)
{
    return cJSON_IsObject(o) ? cJSON_GetObjectItemCaseSensitive(o, name) : NULL;
}

cJSON *js_at(const cJSON *o, const char *path)
{
    Step st;
    const cJSON *at = o;
    while (at && next_step(&path, &st)) {
        at = st.index >= 0 && cJSON_IsArray(at) ? cJSON_GetArrayItem(at, st.index)
                                                : js_get(at, st.name);
    }
    return (cJSON *)at;
}

const char *js_str(const cJSON *o, const char *path)
{
    return cJSON_GetStringValue(js_at(o, path));
}

const char *js_text(const cJSON *o, const char *path)
{
    return str_or(js_str(o, path), "");
}

int64_t js_int(const cJSON *o, const char *path, int64_t absent)
{
    const cJSON *v = js_at(o, path);
    return cJSON_IsNumber(v) && fabs(v->valuedouble) < 9e15 ? (int64_t)v->valuedouble : absent;
}

bool js_bool(const cJSON *o, const char *path, bool absent)
{
    const cJSON *v = js_at(o, path);
    return cJSON_IsBool(v) ? cJSON_IsTrue(v) : absent;
}

int js_count(const cJSON *o, const char *path)
{
    const cJSON *v = js_at(o, path);
    return cJSON_IsArray(v) || cJSON_IsObject(v) ? cJSON_GetArraySize(v) : 0;
}

static void put_member(cJSON *o, const char *name, cJSON *item)
{
    if (js_get(o, name)) {
        cJSON_ReplaceItemInObjectCaseSensitive(o, name, item);
    } else {
        cJSON_AddItemToObject(o, name, item);
    }
}

/* The value at path, made with `make` on the way; what stands there with another type is replaced.
 */
static cJSON *ensure(cJSON *o, const char *path, cJSON *(*make)(void), bool (*is)(const cJSON *))
{
    Step st;
    while (next_step(&path, &st)) {
        bool last = *path == '\0';
        cJSON *next = st.index >= 0 && cJSON_IsArray(o) ? cJSON_GetArrayItem(o, st.index)
                                                        : js_get(o, st.name);
        bool fits = next && (last ? is(next) : cJSON_IsObject(next) || cJSON_IsArray(next));
        if (!fits) {
            next = last ? make() : cJSON_CreateObject();
            put_member(o, st.name, next);
        }
        o = next;
    }
    return o;
}

static bool is_object(const cJSON *v)
{
    return cJSON_IsObject(v);
}

static bool is_array(const cJSON *v)
{
    return cJSON_IsArray(v);
}

cJSON *js_obj(cJSON *o, const char *path)
{
    return ensure(o, path, cJSON_CreateObject, is_object);
}

cJSON *js_arr(cJSON *o, const char *path)
{
    return ensure(o, path, cJSON_CreateArray, is_array);
}

void js_set(cJSON *o, const char *path, cJSON *item)
{
    Step st;
    while (next_step(&path, &st)) {
        if (!*path) {
            put_member(o, st.name, item);
            return;
        }
        cJSON *next = st.index >= 0 && cJSON_IsArray(o) ? cJSON_GetArrayItem(o, st.index)
                                                        : js_get(o, st.name);
        if (!cJSON_IsObject(next) && !cJSON_IsArray(next)) {
            next = cJSON_CreateObject();
            put_member(o, st.name, next);
        }
        o = next;
    }
}

void js_set_str(cJSON *o, const char *path, const char *value)
{
    js_set(o, path, cJSON_CreateString(value));
}

void js_set_int(cJSON *o, const char *path, int64_t value)
{
    js_set(o, path, cJSON_CreateNumber((double)value));
}

void js_set_bool(cJSON *o, const char *path, bool value)
{
    js_set(o, path, cJSON_CreateBool(value));
}

void js_del(cJSON *o, const char *path)
{
    Step st;
    while (o && next_step(&path, &st)) {
        if (!*path) {
            if (st.index >= 0 && cJSON_IsArray(o)) {
                cJSON_DeleteItemFromArray(o, st.index);
            } else if (cJSON_IsObject(o)) {
                cJSON_DeleteItemFromObjectCaseSensitive(o, st.name);
            }
            return;
        }
        o = st.index >= 0 && cJSON_IsArray(o) ? cJSON_GetArrayItem(o, st.index)
                                              : js_get(o, st.name);
    }
}

static bool equal_objects(const cJSON *a, const cJSON *b)
{
    if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b)) {
        return false;
    }
    const cJSON *same_place = b->child;
    const cJSON *m;
    js_each(m, a)
    {
        const cJSON *other =
            same_place && str_eq(same_place->string, m->string) ? same_place : js_get(b, m->string);
        if (!other || !js_equal(m, other)) {
            return false;
        }
        same_place = same_place ? same_place->next : NULL;
    }
    return true;
}

bool js_equal(const cJSON *a, const cJSON *b)
{
    if (!a || !b) {
        return a == b;
    }
    if ((a->type & 0xff) != (b->type & 0xff)) {
        return false;
    }
    switch (a->type & 0xff) {
    case cJSON_Number:
        return a->valuedouble == b->valuedouble;
    case cJSON_String:
        return str_eq(a->valuestring, b->valuestring);
    case cJSON_Object:
        return equal_objects(a, b);
    case cJSON_Array:
        a = a->child;
        b = b->child;
        for (; a && b; a = a->next, b = b->next) {
            if (!js_equal(a, b)) {
                return false;
            }
        }
        return a == b;
    default:
        return true;
    }
}

cJSON *js_find(const cJSON *array, const char *key, const char *value)
{
    cJSON *el;
    if (!cJSON_IsArray(array)) {
        return NULL;
    }
    js_each(el, array)
    {
        if (str_eq(cJSON_GetStringValue(js_get(el, key)), value)) {
            return el;
        }
    }
    return NULL;
}

void js_insert(cJSON *array, int index, cJSON *item)
{
    cJSON *after = cJSON_GetArrayItem(array, index);
    if (!after) {
        cJSON_AddItemToArray(array, item);
        return;
    }
    item->next = after;
    item->prev = after->prev; /* of the first element: the last one */
    if (after == array->child) {
        array->child = item;
    } else {
        after->prev->next = item;
    }
    after->prev = item;
}

cJSON *js_dup(const cJSON *o)
{
    return o ? cJSON_Duplicate(o, true) : NULL;
}

char *js_print(const cJSON *o)
{
    char *text = cJSON_PrintUnformatted(o);
    if (!text) {
        BUG("a tree that cannot be printed");
    }
    return text;
}

static bool within_limits(const cJSON *o, int depth)
{
    if (depth > JS_DEPTH) {
        return false;
    }
    int n = 0;
    for (const cJSON *c = o->child; c; c = c->next) {
        if ((cJSON_IsObject(o) && ++n > JS_MEMBERS) || !within_limits(c, depth + 1) ||
            (cJSON_IsNumber(c) && !isfinite(c->valuedouble))) {
            return false;
        }
    }
    return true;
}

ErrCode js_parse(StrView text, cJSON **ret, Error *err)
{
    if (!utf8_valid(text.p, text.n)) {
        return err_set(err, ERR_MALFORMED, "the body is not valid UTF-8 text");
    }
    const char *end = NULL;
    cJSON *o = cJSON_ParseWithLengthOpts(text.p ? text.p : "", text.n, &end, false);
    if (!o) {
        size_t at = end && text.p ? (size_t)(end - text.p) : 0;
        return err_set(err, ERR_MALFORMED, "invalid JSON at byte %zu", at);
    }
    while (end < text.p + text.n && isspace((unsigned char)*end)) {
        end++;
    }
    if (end != text.p + text.n || !within_limits(o, 0)) {
        bool behind = end != text.p + text.n;
        cJSON_Delete(o);
        return err_set(err, ERR_MALFORMED, "invalid JSON: %s",
                       behind ? "text after the value" : "nested too deep or too many members");
    }
    *ret = o;
    return ERR_OK;
}

cJSON *js_now(int64_t wall_us)
{
    char text[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(text, wall_us);
    memcpy(text + 19, "Z", 2); /* Kubernetes' Time has no fraction */
    return cJSON_CreateString(text);
}
