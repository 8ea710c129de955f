#include "controllers/ctl.h"
#include "controllers/rollplan.h"

#define REVISION "metadata.annotations[deployment.kubernetes.io/revision]"
#define HASH_LABEL "pod-template-hash"

typedef struct Deploy {
    Ctl *c;
    Arena *a;
    const Obj *obj;
    const Obj **sets;
    size_t n;
    const Obj *fresh; /* the ReplicaSet of the template as it is now */
} Deploy;

static int64_t revision_of(const Obj *rs)
{
    int64_t v;
    return str_to_i64(js_text(rs->json, REVISION), &v) ? v : 0;
}

static int64_t max_revision(const Deploy *d)
{
    int64_t max = 0;
    for (size_t i = 0; i < d->n; i++)
        if (revision_of(d->sets[i]) > max)
            max = revision_of(d->sets[i]);
    return max;
}

/* Equal but for the hash that we put in. */
static bool same_template(const Obj *rs, const cJSON *template)
{
    AUTO_JSON t = js_dup(js_at(rs->json, "spec.template"));
    js_del(t, "metadata.labels[" HASH_LABEL "]");
    return js_equal(js_get(t, "spec"), js_get(template, "spec")) &&
           js_equal(js_at(t, "metadata.labels"), js_at(template, "metadata.labels")) &&
           js_equal(js_at(t, "metadata.annotations"), js_at(template, "metadata.annotations"));
}

static void read_sets(Deploy *d)
{
    const cJSON *template = js_at(d->obj->json, "spec.template");
    d->sets = ctl_owned(d->c, d->a, K(REPLICASET), d->obj, &d->n);
    d->fresh = NULL;
    for (size_t i = 0; i < d->n; i++)
        if (same_template(d->sets[i], template))
            d->fresh = d->sets[i];
}

static ErrCode make_fresh(Deploy *d, Error *err)
{
    char hash[11];
    const cJSON *spec = js_get(d->obj->json, "spec");
    const cJSON *template = js_get(spec, "template");
    template_hash(hash, template);
    cJSON *o = cJSON_CreateObject(), *refs = cJSON_CreateArray();
    js_set_str(o, "metadata.name", arena_printf(d->a, "%s-%s", d->obj->name, hash));
    js_set_str(o, "metadata.namespace", d->obj->ns);
    if (js_at(template, "metadata.labels"))
        js_set(o, "metadata.labels", js_dup(js_at(template, "metadata.labels")));
    js_set_str(o, "metadata.labels[" HASH_LABEL "]", hash);
    js_set_str(o, REVISION, arena_printf(d->a, "%lld", (long long)max_revision(d) + 1));
    cJSON_AddItemToArray(refs, obj_owner_reference(d->obj));
    js_set(o, "metadata.ownerReferences", refs);
    js_set_int(o, "spec.replicas", 0);
    js_set(o, "spec.selector", js_dup(js_get(spec, "selector")));
    js_set_str(o, "spec.selector.matchLabels[" HASH_LABEL "]", hash);
    js_set(o, "spec.template", js_dup(template));
    js_set_str(o, "spec.template.metadata.labels[" HASH_LABEL "]", hash);
    ErrCode rc = ctl_create(d->c, K(REPLICASET), d->obj->ns, o, err);
    if (!rc)
        read_sets(d);
    return rc;
}

/* An undo makes an old ReplicaSet the fresh one again: it gets a new number. The Deployment shows
 * the number of the fresh one. */
static ErrCode number(Deploy *d, Error *err)
{
    int64_t max = max_revision(d), own = revision_of(d->fresh);
    ErrCode rc = ERR_OK;
    if (own < max) {
        cJSON *patch = cJSON_CreateObject();
        own = max + 1;
        js_set_str(patch, REVISION, arena_printf(d->a, "%lld", (long long)own));
        rc = store_merge(d->c->store, d->fresh, SUB_NONE, patch, err);
    }
    const char *text = arena_printf(d->a, "%lld", (long long)own);
    if (rc || str_eq(js_text(d->obj->json, REVISION), text))
        return rc;
    cJSON *patch = cJSON_CreateObject();
    js_set_str(patch, REVISION, text);
    return store_merge(d->c->store, d->obj, SUB_NONE, patch, err);
}

static int wanted(const Obj *rs)
{
    return (int)js_int(rs->json, "spec.replicas", 0);
}

static ErrCode set_replicas(Deploy *d, const Obj *rs, int n, Error *err)
{
    if (wanted(rs) == n)
        return ERR_OK;
    cJSON *patch = cJSON_CreateObject();
    js_set_int(patch, "spec.replicas", n);
    store_event(d->c->store, d->obj, "deployment-controller", "Normal", "ScalingReplicaSet",
                "Scaled %s replica set %s to %d", wanted(rs) < n ? "up" : "down", rs->name, n);
    return store_merge(d->c->store, rs, SUB_NONE, patch, err);
}

static RollState state_of(const Deploy *d)
{
    const cJSON *o = d->obj->json;
    const cJSON *roll = js_at(o, "spec.strategy.rollingUpdate");
    RollState s = {.replicas = (int)js_int(o, "spec.replicas", 1),
                   .recreate = str_eq(js_text(o, "spec.strategy.type"), "Recreate")};
    s.max_surge = roll_amount(js_get(roll, "maxSurge"), s.replicas, true, 25);
    s.max_unavailable = roll_amount(js_get(roll, "maxUnavailable"), s.replicas, false, 25);
    for (size_t i = 0; i < d->n; i++) {
        const Obj *rs = d->sets[i];
        int available = (int)js_int(rs->json, "status.availableReplicas", 0);
        size_t pods;
        if (rs == d->fresh) {
            s.new_replicas = wanted(rs);
            s.new_available = available;
            continue;
        }
        ctl_owned(d->c, d->a, K(POD), rs, &pods);
        s.old_replicas += wanted(rs);
        s.old_available += available;
        s.old_pods += (int)pods;
    }
    return s;
}

static ErrCode roll(Deploy *d, Error *err)
{
    RollState s = state_of(d);
    RollStep step = roll_step(&s);
    ErrCode rc = set_replicas(d, d->fresh, step.new_replicas, err);
    int remove = s.old_replicas - step.old_replicas;
    for (size_t i = 0; !rc && remove > 0 && i < d->n; i++) {
        const Obj *rs = d->sets[i];
        int n = wanted(rs), take = n < remove ? n : remove;
        if (rs == d->fresh || n == 0)
            continue;
        rc = set_replicas(d, rs, n - take, err);
        remove -= take;
    }
    return rc;
}

/* Old empty ReplicaSets beyond the history limit, the oldest first. */
static ErrCode trim(Deploy *d, Error *err)
{
    int64_t limit = js_int(d->obj->json, "spec.revisionHistoryLimit", 10), old = 0;
    const Obj *oldest = NULL;
    for (size_t i = 0; i < d->n; i++) {
        const Obj *rs = d->sets[i];
        if (rs == d->fresh || wanted(rs) || js_int(rs->json, "status.replicas", 0))
            continue;
        old++;
        if (!oldest || revision_of(rs) < revision_of(oldest))
            oldest = rs;
    }
    return old > limit ? ctl_delete(d->c, oldest, err) : ERR_OK;
}

/* ---- status ---- */

static void condition(Deploy *d, cJSON *list, const char *type, bool is, const char *reason)
{
    cJSON *c = js_find(list, "type", type);
    const char *value = is ? "True" : "False";
    if (!c) {
        c = cJSON_CreateObject();
        js_set_str(c, "type", type);
        cJSON_AddItemToArray(list, c);
    }
    if (str_eq(js_text(c, "status"), value) && str_eq(js_text(c, "reason"), reason))
        return;
    if (!str_eq(js_text(c, "status"), value))
        js_set(c, "lastTransitionTime", js_now(store_now_us(d->c->store)));
    js_set(c, "lastUpdateTime", js_now(store_now_us(d->c->store)));
    js_set_str(c, "status", value);
    js_set_str(c, "reason", reason);
    js_set_str(c, "message", arena_printf(d->a, "Deployment \"%s\": %s", d->obj->name, reason));
}

static ErrCode write_status(Deploy *d, Error *err)
{
    int64_t total = 0, ready = 0, updated = 0;
    read_sets(d);
    for (size_t i = 0; i < d->n; i++) {
        total += js_int(d->sets[i]->json, "status.replicas", 0);
        ready += js_int(d->sets[i]->json, "status.readyReplicas", 0);
        if (d->sets[i] == d->fresh)
            updated = js_int(d->sets[i]->json, "status.replicas", 0);
    }
    int64_t want = js_int(d->obj->json, "spec.replicas", 1);
    const cJSON *old = js_get(d->obj->json, "status");
    cJSON *st = old ? js_dup(old) : cJSON_CreateObject();
    js_set_int(st, "observedGeneration", js_int(d->obj->json, "metadata.generation", 0));
    ctl_count(st, "replicas", total);
    ctl_count(st, "updatedReplicas", updated);
    ctl_count(st, "readyReplicas", ready);
    ctl_count(st, "availableReplicas", ready);
    ctl_count(st, "unavailableReplicas", want > ready ? want - ready : 0);
    const cJSON *roll_spec = js_at(d->obj->json, "spec.strategy.rollingUpdate.maxUnavailable");
    bool enough = ready >= want - roll_amount(roll_spec, (int)want, false, 25);
    bool done = updated == want && total == want && ready >= want;
    cJSON *list = js_arr(st, "conditions");
    condition(d, list, "Available", enough,
              enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable");
    condition(d, list, "Progressing", true, done ? "NewReplicaSetAvailable" : "ReplicaSetUpdated");
    return ctl_status(d->c, d->obj, st, err);
}

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    Deploy d = {.c = c, .a = a, .obj = store_get(c->store, a, K(DEPLOYMENT), key->ns, key->name)};
    if (!d.obj || obj_deleting(d.obj))
        return ERR_OK;
    ErrCode rc = ERR_OK;
    read_sets(&d);
    if (!js_bool(d.obj->json, "spec.paused", false)) {
        if (!d.fresh)
            rc = make_fresh(&d, err);
        if (!rc && d.fresh)
            rc = number(&d, err);
        read_sets(&d);
        if (!rc && d.fresh)
            rc = roll(&d, err);
        if (!rc)
            rc = trim(&d, err);
    }
    d.obj = store_get(c->store, a, K(DEPLOYMENT), key->ns, key->name);
    return rc || !d.obj ? rc : write_status(&d, err);
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)ch;
    (void)old;
    const char *owner = now->kind == K(REPLICASET) ? ctl_owner_name(now, "Deployment") : NULL;
    if (owner)
        ctl_enqueue(c, CTL_DEPLOYMENT, now->ns, owner);
    /* Recreate waits for the last old pod to be gone, which no ReplicaSet tells. */
    const char *set =
        now->kind == K(POD) && ch == STORE_DELETED ? ctl_owner_name(now, "ReplicaSet") : NULL;
    const Obj *rs = set ? store_get(c->store, a, K(REPLICASET), now->ns, set) : NULL;
    owner = rs ? ctl_owner_name(rs, "Deployment") : NULL;
    if (owner)
        ctl_enqueue(c, CTL_DEPLOYMENT, now->ns, owner);
}

const Controller ctl_deployment = {"deployment", K(DEPLOYMENT), reconcile, on_change};
