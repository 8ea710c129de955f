#include "faults/parts.h"

#include <stdio.h>

typedef VEC(const Obj *) Pods;

static const char *label(const Obj *o, const char *key)
{
    const cJSON *labels = js_at(o->json, "metadata.labels");
    return str_or(cJSON_GetStringValue(js_get(labels, key)), "");
}

static bool wanted(const Op *op, const Obj *o, bool satellite)
{
    const char *ns = js_text(op->req, "namespace"), *cluster = js_text(op->req, "cluster");
    if (*ns && !str_eq(ns, o->ns))
        return false;
    return satellite ? str_eq(label(o, FAULT_LABEL_APP), FAULT_SATELLITE)
                     : *cluster && str_eq(label(o, FAULT_LABEL_CLUSTER), cluster);
}

/* "db-1", or its ordinal "1". */
static bool is_named(const Obj *o, const char *name)
{
    const char *dash = strrchr(o->name, '-');
    return str_eq(o->name, name) || (dash && str_eq(dash + 1, name));
}

static bool is_primary(Op *op, const Obj *o, bool by_label)
{
    if (by_label)
        return str_eq(label(o, FAULT_LABEL_ROLE), "primary");
    const char *lease = arena_printf(op->a, "%s-leader", label(o, FAULT_LABEL_CLUSTER));
    const Obj *l = store_get(op->f->app->store, op->a, K(LEASE), o->ns, lease);
    return l && str_eq(js_text(l->json, "spec.holderIdentity"), o->name);
}

/* By the label; while nobody carries it, whoever holds the lease. */
static bool label_tells(const Pods *all)
{
    for (size_t i = 0; i < all->n; i++)
        if (str_eq(label(all->at[i], FAULT_LABEL_ROLE), "primary"))
            return true;
    return false;
}

static ErrCode pick_by_role(Op *op, const Pods *all, const char *who, Pods *out, Error *err)
{
    bool by_label = label_tells(all);
    for (size_t i = 0; i < all->n; i++) {
        bool primary = is_primary(op, all->at[i], by_label);
        if (str_eq(who, "all") || (str_eq(who, "primary") && primary) ||
            (str_eq(who, "replicas") && !primary) ||
            (str_eq(who, "replica") && !primary && !out->n))
            vec_push(out, all->at[i]);
    }
    return out->n ? ERR_OK
                  : err_set(err, ERR_NOT_FOUND, "cluster %s has no %s now",
                            js_text(op->req, "cluster"), who);
}

static ErrCode pick_by_name(const Op *op, const Pods *all, Pods *out, Error *err)
{
    const cJSON *name;
    js_each(name, js_get(op->req, "pods"))
    {
        const char *want = str_or(cJSON_GetStringValue(name), "");
        size_t before = out->n;
        for (size_t i = 0; i < all->n; i++)
            if (is_named(all->at[i], want))
                vec_push(out, all->at[i]);
        if (out->n == before)
            return err_set(err, ERR_NOT_FOUND, "no pod '%s' in cluster %s; its pods are %s to %s",
                           want, js_text(op->req, "cluster"), all->at[0]->name,
                           all->at[all->n - 1]->name);
    }
    return ERR_OK;
}

static ErrCode one_namespace(const Op *op, const Pods *all, Error *err)
{
    for (size_t i = 1; i < all->n; i++)
        if (!str_eq(all->at[i]->ns, all->at[0]->ns))
            return err_set(err, ERR_AMBIGUOUS,
                           "cluster %s is in namespace %s and in %s: say which, with --namespace",
                           js_text(op->req, "cluster"), all->at[0]->ns, all->at[i]->ns);
    return ERR_OK;
}

static ErrCode pick(Op *op, Pods *all, Pods *out, Error *err)
{
    const char *who = js_text(op->req, "who");
    bool satellite = str_eq(who, "satellite");
    const StoreQuery q = {.kind = K(POD)};
    for (const Obj **o = store_list(op->f->app->store, op->a, &q, NULL); *o; o++)
        if (wanted(op, *o, satellite))
            vec_push(all, *o);
    if (!all->n)
        return satellite
                   ? err_set(err, ERR_NOT_FOUND, "site %s has no satellite", op->f->app->cfg.site)
                   : err_set(err, ERR_NOT_FOUND, "cluster '%s' has no pods at site %s",
                             js_text(op->req, "cluster"), op->f->app->cfg.site);
    ErrCode rc = satellite ? ERR_OK : one_namespace(op, all, err);
    if (rc)
        return rc;
    if (js_count(op->req, "pods"))
        return pick_by_name(op, all, out, err);
    return pick_by_role(op, all, satellite ? "all" : str_or(js_str(op->req, "who"), ""), out, err);
}

ErrCode targets_pick(Op *op, Targets *ret, Error *err)
{
    Pods all = {0}, out = {0};
    ErrCode rc = pick(op, &all, &out, err);
    ret->at = arena_array(op->a, const Obj *, out.n + 1);
    ret->n = rc ? 0 : out.n;
    for (size_t i = 0; i < ret->n; i++)
        ret->at[i] = out.at[i];
    vec_done(&all);
    vec_done(&out);
    return rc;
}

ErrCode targets_pick_any(Op *op, Targets *ret, Error *err)
{
    *ret = (Targets){0};
    bool names = *js_text(op->req, "cluster") || str_eq(js_text(op->req, "who"), "satellite");
    return names ? targets_pick(op, ret, err) : ERR_OK;
}

ErrCode target_pod(Faults *f, const Obj *o, Pod **ret, Error *err)
{
    Pod *p = kubelet_pod(f->app, o->uid);
    if (!p || !p->net)
        return err_set(err, ERR_UNAVAILABLE, "pod %s does not run now", o->name);
    *ret = p;
    return ERR_OK;
}
