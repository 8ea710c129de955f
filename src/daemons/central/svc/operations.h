/* central/svc/operations.h - operations: asked for, spoken to, reported on. Each is one
 * transaction, its audit row in it. */
#pragma once
#include "model/operation.h"
#include "store/audit.h"
#include "store/clusters.h"
#include "store/operations.h"

typedef struct OperationStart {
    OperationKind kind;
    const ClusterRow *cluster;
    const ApiOperationInput *in;
    const char *user;
    FieldErrors *errs; /* what is wrong with it, when done says ERR_INVALID */
    AuditNew audit;
} OperationStart;
/* ERR_CONFLICT names the operation that has not ended. */
void operation_start(App *app, Arena *a, const OperationStart *in, OperationDone done, void *ctx);

typedef struct OperationSay {
    const char *id;     /* whole */
    OperationWish wish; /* WISH_CONTINUE, WISH_ABORT; WISH_END: forget */
    const char *user;
    int64_t step;
    AuditNew audit;
} OperationSay;
/* The result is the operation as it is then. What cannot be (any more) is ERR_CONFLICT. */
void operation_say(App *app, Arena *a, const OperationSay *in, OperationDone done, void *ctx);

/* What a satellite tells; exactly one of p and r; all of it lives until done. done may be told an
 * error: then nothing is stored, and the site is asked again. A report of an operation that is not
 * this satellite's is ERR_NOT_FOUND. */
typedef struct OperationReport {
    const char *satellite_id;
    const OperationProgress *p;
    const OperationResult *r;
} OperationReport;
void operation_report(App *app, const OperationReport *in, AppDone done, void *ctx);
