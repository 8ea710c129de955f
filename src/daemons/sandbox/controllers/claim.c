#include "controllers/ctl.h"

#include "core/log.h"
#include "kubelet/voldir.h"
#include "kubelet/volumes.h"

#define DEFAULT_NOTE "metadata.annotations[storageclass.kubernetes.io/is-default-class]"
#define PROTECTION "kubernetes.io/pvc-protection"
#define PV_PROTECTION "kubernetes.io/pv-protection"

static const Obj *class_of(Ctl *c, Arena *a, const Obj *claim)
{
    const char *name = js_str(claim->json, "spec.storageClassName");
    if (name)
        return *name ? store_get(c->store, a, K(STORAGECLASS), "", name) : NULL;
    const Obj **all = store_list(c->store, a, &(StoreQuery){.kind = K(STORAGECLASS)}, NULL);
    for (; *all; all++)
        if (str_eq(js_text((*all)->json, DEFAULT_NOTE), "true"))
            return *all;
    return NULL;
}

static cJSON *claim_reference(const Obj *claim)
{
    cJSON *ref = cJSON_CreateObject();
    js_set_str(ref, "apiVersion", "v1");
    js_set_str(ref, "kind", "PersistentVolumeClaim");
    js_set_str(ref, "namespace", claim->ns);
    js_set_str(ref, "name", claim->name);
    js_set_str(ref, "uid", claim->uid);
    return ref;
}

static ErrCode provision(Ctl *c, Arena *a, const Obj *claim, const Obj *class, const char *pv,
                         Error *err)
{
    if (store_get(c->store, a, K(PV), "", pv))
        return ERR_OK;
    cJSON *o = cJSON_CreateObject();
    const cJSON *size = js_at(claim->json, "spec.resources.requests");
    js_set_str(o, "metadata.name", pv);
    js_set_str(o, "metadata.annotations[pv.kubernetes.io/provisioned-by]",
               js_text(class->json, "provisioner"));
    if (str_eq(js_text(class->json, "parameters.medium"), "Memory"))
        js_set_str(o, VOLUME_LIMITED, "true");
    js_set(o, "spec.capacity", size ? js_dup(size) : cJSON_CreateObject());
    js_set(o, "spec.accessModes", js_dup(js_at(claim->json, "spec.accessModes")));
    js_set(o, "spec.claimRef", claim_reference(claim));
    js_set_str(o, "spec.storageClassName", class->name);
    js_set_str(o, "spec.persistentVolumeReclaimPolicy",
               str_or(js_str(class->json, "reclaimPolicy"), "Delete"));
    js_set_str(o, "spec.volumeMode", "Filesystem");
    js_set_str(o, "spec.hostPath.path", volumes_pv_dir(a, c->app, pv));
    ErrCode rc = ctl_create(c, K(PV), "", o, err);
    const Obj *made = rc ? NULL : store_get(c->store, a, K(PV), "", pv);
    if (!made)
        return rc;
    cJSON *st = cJSON_CreateObject();
    js_set_str(st, "phase", "Bound");
    store_event(c->store, claim, "persistentvolume-controller", "Normal", "ProvisioningSucceeded",
                "Successfully provisioned volume %s", pv);
    return ctl_status(c, made, st, err);
}

static ErrCode bind_claim(Ctl *c, const Obj *claim, const Obj *class, const char *pv, Error *err)
{
    cJSON *patch = cJSON_CreateObject();
    js_set_str(patch, "metadata.annotations[pv.kubernetes.io/bind-completed]", "yes");
    js_set_str(patch, "spec.volumeName", pv);
    if (!js_str(claim->json, "spec.storageClassName"))
        js_set_str(patch, "spec.storageClassName", class->name);
    return store_merge(c->store, claim, SUB_NONE, patch, err);
}

/* No pod that has not ended mounts it. */
static bool unused(Ctl *c, Arena *a, const Obj *claim)
{
    const Obj **pods =
        store_list(c->store, a, &(StoreQuery){.kind = K(POD), .ns = claim->ns}, NULL);
    for (; *pods; pods++) {
        const cJSON *vol;
        js_each(vol, js_at((*pods)->json, "spec.volumes"))
        {
            if (str_eq(js_str(vol, "persistentVolumeClaim.claimName"), claim->name) &&
                !pod_ended(*pods))
                return false;
        }
    }
    return true;
}

static ErrCode drop_finalizer(Ctl *c, const Obj *o, const char *name, Error *err)
{
    cJSON *rest = cJSON_CreateArray(), *patch = cJSON_CreateObject();
    const cJSON *f;
    js_each(f, js_at(o->json, "metadata.finalizers"))
    {
        if (!str_eq(cJSON_GetStringValue(f), name))
            cJSON_AddItemToArray(rest, js_dup(f));
    }
    js_set(patch, "metadata.finalizers", rest);
    return store_merge(c->store, o, SUB_NONE, patch, err);
}

static ErrCode set_bound(Ctl *c, Arena *a, const Obj *claim, Error *err)
{
    claim = store_get(c->store, a, K(PVC), claim->ns, claim->name);
    if (!claim)
        return ERR_OK;
    const cJSON *old = js_get(claim->json, "status");
    const cJSON *size = js_at(claim->json, "spec.resources.requests");
    cJSON *st = old ? js_dup(old) : cJSON_CreateObject();
    js_set_str(st, "phase", "Bound");
    js_set(st, "accessModes", js_dup(js_at(claim->json, "spec.accessModes")));
    if (size)
        js_set(st, "capacity", js_dup(size));
    return ctl_status(c, claim, st, err);
}

static ErrCode set_pending(Ctl *c, const Obj *claim, Error *err)
{
    const char *name = js_text(claim->json, "spec.storageClassName");
    if (*name)
        store_event(c->store, claim, "persistentvolume-controller", "Warning", "ProvisioningFailed",
                    "storageclass.storage.k8s.io \"%s\" not found", name);
    else
        store_event(c->store, claim, "persistentvolume-controller", "Normal", "FailedBinding",
                    "no persistent volumes available for this claim and no storage class is set");
    const cJSON *old = js_get(claim->json, "status");
    cJSON *st = old ? js_dup(old) : cJSON_CreateObject();
    js_set_str(st, "phase", "Pending");
    return ctl_status(c, claim, st, err);
}

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    const Obj *claim = store_get(c->store, a, K(PVC), key->ns, key->name);
    if (!claim)
        return ERR_OK;
    if (obj_deleting(claim))
        return unused(c, a, claim) ? drop_finalizer(c, claim, PROTECTION, err) : ERR_OK;
    if (!js_str(claim->json, "spec.volumeName")) {
        const Obj *class = class_of(c, a, claim);
        const char *pv = arena_printf(a, "pvc-%s", claim->uid);
        if (!class)
            return set_pending(c, claim, err);
        ErrCode rc = provision(c, a, claim, class, pv, err);
        if (!rc)
            rc = bind_claim(c, claim, class, pv, err);
        if (rc)
            return rc;
    }
    return set_bound(c, a, claim, err);
}

/* The claim is gone: its volume goes too, or stays as the class says. */
static void release(Ctl *c, Arena *a, const Obj *claim)
{
    Error err;
    const char *name = js_str(claim->json, "spec.volumeName");
    const Obj *pv = name ? store_get(c->store, a, K(PV), "", name) : NULL;
    if (!pv || !str_eq(js_text(pv->json, "spec.claimRef.uid"), claim->uid))
        return;
    if (str_eq(js_text(pv->json, "spec.persistentVolumeReclaimPolicy"), "Retain")) {
        cJSON *st = cJSON_CreateObject();
        js_set_str(st, "phase", "Released");
        (void)!ctl_status(c, pv, st, &err); /* only for the eye */
        return;
    }
    volumes_unmount(volumes_pv_dir(a, c->app, pv->name), pv);
    voldir_remove_later(c->app->loop, volumes_pv_dir(a, c->app, pv->name));
    (void)!ctl_delete(c, pv, &err); /* a PV without its folder harms nobody */
}

/* A volume that is to go may go when its claim has. */
static void let_go(Ctl *c, Arena *a, const Obj *pv)
{
    const Obj *claim = store_get(c->store, a, K(PVC), js_text(pv->json, "spec.claimRef.namespace"),
                                 js_text(pv->json, "spec.claimRef.name"));
    Error err;
    if ((!claim || !str_eq(claim->uid, js_text(pv->json, "spec.claimRef.uid"))) &&
        drop_finalizer(c, pv, PV_PROTECTION, &err))
        log_warn("controllers", "volume not released", "pv=%s error=%s", pv->name,
                 log_quote(err.msg));
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)old;
    if (now->kind == K(PV) && ch != STORE_DELETED && obj_deleting(now))
        let_go(c, a, now);
    if (now->kind == K(PVC) && ch == STORE_DELETED)
        release(c, a, now);
    if (now->kind != K(STORAGECLASS) && (now->kind != K(POD) || ch == STORE_ADDED))
        return;
    const Obj **all = store_list(c->store, a, &(StoreQuery){.kind = K(PVC), .ns = now->ns}, NULL);
    for (; *all; all++)
        if (obj_deleting(*all) || !str_eq(js_text((*all)->json, "status.phase"), "Bound"))
            ctl_enqueue(c, CTL_CLAIM, (*all)->ns, (*all)->name);
}

const Controller ctl_claim = {"claim", K(PVC), reconcile, on_change};
