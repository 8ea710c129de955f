/* central/svc/operation_merge.h - what a report of the site changes about an operation: the pure
 * part.
 *
 * Reports come twice, late and out of order (a link that breaks, a site that tells all again, two
 * centrals). Per step the newest by the site's clock counts, and what a step was once told to have
 * is not untold; an end that the site told stands. So any order of the same reports ends the same.
 */
#pragma once
#include "api/schemas_operation.h"
#include "model/operation.h"

enum { OPERATION_STEPS_MAX = 64 };

typedef enum MergeVerdict {
    MERGE_NOTHING, /* known already */
    MERGE_CHANGED,
    MERGE_REFUSED, /* a step that cannot be */
} MergeVerdict;
/* o's steps are replaced by a list in the arena. */
MergeVerdict operation_merge_progress(Arena *a, ApiOperation *o, const OperationProgress *p);
/* now_us: when the site did not say when. */
MergeVerdict operation_merge_result(ApiOperation *o, const OperationResult *r, int64_t now_us);
/* The state that an outcome is shown as: "done", "rolled_back", "failed", "unknown". */
const char *operation_end_state(Outcome o);
