#include "store/managed.h"
#include "store/patch.h"
#include "store/write.h"
#include <stdlib.h>

static ErrCode patched(Admission *ad, const Obj *old)
{
    const StoreWrite *w = ad->w;
    if (w->patch != PATCH_JSON && !cJSON_IsObject(w->obj)) {
        return err_set(ad->err, ERR_MALFORMED, "the patch is not an object");
    }
    switch (w->patch) {
    case PATCH_JSON:
        ad->obj = js_dup(old->json);
        return patch_json(&ad->obj, w->obj, ad->err);
    case PATCH_MERGE:
        ad->obj = patch_merge(old->json, w->obj);
        return ERR_OK;
    case PATCH_STRATEGIC:
        ad->obj = js_dup(old->json);
        return patch_strategic(schema_of(w->kind), ad->obj, w->obj, ad->err);
    case PATCH_APPLY:
        break;
    }
    return err_set(ad->err, ERR_UNSUPPORTED, "not a patch type");
}

/* What came of a merge is no such object: the patch is what is invalid. */
static ErrCode undecodable(Admission *ad, ErrCode rc)
{
    if (rc != ERR_MALFORMED || ad->w->patch == PATCH_JSON) {
        return rc;
    }
    char *text = js_print(ad->w->obj), *why = xstrdup(ad->err->msg);
    AUTO_JSON patch = cJSON_CreateString(text);
    Causes c = {ad->w->causes};
    if (c.list) {
        cause_add(&c, CAUSE_INVALID, "patch", patch, "%s", why);
    }
    rc = err_set(ad->err, ERR_INVALID, " \"\" is invalid: patch: Invalid value: %.100s: %s", text,
                 why);
    free(text);
    free(why);
    return rc;
}

static ErrCode conflict_error(Admission *ad, ErrCode rc)
{
    const cJSON *c;
    js_each(c, ad->causes.list)
    {
        if (ad->w->causes) {
            cJSON_AddItemToArray(ad->w->causes, js_dup(c));
        }
    }
    return rc;
}

static ErrCode apply(Admission *ad, const Obj *old, const Obj **ret)
{
    const StoreWrite *w = ad->w;
    char now[32];
    AUTO_JSON config = js_dup(w->obj);
    const char *version = kind_api_version(w->kind);
    if (cJSON_IsObject(config) && !str_eq(js_text(config, "apiVersion"), version)) {
        return err_set(ad->err, ERR_MALFORMED,
                       "Incorrect version specified in apply patch. Specified patch version: %s, "
                       "expected: %s",
                       js_text(config, "apiVersion"), version);
    }
    ErrCode rc =
        cJSON_IsObject(config) ? apply_typed(schema_of(w->kind), config, "", ad->err) : ERR_OK;
    rc = rc ? rc : write_decode(w, config, ad->err);
    if (rc) {
        return rc;
    }
    if (js_count(config, "metadata.managedFields")) {
        return err_set(ad->err, ERR_MALFORMED, "metadata.managedFields must be nil");
    }
    js_del(config, "metadata.managedFields");
    const char *uid = js_text(config, "metadata.uid");
    if (*uid && !(old && str_eq(uid, old->uid))) {
        return err_set(ad->err, ERR_CONFLICT,
                       "Operation cannot be fulfilled on %s \"%s\": uid mismatch: the provided "
                       "object specified uid %s, and %s",
                       store_resource_text(ad->a, w->kind), w->name, uid,
                       old ? "the existing object has another one"
                           : "no existing object was found");
    }
    const Manager m = {str_or(w->manager, "unknown"), "Apply", w->sub == SUB_STATUS ? "status" : "",
                       kind_api_version(w->kind), write_now(ad->store, now)};
    ad->obj = old ? js_dup(old->json) : cJSON_CreateObject();
    const Apply ap = {schema_of(w->kind), config, &m, w->force};
    rc = managed_apply(&ap, ad->obj, &ad->causes, ad->err);
    if (rc) {
        return conflict_error(ad, rc);
    }
    const char *rv = js_str(config, "metadata.resourceVersion");
    if (old && rv) {
        js_set_str(ad->obj, "metadata.resourceVersion", rv);
    }
    return old ? write_update(ad, old, false, ret) : write_create(ad, false, ret);
}

ErrCode store_patch(Store *s, Arena *a, const StoreWrite *w, const Obj **ret, Error *err)
{
    const Obj *old = store_get(s, a, w->kind, w->ns, w->name);
    if (!old && (w->patch != PATCH_APPLY || w->sub != SUB_NONE)) {
        return write_not_found(a, w->kind, w->name, err);
    }
    Admission ad;
    write_begin(&ad, s, a, w, err);
    ErrCode rc;
    if (w->patch == PATCH_APPLY) {
        rc = apply(&ad, old, ret);
    } else {
        rc = patched(&ad, old);
        rc = rc ? rc : undecodable(&ad, write_decode(w, ad.obj, err));
        rc = rc ? rc : write_update(&ad, old, true, ret);
    }
    cJSON_Delete(ad.obj);
    return rc;
}

/* ---- shorthands ---- */

ErrCode store_set_status(Store *s, const Obj *o, cJSON *status, Error *err)
{
    AUTO_ARENA a = arena_new();
    AUTO_JSON obj = cJSON_CreateObject();
    js_set(obj, "status", status);
    const StoreWrite w = {
        .kind = o->kind, .ns = o->ns, .name = o->name, .obj = obj, .sub = SUB_STATUS};
    return store_update(s, a, &w, NULL, err);
}

ErrCode store_merge(Store *s, const Obj *o, SubResource sub, cJSON *patch, Error *err)
{
    AUTO_ARENA a = arena_new();
    AUTO_JSON p = patch;
    const StoreWrite w = {
        .kind = o->kind, .ns = o->ns, .name = o->name, .obj = p, .sub = sub, .patch = PATCH_MERGE};
    return store_patch(s, a, &w, NULL, err);
}
