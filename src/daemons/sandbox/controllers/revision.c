#include "controllers/revision.h"

enum { HISTORY_DEFAULT = 10 };

static int64_t number_of(const Obj *o)
{
    return js_int(o->json, "revision", 0);
}

static const Obj *newest(const Obj **all)
{
    const Obj *best = NULL;
    for (; *all; all++)
        if (!best || number_of(*all) > number_of(best))
            best = *all;
    return best;
}

static ErrCode renumber(Ctl *c, const Obj *o, int64_t n, Error *err)
{
    cJSON *patch = cJSON_CreateObject();
    js_set_int(patch, "revision", n);
    return store_merge(c->store, o, SUB_NONE, patch, err);
}

static ErrCode make(Ctl *c, const Obj *sts, const char *name, int64_t n, Error *err)
{
    const cJSON *template = js_at(sts->json, "spec.template");
    const cJSON *labels = js_at(template, "metadata.labels");
    cJSON *o = cJSON_CreateObject(), *refs = cJSON_CreateArray();
    js_set_str(o, "metadata.name", name);
    js_set_str(o, "metadata.namespace", sts->ns);
    if (labels)
        js_set(o, "metadata.labels", js_dup(labels));
    js_set_str(o, "metadata.labels[controller.kubernetes.io/hash]", strrchr(name, '-') + 1);
    cJSON_AddItemToArray(refs, obj_owner_reference(sts));
    js_set(o, "metadata.ownerReferences", refs);
    js_set(o, "data.spec.template", js_dup(template));
    js_set_str(o, "data.spec.template[$patch]", "replace");
    js_set_int(o, "revision", n);
    return ctl_create(c, K(CONTROLLERREVISION), sts->ns, o, err);
}

ErrCode revision_current(Ctl *c, Arena *a, const Obj *sts, const char **ret_name, Error *err)
{
    char hash[11];
    template_hash(hash, js_at(sts->json, "spec.template"));
    const char *name = arena_printf(a, "%s-%s", sts->name, hash);
    const Obj **all = ctl_owned(c, a, K(CONTROLLERREVISION), sts, NULL);
    const Obj *last = newest(all), *mine = NULL;
    for (; *all; all++)
        if (str_eq((*all)->name, name))
            mine = *all;
    *ret_name = name;
    if (mine && mine == last)
        return ERR_OK;
    int64_t n = last ? number_of(last) + 1 : 1;
    return mine ? renumber(c, mine, n, err) : make(c, sts, name, n, err);
}

const cJSON *revision_template(Ctl *c, Arena *a, const Obj *sts, const char *name)
{
    const Obj *o = store_get(c->store, a, K(CONTROLLERREVISION), sts->ns, name);
    cJSON *t = js_dup(js_at(o ? o->json : NULL, "data.spec.template"));
    if (!t)
        return NULL;
    arena_on_free(a, (void (*)(void *))cJSON_Delete, t);
    cJSON_DeleteItemFromObjectCaseSensitive(t, "$patch");
    return t;
}

ErrCode revision_trim(Ctl *c, Arena *a, const Obj *sts, const char *keep1, const char *keep2,
                      Error *err)
{
    size_t n, limit = (size_t)js_int(sts->json, "spec.revisionHistoryLimit", HISTORY_DEFAULT);
    const Obj **all = ctl_owned(c, a, K(CONTROLLERREVISION), sts, &n);
    while (n > limit + 1) {
        size_t oldest = n;
        for (size_t i = 0; i < n; i++)
            if (!str_eq(all[i]->name, keep1) && !str_eq(all[i]->name, keep2) &&
                (oldest == n || number_of(all[i]) < number_of(all[oldest])))
                oldest = i;
        if (oldest == n)
            return ERR_OK;
        ErrCode rc = ctl_delete(c, all[oldest], err);
        if (rc)
            return rc;
        all[oldest] = all[--n];
    }
    return ERR_OK;
}
