#include "controllers/ctl.h"
#include "controllers/rollplan.h"

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    const Obj *pdb = store_get(c->store, a, K(PDB), key->ns, key->name);
    const Selector *sel;
    size_t n;
    if (!pdb)
        return ERR_OK;
    ErrCode rc = selector_from_object(a, js_at(pdb->json, "spec.selector"), &sel, err);
    if (rc)
        return rc;
    StoreQuery q = {.kind = K(POD), .ns = key->ns, .labels = sel};
    const Obj **pods = store_list(c->store, a, &q, &n);
    int expected = 0, healthy = 0;
    for (size_t i = 0; i < n; i++) {
        expected += !pod_ended(pods[i]);
        healthy += pod_ready(pods[i]) && !obj_deleting(pods[i]);
    }
    const cJSON *min = js_at(pdb->json, "spec.minAvailable");
    const cJSON *max = js_at(pdb->json, "spec.maxUnavailable");
    int desired =
        min ? roll_amount(min, expected, true, 0) : expected - roll_amount(max, expected, true, 0);
    int allowed = healthy > desired ? healthy - desired : 0;
    const cJSON *old = js_get(pdb->json, "status");
    cJSON *st = old ? js_dup(old) : cJSON_CreateObject();
    js_set_int(st, "observedGeneration", js_int(pdb->json, "metadata.generation", 0));
    js_set_int(st, "expectedPods", expected);
    js_set_int(st, "currentHealthy", healthy);
    js_set_int(st, "desiredHealthy", desired > 0 ? desired : 0);
    js_set_int(st, "disruptionsAllowed", allowed);
    return ctl_status(c, pdb, st, err);
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)ch;
    (void)old;
    if (now->kind != K(POD))
        return;
    const Obj **all = store_list(c->store, a, &(StoreQuery){.kind = K(PDB), .ns = now->ns}, NULL);
    for (; *all; all++)
        ctl_enqueue(c, CTL_PDB, (*all)->ns, (*all)->name);
}

const Controller ctl_pdb = {"pdb", K(PDB), reconcile, on_change};
