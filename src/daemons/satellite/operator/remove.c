#include "operator/reconcile.h"

/* Removing a cluster: first what runs, then what it runs on, the record last, so that a satellite
 * that dies midway is told again and finds what is left. */

enum { WAIT_MS = 2000 };

static Kube *kube_of(const Pass *p)
{
    return p->c->site->kube;
}

static void step_protection(Pass *p)
{
    Error err;
    if (p->c->delete_volumes && p->c->has_spec && p->c->spec.deletion_protection) {
        err_set(&err, ERR_PRECONDITION,
                "deletion_protection is on: switch it off first, or delete with the volumes kept");
        pass_fail(p, &err, "");
        return;
    }
    pass_next(p);
}

/* ---- the StatefulSet, and its pods with it ---- */

static void on_statefulset_gone(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    (void)obj;
    p->call = NULL;
    if (err && err->code != ERR_NOT_FOUND)
        pass_fail(p, err, arena_printf(p->a, "StatefulSet %s", p->c->name));
    else
        pass_next(p);
}

static void step_statefulset(Pass *p)
{
    p->c->delete_begun = true;
    KubeDelete del = {.ns = p->c->ns, .name = p->c->name, .propagation = "Foreground"};
    p->call = kube_delete(kube_of(p), &KUBE_STATEFULSET, &del, on_statefulset_gone, p);
}

static void look_again(void *ctx)
{
    pass_poke(ctx);
}

void pass_poke(Pass *p)
{
    if (!p->waiting)
        return;
    if (p->c->statefulset_seen || map_count(p->c->pods)) {
        timer_again(p->timer, WAIT_MS);
        return;
    }
    p->waiting = false;
    timer_stop(p->timer);
    p->timer = NULL;
    pass_next(p);
}

/* The watches tell; the timer is for what they tell before we wait. */
static void step_wait(Pass *p)
{
    p->waiting = true;
    p->timer = timer_start(p->c->site->loop, 0, 0, look_again, p);
}

/* ---- everything else by name ---- */

typedef struct Named {
    const KubeKind *kind;
    const char *suffix;
    bool with_volumes; /* what the volumes are of no use without: kept as long as they are */
} Named;
static const Named NAMED[] = {
    {&KUBE_CONFIGMAP, "-operation", false},
    {&KUBE_SERVICE, "-rw", false},
    {&KUBE_SERVICE, "-ro", false},
    {&KUBE_SERVICE, "-headless", false},
    {&KUBE_PDB, "", false},
    {&KUBE_NETWORKPOLICY, "", false},
    {&KUBE_ROLEBINDING, "-failover", false},
    {&KUBE_ROLE, "-failover", false},
    {&KUBE_SERVICEACCOUNT, "-failover", false},
    {&KUBE_LEASE, "-leader", false},
    {&KUBE_CONFIGMAP, "-config", false},
    {&KUBE_CONFIGMAP, "-recovery-rules", false},
    {&KUBE_CONFIGMAP, "-satellite-ca", false},
    {&KUBE_SECRET, "-secret", true},
};

static void next_named(Pass *p);

static void on_named_gone(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    const Named *n = &NAMED[p->item - 1];
    (void)obj;
    p->call = NULL;
    if (err && err->code != ERR_NOT_FOUND)
        pass_fail(p, err, arena_printf(p->a, "%s %s%s", n->kind->kind, p->c->name, n->suffix));
    else
        next_named(p);
}

static void next_named(Pass *p)
{
    while (p->item < sizeof NAMED / sizeof *NAMED && NAMED[p->item].with_volumes &&
           !p->c->delete_volumes)
        p->item++;
    if (p->item == sizeof NAMED / sizeof *NAMED) {
        pass_next(p);
        return;
    }
    const Named *n = &NAMED[p->item++];
    KubeDelete del = {.ns = p->c->ns, .name = arena_printf(p->a, "%s%s", p->c->name, n->suffix)};
    p->call = kube_delete(kube_of(p), n->kind, &del, on_named_gone, p);
}

/* ---- volume claims: ours to guard, so ours to let go ---- */

static void step_let_go(Pass *p)
{
    if (p->c->delete_volumes)
        step_finalizers(p);
    else
        pass_next(p);
}

static void next_claim(Pass *p);

static void on_claim_gone(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    (void)obj;
    p->call = NULL;
    if (err && err->code != ERR_NOT_FOUND)
        pass_fail(p, err, arena_printf(p->a, "PersistentVolumeClaim %s", p->names[p->item - 1]));
    else
        next_claim(p);
}

static void next_claim(Pass *p)
{
    if (p->item == p->name_count) {
        pass_next(p);
        return;
    }
    KubeDelete del = {.ns = p->c->ns, .name = p->names[p->item++]};
    p->call = kube_delete(kube_of(p), &KUBE_PVC, &del, on_claim_gone, p);
}

static void step_claims(Pass *p)
{
    p->name_count = 0;
    if (p->c->delete_volumes)
        collect_claims(p, NULL);
    next_claim(p);
}

static void on_record_gone(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    (void)obj;
    p->call = NULL;
    if (err && err->code != ERR_NOT_FOUND)
        pass_fail(p, err, arena_printf(p->a, "ConfigMap pg-swarm-config-%s", p->c->name));
    else
        pass_next(p);
}

static void step_record(Pass *p)
{
    KubeDelete del = {.ns = p->c->ns, .name = arena_printf(p->a, "pg-swarm-config-%s", p->c->name)};
    p->call = kube_delete(kube_of(p), &KUBE_CONFIGMAP, &del, on_record_gone, p);
}

const PassStep delete_steps[] = {
    {"protection", step_protection},
    {"statefulset", step_statefulset},
    {"wait for pods", step_wait},
    {"objects", next_named},
    {"look at claims", step_look_at_claims},
    {"finalizers", step_let_go},
    {"claims", step_claims},
    {"record", step_record},
    {NULL, NULL},
};
