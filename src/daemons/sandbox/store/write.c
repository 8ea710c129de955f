#include "store/write.h"
#include "core/ident.h"
#include "store/admit.h"
#include "store/managed.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- errors ---- */

ErrCode write_not_found(Arena *a, const Kind *k, const char *name, Error *err)
{
    return err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found", store_resource_text(a, k), name);
}

static ErrCode stale(Arena *a, const Kind *k, const char *name, Error *err)
{
    return err_set(err, ERR_CONFLICT,
                   "Operation cannot be fulfilled on %s \"%s\": the object has been modified; "
                   "please apply your changes to the latest version and try again",
                   store_resource_text(a, k), name);
}

/* 422 in Kubernetes' words; the causes go to whoever asked for them. */
static ErrCode invalid(Admission *ad, const char *name)
{
    AUTO_STRBUF b = {0};
    int n = cJSON_GetArraySize(ad->causes.list), i = 0;
    const cJSON *c;
    js_each(c, ad->causes.list)
    {
        strbuf_addf(&b, "%s%s: %s", i++ ? ", " : "", js_text(c, "field"), js_text(c, "message"));
        if (ad->w->causes) {
            cJSON_AddItemToArray(ad->w->causes, js_dup(c));
        }
    }
    return err_set(ad->err, ERR_INVALID, "%s is invalid: %s%s%s",
                   store_ref_text(ad->a, ad->kind, name), n > 1 ? "[" : "", strbuf_str(&b),
                   n > 1 ? "]" : "");
}

/* ---- common steps ---- */

static void json_free(void *o)
{
    cJSON_Delete(o);
}

void write_begin(Admission *ad, Store *s, Arena *a, const StoreWrite *w, Error *err)
{
    *ad = (Admission){.store = s, .a = a, .kind = w->kind, .w = w, .err = err};
    ad->causes.list = cJSON_CreateArray();
    arena_on_free(a, json_free, ad->causes.list);
}

static ErrCode check_namespace(Admission *ad, const char *ns, const char *name)
{
    if (!kind_namespaced(ad->kind)) {
        return ERR_OK;
    }
    const Obj *o = store_find(ad->store, K(NAMESPACE), "", ns);
    if (!o) {
        return err_set(ad->err, ERR_NOT_FOUND, "namespaces \"%s\" not found", ns);
    }
    if (obj_deleting(o) && ad->kind != K(EVENT)) {
        if (ad->w->causes) {
            cJSON *c = cJSON_CreateObject();
            js_set_str(c, "reason", "NamespaceTerminating");
            js_set_str(c, "message", arena_printf(ad->a, "namespace %s is being terminated", ns));
            js_set_str(c, "field", "metadata.namespace");
            cJSON_AddItemToArray(ad->w->causes, c);
        }
        return err_set(ad->err, ERR_FORBIDDEN,
                       "%s \"%s\" is forbidden: unable to create new content in namespace %s "
                       "because it is being terminated",
                       store_resource_text(ad->a, ad->kind), name, ns);
    }
    return ERR_OK;
}

static ErrCode strict_fields(const StoreWrite *w, const cJSON *unknown, Error *err)
{
    AUTO_STRBUF b = {0};
    const cJSON *u;
    js_each(u, unknown)
    {
        strbuf_addf(&b, "%s%s", b.n ? ", " : "", u->valuestring);
        if (w->strict == 1 && w->warnings) {
            cJSON_AddItemToArray(w->warnings, js_dup(u));
        }
    }
    if (w->strict < 2 || !b.n) {
        return ERR_OK;
    }
    return err_set(err, ERR_MALFORMED,
                   "%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s",
                   w->kind->kind, w->kind->version, w->kind->kind, strbuf_str(&b));
}

/* Types right, unknown fields told, nulls gone; kind and apiVersion filled in. */
ErrCode write_decode(const StoreWrite *w, cJSON *obj, Error *err)
{
    const Kind *k = w->kind;
    const char *kind = js_text(obj, "kind"), *version = js_text(obj, "apiVersion");
    if (!cJSON_IsObject(obj) || (*kind && !str_eq(kind, k->kind)) ||
        (*version && !str_eq(version, kind_api_version(k)))) {
        return err_set(err, ERR_MALFORMED,
                       "the API version in the data (%s, Kind=%s) does not match the expected API "
                       "version (%s, Kind=%s)",
                       version, kind, kind_api_version(k), k->kind);
    }
    js_set_str(obj, "kind", k->kind);
    js_set_str(obj, "apiVersion", kind_api_version(k));
    AUTO_JSON unknown = cJSON_CreateArray();
    ErrCode rc = schema_decode(k, obj, unknown, err);
    if (!rc) {
        js_obj(obj, "metadata");
        rc = strict_fields(w, unknown, err);
    }
    return rc;
}

/* Defaults, quota, validation, in this order; ad->obj is complete afterwards. */
static ErrCode admit(Admission *ad)
{
    defaults_before(ad);
    schema_default(schema_of(ad->kind), ad->obj);
    ErrCode rc = defaults_after(ad);
    if (rc) {
        return rc;
    }
    schema_order(schema_of(ad->kind), ad->obj);
    validate_meta(ad);
    schema_validate(schema_of(ad->kind), ad->obj, "", &ad->causes);
    validate_kind(ad);
    if (cJSON_GetArraySize(ad->causes.list)) {
        return invalid(ad, js_text(ad->obj, "metadata.name"));
    }
    return quota_admit(ad);
}

const char *write_now(Store *s, char buf[32])
{
    AUTO_JSON t = js_now(store_now_us(s));
    snprintf(buf, 32, "%s", t->valuestring);
    return buf;
}

static void track(Admission *ad, SubResource sub)
{
    char now[32];
    const char *sub_name = sub == SUB_STATUS ? "status" : sub == SUB_SCALE ? "scale" : "";
    const Manager m = {ad->w->manager, "Update", sub_name, kind_api_version(ad->kind),
                       write_now(ad->store, now)};
    managed_update(schema_of(ad->kind), ad->old, ad->obj, ad->w->manager ? &m : NULL);
}

static ErrCode finish(Admission *ad, const Obj **ret)
{
    const Obj *o;
    if (ad->w->dry_run) {
        uint64_t rv = 0;
        (void)str_to_u64(js_text(ad->obj, "metadata.resourceVersion"), &rv);
        o = store_obj_new(ad->kind, ad->obj, rv);
        if (!rv) {
            js_del(ad->obj, "metadata.resourceVersion");
        }
        store_hold(ad->a, o);
        obj_unref(o);
    } else {
        ErrCode rc = store_commit(ad->store, ad->kind, ad->obj, &o, ad->err);
        if (rc) {
            return rc;
        }
        store_hold(ad->a, o);
    }
    if (ret) {
        *ret = o;
    }
    return ERR_OK;
}

/* ---- create ---- */

static ErrCode name_and_place(Admission *ad)
{
    const StoreWrite *w = ad->w;
    cJSON *m = js_get(ad->obj, "metadata");
    const char *ns = js_text(m, "namespace"), *name = js_text(m, "name");
    if (js_str(m, "resourceVersion") && *js_text(m, "resourceVersion")) {
        return err_set(ad->err, ERR_INTERNAL,
                       "resourceVersion should not be set on objects to be created");
    }
    if (!kind_namespaced(ad->kind)) {
        js_del(m, "namespace");
    } else if (*ns && !str_eq(ns, w->ns)) {
        return err_set(ad->err, ERR_MALFORMED,
                       "the namespace of the provided object does not match the namespace sent on "
                       "the request");
    } else {
        js_set_str(m, "namespace", str_or(w->ns, ""));
    }
    if (!*name && w->name) {
        js_set_str(m, "name", w->name);
    } else if (!*name && *js_text(m, "generateName")) {
        static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
        unsigned char rnd[5];
        char suffix[6] = "";
        random_bytes(rnd, 5);
        for (size_t i = 0; i < 5; i++) {
            suffix[i] = alphabet[rnd[i] % (sizeof alphabet - 1)];
        }
        js_set_str(m, "name", arena_printf(ad->a, "%s%s", js_text(m, "generateName"), suffix));
    } else if (*name && w->name && !str_eq(name, w->name)) {
        return err_set(ad->err, ERR_MALFORMED,
                       "the name of the object (%s) does not match the name on the URL (%s)", name,
                       w->name);
    }
    return ERR_OK;
}

static void new_meta(Admission *ad)
{
    static const char *const not_theirs[] = {"deletionTimestamp", "deletionGracePeriodSeconds",
                                             "selfLink", "managedFields", "resourceVersion"};
    cJSON *m = js_get(ad->obj, "metadata");
    char uid[UUID_LEN + 1];
    for (size_t i = 0; i < sizeof not_theirs / sizeof *not_theirs; i++) {
        js_del(m, not_theirs[i]);
    }
    uuid_new(uid);
    js_set_str(m, "uid", uid);
    js_set(m, "creationTimestamp", js_now(store_now_us(ad->store)));
    js_del(m, "generation");
    if (!(ad->kind->flags & KF_NO_GEN)) {
        js_set_int(m, "generation", 1);
    }
    if ((ad->kind->flags & KF_STATUS) && ad->w->user) {
        js_del(ad->obj, "status");
    }
}

/* ad->obj is decoded; tracked is false when apply has set managedFields already. */
ErrCode write_create(Admission *ad, bool tracked, const Obj **ret)
{
    ErrCode rc = name_and_place(ad);
    if (rc) {
        return rc;
    }
    const char *ns = js_text(ad->obj, "metadata.namespace");
    const char *name = js_text(ad->obj, "metadata.name");
    rc = check_namespace(ad, ns, name);
    if (rc) {
        return rc;
    }
    if (store_find(ad->store, ad->kind, ns, name)) {
        return err_set(ad->err, ERR_EXISTS, "%s \"%s\" already exists",
                       store_resource_text(ad->a, ad->kind), name);
    }
    cJSON *managed = tracked ? NULL
                             : cJSON_DetachItemFromObjectCaseSensitive(js_get(ad->obj, "metadata"),
                                                                       "managedFields");
    new_meta(ad);
    rc = admit(ad);
    if (rc) {
        cJSON_Delete(managed);
        return rc;
    }
    if (managed) {
        js_set(ad->obj, "metadata.managedFields", managed);
    } else {
        track(ad, SUB_NONE);
    }
    if (ad->w->created) {
        *ad->w->created = true;
    }
    rc = finish(ad, ret);
    ad->obj = NULL;
    return rc;
}

ErrCode store_create(Store *s, Arena *a, const StoreWrite *w, const Obj **ret, Error *err)
{
    Admission ad;
    write_begin(&ad, s, a, w, err);
    ad.obj = js_dup(w->obj);
    ErrCode rc = write_decode(w, ad.obj, err);
    rc = rc ? rc : write_create(&ad, true, ret);
    cJSON_Delete(ad.obj); /* NULL once it is in the store */
    return rc;
}

/* ---- update ---- */

static void keep_meta(const Obj *old, cJSON *obj)
{
    static const char *const kept[] = {"metadata.uid",
                                       "metadata.name",
                                       "metadata.namespace",
                                       "metadata.creationTimestamp",
                                       "metadata.deletionTimestamp",
                                       "metadata.deletionGracePeriodSeconds",
                                       "metadata.generation",
                                       "metadata.generateName",
                                       "metadata.resourceVersion"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const cJSON *v = js_at(old->json, kept[i]);
        js_del(obj, kept[i]);
        if (v) {
            js_set(obj, kept[i], js_dup(v));
        }
    }
    if (!js_at(obj, "metadata.managedFields") && js_at(old->json, "metadata.managedFields")) {
        js_set(obj, "metadata.managedFields", js_dup(js_at(old->json, "metadata.managedFields")));
    }
}

static void take_old(const Obj *old, cJSON *obj, const char *member)
{
    js_del(obj, member);
    if (js_get(old->json, member)) {
        js_set(obj, member, js_dup(js_get(old->json, member)));
    }
}

/* A write of status may change metadata too, but for what a kind keeps to itself. */
static void take_meta(const Kind *k, const cJSON *old, cJSON *obj, cJSON *full)
{
    const char *kept = k == K(DEPLOYMENT) ? "labels" : k == K(POD) ? "ownerReferences" : "";
    cJSON *meta = js_dup(js_get(obj, "metadata"));
    const cJSON *was = *kept ? js_get(js_get(old, "metadata"), kept) : NULL;
    if (*kept) {
        js_del(meta, kept);
    }
    if (was) {
        js_set(meta, kept, js_dup(was));
    }
    js_set(full, "metadata", meta);
}

/* What the subresource does not cover stays as it was. */
static ErrCode limit_to(Admission *ad, const Obj *old)
{
    SubResource sub = ad->w->sub;
    if (sub == SUB_NONE) {
        if (ad->kind->flags & KF_STATUS) {
            take_old(old, ad->obj, "status");
        }
        if (ad->kind == K(NAMESPACE)) {
            take_old(old, ad->obj, "spec");
        }
        return ERR_OK;
    }
    cJSON *status = js_dup(js_get(ad->obj, "status")), *spec = js_dup(js_get(ad->obj, "spec"));
    cJSON *full = js_dup(old->json);
    if (sub == SUB_STATUS && ad->w->user) {
        take_meta(ad->kind, old->json, ad->obj, full);
    } else if (js_at(ad->obj, "metadata.managedFields")) {
        js_set(full, "metadata.managedFields", js_dup(js_at(ad->obj, "metadata.managedFields")));
    }
    cJSON_Delete(ad->obj);
    ad->obj = full;
    const char *member = sub == SUB_STATUS ? "status" : "spec";
    cJSON *part = sub == SUB_STATUS ? status : spec;
    cJSON_Delete(sub == SUB_STATUS ? spec : status);
    js_del(full, member);
    if (part) {
        js_set(full, member, part);
    }
    return ERR_OK;
}

static bool same_without_times(const cJSON *a, const cJSON *b)
{
    AUTO_JSON x = js_dup(a);
    AUTO_JSON y = js_dup(b);
    js_del(x, "metadata.managedFields");
    js_del(y, "metadata.managedFields");
    if (!js_equal(x, y)) {
        return false;
    }
    AUTO_JSON p = js_dup(js_at(a, "metadata.managedFields"));
    AUTO_JSON q = js_dup(js_at(b, "metadata.managedFields"));
    cJSON *e;
    js_each(e, p)
    {
        js_del(e, "time");
    }
    js_each(e, q)
    {
        js_del(e, "time");
    }
    return js_count(p, "") + js_count(q, "") == 0 || js_equal(p, q);
}

static bool spec_changed(const cJSON *a, const cJSON *b)
{
    AUTO_JSON x = js_dup(a);
    AUTO_JSON y = js_dup(b);
    static const char *const not_spec[] = {"metadata", "status"};
    for (size_t i = 0; i < 2; i++) {
        js_del(x, not_spec[i]);
        js_del(y, not_spec[i]);
    }
    return !js_equal(x, y);
}

/* Marked for deletion and nothing holds it any more. */
bool write_to_be_removed(const Kind *k, const cJSON *obj)
{
    return js_at(obj, "metadata.deletionTimestamp") && !js_count(obj, "metadata.finalizers") &&
           (k != K(NAMESPACE) || !js_count(obj, "spec.finalizers")) &&
           (k != K(POD) || js_int(obj, "metadata.deletionGracePeriodSeconds", 0) == 0);
}

static ErrCode finish_update(Admission *ad, const Obj *old, const Obj **ret)
{
    if (same_without_times(old->json, ad->obj)) {
        cJSON_Delete(ad->obj);
        ad->obj = NULL;
        store_hold(ad->a, old);
        if (ret) {
            *ret = old;
        }
        return ERR_OK;
    }
    if (!(ad->kind->flags & KF_NO_GEN) && spec_changed(old->json, ad->obj)) {
        js_set_int(ad->obj, "metadata.generation", js_int(old->json, "metadata.generation", 0) + 1);
    }
    const Obj *o = NULL, *last;
    ErrCode rc;
    if (!ad->w->dry_run && write_to_be_removed(ad->kind, ad->obj)) {
        o = store_obj_new(ad->kind, ad->obj, old->rv); /* never stored: it goes instead */
        store_hold(ad->a, o);
        obj_unref(o);
        rc = store_commit_delete(ad->store, old, &last, ad->err);
    } else {
        rc = finish(ad, &o);
    }
    ad->obj = NULL;
    if (!rc && ret) {
        *ret = o;
    }
    return rc;
}

/* ad->obj is the whole new object, decoded. */
ErrCode write_update(Admission *ad, const Obj *old, bool tracked, const Obj **ret)
{
    const char *rv = js_text(ad->obj, "metadata.resourceVersion");
    const char *name = js_text(ad->obj, "metadata.name"), *uid = js_text(ad->obj, "metadata.uid");
    if (*name && !str_eq(name, old->name)) {
        return err_set(ad->err, ERR_MALFORMED,
                       "the name of the object (%s) does not match the name on the URL (%s)", name,
                       old->name);
    }
    uint64_t version;
    if (*rv && !str_to_u64(rv, &version)) {
        return err_set(ad->err, ERR_INTERNAL, "strconv.ParseUint: parsing \"%s\": invalid syntax",
                       rv);
    }
    if ((*rv && !str_eq(rv, js_text(old->json, "metadata.resourceVersion")))) {
        return stale(ad->a, ad->kind, old->name, ad->err);
    }
    if (*uid && !str_eq(uid, old->uid)) {
        return err_set(ad->err, ERR_CONFLICT,
                       "Operation cannot be fulfilled on %s \"%s\": Precondition failed: UID in "
                       "precondition: %s, UID in object meta: %s",
                       store_resource_text(ad->a, ad->kind), old->name, uid, old->uid);
    }
    ad->old = old->json;
    keep_meta(old, ad->obj);
    ErrCode rc = limit_to(ad, old);
    rc = rc ? rc : admit(ad);
    if (rc) {
        return rc;
    }
    if (tracked) {
        track(ad, ad->w->sub);
    }
    return finish_update(ad, old, ret);
}

/* {target: {name: NODE}} */
static void bind(Admission *ad, const Obj *old)
{
    char *node = xstrdup(js_text(ad->w->obj, "target.name"));
    cJSON_Delete(ad->obj);
    ad->obj = js_dup(old->json);
    js_set_str(ad->obj, "spec.nodeName", node);
    free(node);
}

ErrCode store_update(Store *s, Arena *a, const StoreWrite *w, const Obj **ret, Error *err)
{
    const char *name = w->name ? w->name : js_text(w->obj, "metadata.name");
    const char *ns = w->ns ? w->ns : js_text(w->obj, "metadata.namespace");
    const Obj *old = store_get(s, a, w->kind, ns, name);
    if (!old) {
        return write_not_found(a, w->kind, name, err);
    }
    Admission ad;
    write_begin(&ad, s, a, w, err);
    ad.obj = js_dup(w->obj);
    ErrCode rc = ERR_OK;
    StoreWrite own = *w;
    if (w->sub == SUB_BINDING) {
        bind(&ad, old);
        own.sub = SUB_NONE;
        own.user = NULL; /* the right to bind was checked at the door */
        ad.w = &own;
    } else {
        rc = write_decode(w, ad.obj, err);
    }
    rc = rc ? rc : write_update(&ad, old, true, ret);
    cJSON_Delete(ad.obj);
    return rc;
}
