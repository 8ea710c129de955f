#include "api/schemas_operation.h"

static const char *const kinds[] = {"switchover", "failover", "fence",  "unfence", "reinit",
                                    "restart",    "pause",    "resume", NULL};
static const char *const states[] = {"scheduled",   "pending", "running", "waiting", "done",
                                     "rolled_back", "failed",  "unknown", NULL};
static const char *const statuses[] = {"pending", "running",      "waiting", "done",
                                       "failed",  "rolling_back", NULL};

static const FieldSpec step_fields[] = {
    FIELD(ApiOperationStep, n, FK_I64, .help = "Its number, from 1"),
    FIELD(ApiOperationStep, name, FK_STR, .help = "What it does", .example = "transfer lease"),
    FIELD(ApiOperationStep, status, FK_STR, .choices = statuses, .help = "How it stands"),
    FIELD(ApiOperationStep, pod, FK_STR, .help = "Pod it works on, or empty"),
    FIELD(ApiOperationStep, started_at, FK_TIME, .help = "When it began at the site"),
    FIELD(ApiOperationStep, took_ms, FK_I64, .help = "Of a step that is over"),
    FIELD(ApiOperationStep, detail, FK_STR, .help = "What was seen or done"),
    FIELD(ApiOperationStep, error, FK_STR, .help = "Why it failed"),
    FIELD(ApiOperationStep, reported_at, FK_TIME, .help = "When the site told this"),
};
SCHEMA_DEF(schema_OPERATION_STEP, "OPERATION_STEP", ApiOperationStep, step_fields,
           "One step of an operation");

static const FieldSpec operation_fields[] = {
    FIELD(ApiOperation, id, FK_STR,
          .help = "UUID; its first digits will do where one is asked for"),
    FIELD(ApiOperation, kind, FK_STR, .choices = kinds, .help = "What is to be done"),
    FIELD(ApiOperation, cluster, FK_STR, .help = "Name of the cluster"),
    FIELD_AS(ApiOperation, "namespace", ns, FK_STR, .help = "Namespace of the cluster"),
    FIELD(ApiOperation, satellite, FK_STR, .help = "Name of its site's satellite"),
    FIELD(ApiOperation, state, FK_STR, .choices = states,
          .help =
              "scheduled, pending, running, waiting (for a word), then done, rolled_back, failed "
              "(past the point of no return) or unknown (nothing heard; it may go on)"),
    FIELD(ApiOperation, reason, FK_STR, .help = "Why it does not go on now"),
    FIELD(ApiOperation, step, FK_I64, .help = "The step it is at; 0: none yet"),
    FIELD(ApiOperation, steps_total, FK_I64, .help = "How many there are; 0: not known yet"),
    FIELD(ApiOperation, steps, FK_OBJS, .of = &schema_OPERATION_STEP, .help = "Steps heard of"),
    FIELD(ApiOperation, target, FK_STR, .help = "Pod that is to lead, or that it is about"),
    FIELD(ApiOperation, primary, FK_STR, .help = "Primary when it was asked for"),
    FIELD(ApiOperation, point_of_no_return, FK_BOOL, .help = "Passed: it can only go forward"),
    FIELD(ApiOperation, params, FK_JSON, .help = "What was asked for"),
    FIELD(ApiOperation, requested_by, FK_STR, .help = "User"),
    FIELD(ApiOperation, aborted_by, FK_STR, .help = "User who asked to abort it, or empty"),
    FIELD(ApiOperation, created_at, FK_TIME, .help = "When it was asked for"),
    FIELD(ApiOperation, scheduled_at, FK_TIME, .help = "When it is to begin; null: at once"),
    FIELD(ApiOperation, started_at, FK_TIME, .help = "When the site began"),
    FIELD(ApiOperation, heard_at, FK_TIME, .help = "When the site was last heard of it"),
    FIELD(ApiOperation, finished_at, FK_TIME, .help = "When it ended; null: it has not"),
    FIELD(ApiOperation, error, FK_STR, .help = "Why it did not end well"),
    FIELD(ApiOperation, detail, FK_STR, .help = "What is true now, in a sentence"),
};
SCHEMA_DEF(schema_OPERATION, "OPERATION", ApiOperation, operation_fields,
           "A long job of one cluster: steps, owner, and one of four ends");

/* ---- what is asked for ---- */

#define F_DETACH                              \
    FIELD(ApiOperationInput, detach, FK_BOOL, \
          .help = "Also when its satellite is away: it is done when the satellite is back")
#define F_TO                                        \
    FIELD(ApiOperationInput, to, FK_STR, .max = 63, \
          .help = "Pod that is to lead; empty: the replica that is best", .example = "prod-pg-1")
#define F_POD(flag, text)                                                         \
    FIELD(ApiOperationInput, pod, FK_STR, .max = 63, .flags = flag, .help = text, \
          .example = "prod-pg-1")

static const FieldSpec switchover_fields[] = {
    F_TO,
    FIELD(ApiOperationInput, interactive, FK_BOOL,
          .help = "Wait before the lease is handed over, for continue or abort"),
    FIELD(ApiOperationInput, at, FK_TIME, .help = "Begin then; absent: now"),
    FIELD(ApiOperationInput, max_lag_bytes, FK_I64, .min = -1, .max = INT64_MAX, .def = "-1",
          .help = "Refuse when the new primary is further behind; -1: the site's default"),
    F_DETACH,
};
SCHEMA_DEF(schema_SWITCHOVER_INPUT, "SWITCHOVER_INPUT", ApiOperationInput, switchover_fields,
           "A planned change of the primary");

static const FieldSpec failover_fields[] = {
    F_TO,
    FIELD(ApiOperationInput, accept_data_loss, FK_BOOL,
          .help = "Even when transactions that were acknowledged may be missing"),
    F_DETACH,
};
SCHEMA_DEF(schema_FAILOVER_INPUT, "FAILOVER_INPUT", ApiOperationInput, failover_fields,
           "A forced change of the primary");

static const FieldSpec fence_fields[] = {
    F_POD(FF_REQUIRED, "Member that lets no client in any more"),
    FIELD(ApiOperationInput, drain_timeout_seconds, FK_U32, .min = 0, .max = 3600,
          .help = "Sessions may end by themselves for so long"),
    F_DETACH,
};
SCHEMA_DEF(schema_FENCE_INPUT, "FENCE_INPUT", ApiOperationInput, fence_fields, "Whom to fence");

static const FieldSpec member_fields[] = {
    F_POD(FF_REQUIRED, "Member that it is about"),
    F_DETACH,
};
SCHEMA_DEF(schema_MEMBER_INPUT, "MEMBER_INPUT", ApiOperationInput, member_fields,
           "A member of a cluster");

static const FieldSpec restart_fields[] = {
    F_POD(0, "Only this member; empty: all in turn, the primary last, after a switchover"),
    FIELD(ApiOperationInput, rolling, FK_BOOL,
          .help = "All in turn; without `pod` it is never done otherwise"),
    F_DETACH,
};
SCHEMA_DEF(schema_RESTART_INPUT, "RESTART_INPUT", ApiOperationInput, restart_fields,
           "What to restart");

static const FieldSpec pause_fields[] = {F_DETACH};
SCHEMA_DEF(schema_PAUSE_INPUT, "PAUSE_INPUT", ApiOperationInput, pause_fields,
           "Automatic failover off or on");

static const FieldSpec continue_fields[] = {
    FIELD(ApiOperationContinue, step, FK_I64, .min = 0, .max = 1000,
          .help = "Only when it waits at this step; 0: wherever it waits"),
};
SCHEMA_DEF(schema_OPERATION_CONTINUE, "OPERATION_CONTINUE", ApiOperationContinue, continue_fields,
           "A word to an operation that waits");

static const FieldSpec abort_fields[] = {
    FIELD(ApiOperationAbort, forget, FK_BOOL,
          .help = "End the record of an unknown operation at central, whatever its site does"),
};
SCHEMA_DEF(schema_OPERATION_ABORT, "OPERATION_ABORT", ApiOperationAbort, abort_fields,
           "How to abort");
