#include "store/patch.h"

static const char DELETE_FROM[] = "$deleteFromPrimitiveList/";
static const char SET_ORDER[] = "$setElementOrder/";

static cJSON *find_primitive(const cJSON *list, const cJSON *v)
{
    cJSON *el;
    js_each(el, list)
    {
        if (js_equal(el, v)) {
            return el;
        }
    }
    return NULL;
}

static cJSON *find_keyed(const cJSON *list, const char *key, const cJSON *like)
{
    const cJSON *k = js_get(like, key);
    cJSON *el;
    js_each(el, list)
    {
        if (k && js_equal(js_get(el, key), k)) {
            return el;
        }
    }
    return NULL;
}

static bool is_directive(const char *name)
{
    return str_eq(name, "$patch") || str_eq(name, "$retainKeys") || str_starts(name, DELETE_FROM) ||
           str_starts(name, SET_ORDER);
}

/* Everything but the directives. */
static void strip_directives(cJSON *v)
{
    for (cJSON *m = v->child, *next; m; m = next) {
        next = m->next;
        if (cJSON_IsObject(v) && is_directive(m->string)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(v, m));
        } else {
            strip_directives(m);
        }
    }
}

static void clear(cJSON *v)
{
    while (v->child) {
        cJSON_Delete(cJSON_DetachItemViaPointer(v, v->child));
    }
}

static ErrCode merge_element(const Type *list, cJSON *target, const cJSON *el, Error *err)
{
    const char *key = list->keys[0];
    const char *directive = js_str(el, "$patch");
    if (!js_get(el, key)) {
        return err_set(err, ERR_MALFORMED, "map: %s does not contain declared merge key: %s",
                       cJSON_IsObject(el) ? "map[]" : "value", key);
    }
    cJSON *there = find_keyed(target, key, el);
    if (str_eq(directive, "delete")) {
        while (there) {
            cJSON_Delete(cJSON_DetachItemViaPointer(target, there));
            there = find_keyed(target, key, el);
        }
        return ERR_OK;
    }
    if (!there) {
        there = cJSON_CreateObject();
        cJSON_AddItemToArray(target, there);
    }
    return patch_strategic(list->elem, there, el, err);
}

static int place_in(const cJSON *list, const char *key, const cJSON *like)
{
    const cJSON *el;
    int i = 0;
    js_each(el, list)
    {
        if (js_equal(js_get(el, key), js_get(like, key))) {
            return i;
        }
        i++;
    }
    return -1;
}

static void move_first(cJSON *to, cJSON *from)
{
    cJSON_AddItemToArray(to, cJSON_DetachItemViaPointer(from, from->child));
}

/* What the patch names comes in its order, between the others where both have a place in what was
 * there before; new elements come as early as they can. As the API server orders them. */
static void order_merged(const char *key, cJSON *target, const cJSON *before, const cJSON *patch)
{
    AUTO_JSON left = cJSON_CreateArray();
    AUTO_JSON right = cJSON_CreateArray();
    const cJSON *el;
    js_each(el, patch)
    {
        cJSON *there = find_keyed(target, key, el);
        if (there) {
            cJSON_AddItemToArray(right, cJSON_DetachItemViaPointer(target, there));
        }
    }
    while (target->child) {
        move_first(left, target);
    }
    while (left->child || right->child) {
        int l = left->child ? place_in(before, key, left->child) : -1;
        int r = right->child ? place_in(before, key, right->child) : -1;
        bool first = left->child && (!right->child || (l >= 0 && r >= 0 && l < r));
        move_first(target, first ? left : right);
    }
}

static ErrCode merge_list(const Type *list, cJSON *target, const cJSON *patch, Error *err)
{
    const cJSON *el;
    js_each(el, patch)
    {
        if (str_eq(js_str(el, "$patch"), "replace")) {
            clear(target);
        }
    }
    AUTO_JSON before = js_dup(target);
    js_each(el, patch)
    {
        if (str_eq(js_str(el, "$patch"), "replace") && !js_get(el, list->keys[0])) {
            continue;
        }
        ErrCode rc = merge_element(list, target, el, err);
        if (rc) {
            return rc;
        }
    }
    order_merged(list->keys[0], target, before, patch);
    return ERR_OK;
}

static void union_set(cJSON *target, const cJSON *patch)
{
    const cJSON *el;
    js_each(el, patch)
    {
        if (!find_primitive(target, el)) {
            cJSON_AddItemToArray(target, js_dup(el));
        }
    }
}

/* Elements that the order names come in that order; the others keep their place before the named
 * element that used to follow them. */
static void set_order(const Type *list, cJSON *target, const cJSON *order)
{
    if (!cJSON_IsArray(target) || !cJSON_IsArray(order) || !list) {
        return;
    }
    const char *key = list->keys[0];
    cJSON *sorted = cJSON_CreateArray();
    const cJSON *o;
    js_each(o, order)
    {
        cJSON *el = key ? find_keyed(target, key, o) : find_primitive(target, o);
        if (!el) {
            continue;
        }
        /* unnamed elements that stand before it go first */
        for (cJSON *p = target->child, *next; p && p != el; p = next) {
            next = p->next;
            if (!(key ? find_keyed(order, key, p) : find_primitive(order, p))) {
                cJSON_AddItemToArray(sorted, cJSON_DetachItemViaPointer(target, p));
            }
        }
        cJSON_AddItemToArray(sorted, cJSON_DetachItemViaPointer(target, el));
    }
    while (sorted->child) { /* what is left follows */
        cJSON *last = sorted->child->prev;
        cJSON_DetachItemViaPointer(sorted, last);
        js_insert(target, 0, last);
    }
    cJSON_Delete(sorted);
}

static void retain_keys(cJSON *target, const cJSON *keys)
{
    for (cJSON *m = target->child, *next; m; m = next) {
        next = m->next;
        AUTO_JSON name = cJSON_CreateString(m->string);
        if (!find_primitive(keys, name)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(target, m));
        }
    }
}

static void replace_member(cJSON *target, const char *name, const cJSON *v)
{
    cJSON *copy = js_dup(v);
    strip_directives(copy);
    cJSON_DeleteItemFromObjectCaseSensitive(target, name);
    cJSON_AddItemToObject(target, name, copy);
}

static ErrCode merge_member(const Type *t, cJSON *target, const cJSON *m, Error *err)
{
    const Type *mt = schema_member(t, m->string);
    cJSON *there = js_get(target, m->string);
    if (cJSON_IsNull(m)) {
        cJSON_DeleteItemFromObjectCaseSensitive(target, m->string);
        return ERR_OK;
    }
    if (cJSON_IsObject(m)) {
        if (!cJSON_IsObject(there)) {
            cJSON_DeleteItemFromObjectCaseSensitive(target, m->string);
            there = cJSON_AddObjectToObject(target, m->string);
        }
        return patch_strategic(mt, there, m, err);
    }
    if (cJSON_IsArray(m) && mt && mt->shape == SHAPE_LIST && (mt->keys[0] || mt->set)) {
        if (!cJSON_IsArray(there)) {
            cJSON_DeleteItemFromObjectCaseSensitive(target, m->string);
            there = cJSON_AddArrayToObject(target, m->string);
        }
        if (mt->set) {
            union_set(there, m);
            return ERR_OK;
        }
        return merge_list(mt, there, m, err);
    }
    replace_member(target, m->string, m);
    return ERR_OK;
}

static void directives_after(const Type *t, cJSON *target, const cJSON *patch)
{
    const cJSON *m;
    js_each(m, patch)
    {
        if (str_starts(m->string, SET_ORDER)) {
            const char *name = m->string + sizeof SET_ORDER - 1;
            set_order(schema_member(t, name), js_get(target, name), m);
        }
    }
}

static void directives_before(cJSON *target, const cJSON *patch)
{
    const cJSON *m, *v;
    js_each(m, patch)
    {
        if (str_eq(m->string, "$retainKeys")) {
            retain_keys(target, m);
        } else if (str_starts(m->string, DELETE_FROM)) {
            cJSON *list = js_get(target, m->string + sizeof DELETE_FROM - 1);
            js_each(v, m)
            {
                cJSON *el = find_primitive(list, v);
                cJSON_Delete(el ? cJSON_DetachItemViaPointer(list, el) : NULL);
            }
        }
    }
}

ErrCode patch_strategic(const Type *t, cJSON *target, const cJSON *patch, Error *err)
{
    const char *directive = js_str(patch, "$patch");
    if (directive && !str_eq(directive, "merge")) {
        clear(target);
        if (!str_eq(directive, "replace") && !str_eq(directive, "delete")) {
            return err_set(err, ERR_MALFORMED, "unknown patch type: %s", directive);
        }
        if (str_eq(directive, "delete")) {
            return ERR_OK;
        }
    }
    directives_before(target, patch);
    const cJSON *m;
    js_each(m, patch)
    {
        ErrCode rc = is_directive(m->string) ? ERR_OK : merge_member(t, target, m, err);
        if (rc) {
            return rc;
        }
    }
    directives_after(t, target, patch);
    return ERR_OK;
}
