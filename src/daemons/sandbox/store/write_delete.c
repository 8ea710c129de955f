#include "store/write.h"
#include <stdio.h>
#include <stdlib.h>

static ErrCode precondition(Arena *a, const StoreDelete *d, const Obj *o, Error *err)
{
    const char *rv = js_text(o->json, "metadata.resourceVersion");
    bool uid_bad = d->uid && !str_eq(d->uid, o->uid), rv_bad = d->rv && !str_eq(d->rv, rv);
    if (!uid_bad && !rv_bad) {
        return ERR_OK;
    }
    const char *what = uid_bad ? "UID" : "ResourceVersion";
    const char *ref = store_ref_text(a, d->kind, d->name);
    return err_set(err, ERR_CONFLICT,
                   "Operation cannot be fulfilled on %s: the %s in the precondition (%s) does not "
                   "match the %s in record (%s). The object might have been %s",
                   ref, what, uid_bad ? d->uid : d->rv, what, uid_bad ? o->uid : rv,
                   uid_bad ? "deleted and then recreated" : "modified");
}

static int64_t grace_of(const StoreDelete *d, const Obj *o)
{
    const char *phase = js_text(o->json, "status.phase");
    bool over = str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
    if (d->kind != K(POD) || over || !*js_text(o->json, "spec.nodeName")) {
        return 0;
    }
    return d->grace_seconds >= 0 ? d->grace_seconds
                                 : js_int(o->json, "spec.terminationGracePeriodSeconds", 30);
}

static void set_finalizer(cJSON *obj, const char *name, bool on)
{
    cJSON *list = js_arr(obj, "metadata.finalizers"), *f;
    int i = 0;
    js_each(f, list)
    {
        if (str_eq(cJSON_GetStringValue(f), name)) {
            if (!on) {
                cJSON_DeleteItemFromArray(list, i);
            }
            on = true;
            break;
        }
        i++;
    }
    if (!f && on) {
        cJSON_AddItemToArray(list, cJSON_CreateString(name));
    }
    if (!list->child) {
        js_del(obj, "metadata.finalizers");
    }
}

/* The object as the request leaves it, if it stays. */
static cJSON *marked(Store *s, const StoreDelete *d, const Obj *o)
{
    cJSON *obj = js_dup(o->json);
    int64_t grace = grace_of(d, o);
    const char *prop = str_or(d->propagation, "Background");
    if (d->propagation) {
        set_finalizer(obj, "foregroundDeletion", str_eq(prop, "Foreground"));
        set_finalizer(obj, "orphan", str_eq(prop, "Orphan"));
    }
    bool first = !obj_deleting(o);
    if (first || grace < js_int(obj, "metadata.deletionGracePeriodSeconds", 0)) {
        if (first) {
            js_set(obj, "metadata.deletionTimestamp", js_now(store_now_us(s) + grace * 1000000));
        }
        if (d->kind != K(NAMESPACE)) {
            js_set_int(obj, "metadata.deletionGracePeriodSeconds", grace);
        }
    }
    if (first && js_at(obj, "metadata.generation")) {
        js_set_int(obj, "metadata.generation", js_int(obj, "metadata.generation", 0) + 1);
    }
    if (d->kind == K(NAMESPACE)) {
        js_set_str(obj, "status.phase", "Terminating");
    }
    return obj;
}

ErrCode store_delete(Store *s, Arena *a, const StoreDelete *d, const Obj **ret, Error *err)
{
    const Obj *o = store_get(s, a, d->kind, d->ns, d->name);
    if (!o) {
        return write_not_found(a, d->kind, d->name, err);
    }
    ErrCode rc = precondition(a, d, o, err);
    if (rc) {
        return rc;
    }
    cJSON *obj = marked(s, d, o);
    if (d->dry_run) {
        cJSON_Delete(obj);
    } else if (write_to_be_removed(d->kind, obj)) {
        const Obj *last;
        if (d->kind == K(POD)) { /* it is marked for its end first, and answered so */
            rc = store_commit(s, d->kind, obj, &o, err);
            obj = NULL;
        }
        rc = rc ? rc : store_commit_delete(s, o, d->kind == K(POD) ? &last : &o, err);
        cJSON_Delete(obj);
    } else if (js_equal(obj, o->json)) {
        cJSON_Delete(obj);
    } else {
        rc = store_commit(s, d->kind, obj, &o, err);
    }
    if (!rc) {
        store_hold(a, o);
    }
    if (!rc && ret) {
        *ret = o;
    }
    return rc;
}

/* ---- events ---- */

static cJSON *event_new(Store *s, const Obj *about, const EventWords *words)
{
    cJSON *e = cJSON_CreateObject();
    char name[280];
    snprintf(name, sizeof name, "%.230s.%llx", about->name,
             (unsigned long long)store_now_us(s) * 1000 + store_rv(s) % 1000);
    js_set_str(e, "metadata.name", name);
    js_set_str(e, "involvedObject.kind", about->kind->kind);
    js_set_str(e, "involvedObject.namespace", about->ns);
    js_set_str(e, "involvedObject.name", about->name);
    js_set_str(e, "involvedObject.uid", about->uid);
    js_set_str(e, "involvedObject.apiVersion", kind_api_version(about->kind));
    js_set_str(e, "involvedObject.resourceVersion",
               js_text(about->json, "metadata.resourceVersion"));
    js_set_str(e, "source.component", words->component);
    js_set_str(e, "reportingComponent", words->component);
    js_set_str(e, "type", words->type);
    js_set_str(e, "reason", words->reason);
    js_set(e, "firstTimestamp", js_now(store_now_us(s)));
    js_set(e, "lastTimestamp", js_now(store_now_us(s)));
    js_set_int(e, "count", 1);
    return e;
}

static const Obj *event_like(Store *s, Arena *a, const Obj *about, const char *reason,
                             const char *message)
{
    const char *ns = *about->ns ? about->ns : "default";
    const Obj **all = store_list(s, a, &(StoreQuery){.kind = K(EVENT), .ns = ns}, NULL);
    for (; *all; all++) {
        const cJSON *e = (*all)->json;
        if (str_eq(js_str(e, "involvedObject.uid"), about->uid) &&
            str_eq(js_str(e, "reason"), reason) && str_eq(js_str(e, "message"), message)) {
            return *all;
        }
    }
    return NULL;
}

void store_event_say(Store *s, const Obj *about, const EventWords *words, const char *fmt, ...)
{
    AUTO_ARENA a = arena_new();
    va_list ap;
    va_start(ap, fmt);
    const char *message = arena_vprintf(a, fmt, ap);
    va_end(ap);
    const Obj *same = event_like(s, a, about, words->reason, message);
    Error err = {0};
    if (same) {
        cJSON *p = cJSON_CreateObject();
        js_set_int(p, "count", js_int(same->json, "count", 1) + 1);
        js_set(p, "lastTimestamp", js_now(store_now_us(s)));
        (void)!store_merge(s, same, SUB_NONE, p, &err); /* an event that is lost is no failure */
        return;
    }
    AUTO_JSON e = event_new(s, about, words);
    js_set_str(e, "message", message);
    const StoreWrite w = {.kind = K(EVENT), .ns = *about->ns ? about->ns : "default", .obj = e};
    (void)!store_create(s, a, &w, NULL, &err);
}
