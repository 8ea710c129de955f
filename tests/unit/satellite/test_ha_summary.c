/* One honest line about a cluster, from what its members know. */
#include "health/ha_summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct Site {
    Arena *a;
    InstanceHealth at[3];
    FollowerHealth followers[2];
    const char *names[2];
} Site;

static const char *const PODS[] = {"db-0", "db-1", "db-2"};

static int set_up(void **state)
{
    Arena *a = arena_new();
    Site *s = arena_new_of(a, Site);
    s->a = a;
    for (int i = 0; i < 3; i++)
        s->at[i] = (InstanceHealth){.pod_name = PODS[i],
                                    .role = i ? ROLE_REPLICA : ROLE_PRIMARY,
                                    .ready = true,
                                    .lsn = "0/5000000",
                                    .received_lsn = i ? "0/5000000" : "",
                                    .timeline_id = 3,
                                    .ha = {.lease_holder = "db-0",
                                           .lease_epoch = 7,
                                           .lease_age_ms = 1000 + i,
                                           .lease_seconds = 15,
                                           .durability = "protected"}};
    HaFacts *f = &s->at[0].ha;
    for (int i = 0; i < 2; i++) {
        s->names[i] = PODS[i + 1];
        s->followers[i] = (FollowerHealth){.pod_name = PODS[i + 1],
                                           .state = "streaming",
                                           .sync_state = "quorum",
                                           .epoch = 7,
                                           .lag_bytes = 100 * (i + 1)};
    }
    f->sync_recorded = true;
    f->sync_k = 1;
    f->sync_names = (StrList){s->names, 2};
    f->followers = (ObjList){s->followers, 2};
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    arena_free(((Site *)*state)->a);
    return 0;
}

static HaSummary sum(Site *s)
{
    return ha_summarise(s->a, "db", &(ObjList){s->at, 3});
}

static void test_protected(void **state)
{
    Site *s = *state;
    HaSummary h = sum(s);
    assert_string_equal(h.durability, "protected");
    assert_string_equal(h.sync, "ok");
    assert_string_equal(h.loss, "none");
    assert_int_equal(h.epoch, 7);
    assert_int_equal(h.timeline_id, 3);
    assert_int_equal(h.lease_age_ms, 1000);
    assert_string_equal(h.lease_holder, "db-0");
    s->at[1].role = ROLE_UNKNOWN; /* one vote of two is not enough */
    assert_string_equal(sum(s).loss, "refused");
}

static void test_nobody_acknowledges(void **state)
{
    Site *s = *state;
    s->followers[0].state = "catchup";
    s->followers[1].epoch = 6;
    assert_string_equal(sum(s).sync, "waiting");
}

static void test_performance(void **state)
{
    Site *s = *state;
    HaFacts *f = &s->at[0].ha;
    f->durability = "performance";
    f->sync_k = 0;
    f->sync_names = (StrList){0};
    HaSummary h = sum(s);
    assert_string_equal(h.sync, "off");
    assert_string_equal(h.loss, "possible");
    assert_int_equal(h.loss_bytes, 100); /* the best, not the worst */
    assert_non_null(strstr(h.loss_text, "db-1"));
}

static void test_degraded(void **state)
{
    Site *s = *state;
    HaFacts *f = &s->at[0].ha;
    f->durability = "available";
    f->sync_k = 0;
    f->sync_degraded = true;
    f->followers.n = 0; /* the primary sees nobody: two reports are compared */
    s->at[0].lsn = "0/5000100";
    HaSummary h = sum(s);
    assert_string_equal(h.sync, "degraded");
    assert_int_equal(h.loss_bytes, 256);
}

/* Who knows a higher epoch is right, whatever the others say. */
static void test_a_new_leader(void **state)
{
    Site *s = *state;
    s->at[1].role = ROLE_PRIMARY;
    s->at[1].ha.lease_epoch = 8;
    s->at[1].ha.lease_holder = "db-1";
    s->at[1].ha.lease_age_ms = 5000;
    s->at[1].timeline_id = 4;
    HaSummary h = sum(s);
    assert_int_equal(h.epoch, 8);
    assert_int_equal(h.timeline_id, 4);
    assert_string_equal(h.lease_holder, "db-1");
    assert_string_equal(h.loss, "unknown"); /* it has not recorded anything yet */
}

static void test_nobody_leads(void **state)
{
    Site *s = *state;
    s->at[0].role = ROLE_UNKNOWN;
    HaSummary h = sum(s);
    assert_string_equal(h.sync, "unknown");
    assert_string_equal(h.loss, "unknown");
    h = ha_summarise(s->a, "db", &(ObjList){0});
    assert_int_equal(h.lease_age_ms, -1);
    assert_string_equal(h.loss, "unknown");
}

static void test_interventions(void **state)
{
    Site *s = *state;
    s->at[2].ha.fenced = s->at[0].ha.fenced = true;
    s->at[2].ha.fence_operation = "other";
    s->at[0].ha.fence_operation = "op-1";
    for (int i = 0; i < 3; i++) {
        s->at[i].ha.paused = true;
        s->at[i].ha.paused_by = "ann";
    }
    HaSummary h = sum(s);
    assert_string_equal(h.fenced_pod, "db-0");
    assert_string_equal(h.fence_operation, "op-1");
    assert_true(h.paused);
    assert_string_equal(h.paused_by, "ann");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_protected),    T(test_nobody_acknowledges), T(test_performance),   T(test_degraded),
        T(test_a_new_leader), T(test_nobody_leads),        T(test_interventions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
