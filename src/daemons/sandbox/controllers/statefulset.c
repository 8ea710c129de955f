#include "controllers/ctl.h"
#include "controllers/revision.h"
#include "controllers/stsplan.h"

enum { ORDINAL_MAX = 1000 };
#define HASH_LABEL "metadata.labels[controller-revision-hash]"

typedef struct Sts {
    Ctl *c;
    Arena *a;
    const Obj *obj;
    StsSpec spec;
    const char *current, *update; /* revision names */
    const Obj **pods;             /* by ordinal; NULL where there is none */
    StsPod *view;
    size_t n;
} Sts;

/* NAME-N of this set, or -1. */
static int64_t ordinal_of(const Obj *sts, const char *pod)
{
    size_t n = strlen(sts->name);
    int64_t v;
    if (!str_starts(pod, sts->name) || pod[n] != '-' || !str_to_i64(pod + n + 1, &v) || v < 0 ||
        v >= ORDINAL_MAX)
        return -1;
    return v;
}

static void read_spec(Sts *s)
{
    const cJSON *o = s->obj->json;
    s->spec = (StsSpec){
        .replicas = (size_t)js_int(o, "spec.replicas", 1),
        .partition = (size_t)js_int(o, "spec.updateStrategy.rollingUpdate.partition", 0),
        .parallel = str_eq(js_text(o, "spec.podManagementPolicy"), "Parallel"),
        .on_delete = str_eq(js_text(o, "spec.updateStrategy.type"), "OnDelete"),
    };
    if (s->spec.replicas > ORDINAL_MAX)
        s->spec.replicas = ORDINAL_MAX;
}

static void read_pods(Sts *s)
{
    const Obj **owned = ctl_owned(s->c, s->a, K(POD), s->obj, NULL);
    s->n = s->spec.replicas;
    for (const Obj **p = owned; *p; p++) {
        int64_t i = ordinal_of(s->obj, (*p)->name);
        if (i >= (int64_t)s->n)
            s->n = (size_t)i + 1;
    }
    s->pods = arena_array(s->a, const Obj *, s->n + 1);
    s->view = arena_array(s->a, StsPod, s->n + 1);
    for (const Obj **p = owned; *p; p++) {
        int64_t i = ordinal_of(s->obj, (*p)->name);
        const char *hash = js_text((*p)->json, HASH_LABEL);
        if (i < 0)
            continue;
        s->pods[i] = *p;
        s->view[i] = (StsPod){.exists = true,
                              .ended = pod_ended(*p),
                              .running_ready = pod_ready(*p),
                              .terminating = obj_deleting(*p),
                              .is_updated = str_eq(hash, s->update),
                              .is_current = str_eq(hash, s->current)};
    }
}

/* ---- doing ---- */

static ErrCode ensure_claims(const Sts *s, size_t ordinal, Error *err)
{
    const cJSON *t;
    js_each(t, js_at(s->obj->json, "spec.volumeClaimTemplates"))
    {
        const char *name =
            arena_printf(s->a, "%s-%s-%zu", js_text(t, "metadata.name"), s->obj->name, ordinal);
        if (store_get(s->c->store, s->a, K(PVC), s->obj->ns, name))
            continue;
        cJSON *o = js_dup(t);
        const cJSON *l;
        js_del(o, "status");
        js_set_str(o, "metadata.name", name);
        js_set_str(o, "metadata.namespace", s->obj->ns);
        cJSON *labels = js_obj(o, "metadata.labels");
        js_each(l, js_at(s->obj->json, "spec.selector.matchLabels"))
        {
            cJSON_DeleteItemFromObjectCaseSensitive(labels, l->string);
            cJSON_AddItemToObject(labels, l->string, js_dup(l));
        }
        ErrCode rc = ctl_create(s->c, K(PVC), s->obj->ns, o, err);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

static void add_claim_volumes(const Sts *s, cJSON *pod, size_t ordinal)
{
    const cJSON *t;
    cJSON *volumes = js_arr(pod, "spec.volumes");
    js_each(t, js_at(s->obj->json, "spec.volumeClaimTemplates"))
    {
        const char *name = js_text(t, "metadata.name");
        cJSON *old = js_find(volumes, "name", name), *v = cJSON_CreateObject();
        if (old)
            cJSON_Delete(cJSON_DetachItemViaPointer(volumes, old));
        js_set_str(v, "name", name);
        js_set_str(v, "persistentVolumeClaim.claimName",
                   arena_printf(s->a, "%s-%s-%zu", name, s->obj->name, ordinal));
        cJSON_AddItemToArray(volumes, v);
    }
}

static ErrCode create_pod(const Sts *s, const StsAction *act, Error *err)
{
    const char *name = arena_printf(s->a, "%s-%zu", s->obj->name, act->ordinal);
    const char *revision = act->current_revision ? s->current : s->update;
    const cJSON *template = revision_template(s->c, s->a, s->obj, revision);
    ErrCode rc = ensure_claims(s, act->ordinal, err);
    if (rc)
        return rc;
    cJSON *pod =
        pod_from_template(s->obj, template ? template : js_at(s->obj->json, "spec.template"), name);
    js_set_str(pod, HASH_LABEL, revision);
    js_set_str(pod, "metadata.labels[statefulset.kubernetes.io/pod-name]", name);
    js_set_str(pod, "metadata.labels[apps.kubernetes.io/pod-index]",
               arena_printf(s->a, "%zu", act->ordinal));
    js_set_str(pod, "spec.hostname", name);
    if (*js_text(s->obj->json, "spec.serviceName"))
        js_set_str(pod, "spec.subdomain", js_text(s->obj->json, "spec.serviceName"));
    add_claim_volumes(s, pod, act->ordinal);
    rc = ctl_create(s->c, K(POD), s->obj->ns, pod, err);
    if (rc)
        store_event(s->c->store, s->obj, "statefulset-controller", "Warning", "FailedCreate",
                    "create Pod %s in StatefulSet %s failed error: %s", name, s->obj->name,
                    err->msg);
    else
        store_event(s->c->store, s->obj, "statefulset-controller", "Normal", "SuccessfulCreate",
                    "create Pod %s in StatefulSet %s successful", name, s->obj->name);
    return rc;
}

static ErrCode delete_pod(const Sts *s, const StsAction *act, Error *err)
{
    const Obj *pod = s->pods[act->ordinal];
    ErrCode rc = ctl_delete(s->c, pod, err);
    if (!rc)
        store_event(s->c->store, s->obj, "statefulset-controller", "Normal", "SuccessfulDelete",
                    "delete Pod %s in StatefulSet %s successful", pod->name, s->obj->name);
    return rc;
}

static ErrCode write_status(Sts *s, Error *err)
{
    int replicas = 0, ready = 0, current = 0, updated = 0;
    for (size_t i = 0; i < s->n; i++) {
        replicas += s->view[i].exists;
        ready += s->view[i].running_ready;
        current += s->view[i].exists && !s->view[i].terminating && s->view[i].is_current;
        updated += s->view[i].exists && !s->view[i].terminating && s->view[i].is_updated;
    }
    if (sts_update_done(&s->spec, s->view, s->n)) {
        s->current = s->update;
        current = updated;
    }
    const cJSON *old = js_get(s->obj->json, "status");
    cJSON *st = old ? js_dup(old) : cJSON_CreateObject();
    js_set_int(st, "observedGeneration", js_int(s->obj->json, "metadata.generation", 0));
    js_set_int(st, "replicas", replicas);
    ctl_count(st, "readyReplicas", ready);
    js_set_int(st, "availableReplicas", ready);
    ctl_count(st, "currentReplicas", current);
    ctl_count(st, "updatedReplicas", updated);
    js_set_str(st, "currentRevision", s->current);
    js_set_str(st, "updateRevision", s->update);
    js_set_int(st, "collisionCount", 0);
    return ctl_status(s->c, s->obj, st, err);
}

static ErrCode act_on_plan(Sts *s, Error *err)
{
    StsAction *acts = arena_array(s->a, StsAction, s->n * 2 + 1);
    size_t k = sts_plan(&s->spec, s->view, s->n, acts);
    for (size_t i = 0; i < k; i++) {
        ErrCode rc = acts[i].verb == STS_CREATE ? create_pod(s, &acts[i], err)
                                                : delete_pod(s, &acts[i], err);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    Sts s = {.c = c, .a = a, .obj = store_get(c->store, a, K(STATEFULSET), key->ns, key->name)};
    if (!s.obj)
        return ERR_OK;
    ErrCode rc = revision_current(c, a, s.obj, &s.update, err);
    if (rc)
        return rc;
    s.current = str_or(js_str(s.obj->json, "status.currentRevision"), s.update);
    read_spec(&s);
    read_pods(&s);
    rc = obj_deleting(s.obj) ? ERR_OK : act_on_plan(&s, err);
    Error status_err;
    ErrCode rc2 = write_status(&s, &status_err);
    if (!rc && rc2)
        return err_copy(err, &status_err);
    return rc ? rc : revision_trim(c, a, s.obj, s.current, s.update, err);
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)a;
    (void)ch;
    (void)old;
    const char *owner = now->kind == K(POD) ? ctl_owner_name(now, "StatefulSet") : NULL;
    if (owner)
        ctl_enqueue(c, CTL_STATEFULSET, now->ns, owner);
}

const Controller ctl_statefulset = {"statefulset", K(STATEFULSET), reconcile, on_change};
