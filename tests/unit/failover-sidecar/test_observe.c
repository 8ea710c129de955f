#include "member/observe.h"
#include "member/vouch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static LpMsg launcher_of(LpData data, LpRole stamp, uint64_t epoch)
{
    LpMsg m = {.type = LP_STATE};
    m.num[LPF_DATA] = data;
    m.num[LPF_STAMP_ROLE] = stamp;
    m.num[LPF_STAMP_EPOCH] = epoch;
    m.num[LPF_SYSTEM_ID] = 77;
    return m;
}

/* The member that may begin the cluster, and has no data yet. */
static LpMsg launcher_without_data(void)
{
    LpMsg m = {.type = LP_STATE};
    m.num[LPF_DATA] = LP_DATA_EMPTY;
    return m;
}

static Facts first_member(const LpMsg *m, const LeaseInfo *l)
{
    return (Facts){.launcher = m,
                   .lease = l,
                   .lease_known = true,
                   .pod = "a-0",
                   .lease_seconds = 15,
                   .first = true};
}

static void observations(void **state)
{
    (void)state;
    LpMsg m = launcher_of(LP_DATA_READY, LP_ROLE_PRIMARY, 4);
    LeaseInfo l = {.exists = true,
                   .holder = "a-0",
                   .epoch = 4,
                   .system_id = 77,
                   .primary_addr = "198.18.0.2:5432"};
    Facts f = {.launcher = &m, .lease = &l, .lease_known = true, .pod = "a-0", .first = true};
    Observation o = member_observe(&f);
    assert_int_equal(o.lease, LEASE_MINE);
    assert_int_equal(o.data, DATA_PRIMARY);
    assert_int_equal(o.flags, IF_FIRST | IF_EPOCH);
    l.system_id = 78;
    assert_int_equal(member_observe(&f).data, DATA_ALIEN);
    l.system_id = 0;
    assert_int_equal(member_observe(&f).lease, LEASE_MINE_NEW);
    assert_int_equal(member_observe(&f).data, DATA_PRIMARY);
    f.lease_seconds = 15;
    f.lease_age_ms = 15001; /* of one's own lease, that says nothing */
    assert_int_equal(member_observe(&f).lease, LEASE_MINE_NEW);
    f.pod = "a-1";
    assert_int_equal(member_observe(&f).lease, LEASE_EXPIRED);
    f.lease_known = false;
    assert_int_equal(member_observe(&f).lease, LEASE_UNKNOWN);
    f.launcher = NULL;
    assert_int_equal(member_observe(&f).data, DATA_UNKNOWN);
}

/* Who serves on without a stream: only who had one a moment ago, and while nobody renews. */
static void doubts(void **state)
{
    (void)state;
    assert_int_equal(lease_renew_ms(15), 2000);
    assert_int_equal(lease_renew_ms(5), 1666);
    assert_int_equal(lease_overdue_ms(15), 4000);
    assert_false(serves_without_stream(4000, 100, 15)); /* somebody leads: this one is cut off */
    assert_true(serves_without_stream(4001, 100, 15));
    assert_true(serves_without_stream(4001, 14999, 15));
    assert_false(serves_without_stream(4001, 15000, 15)); /* was cut off before that */
}

/* What the age of another's lease makes of it. */
static void ages(void **state)
{
    (void)state;
    LeaseInfo l = {
        .exists = true, .holder = "a-0", .system_id = 77, .primary_addr = "h:1", .seconds = 15};
    Facts f = {.lease = &l, .lease_known = true, .pod = "a-1", .lease_seconds = 15};
    assert_int_equal(member_observe(&f).lease, LEASE_OTHER);
    *l.primary_addr = 0;
    assert_int_equal(member_observe(&f).lease, LEASE_RISING);
    f.lease_age_ms = lease_late_ms(15) + 1;
    assert_int_equal(member_observe(&f).lease, LEASE_LATE);
    f.lease_age_ms = 15001;
    assert_int_equal(member_observe(&f).lease, LEASE_EXPIRED);
    l.seconds = 30; /* the longer of the two counts: what the holder wrote */
    assert_int_not_equal(member_observe(&f).lease, LEASE_EXPIRED);
    l.seconds = 1; /* and what is configured here */
    f.lease_age_ms = 14999;
    assert_int_equal(member_observe(&f).lease, LEASE_LATE);
    l.exists = false;
    assert_int_equal(member_observe(&f).lease, LEASE_NONE);
    f.lease_age_ms = 15001;
    assert_int_equal(member_observe(&f).lease, LEASE_GONE);
}

/* Released by its holder is another thing than emptied by somebody. */
static void released(void **state)
{
    (void)state;
    LeaseInfo l = {.exists = true, .system_id = 77, .primary_addr = "h:1", .seconds = 15};
    Facts f = {.lease = &l, .lease_known = true, .pod = "a-1", .lease_seconds = 15, .replicas = 3};
    assert_int_equal(member_observe(&f).lease, LEASE_LATE);
    f.lease_age_ms = 15001;
    assert_int_equal(member_observe(&f).lease, LEASE_FREE);
    assert_false(member_observe(&f).flags & IF_CONFIRMED);
    f.lease_age_ms = 0;
    l.released = (LeaseReleased){.is = true, .by = "a-1"};
    Observation o = member_observe(&f);
    assert_int_equal(o.lease, LEASE_FREE);
    assert_true((o.flags & IF_CONFIRMED) && (o.flags & IF_GAVE));
    f.replicas = 1;
    assert_false(member_observe(&f).flags & IF_GAVE);
    l.paused.is = true;
    assert_true(member_observe(&f).flags & IF_PAUSED);
    l.failover.is = true; /* a person asks for it: that counts more */
    assert_false(member_observe(&f).flags & IF_PAUSED);
    f.replicas = 3;
    assert_true(member_observe(&f).flags & IF_EVICTED);
    snprintf(l.failover.to, sizeof l.failover.to, "a-1");
    assert_false(member_observe(&f).flags & IF_EVICTED);
}

/* A permit, the fence and the wait behind the seal never reach into what others may do. */
static void times(void **state)
{
    (void)state;
    for (unsigned s = 5; s <= 60; s++) {
        assert_true(lease_permit_ms(s) + 1000 < s * 1000);
        assert_true(lease_late_ms(s) > lease_permit_ms(s) && lease_late_ms(s) < s * 1000);
    }
    assert_true(lease_late_ms(15) + VOUCH_OVER_MS <= 15000);
}

/* Two pods of one name: the one before us may still run on a node that nobody reaches. */
static void incarnations(void **state)
{
    (void)state;
    LeaseInfo l = {.exists = true,
                   .holder = "a-0",
                   .uid = "first",
                   .system_id = 77,
                   .primary_addr = "h:1",
                   .seconds = 15};
    Facts f = {.lease = &l, .lease_known = true, .pod = "a-0", .uid = "first", .lease_seconds = 15};
    assert_int_equal(member_observe(&f).lease, LEASE_MINE);
    f.uid = "second";
    assert_int_equal(member_observe(&f).lease, LEASE_OTHER);
    f.lease_age_ms = 15001;
    assert_int_equal(member_observe(&f).lease, LEASE_EXPIRED);
    *l.uid = 0; /* handed over: who has the name is meant */
    assert_int_equal(member_observe(&f).lease, LEASE_MINE);
}

/* The pod that was to begin the cluster was deleted meanwhile: its successor begins it. */
static void begun_by_another_incarnation(void **state)
{
    (void)state;
    LeaseInfo l = {.exists = true, .holder = "a-0", .uid = "first", .epoch = 1, .seconds = 15};
    LpMsg m = launcher_without_data();
    Facts f = first_member(&m, &l);
    f.uid = "second";
    assert_int_equal(member_observe(&f).lease, LEASE_OTHER_NEW);
    f.lease_age_ms = 15001;
    Observation o = member_observe(&f);
    assert_int_equal(o.lease, LEASE_MINE_NEW);
    assert_int_equal(member_decide(&o).action, ACT_RENEW); /* with our uid */
    f.pod = "a-1";
    assert_int_equal(member_observe(&f).lease, LEASE_EXPIRED);
}

/* A first member without data never answers a deleted lease with another cluster. */
static void no_second_cluster(void **state)
{
    (void)state;
    LeaseInfo l = {0};
    LpMsg m = launcher_without_data();
    Facts f = first_member(&m, &l);
    Observation o = member_observe(&f);
    assert_int_equal(member_decide(&o).action, ACT_CREATE_LEASE);
    f.established = true;
    o = member_observe(&f);
    assert_int_equal(member_decide(&o).action, ACT_NONE);
}

/* Removing old folders may take minutes: whoever leads does not wait for that. */
static void forgetting(void **state)
{
    (void)state;
    LpMsg m = launcher_of(LP_DATA_READY, LP_ROLE_PRIMARY, 4);
    m.num[LPF_JOB] = LP_JOB_FORGET;
    LeaseInfo l = {.exists = true, .holder = "a-0", .epoch = 4, .system_id = 77, .seconds = 15};
    Facts f = {.launcher = &m,
               .lease = &l,
               .lease_known = true,
               .pod = "a-0",
               .may_restart = true,
               .permit_fresh = true};
    Observation o = member_observe(&f);
    assert_int_equal(member_decide(&o).action, ACT_START_PRIMARY);
    snprintf(l.holder, sizeof l.holder, "a-1");
    snprintf(l.primary_addr, sizeof l.primary_addr, "h:1");
    f.lease_seconds = 15;
    o = member_observe(&f);
    assert_true(o.job && o.lease == LEASE_OTHER);
}

static void following(void **state)
{
    (void)state;
    LpMsg m = launcher_of(LP_DATA_READY, LP_ROLE_STANDBY, 4);
    m.num[LPF_PG] = LP_PG_UP;
    m.num[LPF_ROLE] = LP_ROLE_STANDBY;
    m.num[LPF_EPOCH] = 4;
    m.num[LPF_PORT] = 5432;
    m.text[LPF_HOST] = "fd00::4";
    m.text[LPF_LEADER] = "a-0";
    LeaseInfo l = {.exists = true,
                   .holder = "a-0",
                   .epoch = 4,
                   .system_id = 77,
                   .primary_addr = "[fd00::4]:5432"};
    Facts f = {.launcher = &m, .lease = &l, .lease_known = true, .pod = "a-1"};
    assert_true(member_observe(&f).flags & IF_FOLLOWS);
    l.epoch = 5;
    assert_false(member_observe(&f).flags & IF_FOLLOWS);
    l.epoch = 4;
    m.num[LPF_PORT] = 5433;
    assert_false(member_observe(&f).flags & IF_FOLLOWS);
    m.num[LPF_PORT] = 5432;
    snprintf(l.holder, sizeof l.holder, "a-2");
    assert_false(member_observe(&f).flags & IF_FOLLOWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(observations),
        cmocka_unit_test(doubts),
        cmocka_unit_test(ages),
        cmocka_unit_test(released),
        cmocka_unit_test(times),
        cmocka_unit_test(incarnations),
        cmocka_unit_test(following),
        cmocka_unit_test(begun_by_another_incarnation),
        cmocka_unit_test(no_second_cluster),
        cmocka_unit_test(forgetting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
