/* The deciding halves of the controllers and of the kubelet. */
#include "controllers/jobplan.h"
#include "controllers/rollplan.h"
#include "controllers/stsplan.h"
#include "core/arena.h"
#include "kubelet/podplan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- StatefulSet ---- */

#define GOOD                                                                          \
    {                                                                                 \
        .exists = true, .running_ready = true, .is_updated = true, .is_current = true \
    }
static const StsPod good = GOOD;
static const StsPod starting = {.exists = true, .is_updated = true};
static const StsPod stale = {.exists = true, .running_ready = true, .is_current = true};
static const StsPod leaving = {.exists = true, .terminating = true, .is_updated = true};

static void sts_one(const StsSpec *spec, const StsPod *pods, size_t n, StsVerb verb, size_t ordinal)
{
    StsAction out[16];
    assert_int_equal(sts_plan(spec, pods, n, out), 1);
    assert_int_equal(out[0].verb, verb);
    assert_int_equal(out[0].ordinal, ordinal);
}

static void sts_none(const StsSpec *spec, const StsPod *pods, size_t n)
{
    StsAction out[16];
    assert_int_equal(sts_plan(spec, pods, n, out), 0);
}

static void test_sts_comes_up_in_order(void **state)
{
    (void)state;
    StsSpec spec = {.replicas = 3};
    StsPod pods[3] = {{0}};
    sts_one(&spec, pods, 3, STS_CREATE, 0);
    pods[0] = starting;
    sts_none(&spec, pods, 3);
    pods[0] = good;
    sts_one(&spec, pods, 3, STS_CREATE, 1);
    pods[1] = leaving;
    sts_none(&spec, pods, 3);
    pods[1] = good;
    pods[2] = good;
    sts_none(&spec, pods, 3);
}

static void test_sts_parallel_comes_up_at_once(void **state)
{
    (void)state;
    StsSpec spec = {.replicas = 3, .parallel = true};
    StsPod pods[3] = {{0}};
    StsAction out[6];
    assert_int_equal(sts_plan(&spec, pods, 3, out), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(out[i].verb, STS_CREATE);
        assert_int_equal(out[i].ordinal, i);
    }
    pods[0] = starting;
    assert_int_equal(sts_plan(&spec, pods, 3, out), 2);
}

static void test_sts_goes_down_from_the_top(void **state)
{
    (void)state;
    StsSpec spec = {.replicas = 1};
    StsPod pods[3] = {GOOD, GOOD, GOOD};
    sts_one(&spec, pods, 3, STS_DELETE, 2);
    pods[2].terminating = true;
    sts_none(&spec, pods, 3);
    pods[2] = (StsPod){0};
    sts_one(&spec, pods, 3, STS_DELETE, 1);
}

static void test_sts_updates_from_the_top_to_the_partition(void **state)
{
    (void)state;
    StsSpec spec = {.replicas = 3, .partition = 1, .parallel = true};
    StsPod pods[3] = {stale, stale, stale};
    sts_one(&spec, pods, 3, STS_DELETE, 2);
    pods[2] = leaving;
    sts_none(&spec, pods, 3);
    pods[2] = (StsPod){0};
    StsAction out[6];
    assert_int_equal(sts_plan(&spec, pods, 3, out), 1);
    assert_false(out[0].current_revision);
    pods[2] = starting;
    sts_none(&spec, pods, 3);
    pods[2] = good;
    sts_one(&spec, pods, 3, STS_DELETE, 1);
    pods[1] = good;
    pods[0] = (StsPod){0};
    assert_int_equal(sts_plan(&spec, pods, 3, out), 1);
    assert_true(out[0].current_revision); /* below the partition the old revision stays */
    assert_false(sts_update_done(&spec, pods, 3));
    spec.partition = 0;
    pods[0] = good;
    assert_true(sts_update_done(&spec, pods, 3));
    spec.on_delete = true;
    pods[0] = stale;
    sts_none(&spec, pods, 3);
}

static void test_sts_replaces_what_has_ended(void **state)
{
    (void)state;
    StsSpec spec = {.replicas = 2};
    StsPod pods[2] = {{.exists = true, .ended = true, .is_updated = true}, GOOD};
    sts_one(&spec, pods, 2, STS_DELETE, 0);
}

/* ---- Deployment ---- */

static void test_roll_of_one_replica_never_goes_without(void **state)
{
    (void)state;
    RollState s = {
        .replicas = 1, .max_surge = 1, .old_replicas = 1, .old_available = 1, .old_pods = 1};
    RollStep r = roll_step(&s);
    assert_int_equal(r.new_replicas, 1);
    assert_int_equal(r.old_replicas, 1);
    s.new_replicas = 1;
    r = roll_step(&s);
    assert_int_equal(r.old_replicas, 1); /* the new one is not available yet */
    s.new_available = 1;
    r = roll_step(&s);
    assert_int_equal(r.old_replicas, 0);
    assert_int_equal(r.new_replicas, 1);
}

static void test_roll_recreate_waits_for_the_last(void **state)
{
    (void)state;
    RollState s = {.replicas = 2, .recreate = true, .old_replicas = 2, .old_pods = 2};
    assert_int_equal(roll_step(&s).new_replicas, 0);
    assert_int_equal(roll_step(&s).old_replicas, 0);
    s.old_pods = 0;
    assert_int_equal(roll_step(&s).new_replicas, 2);
}

static void test_roll_amounts(void **state)
{
    (void)state;
    cJSON *p = cJSON_CreateString("25%"), *n = cJSON_CreateNumber(2);
    assert_int_equal(roll_amount(p, 3, true, 0), 1);
    assert_int_equal(roll_amount(p, 3, false, 0), 0);
    assert_int_equal(roll_amount(n, 3, false, 0), 2);
    assert_int_equal(roll_amount(NULL, 4, false, 25), 1);
    cJSON_Delete(p);
    cJSON_Delete(n);
}

/* ---- Job ---- */

static void test_job_runs_retries_and_ends(void **state)
{
    (void)state;
    JobState s = {.parallelism = 1, .completions = 1, .backoff_limit = 1};
    assert_int_equal(job_plan(&s).create, 1);
    s.active = 1;
    assert_int_equal(job_plan(&s).create, 0);
    s = (JobState){.parallelism = 1,
                   .completions = 1,
                   .backoff_limit = 1,
                   .failed = 1,
                   .since_failure_ms = 1000};
    assert_int_equal(job_plan(&s).create, 0);
    assert_int_equal(job_plan(&s).again_ms, 9000);
    s.since_failure_ms = 10000;
    assert_int_equal(job_plan(&s).create, 1);
    s.failed = 2;
    assert_int_equal(job_plan(&s).end, JOB_BACKOFF_EXCEEDED);
    s = (JobState){.parallelism = 1, .completions = 1, .backoff_limit = 1, .succeeded = 1};
    assert_int_equal(job_plan(&s).end, JOB_COMPLETE);
}

static void test_job_deadline_stops_what_runs(void **state)
{
    (void)state;
    JobState s = {.parallelism = 1,
                  .completions = 1,
                  .backoff_limit = 6,
                  .deadline_s = 5,
                  .age_s = 3,
                  .active = 1};
    assert_int_equal(job_plan(&s).end, JOB_GOES_ON);
    assert_int_equal(job_plan(&s).again_ms, 2000);
    s.age_s = 5;
    assert_int_equal(job_plan(&s).end, JOB_DEADLINE);
    assert_true(job_plan(&s).stop_active);
}

/* ---- a pod's containers ---- */

static void test_pod_init_containers_go_first(void **state)
{
    (void)state;
    CtrView c[3] = {{.init = true}, {.init = true}, {0}};
    PodPlan p = pod_plan(c, 3, RESTART_ALWAYS, false, 100);
    assert_int_equal(p.start, 1);
    assert_int_equal(p.phase, PHASE_PENDING);
    c[0].phase = CTR_RUNNING;
    assert_int_equal(pod_plan(c, 3, RESTART_ALWAYS, false, 100).start, 0);
    c[0].phase = CTR_EXITED;
    assert_int_equal(pod_plan(c, 3, RESTART_ALWAYS, false, 100).start, 2);
    c[1].phase = CTR_EXITED;
    c[1].exit_code = 1;
    c[1].start_at = 500;
    p = pod_plan(c, 3, RESTART_ALWAYS, false, 100);
    assert_int_equal(p.start, 0);
    assert_int_equal(p.backoff, 2);
    assert_int_equal(p.wake_at, 500);
    assert_int_equal(pod_plan(c, 3, RESTART_NEVER, false, 100).phase, PHASE_FAILED);
    c[1].exit_code = 0;
    p = pod_plan(c, 3, RESTART_ALWAYS, false, 100);
    assert_int_equal(p.start, 4);
    assert_true(p.initialized);
}

static void test_pod_ends_as_its_policy_says(void **state)
{
    (void)state;
    CtrView c[2] = {{.phase = CTR_EXITED}, {.phase = CTR_EXITED, .exit_code = 1, .start_at = 900}};
    PodPlan p = pod_plan(c, 2, RESTART_NEVER, false, 100);
    assert_int_equal(p.phase, PHASE_FAILED);
    assert_true(p.over);
    p = pod_plan(c, 2, RESTART_ON_FAILURE, false, 100);
    assert_int_equal(p.phase, PHASE_RUNNING);
    assert_int_equal(p.wake_at, 900);
    assert_false(p.over);
    c[1].exit_code = 0;
    assert_int_equal(pod_plan(c, 2, RESTART_ON_FAILURE, false, 100).phase, PHASE_SUCCEEDED);
    assert_int_equal(pod_plan(c, 2, RESTART_ALWAYS, false, 100).start, 1);
}

static void test_pod_that_stops_starts_nothing(void **state)
{
    (void)state;
    CtrView c[2] = {{.phase = CTR_RUNNING}, {.phase = CTR_EXITED}};
    PodPlan p = pod_plan(c, 2, RESTART_ALWAYS, true, 100);
    assert_int_equal(p.start, 0);
    assert_false(p.over);
    c[0].phase = CTR_EXITED;
    assert_true(pod_plan(c, 2, RESTART_ALWAYS, true, 100).over);
}

static void test_pod_backoff(void **state)
{
    (void)state;
    assert_int_equal(pod_backoff_ms(1), 0);
    assert_int_equal(pod_backoff_ms(2), 10000);
    assert_int_equal(pod_backoff_ms(3), 20000);
    assert_int_equal(pod_backoff_ms(50), 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sts_comes_up_in_order),
        cmocka_unit_test(test_sts_parallel_comes_up_at_once),
        cmocka_unit_test(test_sts_goes_down_from_the_top),
        cmocka_unit_test(test_sts_updates_from_the_top_to_the_partition),
        cmocka_unit_test(test_sts_replaces_what_has_ended),
        cmocka_unit_test(test_roll_of_one_replica_never_goes_without),
        cmocka_unit_test(test_roll_recreate_waits_for_the_last),
        cmocka_unit_test(test_roll_amounts),
        cmocka_unit_test(test_job_runs_retries_and_ends),
        cmocka_unit_test(test_job_deadline_stops_what_runs),
        cmocka_unit_test(test_pod_init_containers_go_first),
        cmocka_unit_test(test_pod_ends_as_its_policy_says),
        cmocka_unit_test(test_pod_that_stops_starts_nothing),
        cmocka_unit_test(test_pod_backoff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
