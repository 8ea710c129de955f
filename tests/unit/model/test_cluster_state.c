#include "model/cluster_state.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { S = 1000000 };

static InstanceHealth primary(const char *pod)
{
    return (InstanceHealth){.pod_name = pod, .role = ROLE_PRIMARY, .ready = true};
}

static InstanceHealth replica(const char *pod, bool streaming, int64_t lag)
{
    return (InstanceHealth){.pod_name = pod,
                            .role = ROLE_REPLICA,
                            .ready = true,
                            .wal_receiver_active = streaming,
                            .lag_bytes = lag};
}

static InstanceHealth down(const char *pod, const char *error)
{
    return (InstanceHealth){.pod_name = pod, .error = error};
}

typedef struct Case {
    const char *what;
    ClusterStateInput in;
    InstanceHealth at[3];
    ClusterState want;
    const char *reason;
} Case;

static void states_with_their_reasons(void **state)
{
    (void)state;
    const ClusterStateInput fresh = {.replicas_wanted = 3, .now_us = 60 * S};
    const ClusterStateInput ran = {
        .replicas_wanted = 3, .now_us = 3600 * (int64_t)S, .was_running = true};
    const ClusterStateInput late = {.replicas_wanted = 3, .now_us = 700 * (int64_t)S};
    ClusterStateInput paused = ran, deleting = ran, updating = ran;
    paused.paused = deleting.deleting = updating.updating = true;
    const Case cases[] = {
        {"all well",
         ran,
         {primary("a"), replica("b", true, 5), replica("c", true, 9)},
         CLUSTER_RUNNING,
         ""},
        {"well from the start",
         fresh,
         {primary("a"), replica("b", true, 0), replica("c", true, 0)},
         CLUSTER_RUNNING,
         ""},
        {"first start",
         fresh,
         {down("a", "initdb runs"), down("b", ""), down("c", "")},
         CLUSTER_CREATING,
         "initdb runs"},
        {"joining",
         fresh,
         {primary("a"), down("b", "cloning"), down("c", "")},
         CLUSTER_CREATING,
         "1 of 3"},
        {"never came up",
         late,
         {down("a", "no disk"), down("b", ""), down("c", "")},
         CLUSTER_FAILED,
         "no disk"},
        {"lost its primary",
         ran,
         {down("a", "killed"), replica("b", true, 0), replica("c", true, 0)},
         CLUSTER_FAILED,
         "no primary"},
        {"lost a replica",
         ran,
         {primary("a"), down("b", "no answer"), replica("c", true, 0)},
         CLUSTER_DEGRADED,
         "b: no answer"},
        {"stalled replica",
         ran,
         {primary("a"), replica("b", false, 0), replica("c", true, 0)},
         CLUSTER_DEGRADED,
         "1 of 2 replicas"},
        {"two primaries",
         ran,
         {primary("a"), primary("b"), replica("c", true, 0)},
         CLUSTER_DEGRADED,
         "2 instances"},
        {"paused", paused, {primary("a"), down("b", ""), down("c", "")}, CLUSTER_PAUSED, "paused"},
        {"deleting",
         deleting,
         {primary("a"), down("b", ""), down("c", "")},
         CLUSTER_DELETING,
         "removed"},
        {"updating",
         updating,
         {primary("a"), down("b", ""), down("c", "")},
         CLUSTER_UPDATING,
         "applied"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_ARENA a = arena_new();
        ClusterStateInput in = cases[i].in;
        in.instances = cases[i].at;
        in.n = 3;
        ClusterStateResult r = cluster_state_decide(a, &in);
        if (r.state != cases[i].want || !strstr(r.reason, cases[i].reason))
            fail_msg("%s: %s: %s", cases[i].what, cluster_state_name(r.state), r.reason);
        assert_true((r.state == CLUSTER_RUNNING) == !*r.reason);
    }
}

static void numbers_of_the_worst(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    InstanceHealth at[] = {primary("a"), replica("b", true, 5), replica("c", true, 9)};
    at[1].lag_seconds = 3.5;
    ClusterStateInput in = {.replicas_wanted = 3, .instances = at, .n = 3, .was_running = true};
    ClusterStateResult r = cluster_state_decide(a, &in);
    assert_int_equal(r.ready, 3);
    assert_int_equal(r.lag_bytes, 9);
    assert_true(r.lag_seconds == 3.5);
    assert_string_equal(r.primary_pod, "a");
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < CLUSTER_STATE_COUNT; i++)
        assert_int_equal(cluster_state_of(cluster_state_name((ClusterState)i)), i);
    for (int i = 0; i < ROLE_COUNT; i++)
        assert_int_equal(instance_role_of(instance_role_name((InstanceRole)i)), i);
    for (int i = 0; i < SEV_COUNT; i++)
        assert_int_equal(severity_of(severity_name((Severity)i)), i);
    assert_int_equal(cluster_state_of("nonsense"), CLUSTER_UNKNOWN);
    assert_string_equal(cluster_state_name((ClusterState)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_with_their_reasons),
        cmocka_unit_test(numbers_of_the_worst),
        cmocka_unit_test(names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
