#include "operator/reconcile.h"

#include "core/ident.h"
#include "render/tpl.h"
#include <stdlib.h>

static Kube *kube_of(const Pass *p)
{
    return p->c->site->kube;
}

static const ClusterSpec *spec_of(const Pass *p)
{
    return p->in.spec;
}

/* ---- 1 namespace: made when it is not there, never changed, never removed ---- */

static void on_namespace_made(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    (void)obj;
    p->call = NULL;
    if (err && err->code != ERR_EXISTS)
        pass_fail(p, err, arena_printf(p->a, "Namespace %s", p->c->ns));
    else
        pass_next(p);
}

static void on_namespace(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    char *what = arena_printf(p->a, "Namespace %s", p->c->ns);
    p->call = NULL;
    if (err && err->code == ERR_NOT_FOUND) {
        cJSON *ns = render_namespace(spec_of(p));
        p->call = kube_create(kube_of(p), &KUBE_NAMESPACE, NULL, ns, on_namespace_made, p);
        cJSON_Delete(ns);
    } else if (err) {
        pass_fail(p, err, what);
    } else if (kube_str(obj, "metadata.deletionTimestamp")) {
        Error going;
        err_set(&going, ERR_CONFLICT, "is being deleted");
        pass_fail(p, &going, what);
    } else {
        pass_next(p);
    }
}

static void step_namespace(Pass *p)
{
    p->call = kube_get(kube_of(p), &KUBE_NAMESPACE, NULL, p->c->ns, on_namespace, p);
}

/* ---- 2 the received config, for inspection and for our next life ---- */

static void step_record(Pass *p)
{
    pass_queue(p, &KUBE_CONFIGMAP, render_record(spec_of(p), p->c->applied_version));
    pass_apply_queue(p);
}

/* ---- 3 secret: made once; later only what is missing is added ---- */

static char **secret_slot(Cluster *c, size_t i)
{
    char **slots[SECRET_KEYS] = {&c->superuser_password, &c->replication_password, &c->token};
    return slots[i];
}

static void fill_missing_secrets(Cluster *c)
{
    for (size_t i = 0; i < SECRET_KEYS; i++) {
        char token[TOKEN_LEN + 1];
        if (*secret_slot(c, i))
            continue;
        token_new(token);
        set_string(secret_slot(c, i), token);
    }
}

static void step_secret(Pass *p);

static void on_secret_written(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    p->call = NULL;
    if (err && err->code == ERR_EXISTS) {
        step_secret(p); /* somebody was faster: theirs counts */
        return;
    }
    if (err) {
        pass_fail(p, err, arena_printf(p->a, "Secret %s-secret", p->c->name));
        return;
    }
    mark_own(p->c, &KUBE_SECRET, obj);
    p->c->site->stats.writes++;
    pass_next(p);
}

/* Take over what the Secret has; the stringData patch for what it lacks, or NULL. */
static cJSON *read_secret(Pass *p, const cJSON *obj)
{
    Cluster *c = p->c;
    cJSON *add = NULL;
    for (size_t i = 0; i < SECRET_KEYS; i++) {
        const char *b64 = kube_str(obj, arena_printf(p->a, "data['%s']", secret_keys[i]));
        size_t n = 0;
        char *value = b64 ? (char *)base64_decode(p->a, b64, strlen(b64), &n) : NULL;
        if (!str_empty(value)) {
            set_string(secret_slot(c, i), value);
            continue;
        }
        fill_missing_secrets(c);
        if (!add)
            add = cJSON_CreateObject();
        cJSON_AddStringToObject(add, secret_keys[i], *secret_slot(c, i));
    }
    return add ? tpl("{'stringData': %j}", add) : NULL;
}

static void on_secret(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    Cluster *c = p->c;
    p->call = NULL;
    if (err && err->code != ERR_NOT_FOUND) {
        pass_fail(p, err, arena_printf(p->a, "Secret %s-secret", c->name));
        return;
    }
    if (err) {
        if (c->applied_version && !c->superuser_password)
            site_event(c->site, c,
                       &(EventSpec){SEV_CRITICAL, "secret.lost", NULL,
                                    "the Secret is gone and nobody knows its passwords any more; "
                                    "new ones are made, but PostgreSQL still has the old ones"});
        fill_missing_secrets(c); /* those of before, when we still know them: PostgreSQL has them */
        SecretValues v = {c->superuser_password, c->replication_password, c->token};
        cJSON *s = render_secret(spec_of(p), &v);
        p->call = kube_create(kube_of(p), &KUBE_SECRET, c->ns, s, on_secret_written, p);
        cJSON_Delete(s);
        return;
    }
    mark_own(c, &KUBE_SECRET, obj);
    cJSON *patch = read_secret(p, obj);
    if (!patch) {
        pass_next(p);
        return;
    }
    char *name = arena_printf(p->a, "%s-secret", c->name);
    p->call = kube_merge_patch(kube_of(p), &KUBE_SECRET, &(KubePatch){c->ns, name, NULL, patch},
                               on_secret_written, p);
    cJSON_Delete(patch);
}

static void step_secret(Pass *p)
{
    p->call = kube_get(kube_of(p), &KUBE_SECRET, p->c->ns,
                       arena_printf(p->a, "%s-secret", p->c->name), on_secret, p);
}

/* ---- 4 configuration ---- */

static char *config_mark(const Pass *p)
{
    return map_get(p->c->marks, arena_printf(p->a, "ConfigMap/%s-config", p->c->name));
}

static void step_config(Pass *p)
{
    if (!p->tries) /* what an earlier try wrote is news to the pods as well */
        p->config_before = arena_strdup(p->a, config_mark(p));
    pass_queue(p, &KUBE_CONFIGMAP, render_config(spec_of(p)));
    pass_queue(p, &KUBE_CONFIGMAP, render_recovery_rules(spec_of(p)));
    pass_queue(p, &KUBE_CONFIGMAP, render_satellite_ca(&p->in));
    pass_apply_queue(p);
}

/* ---- 5 services; a paused cluster takes no writes by -rw ---- */

static void on_rw_removed(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    (void)obj;
    p->call = NULL;
    if (err && err->code != ERR_NOT_FOUND)
        pass_fail(p, err, arena_printf(p->a, "Service %s-rw", p->c->name));
    else
        pass_apply_queue(p);
}

static void step_services(Pass *p)
{
    const ClusterSpec *s = spec_of(p);
    p->config_changed = p->config_changed || !str_eq(p->config_before, config_mark(p));
    pass_queue(p, &KUBE_SERVICE, render_service_headless(s));
    pass_queue(p, &KUBE_SERVICE, render_service_ro(&p->in));
    if (!s->paused) {
        pass_queue(p, &KUBE_SERVICE, render_service_rw(&p->in));
        pass_apply_queue(p);
        return;
    }
    KubeDelete del = {.ns = p->c->ns, .name = arena_printf(p->a, "%s-rw", p->c->name)};
    free(map_remove(p->c->marks, arena_printf(p->a, "Service/%s", del.name)));
    p->call = kube_delete(kube_of(p), &KUBE_SERVICE, &del, on_rw_removed, p);
}

/* ---- 6 rights of the sidecars. The sidecar is in every pod (it starts PostgreSQL and says which
 * member is what), so its rights are made whether or not it may fail over by itself ---- */

static void step_rbac(Pass *p)
{
    pass_queue(p, &KUBE_SERVICEACCOUNT, render_service_account(spec_of(p)));
    pass_queue(p, &KUBE_ROLE, render_role(spec_of(p)));
    pass_queue(p, &KUBE_ROLEBINDING, render_role_binding(spec_of(p)));
    pass_apply_queue(p);
}

/* ---- 7 StatefulSet ---- */

static void step_statefulset(Pass *p)
{
    const ClusterSpec *s = spec_of(p);
    Error err;
    p->in.wal_storage_class = "";
    if (site_storage_class(p->c->site, p->a, &s->storage, &p->in.storage_class, &err)) {
        pass_fail(p, &err, "storage");
        return;
    }
    if (!str_empty(s->wal_storage.size) &&
        site_storage_class(p->c->site, p->a, &s->wal_storage, &p->in.wal_storage_class, &err)) {
        pass_fail(p, &err, "wal_storage");
        return;
    }
    pass_queue(p, &KUBE_PDB, render_pdb(s));
    pass_queue(p, &KUBE_NETWORKPOLICY, render_network_policy(s));
    pass_queue(p, &KUBE_STATEFULSET, render_statefulset(&p->in));
    pass_apply_queue(p);
}

/* ---- 8 finalizers of the volume claims ---- */

static void next_claim(Pass *p);

static void on_claim_patched(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    (void)obj;
    p->call = NULL;
    if (err && err->code != ERR_NOT_FOUND)
        pass_fail(p, err, arena_printf(p->a, "PersistentVolumeClaim %s", p->names[p->item - 1]));
    else
        next_claim(p);
}

/* The claim's finalizers with ours in or out, as a patch that only fits this version of it. */
static cJSON *finalizer_patch(const cJSON *obj, bool guard)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *f;
    cJSON_ArrayForEach(f, kube_at(obj, "metadata.finalizers"))
    {
        const char *name = cJSON_GetStringValue(f);
        if (name && !str_eq(name, FINALIZER_PROTECTION))
            cJSON_AddItemToArray(list, cJSON_CreateString(name));
    }
    if (guard)
        cJSON_AddItemToArray(list, cJSON_CreateString(FINALIZER_PROTECTION));
    return tpl("{'metadata': {'resourceVersion': %s, 'finalizers': %j}}",
               kube_str(obj, "metadata.resourceVersion"), list);
}

static void on_claim(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    const char *name = p->names[p->item - 1];
    p->call = NULL;
    if (err) {
        on_claim_patched(p, err, NULL);
        return;
    }
    bool guard = p->c->has_spec && !p->c->deleting && spec_of(p)->deletion_protection;
    cJSON *patch = finalizer_patch(obj, guard);
    p->call = kube_merge_patch(kube_of(p), &KUBE_PVC, &(KubePatch){p->c->ns, name, NULL, patch},
                               on_claim_patched, p);
    cJSON_Delete(patch);
}

static void next_claim(Pass *p)
{
    if (p->item == p->name_count) {
        pass_next(p);
        return;
    }
    p->call = kube_get(kube_of(p), &KUBE_PVC, p->c->ns, p->names[p->item++], on_claim, p);
}

static void on_claims(void *ctx, const Error *err, const cJSON *list)
{
    Pass *p = ctx;
    const cJSON *item;
    p->call = NULL;
    if (err) {
        pass_fail(p, err, "PersistentVolumeClaims");
        return;
    }
    cJSON_ArrayForEach(item, kube_at(list, "items")) note_claim(p->c, item);
    pass_next(p);
}

void step_look_at_claims(Pass *p)
{
    KubeListOptions opt = {.label_selector = render_selector(p->a, p->c->name)};
    p->call = kube_list(kube_of(p), &KUBE_PVC, p->c->ns, &opt, on_claims, p);
}

void collect_claims(Pass *p, const char *except)
{
    p->name_count = 0;
    for (MapIter it = {0}; map_next(p->c->claims, &it);)
        if (!str_eq(it.value, except) && p->name_count < sizeof p->names / sizeof *p->names)
            p->names[p->name_count++] = arena_strdup(p->a, it.key);
}

void step_finalizers(Pass *p)
{
    bool guard = !p->c->deleting && spec_of(p)->deletion_protection;
    collect_claims(p, guard ? "p" : "-");
    next_claim(p);
}

/* ---- 9 role labels: the sidecars' own work. A replica whose label is gone and whose sidecar says
 * what it is gets it back; a primary's never, because only the holder of the Lease may say that
 * ---- */

static void next_label(Pass *p);

static void on_labelled(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    (void)obj;
    p->call = NULL;
    if (err)
        log_debug("operator", "a role label was not set", "cluster=%s pod=%s err=%s", p->c->key,
                  p->names[p->item - 1], log_quote(err->msg));
    next_label(p);
}

static void next_label(Pass *p)
{
    if (p->item == p->name_count) {
        pass_next(p);
        return;
    }
    cJSON *patch = tpl("{'metadata': {'labels': {'" LABEL_ROLE "': 'replica'}}}");
    KubePatch kp = {p->c->ns, p->names[p->item++], NULL, patch};
    p->call = kube_merge_patch(kube_of(p), &KUBE_POD, &kp, on_labelled, p);
    cJSON_Delete(patch);
}

static void step_labels(Pass *p)
{
    p->name_count = 0;
    for (MapIter it = {0}; map_next(p->c->pods, &it);) {
        const Pod *pod = it.value;
        if (str_empty(pod->role) && pod->reported == ROLE_REPLICA && !pod->terminating &&
            p->name_count < sizeof p->names / sizeof *p->names)
            p->names[p->name_count++] = arena_strdup(p->a, pod->name);
    }
    next_label(p);
}

/* ---- last: what is in force now ---- */

static void step_remember(Pass *p)
{
    pass_queue(p, &KUBE_CONFIGMAP, render_record(spec_of(p), spec_of(p)->config_version));
    pass_apply_queue(p);
}

const PassStep reconcile_steps[] = {
    {"server", step_server},
    {"namespace", step_namespace},
    {"record", step_record},
    {"secret", step_secret},
    {"config", step_config},
    {"services", step_services},
    {"rbac", step_rbac},
    {"statefulset", step_statefulset},
    {"claims", step_look_at_claims},
    {"finalizers", step_finalizers},
    {"labels", step_labels},
    {"remember", step_remember},
    {NULL, NULL},
};
