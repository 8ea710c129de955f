#include "controllers/jobplan.h"

enum { BACKOFF_FIRST_MS = 10 * 1000, BACKOFF_MAX_MS = 360 * 1000 };

static int64_t backoff_ms(int failed)
{
    int64_t ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < failed && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    return failed == 0 ? 0 : ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

JobPlan job_plan(const JobState *s)
{
    JobPlan p = {0};
    int need = s->completions ? s->completions : 1;
    if (s->finished) {
        p.stop_active = s->active > 0;
        return p;
    }
    if (s->succeeded >= need && (s->completions || s->active == 0))
        p.end = JOB_COMPLETE;
    else if (s->failed > s->backoff_limit)
        p.end = JOB_BACKOFF_EXCEEDED;
    else if (s->deadline_s && s->age_s >= s->deadline_s)
        p.end = JOB_DEADLINE;
    p.stop_active = p.end == JOB_BACKOFF_EXCEEDED || p.end == JOB_DEADLINE || s->suspended;
    if (s->deadline_s && p.end == JOB_GOES_ON)
        p.again_ms = (s->deadline_s - s->age_s) * 1000;
    if (p.end != JOB_GOES_ON || s->suspended)
        return p;
    int left = s->completions ? need - s->succeeded - s->active
               : s->succeeded ? 0
                              : s->parallelism - s->active;
    int room = s->parallelism - s->active;
    p.create = left < room ? left : room;
    if (p.create <= 0) {
        p.create = 0;
        return p;
    }
    int64_t wait = backoff_ms(s->failed) - s->since_failure_ms;
    if (s->failed && wait > 0) {
        p.create = 0;
        p.again_ms = p.again_ms && p.again_ms < wait ? p.again_ms : wait;
    }
    return p;
}
