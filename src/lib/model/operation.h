/* model/operation.h - operations inside one cluster, as central asks for them and the site tells of
 * them. Plain data and their words; strings are never NULL when they came through wire. */
#pragma once
#include "core/str.h"

typedef enum OperationKind {
    OP_NONE,
    OP_SWITCHOVER,
    OP_FAILOVER,
    OP_FENCE,
    OP_UNFENCE,
    OP_REINIT,
    OP_RESTART,
    OP_PAUSE,
    OP_RESUME,
    OP_KIND_COUNT
} OperationKind;

typedef enum StepStatus {
    STEP_NONE,
    STEP_PENDING,
    STEP_RUNNING,
    STEP_WAITING, /* for a person's word */
    STEP_DONE,
    STEP_FAILED,
    STEP_ROLLING_BACK,
    STEP_STATUS_COUNT
} StepStatus;

/* The four ends of an operation. */
typedef enum Outcome {
    OUTCOME_NONE, /* it has not ended */
    OUTCOME_DONE,
    OUTCOME_ROLLED_BACK, /* also: refused before anything was changed */
    OUTCOME_FAILED_PAST_NO_RETURN,
    OUTCOME_UNKNOWN,
    OUTCOME_COUNT
} Outcome;

const char *operation_kind_name(OperationKind k); /* "switchover"; "none" */
OperationKind operation_kind_of(const char *name);
const char *step_status_name(StepStatus s); /* "rolling_back"; "" */
StepStatus step_status_of(const char *name);
const char *outcome_name(Outcome o); /* "failed_past_no_return"; "" */
Outcome outcome_of(const char *name);

/* What was asked for; the same id is the same operation. */
typedef struct OperationRequest {
    const char *id, *ns, *cluster;
    OperationKind kind;
    const char *pod; /* switchover, failover: who is to lead; "" the best, the primary, or all */
    const char *requested_by;
    bool interactive, accept_data_loss, rolling;
    int64_t max_lag_bytes; /* 0: the default */
    uint32_t drain_timeout_seconds;
} OperationRequest;

/* One step as it is now. */
typedef struct OperationProgress {
    const char *id, *ns, *cluster;
    OperationKind kind;
    uint32_t step, steps_total; /* from 1 */
    const char *step_name;
    StepStatus status;
    const char *pod, *target, *detail, *error;
    bool point_of_no_return; /* passed */
    int64_t at_us, started_us, took_ms;
} OperationProgress;

typedef struct OperationResult {
    const char *id, *ns, *cluster;
    OperationKind kind;
    Outcome outcome;
    const char *target, *detail, *error;
    int64_t finished_us;
} OperationResult;

typedef enum OperationVerb { VERB_NONE, VERB_CONTINUE, VERB_ABORT, VERB_COUNT } OperationVerb;

typedef struct OperationStepWord {
    const char *id;
    OperationVerb verb;
    uint32_t step; /* the one that waits; 0: whichever it is */
} OperationStepWord;
