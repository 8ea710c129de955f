/* central/svc/operation_check.h - may this operation be asked for? The pure part: what central
 * knows of the cluster against what is asked.
 *
 * What is only known at the site (lag at this moment, timelines, sessions) the site checks itself,
 * before it changes anything. */
#pragma once
#include "api/schemas_cluster.h"
#include "api/schemas_operation.h"
#include "model/operation.h"

typedef struct OperationFacts {
    const char *cluster, *satellite; /* names */
    const char *primary;             /* pod, "" when unknown */
    int64_t replicas;                /* members wanted */
    ObjList instances;               /* ApiInstance, as last reported; may be none */
    bool approved, connected, deleting;
    const char *blocker; /* NULL: no other operation */
    int64_t now_us;
} OperationFacts;

/* Field errors are collected; anything else is the returned error, which comes after them. */
ErrCode operation_check(Arena *a, OperationKind kind, const ApiOperationInput *in,
                        const OperationFacts *f, FieldErrors *errs, Error *err) MUST_USE;
/* Is this a pod of the cluster? */
bool operation_member(const OperationFacts *f, const char *pod);
