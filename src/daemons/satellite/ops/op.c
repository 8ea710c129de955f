#include "ops/op.h"

#include "render/render.h"
#include <stdio.h>
#include <stdlib.h>

enum { SAVE_RETRY_MS = 300 };

static Loop *loop_of(const Op *op)
{
    return op->ops->spec.loop;
}

bool op_over(const Op *op)
{
    return *op->r.outcome;
}

Cluster *op_cluster(const Op *op)
{
    return site_find(op->ops->spec.site, op->r.ns, op->r.cluster);
}

bool op_late(const Op *op, uint64_t limit_ms)
{
    return loop_now(loop_of(op)) - op->began > limit_ms;
}

char *op_text(Op *op, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = arena_vprintf(op->a, fmt, ap);
    va_end(ap);
    return text;
}

static void on_timer(void *ctx)
{
    Op *op = ctx;
    timer_again(op->timer, 1000);
    if (!op_over(op))
        op->driver->tick(op);
}

void op_soon(Op *op, uint64_t ms)
{
    if (!op_over(op))
        timer_again(op->timer, ms);
}

/* ---- the record ---- */

static cJSON *record_object(const Op *op)
{
    AUTO_ARENA a = arena_new();
    cJSON *o = cJSON_CreateObject(), *meta = cJSON_AddObjectToObject(o, "metadata");
    cJSON_AddStringToObject(meta, "name", arena_printf(a, "%s-operation", op->r.cluster));
    cJSON_AddStringToObject(meta, "namespace", op->r.ns);
    cJSON *labels = cJSON_AddObjectToObject(meta, "labels");
    cJSON_AddStringToObject(labels, LABEL_MANAGED_BY, MANAGED_BY);
    cJSON_AddStringToObject(labels, LABEL_CLUSTER, op->r.cluster);
    cJSON_AddStringToObject(labels, LABEL_OPERATION, op->r.kind);
    cJSON *data = cJSON_AddObjectToObject(o, "data");
    cJSON_AddStringToObject(data, "operation.json", op_record_text(a, &op->r));
    return o;
}

static void on_save_again(void *ctx)
{
    op_save(ctx);
}

static void on_saved(void *ctx, const Error *err, const cJSON *obj)
{
    Op *op = ctx;
    (void)obj;
    op->save = NULL;
    if (err) {
        log_warn("ops", "the operation could not be written down; again soon",
                 "operation=%s err=%s", log_quote(op->r.id), log_quote(err->msg));
        timer_again(op->save_timer, SAVE_RETRY_MS);
    } else if (op->save_again) {
        op->save_again = false;
        op_save(op);
    } else {
        op->unsaved = false;
        op_soon(op, 0);
    }
}

void op_save(Op *op)
{
    if (op->save) {
        op->save_again = true;
        return;
    }
    cJSON *o = record_object(op);
    op->save = kube_apply(op->ops->spec.kube, &KUBE_CONFIGMAP, o, true, on_saved, op);
    cJSON_Delete(o);
}

/* ---- telling ---- */

static int64_t next_at(Op *op)
{
    int64_t now = clock_wall_us();
    op->r.at_us = now > op->r.at_us ? now : op->r.at_us + 1;
    return op->r.at_us;
}

void op_tell_step(Op *op, uint32_t n)
{
    const OpsSpec *s = &op->ops->spec;
    s->send(s->ctx, &(SatelliteUp){.id = "",
                                   .kind = UP_OPERATION_PROGRESS,
                                   .operation_progress = op_record_progress(&op->r, n)});
}

/* ---- steps ---- */

void op_add_step(Op *op, const char *name, const char *pod)
{
    size_t n = op->r.steps.n;
    OpStep *at = arena_array(op->a, OpStep, n + 1);
    if (n)
        memcpy(at, op->r.steps.at, n * sizeof *at);
    at[n] = (OpStep){.name = arena_strdup(op->a, name),
                     .pod = arena_strdup(op->a, pod),
                     .status = step_status_name(STEP_PENDING),
                     .detail = "",
                     .error = "",
                     .at_us = next_at(op)};
    op->r.steps = (ObjList){at, n + 1};
}

void op_begin_step(Op *op, uint32_t n, const char *pod)
{
    OpStep *s = op_record_step(&op->r, n);
    op->r.step = n;
    op->began = loop_now(loop_of(op));
    op_order_forget(op);
    s->started_us = clock_wall_us();
    if (!str_empty(pod))
        s->pod = arena_strdup(op->a, pod);
    op_step_status(op, STEP_RUNNING, NULL, NULL);
    op->unsaved = true;
    op_save(op);
    op_soon(op, 0);
}

void op_step_status(Op *op, StepStatus status, const char *detail, const char *error)
{
    OpStep *s = op_record_step(&op->r, op->r.step);
    if (!s)
        return;
    s->status = step_status_name(status);
    if (detail)
        s->detail = arena_strdup(op->a, detail);
    if (error)
        s->error = arena_strdup(op->a, error);
    s->at_us = next_at(op);
    if (s->started_us && (status == STEP_DONE || status == STEP_FAILED))
        s->took_ms = (clock_wall_us() - s->started_us) / 1000;
    log_info("ops", "step",
             "operation=%s kind=%s step=%u name=%s status=%s pod=%s detail=%s err=%s",
             log_quote(op->r.id), op->r.kind, op->r.step, log_quote(s->name), s->status, s->pod,
             log_quote(s->detail), log_quote(s->error));
    op_tell_step(op, op->r.step);
}

static void event_of_end(Op *op, Outcome outcome)
{
    AUTO_ARENA a = arena_new_sized(512);
    const OpRecord *r = &op->r;
    Severity sev = outcome == OUTCOME_DONE          ? SEV_INFO
                   : outcome == OUTCOME_ROLLED_BACK ? SEV_WARNING
                                                    : SEV_ERROR;
    op->ops->spec.on_event(
        op->ops->spec.ctx,
        &(EventReport){.severity = sev,
                       .kind = arena_printf(a, "operation.%s", r->outcome),
                       .cluster_name = r->cluster,
                       .ns = r->ns,
                       .pod_name = r->target,
                       .operation_id = r->id,
                       .source = "satellite",
                       .message = arena_printf(
                           a, "%s%s%s: %s", r->kind, str_empty(r->requested_by) ? "" : " by ",
                           r->requested_by, str_empty(r->error) ? r->detail : r->error)});
}

void op_finish(Op *op, Outcome outcome, const char *detail, const char *error)
{
    op->r.outcome = outcome_name(outcome);
    op->r.detail = arena_strdup(op->a, str_or(detail, ""));
    op->r.error = arena_strdup(op->a, str_or(error, ""));
    op->r.finished_us = clock_wall_us();
    timer_stop(op->timer);
    op->timer = NULL;
    log_info("ops", "over", "operation=%s kind=%s outcome=%s detail=%s err=%s", log_quote(op->r.id),
             op->r.kind, op->r.outcome, log_quote(op->r.detail), log_quote(op->r.error));
    op_save(op);
    const OpsSpec *s = &op->ops->spec;
    s->send(s->ctx, &(SatelliteUp){.id = "",
                                   .kind = UP_OPERATION_RESULT,
                                   .operation_result = op_record_result(&op->r)});
    event_of_end(op, outcome);
}

/* ---- life ---- */

static const OpDriver *const DRIVERS[] = {&DRIVER_SWITCHOVER, &DRIVER_FAILOVER, &DRIVER_FENCE,
                                          &DRIVER_UNFENCE,    &DRIVER_REINIT,   &DRIVER_RESTART,
                                          &DRIVER_PAUSE,      &DRIVER_RESUME};

static const OpDriver *driver_of(OperationKind k)
{
    for (size_t i = 0; i < sizeof DRIVERS / sizeof *DRIVERS; i++)
        if (DRIVERS[i]->kind == k)
            return DRIVERS[i];
    return NULL;
}

Op *op_new(Ops *o, const OpRecord *r, bool resumed)
{
    Op *op = xnew(Op);
    op->ops = o;
    op->a = arena_new();
    op->r = op_record_dup(op->a, r);
    op->key = xasprintf("%s/%s", r->ns, r->cluster);
    op->driver = driver_of(operation_kind_of(r->kind));
    op->resumed = resumed;
    op->began = op->resumed_at = loop_now(o->spec.loop);
    op->save_timer = timer_start(o->spec.loop, UINT32_MAX, 0, on_save_again, op);
    if (!op_over(op))
        op->timer = timer_start(o->spec.loop, 0, 0, on_timer, op);
    return op;
}

static void sights_free(Op *op)
{
    for (size_t i = 0; i < op->sights.n; i++) {
        Sight *s = op->sights.at[i];
        sidecars_forget(op->ops->spec.sidecars, s);
        arena_free(s->a);
        free(s->pod);
        free(s);
    }
    vec_done(&op->sights);
}

void op_free(Op *op)
{
    if (!op)
        return;
    sights_free(op);
    kube_cancel(op->save);
    timer_stop(op->timer);
    timer_stop(op->save_timer);
    arena_free(op->a);
    free(op->key);
    free(op);
}
