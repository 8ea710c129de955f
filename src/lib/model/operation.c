#include "model/operation.h"

static const char *const KINDS[OP_KIND_COUNT] = {
    "none", "switchover", "failover", "fence", "unfence", "reinit", "restart", "pause", "resume"};
static const char *const STATUSES[STEP_STATUS_COUNT] = {"",     "pending", "running",     "waiting",
                                                        "done", "failed",  "rolling_back"};
static const char *const OUTCOMES[OUTCOME_COUNT] = {"", "done", "rolled_back",
                                                    "failed_past_no_return", "unknown"};

static unsigned find(const char *const *names, unsigned n, const char *name)
{
    for (unsigned i = 1; i < n; i++)
        if (str_eq(names[i], str_or(name, "")))
            return i;
    return 0;
}

const char *operation_kind_name(OperationKind k)
{
    return KINDS[(unsigned)k < OP_KIND_COUNT ? k : OP_NONE];
}

OperationKind operation_kind_of(const char *name)
{
    return (OperationKind)find(KINDS, OP_KIND_COUNT, name);
}

const char *step_status_name(StepStatus s)
{
    return STATUSES[(unsigned)s < STEP_STATUS_COUNT ? s : STEP_NONE];
}

StepStatus step_status_of(const char *name)
{
    return (StepStatus)find(STATUSES, STEP_STATUS_COUNT, name);
}

const char *outcome_name(Outcome o)
{
    return OUTCOMES[(unsigned)o < OUTCOME_COUNT ? o : OUTCOME_NONE];
}

Outcome outcome_of(const char *name)
{
    return (Outcome)find(OUTCOMES, OUTCOME_COUNT, name);
}
