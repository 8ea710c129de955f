/* Volumes that are full, and clocks that are ahead. */
#include "faults/parts.h"

#include "store/quantity.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

/* ---- fill-disk: the size of a `limited` volume is set to what is used ---- */

/* The folder of the pod's volume `name`, a claim of the class that has a size. */
static ErrCode volume_of(Op *op, const Obj *pod, const char *name, const char **ret_dir,
                         uint64_t *ret_size, Error *err)
{
    const cJSON *vol = js_find(js_at(pod->json, "spec.volumes"), "name", name);
    const char *claim = js_str(vol, "persistentVolumeClaim.claimName");
    if (!claim)
        return err_set(err, ERR_NOT_FOUND,
                       "volume: pod %s has no claim '%s'; data and wal are usual", pod->name, name);
    const Obj *pvc = store_get(op->f->app->store, op->a, K(PVC), pod->ns, claim);
    const char *pv_name = pvc ? js_text(pvc->json, "spec.volumeName") : "";
    const Obj *pv = store_get(op->f->app->store, op->a, K(PV), "", pv_name);
    if (!pv)
        return err_set(err, ERR_UNAVAILABLE, "claim %s has no volume yet", claim);
    if (!volumes_is_limited(pv))
        return err_set(err, ERR_INVALID,
                       "volume %s of %s is of storage class %s, a folder of this machine, which "
                       "has no end of its own; give the profile storage_class \"limited\"",
                       name, pod->name, js_text(pv->json, "spec.storageClassName"));
    *ret_dir = volumes_pv_dir(op->a, op->f->app, pv->name);
    *ret_size = volumes_size(pv);
    return ERR_OK;
}

static ErrCode fill_one(Op *op, const Obj *pod, const char *name, uint64_t leave, Error *err)
{
    const char *dir = NULL;
    uint64_t full = 0;
    struct statvfs st;
    ErrCode rc = volume_of(op, pod, name, &dir, &full, err);
    if (rc)
        return rc;
    if (statvfs(dir, &st) < 0)
        return err_errno(err, errno, "%s", dir);
    uint64_t used = (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
    rc = volumes_resize(dir, used + leave, err);
    if (rc)
        return rc;
    char *what = arena_printf(op->a, "volume %s: %llu bytes used, %llu left", name,
                              (unsigned long long)used, (unsigned long long)leave);
    fault_add(op->f, &(Fault){.kind = FAULT_FILL_DISK,
                              .ns = arena_strdup(op->a, pod->ns),
                              .pod = arena_strdup(op->a, pod->name),
                              .arg = arena_strdup(op->a, dir),
                              .full_size = full,
                              .what = what});
    op_say(op, pod, "%s", what);
    return ERR_OK;
}

ErrCode fault_fill_disk(Op *op, Error *err)
{
    Targets t;
    const char *name = str_or(js_str(op->req, "volume"), "data");
    int64_t leave = js_int(op->req, "leave", 0);
    ErrCode rc = targets_pick(op, &t, err);
    for (size_t i = 0; !rc && i < t.n; i++)
        rc = fill_one(op, t.at[i], name, leave > 0 ? (uint64_t)leave : 0, err);
    return rc;
}

ErrCode fill_disk_heal(Faults *f, const Fault *fault, Error *err)
{
    (void)f;
    return volumes_resize(fault->arg, fault->full_size, err);
}

/* ---- clock ---- */

static void forget_clock(Faults *f, const Obj *pod)
{
    for (size_t i = f->list.n; i-- > 0;) {
        const Fault *x = f->list.at[i];
        if (x->kind == FAULT_CLOCK && str_eq(x->ns, pod->ns) && str_eq(x->pod, pod->name))
            fault_remove(f, i);
    }
}

ErrCode fault_clock_set(Op *op, Error *err)
{
    Targets t;
    int64_t s = js_int(op->req, "offset_s", 0);
    ErrCode rc = targets_pick(op, &t, err);
    if (!rc && (s < 0 || s > (int64_t)10 * 365 * 86400))
        rc = err_set(err, ERR_INVALID,
                     "offset: %lld s; 0 to ten years ahead is right: a clock that counts from the "
                     "boot cannot be before it",
                     (long long)s);
    for (size_t i = 0; !rc && i < t.n; i++) {
        Pod *p;
        rc = target_pod(op->f, t.at[i], &p, err);
        if (rc)
            break;
        forget_clock(op->f, t.at[i]);
        char *what = arena_printf(op->a,
                                  "boot-time and monotonic clock %lld s ahead, wall clock "
                                  "right",
                                  (long long)s);
        if (s)
            fault_add(op->f, &(Fault){.kind = FAULT_CLOCK,
                                      .ns = arena_strdup(op->a, p->ns),
                                      .pod = arena_strdup(op->a, p->name),
                                      .arg = arena_strdup(op->a, ""),
                                      .offset_s = s,
                                      .what = what});
        pod_kill_all(p); /* a process cannot change its clock, only begin with another */
        op_say(op, t.at[i], "%s; its containers were killed to begin again", what);
    }
    return rc;
}
