#include "kubelet/podplan.h"

#include "core/str.h"

enum { BACKOFF_FIRST_MS = 10 * 1000, BACKOFF_MAX_MS = 300 * 1000 };

static const char *const phase_names[] = {"Pending", "Running", "Succeeded", "Failed"};

const char *pod_phase_name(PodPhase p)
{
    return phase_names[p];
}

RestartPolicy restart_policy(const char *name)
{
    if (str_eq(name, "Never"))
        return RESTART_NEVER;
    return str_eq(name, "OnFailure") ? RESTART_ON_FAILURE : RESTART_ALWAYS;
}

uint64_t pod_backoff_ms(int n)
{
    if (n <= 1)
        return 0;
    uint64_t ms = BACKOFF_FIRST_MS;
    for (int i = 2; i < n && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* Start container i, now or when its time has come. */
static void want(PodPlan *p, const CtrView *c, size_t i, uint64_t now)
{
    if (c[i].start_at <= now) {
        p->start |= 1u << i;
        return;
    }
    if (c[i].phase == CTR_EXITED)
        p->backoff |= 1u << i;
    if (!p->wake_at || c[i].start_at < p->wake_at)
        p->wake_at = c[i].start_at;
}

/* Init containers, one after the other. False: the pod has failed by one. */
static bool plan_init(PodPlan *p, const CtrView *c, size_t n, RestartPolicy policy, uint64_t now)
{
    for (size_t i = 0; i < n && c[i].init; i++) {
        if (c[i].phase == CTR_EXITED && c[i].exit_code == 0)
            continue;
        p->initialized = false;
        if (c[i].phase == CTR_EXITED && policy == RESTART_NEVER)
            return false;
        if (c[i].phase != CTR_RUNNING)
            want(p, c, i, now);
        return true;
    }
    return true;
}

static bool again(const CtrView *c, RestartPolicy policy)
{
    return policy == RESTART_ALWAYS || (policy == RESTART_ON_FAILURE && c->exit_code != 0);
}

PodPlan pod_plan(const CtrView *c, size_t n, RestartPolicy policy, bool stopping, uint64_t now)
{
    PodPlan p = {.initialized = true};
    bool any_running = false, any_started = false, any_to_come = false, any_bad = false;
    bool init_ok = plan_init(&p, c, n, policy, now);
    for (size_t i = 0; i < n; i++) {
        any_running |= c[i].phase == CTR_RUNNING;
        if (c[i].init)
            continue;
        any_started |= c[i].was_started || c[i].phase != CTR_WAITING;
        if (c[i].phase == CTR_EXITED && !again(&c[i], policy)) {
            any_bad |= c[i].exit_code != 0;
            continue;
        }
        any_to_come = true;
        if (c[i].phase != CTR_RUNNING && p.initialized)
            want(&p, c, i, now);
    }
    p.phase = any_started && p.initialized ? PHASE_RUNNING : PHASE_PENDING;
    if (!init_ok || (!any_to_come && n))
        p.phase = init_ok && !any_bad ? PHASE_SUCCEEDED : PHASE_FAILED;
    p.over = !any_running && (stopping || p.phase >= PHASE_SUCCEEDED);
    if (stopping)
        p.start = 0;
    if (stopping || p.over)
        p.wake_at = 0;
    return p;
}
