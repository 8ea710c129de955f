#include "controllers/ctl.h"

/* Keys: namespace and "delete/UID" for an owner that is gone, "foreground/UID" and "orphan/UID" for
 * one that waits for its finalizer, "check/UID" for an object whose owners may never have been. */

#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"

static bool has_finalizer(const Obj *o, const char *name)
{
    const cJSON *f;
    js_each(f, js_at(o->json, "metadata.finalizers"))
    {
        if (str_eq(cJSON_GetStringValue(f), name))
            return true;
    }
    return false;
}

static const cJSON *reference_to(const Obj *o, const char *uid)
{
    return js_find(js_at(o->json, "metadata.ownerReferences"), "uid", uid);
}

static cJSON *array_without(const cJSON *list, const char *key, const char *value)
{
    cJSON *rest = cJSON_CreateArray();
    const cJSON *item;
    js_each(item, list)
    {
        const char *v = key ? js_text(item, key) : cJSON_GetStringValue(item);
        if (!str_eq(v, value))
            cJSON_AddItemToArray(rest, js_dup(item));
    }
    return rest;
}

static ErrCode drop(Ctl *c, const Obj *o, const char *path, const char *key, const char *value,
                    Error *err)
{
    cJSON *patch = cJSON_CreateObject();
    js_set(patch, path, array_without(js_at(o->json, path), key, value));
    ErrCode rc = store_merge(c->store, o, SUB_NONE, patch, err);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static const Obj *by_uid(const Obj **all, const char *uid)
{
    for (; *all; all++)
        if (str_eq((*all)->uid, uid))
            return *all;
    return NULL;
}

/* Does any owner of `o` other than `gone` still live? Cluster-wide owners are looked up too. */
static bool has_owner(Ctl *c, Arena *a, const Obj *o, const char *gone)
{
    const cJSON *ref;
    js_each(ref, js_at(o->json, "metadata.ownerReferences"))
    {
        const Kind *k = kind_by_name(js_text(ref, "apiVersion"), js_text(ref, "kind"));
        const char *uid = js_text(ref, "uid");
        if (str_eq(uid, gone))
            continue;
        if (!k)
            return true; /* of a kind that we do not serve: we cannot know */
        const Obj *owner =
            store_get(c->store, a, k, kind_namespaced(k) ? o->ns : "", js_text(ref, "name"));
        if (owner && str_eq(owner->uid, uid))
            return true;
    }
    return false;
}

static ErrCode delete_with(Ctl *c, Arena *a, const Obj *o, const char *how, Error *err)
{
    StoreDelete d = {.kind = o->kind,
                     .ns = o->ns,
                     .name = o->name,
                     .uid = o->uid,
                     .propagation = how,
                     .grace_seconds = -1};
    ErrCode rc = store_delete(c->store, a, &d, NULL, err);
    return rc == ERR_NOT_FOUND || rc == ERR_CONFLICT ? ERR_OK : rc;
}

static ErrCode collect(Ctl *c, Arena *a, const Obj **all, const char *uid, Error *err)
{
    for (; *all; all++) {
        ErrCode rc = ERR_OK;
        if (!reference_to(*all, uid) || obj_deleting(*all))
            continue;
        if (has_owner(c, a, *all, uid))
            rc = drop(c, *all, "metadata.ownerReferences", "uid", uid, err);
        else
            rc = delete_with(c, a, *all, "Background", err);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

static ErrCode foreground(Ctl *c, Arena *a, const Obj **all, const Obj *owner, Error *err)
{
    bool blocked = false;
    for (; *all; all++) {
        const cJSON *ref = reference_to(*all, owner->uid);
        if (!ref)
            continue;
        blocked = blocked || js_bool(ref, "blockOwnerDeletion", false);
        ErrCode rc = obj_deleting(*all) ? ERR_OK : delete_with(c, a, *all, "Foreground", err);
        if (rc)
            return rc;
    }
    return blocked ? ERR_OK : drop(c, owner, "metadata.finalizers", NULL, FOREGROUND, err);
}

static ErrCode orphan(Ctl *c, const Obj **all, const Obj *owner, Error *err)
{
    for (; *all; all++) {
        ErrCode rc = reference_to(*all, owner->uid)
                         ? drop(c, *all, "metadata.ownerReferences", "uid", owner->uid, err)
                         : ERR_OK;
        if (rc)
            return rc;
    }
    return drop(c, owner, "metadata.finalizers", NULL, ORPHAN, err);
}

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    StrView uid = sv(key->name), verb = sv_cut(&uid, '/');
    const Obj **all = store_list_all(c->store, a, key->ns, NULL);
    const Obj *o = by_uid(all, uid.p);
    if (sv_eqs(verb, "delete"))
        return collect(c, a, all, uid.p, err);
    if (!o)
        return ERR_OK;
    if (sv_eqs(verb, "foreground"))
        return has_finalizer(o, FOREGROUND) ? foreground(c, a, all, o, err) : ERR_OK;
    if (sv_eqs(verb, "orphan"))
        return has_finalizer(o, ORPHAN) ? orphan(c, all, o, err) : ERR_OK;
    if (obj_deleting(o) || has_owner(c, a, o, ""))
        return ERR_OK;
    return delete_with(c, a, o, "Background", err);
}

static void enqueue(Ctl *c, Arena *a, const char *ns, const char *verb, const char *uid)
{
    ctl_enqueue(c, CTL_GC, ns, arena_printf(a, "%s/%s", verb, uid));
}

/* The owners that wait for this dependent to be gone. */
static void wake_owners(Ctl *c, Arena *a, const Obj *o)
{
    const cJSON *ref;
    js_each(ref, js_at(o->json, "metadata.ownerReferences"))
    {
        enqueue(c, a, o->ns, "foreground", js_text(ref, "uid"));
    }
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)old;
    if (ch == STORE_DELETED) {
        /* What a cluster-wide owner had may be in any namespace. */
        enqueue(c, a, now->ns, "delete", now->uid);
        wake_owners(c, a, now);
        return;
    }
    if (ch == STORE_ADDED && js_count(now->json, "metadata.ownerReferences") > 0)
        enqueue(c, a, now->ns, "check", now->uid);
    if (!obj_deleting(now))
        return;
    if (has_finalizer(now, FOREGROUND))
        enqueue(c, a, now->ns, "foreground", now->uid);
    if (has_finalizer(now, ORPHAN))
        enqueue(c, a, now->ns, "orphan", now->uid);
}

const Controller ctl_gc = {"garbage-collector", NULL, reconcile, on_change};
