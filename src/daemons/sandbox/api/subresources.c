#include "api/request.h"
#include <stdlib.h>

static void reply_success(ApiReq *r, int status)
{
    AUTO_JSON s = cJSON_CreateObject();
    js_set_str(s, "kind", "Status");
    js_set_str(s, "apiVersion", "v1");
    js_obj(s, "metadata");
    js_set_str(s, "status", "Success");
    js_set_int(s, "code", status);
    reply_json(r, status, s);
}

/* ---- binding: the scheduler's word ---- */

void handle_binding(ApiReq *r)
{
    Error err = {0};
    cJSON *body;
    ErrCode rc = body_parse(r, &body, &err);
    if (!rc && !*js_text(body, "target.name")) {
        rc = err_set(&err, ERR_INVALID, "Binding \"%s\" is invalid: target.name: Required value",
                     r->name);
    }
    const Obj *pod = store_get(r->store, r->a, K(POD), r->ns, r->name);
    if (!rc && pod && *js_text(pod->json, "spec.nodeName")) {
        rc = err_set(&err, ERR_CONFLICT,
                     "Operation cannot be fulfilled on pods/binding \"%s\": pod %s is already "
                     "assigned to node \"%s\"",
                     r->name, r->name, js_text(pod->json, "spec.nodeName"));
    }
    const StoreWrite w = {.kind = r->kind,
                          .ns = r->ns,
                          .name = r->name,
                          .obj = body,
                          .sub = SUB_BINDING,
                          .user = r->who.name};
    rc = rc ? rc : store_update(r->store, r->a, &w, NULL, &err);
    if (rc) {
        reply_error(r, &err);
        return;
    }
    reply_success(r, 201);
}

/* ---- eviction: a delete that asks the disruption budgets ---- */

static const Obj *budget_of(ApiReq *r, const Obj *pod)
{
    const StoreQuery q = {.kind = K(PDB), .ns = r->ns};
    for (const Obj **b = store_list(r->store, r->a, &q, NULL); *b; b++) {
        const Selector *s;
        if (!selector_from_object(r->a, js_at((*b)->json, "spec.selector"), &s, NULL) &&
            selector_matches(s, js_at(pod->json, "metadata.labels"))) {
            return *b;
        }
    }
    return NULL;
}

/* How many pods are healthy, and how many must be. Counted here, from the pods themselves. */
static void count_healthy(ApiReq *r, const Obj *budget, int64_t *ret_healthy, int64_t *ret_wanted)
{
    const Selector *s = NULL;
    int64_t healthy = 0, all = 0;
    *ret_healthy = *ret_wanted = 0;
    if (selector_from_object(r->a, js_at(budget->json, "spec.selector"), &s, NULL)) {
        return;
    }
    const StoreQuery q = {.kind = K(POD), .ns = r->ns, .labels = s};
    for (const Obj **p = store_list(r->store, r->a, &q, NULL); *p; p++) {
        const cJSON *ready = js_find(js_at((*p)->json, "status.conditions"), "type", "Ready");
        healthy += str_eq(js_str(ready, "status"), "True") && !obj_deleting(*p);
        all++;
    }
    const cJSON *min = js_at(budget->json, "spec.minAvailable");
    const cJSON *max = js_at(budget->json, "spec.maxUnavailable");
    const cJSON *v = min ? min : max;
    double n = cJSON_IsString(v) ? (double)all * (double)strtol(v->valuestring, NULL, 10) / 100
                                 : (v ? v->valuedouble : 0);
    int64_t whole = (int64_t)n + (n > (double)(int64_t)n);
    *ret_healthy = healthy;
    *ret_wanted = min ? whole : all - whole;
}

static ErrCode ask_budget(ApiReq *r, const Obj *budget, Error *err)
{
    int64_t healthy, wanted;
    count_healthy(r, budget, &healthy, &wanted);
    if (healthy > wanted) {
        return ERR_OK;
    }
    cJSON *c = cJSON_CreateObject();
    js_set_str(c, "reason", "DisruptionBudget");
    js_set_str(c, "message",
               arena_printf(r->a,
                            "The disruption budget %s needs %lld healthy pods and has %lld "
                            "currently",
                            budget->name, (long long)wanted, (long long)healthy));
    cJSON_AddItemToArray(r->causes, c);
    r->kind = NULL;
    return err_set(err, ERR_EXHAUSTED,
                   "Cannot evict pod as it would violate the pod's disruption budget.");
}

void handle_eviction(ApiReq *r)
{
    Error err = {0};
    cJSON *body;
    ErrCode rc = body_parse(r, &body, &err);
    const Obj *pod = store_get(r->store, r->a, K(POD), r->ns, r->name);
    if (!rc && !pod) {
        rc = err_set(&err, ERR_NOT_FOUND, "pods \"%s\" not found", r->name);
    }
    const Obj *budget = rc ? NULL : budget_of(r, pod);
    rc = budget ? ask_budget(r, budget, &err) : rc;
    const StoreDelete d = {.kind = K(POD),
                           .ns = r->ns,
                           .name = r->name,
                           .uid = js_str(body, "deleteOptions.preconditions.uid"),
                           .grace_seconds = js_int(body, "deleteOptions.gracePeriodSeconds", -1),
                           .dry_run = js_count(body, "deleteOptions.dryRun") > 0};
    rc = rc ? rc : store_delete(r->store, r->a, &d, NULL, &err);
    if (rc) {
        reply_error(r, &err);
        return;
    }
    reply_success(r, 201);
}

/* ---- token: TokenRequest ---- */

void handle_token(ApiReq *r)
{
    Error err = {0};
    cJSON *body;
    char *token = NULL;
    ErrCode rc = body_parse(r, &body, &err);
    int64_t ttl = js_int(body, "spec.expirationSeconds", 3600);
    if (!rc && ttl < 600) {
        Causes c = {r->causes};
        cause_add(&c, CAUSE_INVALID, "spec.expirationSeconds",
                  js_at(body, "spec.expirationSeconds"),
                  "may not specify a duration less than 10 minutes");
        r->options = "TokenRequest.authentication.k8s.io";
        rc = err_set(&err, ERR_INVALID, "%s \"\" is invalid: ", r->options);
    }
    const cJSON *ref = js_at(body, "spec.boundObjectRef");
    const TokenSpec spec = {.ns = r->ns,
                            .service_account = r->name,
                            .pod_name =
                                str_eq(js_str(ref, "kind"), "Pod") ? js_str(ref, "name") : NULL,
                            .pod_uid = js_str(ref, "uid"),
                            .audience = js_str(body, "spec.audiences[0]"),
                            .ttl_seconds = ttl};
    rc = rc ? rc : auth_token_issue(r->srv->app->auth, r->a, &spec, &token, &err);
    if (rc) {
        reply_error(r, &err);
        return;
    }
    AUTO_JSON t = body ? js_dup(body) : cJSON_CreateObject();
    js_set_str(t, "kind", "TokenRequest");
    js_set_str(t, "apiVersion", "authentication.k8s.io/v1");
    js_obj(t, "metadata");
    js_set_str(t, "status.token", token);
    js_set(t, "status.expirationTimestamp", js_now(store_now_us(r->store) + ttl * 1000000));
    reply_json(r, 201, t);
}
