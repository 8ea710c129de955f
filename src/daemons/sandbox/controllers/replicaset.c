#include "controllers/ctl.h"
#include <stdlib.h>

/* Which pod to give up first: one that is not ready before one that is, a younger before an older.
 */
static int by_worth(const void *x, const void *y)
{
    const Obj *a = *(const Obj *const *)x, *b = *(const Obj *const *)y;
    bool ra = pod_ready(a), rb = pod_ready(b);
    if (ra != rb)
        return ra ? 1 : -1;
    return strcmp(js_text(b->json, "metadata.creationTimestamp"),
                  js_text(a->json, "metadata.creationTimestamp"));
}

static ErrCode scale(Ctl *c, const Obj *rs, const Obj **pods, size_t n, Error *err)
{
    size_t want = (size_t)js_int(rs->json, "spec.replicas", 1);
    ErrCode rc = ERR_OK;
    for (size_t i = n; !rc && i < want; i++)
        rc = ctl_create(c, K(POD), rs->ns,
                        pod_from_template(rs, js_at(rs->json, "spec.template"), NULL), err);
    if (n > want)
        qsort(pods, n, sizeof *pods, by_worth);
    for (size_t i = 0; !rc && i + want < n; i++)
        rc = ctl_delete(c, pods[i], err);
    if (rc)
        store_event(c->store, rs, "replicaset-controller", "Warning", "FailedCreate",
                    "Error creating: %s", err->msg);
    return rc;
}

static ErrCode write_status(Ctl *c, const Obj *rs, const Obj **pods, size_t n, Error *err)
{
    int ready = 0;
    for (size_t i = 0; i < n; i++)
        ready += pod_ready(pods[i]);
    const cJSON *old = js_get(rs->json, "status");
    cJSON *st = old ? js_dup(old) : cJSON_CreateObject();
    js_set_int(st, "observedGeneration", js_int(rs->json, "metadata.generation", 0));
    js_set_int(st, "replicas", (int64_t)n);
    ctl_count(st, "fullyLabeledReplicas", (int64_t)n);
    ctl_count(st, "readyReplicas", ready);
    ctl_count(st, "availableReplicas", ready);
    return ctl_status(c, rs, st, err);
}

/* Pods that count: those that are not on their way out. */
static size_t active(Ctl *c, Arena *a, const Obj *rs, const Obj ***ret)
{
    size_t n, k = 0;
    const Obj **pods = ctl_owned(c, a, K(POD), rs, &n);
    for (size_t i = 0; i < n; i++)
        if (!obj_deleting(pods[i]) && !pod_ended(pods[i]))
            pods[k++] = pods[i];
    *ret = pods;
    return k;
}

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    const Obj *rs = store_get(c->store, a, K(REPLICASET), key->ns, key->name), **pods;
    if (!rs)
        return ERR_OK;
    size_t n = active(c, a, rs, &pods);
    ErrCode rc = obj_deleting(rs) ? ERR_OK : scale(c, rs, pods, n, err);
    n = active(c, a, rs, &pods);
    Error status_err;
    ErrCode rc2 = write_status(c, rs, pods, n, &status_err);
    return rc ? rc : rc2 ? err_copy(err, &status_err) : ERR_OK;
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)a;
    (void)ch;
    (void)old;
    const char *owner = now->kind == K(POD) ? ctl_owner_name(now, "ReplicaSet") : NULL;
    if (owner)
        ctl_enqueue(c, CTL_REPLICASET, now->ns, owner);
}

const Controller ctl_replicaset = {"replicaset", K(REPLICASET), reconcile, on_change};
