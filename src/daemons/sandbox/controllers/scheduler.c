#include "controllers/ctl.h"

#include "core/clock.h"

/* One node: a pod waits only for its claims, for its nodeSelector, and for a cordoned node. */
static const char *obstacle(Ctl *c, Arena *a, const Obj *pod, const Obj *node)
{
    const cJSON *vol, *want;
    if (js_bool(node->json, "spec.unschedulable", false))
        return "0/1 nodes are available: 1 node(s) were unschedulable.";
    js_each(want, js_at(pod->json, "spec.nodeSelector"))
    {
        const cJSON *have = js_get(js_at(node->json, "metadata.labels"), want->string);
        if (!str_eq(cJSON_GetStringValue(have), cJSON_GetStringValue(want)))
            return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
    }
    js_each(vol, js_at(pod->json, "spec.volumes"))
    {
        const char *claim = js_str(vol, "persistentVolumeClaim.claimName");
        const Obj *o = claim ? store_get(c->store, a, K(PVC), pod->ns, claim) : NULL;
        if (claim && !o)
            return arena_printf(
                a, "0/1 nodes are available: persistentvolumeclaim \"%s\" not found.", claim);
        if (o && !str_eq(js_text(o->json, "status.phase"), "Bound"))
            return "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    }
    return NULL;
}

static ErrCode tell(Ctl *c, const Obj *pod, const char *why, Error *err)
{
    cJSON *st = js_dup(js_get(pod->json, "status")), *cond;
    st = st ? st : cJSON_CreateObject();
    cJSON *list = js_arr(st, "conditions");
    cond = js_find(list, "type", "PodScheduled");
    if (str_eq(js_text(cond, "message"), why)) {
        cJSON_Delete(st);
        return ERR_OK;
    }
    if (!cond) {
        cond = cJSON_CreateObject();
        cJSON_AddItemToArray(list, cond);
    }
    js_set_str(st, "phase", "Pending");
    js_set_str(cond, "type", "PodScheduled");
    js_set_str(cond, "status", "False");
    js_set_str(cond, "reason", "Unschedulable");
    js_set_str(cond, "message", why);
    js_set(cond, "lastTransitionTime", js_now(store_now_us(c->store)));
    store_event(c->store, pod, "default-scheduler", "Warning", "FailedScheduling", "%s", why);
    return ctl_status(c, pod, st, err);
}

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    const Obj *pod = store_get(c->store, a, K(POD), key->ns, key->name);
    const Obj *node = store_get(c->store, a, K(NODE), "", c->app->node_name);
    if (!pod || obj_deleting(pod) || js_str(pod->json, "spec.nodeName"))
        return ERR_OK;
    if (!node)
        return err_set(err, ERR_UNAVAILABLE, "the node is not there yet");
    const char *why = obstacle(c, a, pod, node);
    if (why)
        return tell(c, pod, why, err);
    AUTO_JSON binding = cJSON_CreateObject();
    js_set_str(binding, "target.kind", "Node");
    js_set_str(binding, "target.name", node->name);
    StoreWrite w = {
        .kind = K(POD), .ns = pod->ns, .name = pod->name, .obj = binding, .sub = SUB_BINDING};
    ErrCode rc = store_update(c->store, a, &w, NULL, err);
    if (!rc)
        store_event(c->store, pod, "default-scheduler", "Normal", "Scheduled",
                    "Successfully assigned %s/%s to %s", pod->ns, pod->name, node->name);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)ch;
    (void)old;
    if (now->kind != K(PVC) && now->kind != K(NODE))
        return;
    const Obj **pods = store_list(c->store, a, &(StoreQuery){.kind = K(POD), .ns = now->ns}, NULL);
    for (; *pods; pods++)
        if (!js_str((*pods)->json, "spec.nodeName"))
            ctl_enqueue(c, CTL_SCHEDULER, (*pods)->ns, (*pods)->name);
}

const Controller ctl_scheduler = {"scheduler", K(POD), reconcile, on_change};
