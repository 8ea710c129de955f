/* wire/wire_operation.h - operations between model and the generated messages; inside of wire. */
#pragma once
#include "core/arena.h"
#include "model/operation.h"
#include "pgswarm/v1/satellite.pb-c.h"

OperationRequest wire_switchover_get(const Pgswarm__V1__SwitchoverRequest *m);
OperationRequest wire_member_operation_get(const Pgswarm__V1__MemberOperation *m);
OperationStepWord wire_operation_step_get(const Pgswarm__V1__OperationStep *m);
OperationProgress wire_operation_progress_get(const Pgswarm__V1__OperationProgress *m);
OperationResult wire_operation_result_get(const Pgswarm__V1__OperationResult *m);

Pgswarm__V1__SwitchoverRequest *wire_switchover_put(Arena *a, const OperationRequest *r);
Pgswarm__V1__MemberOperation *wire_member_operation_put(Arena *a, const OperationRequest *r);
Pgswarm__V1__OperationStep *wire_operation_step_put(Arena *a, const OperationStepWord *w);
Pgswarm__V1__OperationProgress *wire_operation_progress_put(Arena *a, const OperationProgress *p);
Pgswarm__V1__OperationResult *wire_operation_result_put(Arena *a, const OperationResult *r);
