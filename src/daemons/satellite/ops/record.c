#include "ops/record.h"

static const FieldSpec step_fields[] = {
    FIELD(OpStep, name, FK_STR),    FIELD(OpStep, pod, FK_STR),   FIELD(OpStep, status, FK_STR),
    FIELD(OpStep, detail, FK_STR),  FIELD(OpStep, error, FK_STR), FIELD(OpStep, started_us, FK_I64),
    FIELD(OpStep, took_ms, FK_I64), FIELD(OpStep, at_us, FK_I64),
};
static SCHEMA_DEF(step_schema, "OPERATION_STEP", OpStep, step_fields, "A step of an operation");

static const FieldSpec record_fields[] = {
    FIELD(OpRecord, id, FK_STR, .flags = FF_REQUIRED),
    FIELD(OpRecord, kind, FK_STR, .flags = FF_REQUIRED),
    FIELD_AS(OpRecord, "namespace", ns, FK_STR, .flags = FF_REQUIRED),
    FIELD(OpRecord, cluster, FK_STR, .flags = FF_REQUIRED),
    FIELD(OpRecord, pod, FK_STR),
    FIELD(OpRecord, requested_by, FK_STR),
    FIELD(OpRecord, interactive, FK_BOOL),
    FIELD(OpRecord, accept_data_loss, FK_BOOL),
    FIELD(OpRecord, rolling, FK_BOOL),
    FIELD(OpRecord, max_lag_bytes, FK_I64),
    FIELD(OpRecord, drain_timeout_seconds, FK_U32),
    FIELD(OpRecord, step, FK_U32),
    FIELD(OpRecord, steps, FK_OBJS, .of = &step_schema, .max = OP_STEPS_MAX),
    FIELD(OpRecord, old, FK_STR),
    FIELD(OpRecord, target, FK_STR),
    FIELD(OpRecord, phase, FK_STR),
    FIELD(OpRecord, sw_step, FK_STR),
    FIELD(OpRecord, lsn, FK_STR),
    FIELD(OpRecord, timeline, FK_U32),
    FIELD(OpRecord, mark, FK_I64),
    FIELD(OpRecord, past, FK_BOOL),
    FIELD(OpRecord, at_us, FK_I64),
    FIELD(OpRecord, outcome, FK_STR),
    FIELD(OpRecord, error, FK_STR),
    FIELD(OpRecord, detail, FK_STR),
    FIELD(OpRecord, finished_us, FK_I64),
    FIELD(OpRecord, acked, FK_BOOL),
};
SCHEMA_DEF(op_record_schema, "OPERATION_RECORD", OpRecord, record_fields,
           "What a site keeps of an operation");

static void no_nulls(const Schema *s, void *obj)
{
    for (size_t i = 0; i < s->n; i++) {
        const char **at = (const char **)(void *)((char *)obj + s->fields[i].offset);
        if (s->fields[i].kind == FK_STR && !*at)
            *at = "";
    }
}

static void fill(OpRecord *r)
{
    no_nulls(&op_record_schema, r);
    for (uint32_t i = 0; i < r->steps.n; i++)
        no_nulls(&step_schema, &((OpStep *)r->steps.at)[i]);
}

ErrCode op_record_parse(Arena *a, StrView text, OpRecord *ret, Error *err)
{
    OpRecord r;
    if (fields_decode_text(a, &op_record_schema, text, &r, NULL, err))
        return err->code;
    fill(&r);
    if (operation_kind_of(r.kind) == OP_NONE)
        return err_set(err, ERR_INVALID, "kind: '%.40s' is no operation", r.kind);
    if (r.step > r.steps.n)
        return err_set(err, ERR_INVALID, "step: %u is more than there are", r.step);
    *ret = r;
    return ERR_OK;
}

char *op_record_text(Arena *a, const OpRecord *r)
{
    return fields_to_text(a, &op_record_schema, r, 1);
}

OpRecord op_record_new(Arena *a, const OperationRequest *q)
{
    OpRecord r = {.id = arena_strdup(a, q->id),
                  .kind = operation_kind_name(q->kind),
                  .ns = arena_strdup(a, q->ns),
                  .cluster = arena_strdup(a, q->cluster),
                  .pod = arena_strdup(a, str_or(q->pod, "")),
                  .requested_by = arena_strdup(a, str_or(q->requested_by, "")),
                  .interactive = q->interactive,
                  .accept_data_loss = q->accept_data_loss,
                  .rolling = q->rolling,
                  .max_lag_bytes = q->max_lag_bytes,
                  .drain_timeout_seconds = q->drain_timeout_seconds};
    fill(&r);
    return r;
}

static void copy_texts(Arena *a, const Schema *s, void *obj)
{
    for (size_t i = 0; i < s->n; i++) {
        const char **at = (const char **)(void *)((char *)obj + s->fields[i].offset);
        if (s->fields[i].kind == FK_STR)
            *at = arena_strdup(a, str_or(*at, ""));
    }
}

OpRecord op_record_dup(Arena *a, const OpRecord *r)
{
    OpRecord copy = *r;
    copy_texts(a, &op_record_schema, &copy);
    OpStep *steps = arena_array(a, OpStep, r->steps.n + 1);
    for (size_t i = 0; i < r->steps.n; i++) {
        steps[i] = ((const OpStep *)r->steps.at)[i];
        copy_texts(a, &step_schema, &steps[i]);
    }
    copy.steps = (ObjList){steps, r->steps.n};
    return copy;
}

OpStep *op_record_step(const OpRecord *r, uint32_t n)
{
    return n && n <= r->steps.n ? &((OpStep *)r->steps.at)[n - 1] : NULL;
}

OperationProgress op_record_progress(const OpRecord *r, uint32_t n)
{
    const OpStep *s = op_record_step(r, n);
    return (OperationProgress){.id = r->id,
                               .ns = r->ns,
                               .cluster = r->cluster,
                               .kind = operation_kind_of(r->kind),
                               .step = n,
                               .steps_total = (uint32_t)r->steps.n,
                               .step_name = s->name,
                               .status = step_status_of(s->status),
                               .pod = s->pod,
                               .target = r->target,
                               .detail = s->detail,
                               .error = s->error,
                               .point_of_no_return = r->past,
                               .at_us = s->at_us,
                               .started_us = s->started_us,
                               .took_ms = s->took_ms};
}

OperationResult op_record_result(const OpRecord *r)
{
    return (OperationResult){.id = r->id,
                             .ns = r->ns,
                             .cluster = r->cluster,
                             .kind = operation_kind_of(r->kind),
                             .outcome = outcome_of(r->outcome),
                             .target = r->target,
                             .detail = r->detail,
                             .error = r->error,
                             .finished_us = r->finished_us};
}
