/* ops/record.h - what the site keeps of an operation, so that it survives whoever drives it:
 * ConfigMap NAME-operation, key operation.json. One per cluster: the last one. Pure. */
#pragma once
#include "codec/fields.h"
#include "model/operation.h"

enum { OP_STEPS_MAX = 64 };

typedef struct OpStep {
    const char *name, *pod, *status, *detail, *error;
    int64_t started_us, took_ms, at_us;
} OpStep;

typedef struct OpRecord {
    /* what was asked for */
    const char *id, *kind, *ns, *cluster, *pod, *requested_by;
    bool interactive, accept_data_loss, rolling;
    int64_t max_lag_bytes;
    uint32_t drain_timeout_seconds;
    /* where it is */
    uint32_t step;                     /* from 1 */
    ObjList steps;                     /* OpStep */
    const char *old, *target;          /* who led when it began, and who is to lead */
    const char *phase, *sw_step, *lsn; /* of a switchover; lsn: what the target must replay */
    uint32_t timeline;
    int64_t mark;  /* a step's own: when PostgreSQL had started before it was restarted */
    bool past;     /* the point of no return */
    int64_t at_us; /* of the newest progress */
    /* how it ended */
    const char *outcome, *error, *detail;
    int64_t finished_us;
    bool acked; /* central has the result */
} OpRecord;

extern const Schema op_record_schema;
/* Texts are never NULL afterwards. ERR_INVALID when it is no record. */
ErrCode op_record_parse(Arena *a, StrView text, OpRecord *ret, Error *err) MUST_USE;
char *op_record_text(Arena *a, const OpRecord *r);
OpRecord op_record_new(Arena *a, const OperationRequest *r);
/* Everything copied into `a`. */
OpRecord op_record_dup(Arena *a, const OpRecord *r);

OpStep *op_record_step(const OpRecord *r, uint32_t n); /* from 1; NULL: there is none */
/* As told to central. */
OperationProgress op_record_progress(const OpRecord *r, uint32_t n);
OperationResult op_record_result(const OpRecord *r);
