#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include "health/aggregate.h"
#include "operator/watches.h"
#include <stdio.h>
#include <stdlib.h>

/* Texts of a Cluster are its own; nothing here frees or changes them. */
static char *text(const char *s)
{
    return (char *)s;
}

typedef struct Fixture {
    Arena *a;
    Cluster c;
    Registry reg;
    Pod pods[3];
    char names[3][16], uids[3][4];
} Fixture;

static void setup(Fixture *f)
{
    *f = (Fixture){.a = arena_new()};
    f->c = (Cluster){.name = text("pg"),
                     .ns = text("n"),
                     .has_spec = true,
                     .cluster_id = text("id"),
                     .pods = map_new(),
                     .claims = map_new(),
                     .created_us = 1000000};
    f->c.spec.replicas = 3;
    f->c.spec.config_version = f->c.applied_version = 4;
    registry_init(&f->reg);
    for (int i = 0; i < 3; i++) {
        snprintf(f->names[i], sizeof f->names[i], "pg-%d", i);
        f->pods[i] = (Pod){.name = f->names[i], .uid = f->uids[i], .ready = true};
        map_put(f->c.pods, f->names[i], &f->pods[i]);
    }
}

static void teardown(Fixture *f)
{
    registry_done(&f->reg);
    map_free(f->c.pods);
    map_free(f->c.claims);
    arena_free(f->a);
}

static Member *join(Fixture *f, int i, InstanceRole role)
{
    GrpcStream *old;
    Member *m = registry_join(&f->reg, &(MemberName){"n", "pg", f->names[i]},
                              (GrpcStream *)(uintptr_t)(i + 1), &old);
    registry_health(
        m,
        &(InstanceHealth){
            .role = role, .ready = true, .error = "", .wal_receiver_active = role == ROLE_REPLICA},
        1000);
    return m;
}

static ClusterHealth look(Fixture *f, uint64_t now_ms)
{
    return health_aggregate(f->a, &(HealthInput){&f->c, &f->reg, 2000000, now_ms});
}

static void test_running(void **st)
{
    Fixture f;
    (void)st;
    setup(&f);
    join(&f, 0, ROLE_PRIMARY);
    join(&f, 1, ROLE_REPLICA);
    join(&f, 2, ROLE_REPLICA);
    ClusterHealth h = look(&f, 1500);
    assert_int_equal(h.state, CLUSTER_RUNNING);
    assert_string_equal(h.primary_pod, "pg-0");
    assert_string_equal(h.reason, "");
    assert_int_equal(h.instances.n, 3);
    assert_int_equal(h.applied_version, 4);
    /* All silent for too long: nobody is believed any more. */
    h = look(&f, 1000 + HEALTH_STALE_MS + 1);
    assert_int_not_equal(h.state, CLUSTER_RUNNING);
    const InstanceHealth *at = h.instances.at;
    assert_string_equal(at[0].error, "its sidecar says nothing");
    teardown(&f);
}

static void test_members_that_are_not_there(void **st)
{
    Fixture f;
    (void)st;
    setup(&f);
    f.c.was_running = true;
    join(&f, 0, ROLE_PRIMARY);
    join(&f, 1, ROLE_REPLICA);
    map_remove(f.c.pods, "pg-2");
    ClusterHealth h = look(&f, 1500);
    const InstanceHealth *at = h.instances.at;
    assert_int_equal(h.state, CLUSTER_DEGRADED);
    assert_string_equal(at[2].pod_name, "pg-2");
    assert_string_equal(at[2].error, "its pod is not there");
    /* A pod whose sidecar is not connected: what its label and readiness say. */
    map_put(f.c.pods, "pg-2", &f.pods[2]);
    snprintf(f.pods[2].role, sizeof f.pods[2].role, "replica");
    h = look(&f, 1500);
    at = h.instances.at;
    assert_int_equal(at[2].role, ROLE_REPLICA);
    assert_true(at[2].ready);
    assert_string_equal(at[2].error, "its sidecar is not connected");
    f.pods[2].terminating = true;
    h = look(&f, 1500);
    at = h.instances.at;
    assert_false(at[2].ready);
    teardown(&f);
}

static void test_order_and_left_overs(void **st)
{
    Fixture f;
    Pod extra = {.name = text("pg-10"), .uid = text("u")};
    (void)st;
    setup(&f);
    map_put(f.c.pods, "pg-10", &extra); /* of before the cluster was made smaller */
    ClusterHealth h = look(&f, 1500);
    const InstanceHealth *at = h.instances.at;
    assert_int_equal(h.instances.n, 4);
    assert_string_equal(at[2].pod_name, "pg-2");
    assert_string_equal(at[3].pod_name, "pg-10");
    teardown(&f);
}

static void test_what_the_operator_knows(void **st)
{
    Fixture f;
    (void)st;
    setup(&f);
    f.c.problem = text("storage: storage_class \"x\": not at this site");
    f.c.refused = true;
    ClusterHealth h = look(&f, 1500);
    assert_int_equal(h.state, CLUSTER_FAILED);
    assert_string_equal(h.reason, f.c.problem);
    f.c.refused = false; /* the API was not there: the site is still being made */
    h = look(&f, 1500);
    assert_int_equal(h.state, CLUSTER_CREATING);
    assert_string_equal(h.reason, f.c.problem);
    f.c.problem = NULL;
    f.pods[1].problem = text("container postgres: ErrImagePull: no");
    f.pods[1].refused = true;
    h = look(&f, 1500);
    assert_string_equal(h.reason, f.pods[1].problem);
    f.c.deleting = true;
    h = look(&f, 1500);
    assert_int_equal(h.state, CLUSTER_DELETING);
    teardown(&f);
}

/* What changes the honest line about a cluster is news; what moves all the time is not. */
static void test_news(void **st)
{
    Fixture f;
    (void)st;
    setup(&f);
    Member *m = join(&f, 0, ROLE_PRIMARY);
    FollowerHealth who = {.pod_name = "pg-1", .state = "streaming", .sync_state = "quorum"};
    InstanceHealth h = {.role = ROLE_PRIMARY, .ready = true, .error = ""};
    h.ha = (HaFacts){.lease_epoch = 7, .followers = {&who, 1}};
    assert_true(registry_health(m, &h, 1000));
    who.lag_bytes = 5000;
    h.lag_bytes = 7;
    h.ha.lease_age_ms = 900;
    assert_false(registry_health(m, &h, 2000));
    who.state = "catchup";
    assert_true(registry_health(m, &h, 3000));
    h.ha.sync_degraded = true;
    assert_true(registry_health(m, &h, 4000));
    h.ha.fenced = true;
    assert_true(registry_health(m, &h, 5000));
    h.ha.lease_epoch = 8;
    assert_true(registry_health(m, &h, 6000));
    assert_false(registry_health(m, &h, 7000));
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_members_that_are_not_there),
        cmocka_unit_test(test_order_and_left_overs),
        cmocka_unit_test(test_what_the_operator_knows),
        cmocka_unit_test(test_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
