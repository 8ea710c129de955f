#include "ops/op.h"

#include "render/render.h"
#include <stdlib.h>

enum { LOAD_RETRY_MS = 1000 };

static Op *find(const Ops *o, const char *id)
{
    for (MapIter it = {0}; map_next(o->ops, &it);) {
        Op *op = it.value;
        if (str_eq(op->r.id, id))
            return op;
    }
    return NULL;
}

static void put(Ops *o, Op *op)
{
    op_free(map_put(o->ops, op->key, op));
}

/* ---- telling ---- */

static void tell_result(Ops *o, const OperationResult *r)
{
    o->spec.send(o->spec.ctx,
                 &(SatelliteUp){.id = "", .kind = UP_OPERATION_RESULT, .operation_result = *r});
}

static void tell_all(Op *op)
{
    for (uint32_t n = 1; n <= op->r.steps.n; n++)
        op_tell_step(op, n);
    if (op_over(op)) {
        OperationResult r = op_record_result(&op->r);
        tell_result(op->ops, &r);
    }
}

void ops_restart(Ops *o)
{
    if (!o)
        return;
    for (MapIter it = {0}; map_next(o->ops, &it);) {
        Op *op = it.value;
        if (!op->r.acked)
            tell_all(op);
    }
}

/* Nothing of it is kept: whoever asks again is told the same. */
static void refuse(Ops *o, const OperationRequest *r, const char *why)
{
    log_warn("ops", "refused", "operation=%s kind=%s cluster=%s/%s why=%s", log_quote(r->id),
             operation_kind_name(r->kind), log_quote(r->ns), log_quote(r->cluster), log_quote(why));
    tell_result(o, &(OperationResult){.id = r->id,
                                      .ns = r->ns,
                                      .cluster = r->cluster,
                                      .kind = r->kind,
                                      .outcome = OUTCOME_ROLLED_BACK,
                                      .target = "",
                                      .detail = "nothing was changed",
                                      .error = why,
                                      .finished_us = clock_wall_us()});
}

/* ---- from central ---- */

static bool is_member(const Cluster *c, const char *pod)
{
    size_t n = strlen(c->name);
    uint64_t ordinal;
    return strncmp(pod, c->name, n) == 0 && pod[n] == '-' && str_to_u64(pod + n + 1, &ordinal) &&
           ordinal < c->spec.replicas;
}

static const char *why_not(Ops *o, Arena *a, const OperationRequest *r)
{
    const Cluster *c = site_find(o->spec.site, r->ns, r->cluster);
    AUTO_ARENA tmp = arena_new_sized(256);
    const Op *other = map_get(o->ops, arena_printf(tmp, "%s/%s", r->ns, r->cluster));
    if (!o->loaded)
        return "this satellite has just started; ask again";
    if (r->kind == OP_NONE)
        return "this satellite does not know this kind of operation";
    if (strlen(r->id) > 60 || strchr(r->id, '~'))
        return "its id is not one";
    if (!c || !c->has_spec)
        return "there is no such cluster here";
    if (c->deleting)
        return "the cluster is being deleted";
    if (o->spec.site->suspended)
        return "this satellite was suspended by central";
    if (!str_empty(r->pod) && !is_member(c, r->pod))
        return arena_printf(a, "%s is not a member of %s", r->pod, r->cluster);
    if (other && !op_over(other))
        return arena_printf(a, "operation %s (%s) is under way", other->r.id, other->r.kind);
    return NULL;
}

void ops_request(Ops *o, const OperationRequest *r)
{
    AUTO_ARENA a = arena_new_sized(1024);
    Op *known = find(o, r->id);
    if (known) {
        tell_all(known);
        return;
    }
    if (!o->loaded)
        return; /* central asks again, and by then it is known what was under way */
    const char *why = why_not(o, a, r);
    if (why) {
        refuse(o, r, why);
        return;
    }
    OpRecord rec = op_record_new(a, r);
    Op *op = op_new(o, &rec, false);
    put(o, op);
    op->driver->plan(op);
    log_info("ops", "begun", "operation=%s kind=%s cluster=%s pod=%s by=%s", log_quote(r->id),
             op->r.kind, op->key, log_quote(r->pod), log_quote(r->requested_by));
    op_begin_step(op, 1, op_record_step(&op->r, 1)->pod);
}

void ops_word(Ops *o, const OperationStepWord *w)
{
    Op *op = find(o, w->id);
    if (!op) {
        if (o->loaded)
            refuse(o, &(OperationRequest){.id = w->id, .ns = "", .cluster = "", .requested_by = ""},
                   "not known at this site, nothing was begun");
        return;
    }
    if (op_over(op)) {
        tell_all(op);
        return;
    }
    /* A word that is repeated must not answer the next question. */
    if (w->verb == VERB_CONTINUE && w->step && w->step != op->r.step)
        return;
    op->word = w->verb;
    op_soon(op, 0);
}

void ops_acked(Ops *o, const char *id)
{
    Op *op = find(o, id);
    if (!op || !op_over(op) || op->r.acked)
        return;
    op->r.acked = true;
    op_save(op);
}

const char *ops_under_way(const Ops *o, const char *ns, const char *cluster)
{
    AUTO_ARENA a = arena_new_sized(256);
    const Op *op = o ? map_get(o->ops, arena_printf(a, "%s/%s", ns, cluster)) : NULL;
    return op && !op_over(op) ? op->r.id : NULL;
}

/* ---- an earlier life ---- */

static void resume(Ops *o, const cJSON *obj)
{
    AUTO_ARENA a = arena_new();
    OpRecord r;
    Error err;
    if (op_record_parse(a, sv(str_or(kube_str(obj, "data['operation.json']"), "")), &r, &err)) {
        log_error("ops", "the record of an operation is not readable; it is left alone",
                  "object=%s/%s err=%s", str_or(kube_str(obj, "metadata.namespace"), ""),
                  str_or(kube_str(obj, "metadata.name"), ""), log_quote(err.msg));
        return;
    }
    if (!str_eq(r.ns, str_or(kube_str(obj, "metadata.namespace"), "")))
        return; /* somebody's copy */
    Op *op = op_new(o, &r, true);
    put(o, op);
    if (!op_over(op))
        log_info("ops", "resumed", "operation=%s kind=%s cluster=%s step=%u", log_quote(r.id),
                 r.kind, op->key, r.step);
}

static void on_loaded(void *ctx, const Error *err, const cJSON *obj)
{
    Ops *o = ctx;
    o->load = NULL;
    if (err) {
        log_warn("ops", "operations of an earlier life cannot be read; again soon", "err=%s",
                 log_quote(err->msg));
        timer_again(o->retry, LOAD_RETRY_MS);
        return;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, kube_at(obj, "items"))
    {
        resume(o, item);
    }
    o->loaded = true;
    o->spec.on_loaded(o->spec.ctx);
}

static void load(void *ctx)
{
    Ops *o = ctx;
    KubeListOptions opt = {.label_selector = LABEL_MANAGED_BY "=" MANAGED_BY "," LABEL_OPERATION};
    if (!o->load && !o->loaded)
        o->load = kube_list(o->spec.kube, &KUBE_CONFIGMAP, NULL, &opt, on_loaded, o);
}

void ops_load(Ops *o)
{
    load(o);
}

Ops *ops_new(const OpsSpec *spec)
{
    Ops *o = xnew(Ops);
    o->spec = *spec;
    o->ops = map_new();
    o->retry = timer_start(spec->loop, UINT32_MAX, 0, load, o);
    return o;
}

void ops_free(Ops *o)
{
    if (!o)
        return;
    kube_cancel(o->load);
    timer_stop(o->retry);
    for (MapIter it = {0}; map_next(o->ops, &it);)
        op_free(it.value);
    map_free(o->ops);
    free(o);
}
