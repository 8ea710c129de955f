#include "controllers/ctl.h"

/* A namespace that lives has a default ServiceAccount and the API's CA; one that ends loses
 * everything that is in it, and then itself. */

static ErrCode ensure_account(Ctl *c, Arena *a, const char *ns, Error *err)
{
    if (store_get(c->store, a, K(SERVICEACCOUNT), ns, "default"))
        return ERR_OK;
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "metadata.name", "default");
    js_set_str(o, "metadata.namespace", ns);
    return ctl_create(c, K(SERVICEACCOUNT), ns, o, err);
}

static ErrCode ensure_ca(Ctl *c, Arena *a, const char *ns, Error *err)
{
    if (!c->app->ca_pem || store_get(c->store, a, K(CONFIGMAP), ns, "kube-root-ca.crt"))
        return ERR_OK;
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "metadata.name", "kube-root-ca.crt");
    js_set_str(o, "metadata.namespace", ns);
    js_set_str(o, "data[ca.crt]", c->app->ca_pem);
    return ctl_create(c, K(CONFIGMAP), ns, o, err);
}

static ErrCode finalize(Ctl *c, Arena *a, const Obj *ns, Error *err)
{
    AUTO_JSON o = js_dup(ns->json);
    js_set(o, "spec.finalizers", cJSON_CreateArray());
    StoreWrite w = {.kind = K(NAMESPACE), .name = ns->name, .obj = o, .sub = SUB_FINALIZE};
    ErrCode rc = store_update(c->store, a, &w, NULL, err);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static ErrCode empty(Ctl *c, Arena *a, const Obj *ns, Error *err)
{
    size_t n;
    const Obj **all = store_list_all(c->store, a, ns->name, &n);
    ErrCode rc = ERR_OK;
    for (size_t i = 0; i < n && !rc; i++)
        if (!obj_deleting(all[i]))
            rc = ctl_delete(c, all[i], err);
    if (rc)
        return rc;
    store_list_all(c->store, a, ns->name, &n);
    return n == 0 ? finalize(c, a, ns, err) : ERR_OK;
}

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    const Obj *ns = store_get(c->store, a, K(NAMESPACE), "", key->name);
    if (!ns)
        return ERR_OK;
    if (obj_deleting(ns))
        return empty(c, a, ns, err);
    ErrCode rc = ensure_account(c, a, ns->name, err);
    return rc ? rc : ensure_ca(c, a, ns->name, err);
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)old;
    if (!*now->ns || ch == STORE_MODIFIED)
        return;
    const Obj *ns = store_get(c->store, a, K(NAMESPACE), "", now->ns);
    bool account = now->kind == K(SERVICEACCOUNT) || now->kind == K(CONFIGMAP);
    if (ns && (obj_deleting(ns) || (ch == STORE_DELETED && account)))
        ctl_enqueue(c, CTL_NAMESPACE, "", now->ns);
}

const Controller ctl_namespace = {"namespace", K(NAMESPACE), reconcile, on_change};
