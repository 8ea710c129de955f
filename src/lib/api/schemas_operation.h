/* api/schemas_operation.h - operations: what is asked for, and how it stands.
 *
 * Each kind has an input table of its own over one struct, so that a member that means nothing to a
 * kind is refused by name. */
#pragma once
#include "codec/fields.h"

typedef struct ApiOperationStep {
    int64_t n; /* from 1 */
    const char *name;
    const char *status; /* pending running waiting done failed rolling_back */
    const char *pod;
    int64_t started_at, took_ms;
    const char *detail, *error;
    int64_t reported_at; /* the site's clock; the newest report of a step wins */
} ApiOperationStep;
typedef struct ApiOperation {
    const char *id, *kind, *cluster, *ns, *satellite;
    const char *state;  /* scheduled pending running waiting done rolled_back failed unknown */
    const char *reason; /* why it is not going on; "" */
    int64_t step, steps_total;
    ObjList steps; /* ApiOperationStep, by n */
    const char *target, *primary;
    bool point_of_no_return;
    const char *params; /* JSON: what was asked for */
    const char *requested_by, *aborted_by;
    int64_t created_at, scheduled_at, started_at, heard_at, finished_at;
    const char *error, *detail;
} ApiOperation;

/* What may be asked for; see the tables for which kind takes what. */
typedef struct ApiOperationInput {
    const char *to;  /* who is to lead */
    const char *pod; /* whom it is about */
    bool interactive, accept_data_loss, rolling, detach;
    int64_t at;            /* 0: now */
    int64_t max_lag_bytes; /* -1: the site's default */
    uint32_t drain_timeout_seconds;
} ApiOperationInput;
typedef struct ApiOperationContinue {
    int64_t step; /* 0: the one that waits now */
} ApiOperationContinue;
typedef struct ApiOperationAbort {
    bool forget;
} ApiOperationAbort;

extern const Schema schema_OPERATION, schema_OPERATION_STEP, schema_OPERATION_CONTINUE,
    schema_OPERATION_ABORT;
extern const Schema schema_SWITCHOVER_INPUT, schema_FAILOVER_INPUT, schema_FENCE_INPUT,
    schema_MEMBER_INPUT, schema_RESTART_INPUT, schema_PAUSE_INPUT;
