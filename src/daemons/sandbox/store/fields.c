#include "store/managed.h"
#include <stdlib.h>

/* ---- names of the steps ---- */

static char *field_key(const char *name)
{
    return xasprintf("f:%s", name);
}

/* k:{"containerPort":80,"protocol":"TCP"}, with defaults for absent keys. */
static char *element_key(const Type *list, const cJSON *el)
{
    AUTO_JSON keys = cJSON_CreateObject();
    if (list->set) {
        char *text = js_print(el);
        char *out = xasprintf("v:%s", text);
        free(text);
        return out;
    }
    for (size_t i = 0; list->keys[i]; i++) {
        const cJSON *v = js_get(el, list->keys[i]);
        const char *def = schema_key_default(list, list->keys[i]);
        if (v || def) {
            cJSON_AddItemToObject(keys, list->keys[i], v ? js_dup(v) : cJSON_CreateString(def));
        }
    }
    char *text = js_print(keys);
    char *out = xasprintf("k:%s", text);
    free(text);
    return out;
}

/* Takes key and sub over; a NULL sub is nothing. */
static void put(cJSON **set, char *key, cJSON *sub)
{
    if (sub) {
        *set = *set ? *set : cJSON_CreateObject();
        cJSON_DeleteItemFromObjectCaseSensitive(*set, key);
        cJSON_AddItemToObject(*set, key, sub);
    }
    free(key);
}

static bool granular(const Type *t)
{
    return t && !t->atomic && (t->shape == SHAPE_OBJECT || t->shape == SHAPE_MAP);
}

static bool granular_list(const Type *t)
{
    return t && t->shape == SHAPE_LIST && (t->set || t->keys[0]);
}

static cJSON *find_element(const Type *list, const cJSON *in, const cJSON *like)
{
    cJSON *el;
    js_each(el, in)
    {
        if (list->set ? js_equal(el, like) : schema_same_key(list, el, like)) {
            return el;
        }
    }
    return NULL;
}

/* ---- building sets ---- */

/* dots: a map is a member too, beside what is in it: as an update owns it. */
static cJSON *fields_set(const Type *t, const cJSON *v, bool dots)
{
    cJSON *set = cJSON_CreateObject();
    const cJSON *m;
    if (granular(t) && cJSON_IsObject(v)) {
        js_each(m, v)
        {
            put(&set, field_key(m->string), fields_set(schema_member(t, m->string), m, dots));
        }
        if (dots && set->child && t->shape == SHAPE_MAP) {
            cJSON_AddItemToObject(set, ".", cJSON_CreateObject());
        }
    } else if (granular_list(t) && cJSON_IsArray(v)) {
        js_each(m, v)
        {
            cJSON *sub = t->set ? cJSON_CreateObject() : fields_set(t->elem, m, dots);
            if (!t->set) {
                cJSON_AddItemToObject(sub, ".", cJSON_CreateObject());
            }
            put(&set, element_key(t, m), sub);
        }
    }
    return set;
}

cJSON *fields_of(const Type *t, const cJSON *v)
{
    return fields_set(t, v, false);
}

/* A whole subtree that came or went. */
static cJSON *whole(const Type *t, const cJSON *v)
{
    return fields_set(t, v, true);
}

/* What b has that a has not, and, with `values`, what differs. NULL: nothing. */
static cJSON *beyond(const Type *t, const cJSON *a, const cJSON *b, bool values)
{
    cJSON *set = NULL;
    const cJSON *m;
    if (granular(t) && cJSON_IsObject(a) && cJSON_IsObject(b)) {
        js_each(m, b)
        {
            const Type *mt = schema_member(t, m->string);
            const cJSON *was = js_get(a, m->string);
            put(&set, field_key(m->string), was ? beyond(mt, was, m, values) : whole(mt, m));
        }
        return set;
    }
    if (granular_list(t) && cJSON_IsArray(a) && cJSON_IsArray(b)) {
        js_each(m, b)
        {
            const cJSON *was = find_element(t, a, m);
            cJSON *sub = was ? (t->set ? NULL : beyond(t->elem, was, m, values))
                             : whole(t->set ? NULL : t->elem, m);
            if (!was && !t->set) {
                cJSON_AddItemToObject(sub, ".", cJSON_CreateObject());
            }
            put(&set, element_key(t, m), sub);
        }
        return set;
    }
    return values && !js_equal(a, b) ? whole(t, b) : NULL;
}

void fields_strip_meta(cJSON *set)
{
    static const char *const paths[] = {"f:name",
                                        "f:namespace",
                                        "f:uid",
                                        "f:creationTimestamp",
                                        "f:generation",
                                        "f:resourceVersion",
                                        "f:managedFields",
                                        "f:selfLink",
                                        "f:generateName",
                                        "f:deletionTimestamp",
                                        "f:deletionGracePeriodSeconds"};
    cJSON *meta = js_get(set, "f:metadata");
    for (size_t i = 0; meta && i < sizeof paths / sizeof *paths; i++) {
        cJSON_DeleteItemFromObjectCaseSensitive(meta, paths[i]);
    }
    if (meta && !meta->child) {
        cJSON_DeleteItemFromObjectCaseSensitive(set, "f:metadata");
    }
    cJSON_DeleteItemFromObjectCaseSensitive(set, "f:apiVersion");
    cJSON_DeleteItemFromObjectCaseSensitive(set, "f:kind");
}

static void move_into(cJSON *set, cJSON *from)
{
    if (from) {
        fields_add(set, from);
        cJSON_Delete(from);
    }
    fields_strip_meta(set);
}

void fields_diff(const Type *t, const cJSON *old, const cJSON *now, cJSON *changed, cJSON *removed)
{
    AUTO_JSON nothing = cJSON_CreateObject();
    old = old ? old : nothing;
    move_into(changed, beyond(t, old, now, true));
    move_into(removed, beyond(t, now, old, false));
}

/* ---- set arithmetic ---- */

bool fields_empty(const cJSON *set)
{
    return !set || !set->child;
}

void fields_add(cJSON *set, const cJSON *more)
{
    const cJSON *m;
    js_each(m, more)
    {
        cJSON *there = js_get(set, m->string);
        if (!there) {
            cJSON_AddItemToObject(set, m->string, js_dup(m));
            continue;
        }
        bool leaf = !there->child && m->child;
        fields_add(there, m);
        if ((leaf || !m->child) && there->child && !js_get(there, ".")) {
            cJSON_AddItemToObject(there, ".", cJSON_CreateObject());
        }
    }
}

void fields_subtract(cJSON *set, const cJSON *less)
{
    const cJSON *m;
    js_each(m, less)
    {
        cJSON *there = js_get(set, m->string);
        if (!there) {
            continue;
        }
        bool all = !m->child || (!there->child && js_get(m, "."));
        if (!all && there->child) {
            fields_subtract(there, m);
            all = !there->child;
        }
        if (all) {
            cJSON_DeleteItemFromObjectCaseSensitive(set, m->string);
        }
    }
}

cJSON *fields_common(const cJSON *a, const cJSON *b)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *m;
    js_each(m, a)
    {
        const cJSON *other = js_get(b, m->string);
        if (!other) {
            continue;
        }
        bool a_has = !m->child || js_get(m, "."), b_has = !other->child || js_get(other, ".");
        cJSON *sub = m->child && other->child ? fields_common(m, other) : cJSON_CreateObject();
        if (sub->child || (a_has && b_has)) {
            cJSON_AddItemToObject(out, m->string, sub);
        } else {
            cJSON_Delete(sub);
        }
    }
    return out;
}
