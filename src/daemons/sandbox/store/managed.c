#include "store/managed.h"
#include <stdlib.h>

enum { UPDATE_ENTRIES = 10 }; /* beyond, the oldest owner by Update is forgotten */

static bool is_own(const cJSON *e, const Manager *m)
{
    return m && str_eq(js_text(e, "manager"), m->name) &&
           str_eq(js_text(e, "operation"), m->operation) &&
           str_eq(js_text(e, "subresource"), m->subresource);
}

static cJSON *entry_new(const Manager *m, cJSON *set)
{
    cJSON *e = cJSON_CreateObject();
    js_set_str(e, "manager", m->name);
    js_set_str(e, "operation", m->operation);
    js_set_str(e, "apiVersion", m->api_version);
    js_set_str(e, "time", m->time);
    js_set_str(e, "fieldsType", "FieldsV1");
    js_set(e, "fieldsV1", set);
    if (*m->subresource) {
        js_set_str(e, "subresource", m->subresource);
    }
    return e;
}

/* The list as it is in the object, without what is no entry. */
static cJSON *take_entries(cJSON *obj)
{
    cJSON *list = cJSON_DetachItemFromObjectCaseSensitive(js_obj(obj, "metadata"), "managedFields");
    if (!cJSON_IsArray(list)) {
        cJSON_Delete(list);
        return cJSON_CreateArray();
    }
    for (cJSON *e = list->child, *next; e; e = next) {
        next = e->next;
        if (!js_str(e, "manager") || !cJSON_IsObject(js_get(e, "fieldsV1"))) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, e));
        }
    }
    return list;
}

static void give_entries(cJSON *obj, cJSON *list)
{
    int updates = 0;
    for (cJSON *e = list->child, *next; e; e = next) {
        next = e->next;
        updates += str_eq(js_text(e, "operation"), "Update");
        if (fields_empty(js_get(e, "fieldsV1"))) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, e));
        }
    }
    for (cJSON *e = list->child, *next; e && updates > UPDATE_ENTRIES; e = next) {
        next = e->next;
        if (str_eq(js_text(e, "operation"), "Update")) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, e));
            updates--;
        }
    }
    if (list->child) {
        js_set(obj, "metadata.managedFields", list);
    } else {
        cJSON_Delete(list);
    }
}

void managed_update(const Type *t, const cJSON *old, cJSON *now, const Manager *m)
{
    AUTO_JSON changed = cJSON_CreateObject();
    AUTO_JSON removed = cJSON_CreateObject();
    cJSON *list = take_entries(now), *e, *own = NULL;
    fields_diff(t, old, now, changed, removed);
    js_each(e, list)
    {
        cJSON *set = js_get(e, "fieldsV1");
        if (is_own(e, m)) {
            own = e;
        } else {
            fields_subtract(set, changed);
        }
        fields_subtract(set, removed);
    }
    if (own && !fields_empty(changed)) {
        fields_add(js_get(own, "fieldsV1"), changed);
        js_set_str(own, "time", m->time);
    } else if (m && !own && !fields_empty(changed)) {
        cJSON_AddItemToArray(list, entry_new(m, js_dup(changed)));
    }
    give_entries(now, list);
}

/* ---- server-side apply ---- */

static bool is_set_or_keyed(const Type *t)
{
    return t && t->shape == SHAPE_LIST && (t->set || t->keys[0]);
}

static cJSON *like(const Type *list, const cJSON *in, const cJSON *el)
{
    cJSON *x;
    js_each(x, in)
    {
        if (list->set ? js_equal(x, el) : schema_same_key(list, x, el)) {
            return x;
        }
    }
    return NULL;
}

static void merge(const Type *t, cJSON *live, const cJSON *config);

static void merge_list(const Type *t, cJSON *live, const cJSON *config)
{
    const cJSON *el;
    js_each(el, config)
    {
        cJSON *there = like(t, live, el);
        if (!there) {
            cJSON_AddItemToArray(live, js_dup(el));
        } else if (!t->set) {
            merge(t->elem, there, el);
        }
    }
}

static void merge(const Type *t, cJSON *live, const cJSON *config)
{
    const cJSON *m;
    js_each(m, config)
    {
        const Type *mt = schema_member(t, m->string);
        cJSON *there = js_get(live, m->string);
        bool map = mt && !mt->atomic && (mt->shape == SHAPE_OBJECT || mt->shape == SHAPE_MAP);
        if (map && cJSON_IsObject(there)) {
            merge(mt, there, m);
        } else if (is_set_or_keyed(mt) && cJSON_IsArray(there)) {
            merge_list(mt, there, m);
        } else {
            cJSON_DeleteItemFromObjectCaseSensitive(live, m->string);
            cJSON_AddItemToObject(live, m->string, js_dup(m));
        }
    }
}

/* Does element el of the list stand behind this step ("k:{...}", "v:...") of a set? */
static bool is_step(const Type *list, const cJSON *el, const char *step)
{
    AUTO_JSON one = cJSON_CreateArray();
    cJSON_AddItemToArray(one, js_dup(el));
    AUTO_JSON set = fields_of(list, one);
    return js_get(set, step) != NULL;
}

/* Remove from v what `gone` names and `keep` does not. Returns true when v itself may go. */
static bool prune(const Type *t, cJSON *v, const cJSON *gone, const cJSON *keep)
{
    const cJSON *g;
    if (!gone->child) {
        return !keep;
    }
    js_each(g, gone)
    {
        const cJSON *kept = js_get(keep, g->string);
        if (str_starts(g->string, "f:")) {
            cJSON *m = js_get(v, g->string + 2);
            if (m && prune(schema_member(t, g->string + 2), m, g, kept)) {
                cJSON_Delete(cJSON_DetachItemViaPointer(v, m));
            }
            continue;
        }
        for (cJSON *el = cJSON_IsArray(v) ? v->child : NULL, *next; el; el = next) {
            next = el->next;
            if (t && is_step(t, el, g->string) && prune(t->elem, el, g, kept)) {
                cJSON_Delete(cJSON_DetachItemViaPointer(v, el));
            }
        }
    }
    return !keep && (!v->child || js_get(gone, "."));
}

static void path_text(StrBuf *b, const char *step)
{
    if (str_starts(step, "f:")) {
        strbuf_addf(b, ".%s", step + 2);
        return;
    }
    if (str_starts(step, "v:")) {
        strbuf_addf(b, "[=%s]", step + 2);
        return;
    }
    AUTO_JSON keys = cJSON_Parse(step + 2);
    const cJSON *k;
    strbuf_addc(b, '[');
    js_each(k, keys)
    {
        char *v = js_print(k);
        strbuf_addf(b, "%s%s=%s", k->prev && k != keys->child ? "," : "", k->string, v);
        free(v);
    }
    strbuf_addc(b, ']');
}

/* One cause for each field of the set. */
static void add_paths(Causes *c, const cJSON *set, const char *prefix, const char *message)
{
    const cJSON *m;
    js_each(m, set)
    {
        AUTO_STRBUF b = {0};
        strbuf_adds(&b, prefix);
        if (!str_eq(m->string, ".")) {
            path_text(&b, m->string);
        }
        if (m->child) {
            add_paths(c, m, strbuf_str(&b), message);
            continue;
        }
        cJSON *one = cJSON_CreateObject();
        js_set_str(one, "reason", "FieldManagerConflict");
        js_set_str(one, "message", message);
        js_set_str(one, "field", strbuf_str(&b));
        cJSON_AddItemToArray(c->list, one);
    }
}

static void conflict_with(Causes *c, const cJSON *e, const cJSON *common)
{
    AUTO_STRBUF b = {0};
    strbuf_addf(&b, "conflict with \"%s\"", js_text(e, "manager"));
    if (*js_text(e, "subresource")) {
        strbuf_addf(&b, " with subresource \"%s\"", js_text(e, "subresource"));
    }
    if (str_eq(js_text(e, "operation"), "Update")) {
        strbuf_addf(&b, " using %s", js_text(e, "apiVersion"));
    }
    add_paths(c, common, "", strbuf_str(&b));
}

static ErrCode conflict_error(const Causes *c, Error *err)
{
    AUTO_STRBUF b = {0};
    int n = cJSON_GetArraySize(c->list);
    const char *last = "";
    const cJSON *one;
    strbuf_addf(&b, "Apply failed with %d conflict%s: ", n, n == 1 ? "" : "s");
    js_each(one, c->list)
    {
        const char *with = js_text(one, "message");
        if (n == 1) {
            strbuf_addf(&b, "%s: %s", with, js_text(one, "field"));
            break;
        }
        if (!str_eq(with, last)) {
            strbuf_addf(&b, "%sconflicts%s:", *last ? "\n" : "", with + strlen("conflict"));
        }
        strbuf_addf(&b, "\n- %s", js_text(one, "field"));
        last = with;
    }
    return err_set(err, ERR_CONFLICT, "%s", strbuf_str(&b));
}

/* kubectl goes over from its own apply to the server's: what the former left as "last applied" is
 * no conflict. */
static cJSON *last_applied(const Type *t, const cJSON *live, const Manager *m)
{
    const char *text =
        js_text(live, "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]");
    AUTO_JSON config = str_eq(m->name, "kubectl") ? cJSON_Parse(text) : NULL;
    return config ? fields_of(t, config) : cJSON_CreateObject();
}

/* What others own of `changed`: taken from them with force, else told, but for what
 * is allowed. allowed NULL: force. */
static void meet_others(cJSON *list, const cJSON *changed, const Manager *m, const cJSON *allowed,
                        Causes *c)
{
    bool force = allowed == NULL;
    cJSON *e;
    js_each(e, list)
    {
        cJSON *set = js_get(e, "fieldsV1");
        AUTO_JSON common = fields_common(set, changed);
        if (is_own(e, m) || fields_empty(common)) {
            continue;
        }
        if (force) {
            fields_subtract(set, common);
            continue;
        }
        fields_subtract(common, allowed);
        if (!fields_empty(common)) {
            conflict_with(c, e, common);
        }
    }
}

static void own_entry(cJSON *list, const Manager *m, const cJSON *set)
{
    cJSON *e;
    js_each(e, list)
    {
        if (is_own(e, m)) {
            if (!js_equal(js_get(e, "fieldsV1"), set)) {
                js_set_str(e, "time", m->time);
            }
            js_set(e, "fieldsV1", js_dup(set));
            return;
        }
    }
    cJSON_AddItemToArray(list, entry_new(m, js_dup(set)));
}

ErrCode managed_apply(const Apply *ap, cJSON *live, Causes *c, Error *err)
{
    const Type *t = ap->type;
    const Manager *m = ap->manager;
    AUTO_JSON merged = js_dup(live);
    AUTO_JSON own = fields_of(t, ap->config);
    AUTO_JSON changed = cJSON_CreateObject();
    AUTO_JSON removed = cJSON_CreateObject();
    AUTO_JSON before = cJSON_CreateObject();
    merge(t, merged, ap->config);
    fields_diff(t, live, merged, changed, removed);
    fields_strip_meta(own);
    cJSON *list = take_entries(merged), *e;
    AUTO_JSON before_ssa = last_applied(t, live, m);
    if (!ap->force) {
        meet_others(list, changed, m, before_ssa, c);
    }
    if (cJSON_GetArraySize(c->list)) {
        cJSON_Delete(list);
        return conflict_error(c, err);
    }
    meet_others(list, changed, m, NULL, c);
    AUTO_JSON keep = js_dup(own);
    js_each(e, list)
    {
        fields_add(is_own(e, m) ? before : keep, js_get(e, "fieldsV1"));
    }
    prune(t, merged, before, keep);
    own_entry(list, m, own);
    give_entries(merged, list);
    cJSON *children = live->child;
    live->child = merged->child;
    merged->child = children;
    return ERR_OK;
}
