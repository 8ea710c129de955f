#include "svc/operation_merge.h"

static ApiOperationStep *step_at(ApiOperation *o, int64_t n)
{
    ApiOperationStep *at = o->steps.at;
    for (size_t i = 0; i < o->steps.n; i++)
        if (at[i].n == n)
            return &at[i];
    return NULL;
}

/* A new one, in its place. */
static ApiOperationStep *step_add(Arena *a, ApiOperation *o, int64_t n)
{
    const ApiOperationStep *old = o->steps.at;
    ApiOperationStep *at = arena_array(a, ApiOperationStep, o->steps.n + 1);
    size_t before = 0;
    while (before < o->steps.n && old[before].n < n)
        before++;
    if (before)
        memcpy(at, old, before * sizeof *at);
    if (o->steps.n > before)
        memcpy(at + before + 1, old + before, (o->steps.n - before) * sizeof *at);
    at[before] = (ApiOperationStep){
        .n = n, .name = "", .status = "pending", .pod = "", .detail = "", .error = ""};
    o->steps = (ObjList){at, o->steps.n + 1};
    return &at[before];
}

/* The step that the site spoke of last: where the operation is. */
static const ApiOperationStep *newest(const ApiOperation *o)
{
    const ApiOperationStep *at = o->steps.at, *best = NULL;
    for (size_t i = 0; i < o->steps.n; i++)
        if (at[i].reported_at && (!best || at[i].reported_at >= best->reported_at))
            best = &at[i];
    return best;
}

static bool take(const char **field, const char *value)
{
    if (str_empty(value) || str_eq(*field, value))
        return false;
    *field = value;
    return true;
}

static bool take_int(int64_t *field, int64_t value)
{
    if (*field == value)
        return false;
    *field = value;
    return true;
}

static bool merge_step(Arena *a, ApiOperation *o, const OperationProgress *p)
{
    ApiOperationStep *s = step_at(o, p->step);
    bool changed = !s;
    if (!s)
        s = step_add(a, o, p->step);
    if (p->started_us && (!s->started_at || p->started_us < s->started_at))
        changed |= take_int(&s->started_at, p->started_us);
    if (p->at_us <= s->reported_at)
        return changed;
    s->reported_at = p->at_us;
    s->status = step_status_name(p->status);
    s->detail = str_or(p->detail, "");
    s->error = str_or(p->error, "");
    s->took_ms = p->took_ms;
    take(&s->name, p->step_name);
    take(&s->pod, p->pod);
    return true;
}

MergeVerdict operation_merge_progress(Arena *a, ApiOperation *o, const OperationProgress *p)
{
    if (p->step == 0 || p->step > OPERATION_STEPS_MAX || p->status == STEP_NONE || p->at_us <= 0)
        return MERGE_REFUSED;
    bool changed = merge_step(a, o, p);
    changed |= take(&o->target, p->target);
    if (p->steps_total > o->steps_total && p->steps_total <= OPERATION_STEPS_MAX)
        changed |= take_int(&o->steps_total, p->steps_total);
    if (p->point_of_no_return && !o->point_of_no_return)
        changed = o->point_of_no_return = true;
    if (p->started_us && (!o->started_at || p->started_us < o->started_at))
        changed |= take_int(&o->started_at, p->started_us);
    const ApiOperationStep *at = newest(o);
    changed |= take_int(&o->step, at->n);
    if (!o->finished_at)
        changed |= take(&o->state, str_eq(at->status, "waiting") ? "waiting" : "running");
    return changed ? MERGE_CHANGED : MERGE_NOTHING;
}

const char *operation_end_state(Outcome o)
{
    static const char *const STATES[OUTCOME_COUNT] = {
        [OUTCOME_NONE] = "unknown",
        [OUTCOME_DONE] = "done",
        [OUTCOME_ROLLED_BACK] = "rolled_back",
        [OUTCOME_FAILED_PAST_NO_RETURN] = "failed",
        [OUTCOME_UNKNOWN] = "unknown",
    };
    return STATES[(unsigned)o < OUTCOME_COUNT ? o : OUTCOME_UNKNOWN];
}

MergeVerdict operation_merge_result(ApiOperation *o, const OperationResult *r, int64_t now_us)
{
    const char *state = operation_end_state(r->outcome);
    if (r->outcome == OUTCOME_NONE)
        return MERGE_REFUSED;
    /* Only an end that nobody knew may become one that somebody knows. */
    if (o->finished_at && (!str_eq(o->state, "unknown") || str_eq(state, "unknown")))
        return MERGE_NOTHING;
    o->state = state;
    o->finished_at = r->finished_us > 0 ? r->finished_us : now_us;
    o->error = r->outcome == OUTCOME_DONE ? "" : str_or(r->error, "");
    o->detail = str_or(r->detail, "");
    o->point_of_no_return |= r->outcome == OUTCOME_FAILED_PAST_NO_RETURN;
    take(&o->target, r->target);
    return MERGE_CHANGED;
}
