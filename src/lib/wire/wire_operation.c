#include "wire/wire_operation.h"
#include "wire/wire_util.h"

_Static_assert((int)OP_RESUME == PGSWARM__V1__OPERATION_KIND__OPERATION_KIND_RESUME &&
                   (int)OP_SWITCHOVER == PGSWARM__V1__OPERATION_KIND__OPERATION_KIND_SWITCHOVER &&
                   (int)VERB_ABORT == PGSWARM__V1__OPERATION_STEP__VERB__VERB_ABORT,
               "enums of model and of the protocol count alike");

static OperationKind kind_get(int k)
{
    return (unsigned)k < OP_KIND_COUNT ? (OperationKind)k : OP_NONE;
}

OperationRequest wire_switchover_get(const Pgswarm__V1__SwitchoverRequest *m)
{
    return (OperationRequest){.id = wire_cut(m->operation_id, WIRE_NAME_MAX),
                              .kind = OP_SWITCHOVER,
                              .ns = wire_cut(m->namespace_, WIRE_NAME_MAX),
                              .cluster = wire_cut(m->cluster_name, WIRE_NAME_MAX),
                              .pod = wire_cut(m->target_pod, WIRE_NAME_MAX),
                              .requested_by = wire_cut(m->requested_by, WIRE_NAME_MAX),
                              .interactive = m->interactive,
                              .max_lag_bytes = m->max_lag_bytes};
}

OperationRequest wire_member_operation_get(const Pgswarm__V1__MemberOperation *m)
{
    OperationKind k = kind_get(m->kind);
    return (OperationRequest){.id = wire_cut(m->operation_id, WIRE_NAME_MAX),
                              .kind = k == OP_SWITCHOVER ? OP_NONE : k,
                              .ns = wire_cut(m->namespace_, WIRE_NAME_MAX),
                              .cluster = wire_cut(m->cluster_name, WIRE_NAME_MAX),
                              .pod = wire_cut(m->pod, WIRE_NAME_MAX),
                              .requested_by = wire_cut(m->requested_by, WIRE_NAME_MAX),
                              .accept_data_loss = m->accept_data_loss,
                              .rolling = m->rolling,
                              .drain_timeout_seconds = m->drain_timeout_seconds};
}

OperationStepWord wire_operation_step_get(const Pgswarm__V1__OperationStep *m)
{
    return (OperationStepWord){wire_cut(m->operation_id, WIRE_NAME_MAX),
                               (unsigned)m->verb < VERB_COUNT ? (OperationVerb)m->verb : VERB_NONE,
                               m->step};
}

OperationProgress wire_operation_progress_get(const Pgswarm__V1__OperationProgress *m)
{
    return (OperationProgress){.id = wire_cut(m->operation_id, WIRE_NAME_MAX),
                               .ns = wire_cut(m->namespace_, WIRE_NAME_MAX),
                               .cluster = wire_cut(m->cluster_name, WIRE_NAME_MAX),
                               .kind = kind_get(m->kind),
                               .step = m->step,
                               .steps_total = m->steps_total,
                               .step_name = wire_cut(m->step_name, WIRE_NAME_MAX),
                               .status = step_status_of(m->status),
                               .pod = wire_cut(m->pod, WIRE_NAME_MAX),
                               .target = wire_cut(m->target_pod, WIRE_NAME_MAX),
                               .detail = wire_cut(m->detail, WIRE_SENTENCE_MAX),
                               .error = wire_cut(m->error, WIRE_SENTENCE_MAX),
                               .point_of_no_return = m->point_of_no_return,
                               .at_us = m->at_us,
                               .started_us = m->started_us,
                               .took_ms = m->took_ms};
}

OperationResult wire_operation_result_get(const Pgswarm__V1__OperationResult *m)
{
    return (OperationResult){.id = wire_cut(m->operation_id, WIRE_NAME_MAX),
                             .ns = wire_cut(m->namespace_, WIRE_NAME_MAX),
                             .cluster = wire_cut(m->cluster_name, WIRE_NAME_MAX),
                             .kind = kind_get(m->kind),
                             .outcome = outcome_of(m->outcome),
                             .target = wire_cut(m->target_pod, WIRE_NAME_MAX),
                             .detail = wire_cut(m->detail, WIRE_SENTENCE_MAX),
                             .error = wire_cut(m->error, WIRE_SENTENCE_MAX),
                             .finished_us = m->finished_us};
}

Pgswarm__V1__SwitchoverRequest *wire_switchover_put(Arena *a, const OperationRequest *r)
{
    Pgswarm__V1__SwitchoverRequest *m = arena_new_of(a, Pgswarm__V1__SwitchoverRequest);
    pgswarm__v1__switchover_request__init(m);
    m->operation_id = pb_text(r->id);
    m->namespace_ = pb_text(r->ns);
    m->cluster_name = pb_text(r->cluster);
    m->target_pod = pb_text(r->pod);
    m->requested_by = pb_text(r->requested_by);
    m->interactive = r->interactive;
    m->max_lag_bytes = r->max_lag_bytes;
    return m;
}

Pgswarm__V1__MemberOperation *wire_member_operation_put(Arena *a, const OperationRequest *r)
{
    Pgswarm__V1__MemberOperation *m = arena_new_of(a, Pgswarm__V1__MemberOperation);
    pgswarm__v1__member_operation__init(m);
    m->operation_id = pb_text(r->id);
    m->kind = (Pgswarm__V1__OperationKind)r->kind;
    m->namespace_ = pb_text(r->ns);
    m->cluster_name = pb_text(r->cluster);
    m->pod = pb_text(r->pod);
    m->requested_by = pb_text(r->requested_by);
    m->accept_data_loss = r->accept_data_loss;
    m->rolling = r->rolling;
    m->drain_timeout_seconds = r->drain_timeout_seconds;
    return m;
}

Pgswarm__V1__OperationStep *wire_operation_step_put(Arena *a, const OperationStepWord *w)
{
    Pgswarm__V1__OperationStep *m = arena_new_of(a, Pgswarm__V1__OperationStep);
    pgswarm__v1__operation_step__init(m);
    m->operation_id = pb_text(w->id);
    m->verb = (Pgswarm__V1__OperationStep__Verb)w->verb;
    m->step = w->step;
    return m;
}

Pgswarm__V1__OperationProgress *wire_operation_progress_put(Arena *a, const OperationProgress *p)
{
    Pgswarm__V1__OperationProgress *m = arena_new_of(a, Pgswarm__V1__OperationProgress);
    pgswarm__v1__operation_progress__init(m);
    m->operation_id = pb_text(p->id);
    m->namespace_ = pb_text(p->ns);
    m->cluster_name = pb_text(p->cluster);
    m->kind = (Pgswarm__V1__OperationKind)p->kind;
    m->step = p->step;
    m->steps_total = p->steps_total;
    m->step_name = pb_text(p->step_name);
    m->status = pb_text(step_status_name(p->status));
    m->pod = pb_text(p->pod);
    m->target_pod = pb_text(p->target);
    m->detail = pb_text(p->detail);
    m->error = pb_text(p->error);
    m->point_of_no_return = p->point_of_no_return;
    m->at_us = p->at_us;
    m->started_us = p->started_us;
    m->took_ms = p->took_ms;
    return m;
}

Pgswarm__V1__OperationResult *wire_operation_result_put(Arena *a, const OperationResult *r)
{
    Pgswarm__V1__OperationResult *m = arena_new_of(a, Pgswarm__V1__OperationResult);
    pgswarm__v1__operation_result__init(m);
    m->operation_id = pb_text(r->id);
    m->namespace_ = pb_text(r->ns);
    m->cluster_name = pb_text(r->cluster);
    m->kind = (Pgswarm__V1__OperationKind)r->kind;
    m->success = r->outcome == OUTCOME_DONE;
    m->outcome = pb_text(outcome_name(r->outcome));
    m->target_pod = pb_text(r->target);
    m->detail = pb_text(r->detail);
    m->error = pb_text(r->error);
    m->finished_us = r->finished_us;
    return m;
}
