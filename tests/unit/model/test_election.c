#include "model/election.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

typedef struct Case {
    const char *what;
    Observation see;
    MemberState state;
    Action action;
    bool hold;
} Case;

static const Case CASES[] = {
    {"a first member, nothing there",
     {LEASE_NONE, DATA_EMPTY, PG_DOWN, IF_FIRST, 0},
     MEMBER_INITIALISING,
     ACT_CREATE_LEASE,
     false},
    {"another member, nothing there",
     {LEASE_NONE, DATA_EMPTY, PG_DOWN, 0, 0},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"the lease is mine and new",
     {LEASE_MINE_NEW, DATA_EMPTY, PG_DOWN, IF_PERMIT, 0},
     MEMBER_INITIALISING,
     ACT_INITDB,
     true},
    {"the same, but not renewed by this process",
     {LEASE_MINE_NEW, DATA_EMPTY, PG_DOWN, 0, 0},
     MEMBER_INITIALISING,
     ACT_RENEW,
     true},
    {"initdb under way",
     {LEASE_MINE_NEW, DATA_EMPTY, PG_DOWN, IF_PERMIT, true},
     MEMBER_INITIALISING,
     ACT_NONE,
     true},
    {"initialised",
     {LEASE_MINE_NEW, DATA_PRIMARY, PG_DOWN, IF_PERMIT | IF_EPOCH, 0},
     MEMBER_STARTING,
     ACT_START_PRIMARY,
     true},
    {"the holder's pod is back",
     {LEASE_MINE, DATA_PRIMARY, PG_DOWN, IF_EPOCH, 0},
     MEMBER_STARTING,
     ACT_RENEW,
     true},
    {"and has renewed",
     {LEASE_MINE, DATA_PRIMARY, PG_DOWN, IF_EPOCH | IF_PERMIT, 0},
     MEMBER_STARTING,
     ACT_START_PRIMARY,
     true},
    {"its data is of another epoch",
     {LEASE_MINE, DATA_PRIMARY, PG_DOWN, IF_PERMIT, 0},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"its data is of another cluster",
     {LEASE_MINE, DATA_ALIEN, PG_DOWN, IF_EPOCH | IF_PERMIT, 0},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"its data last ran as standby",
     {LEASE_MINE, DATA_STANDBY, PG_DOWN, IF_EPOCH | IF_PERMIT, 0},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"a healthy primary",
     {LEASE_MINE, DATA_PRIMARY, PG_PRIMARY, IF_EPOCH | IF_PERMIT, 0},
     MEMBER_PRIMARY,
     ACT_NONE,
     true},
    {"its lease was taken",
     {LEASE_OTHER, DATA_PRIMARY, PG_PRIMARY, 0, 0},
     MEMBER_WAITING,
     ACT_STOP_NOW,
     false},
    {"its lease was deleted",
     {LEASE_NONE, DATA_PRIMARY, PG_PRIMARY, 0, 0},
     MEMBER_PRIMARY,
     ACT_RECREATE_LEASE,
     false},
    {"the leader initialises",
     {LEASE_OTHER_NEW, DATA_EMPTY, PG_DOWN, 0, 0},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"the leader stands",
     {LEASE_OTHER, DATA_EMPTY, PG_DOWN, 0, 0},
     MEMBER_CLONING,
     ACT_CLONE,
     false},
    {"an emptied first member clones too",
     {LEASE_OTHER, DATA_LOST, PG_DOWN, IF_FIRST, 0},
     MEMBER_CLONING,
     ACT_CLONE,
     false},
    {"clone under way",
     {LEASE_OTHER, DATA_EMPTY, PG_DOWN, 0, true},
     MEMBER_CLONING,
     ACT_NONE,
     false},
    {"cloned", {LEASE_OTHER, DATA_STANDBY, PG_DOWN, 0, 0}, MEMBER_STARTING, ACT_REJOIN, false},
    {"a healthy standby",
     {LEASE_OTHER, DATA_STANDBY, PG_STANDBY, IF_FOLLOWS, 0},
     MEMBER_REPLICA,
     ACT_NONE,
     false},
    {"its leader moved",
     {LEASE_OTHER, DATA_STANDBY, PG_STANDBY, 0, 0},
     MEMBER_REPLICA,
     ACT_FOLLOW,
     false},
    {"its leader is away",
     {LEASE_EXPIRED, DATA_STANDBY, PG_STANDBY, IF_FOLLOWS, 0},
     MEMBER_REPLICA,
     ACT_NONE,
     false},
    {"all restart, the leader is not back",
     {LEASE_EXPIRED, DATA_STANDBY, PG_DOWN, 0, 0},
     MEMBER_STARTING,
     ACT_REJOIN,
     false},
    {"an old primary comes back",
     {LEASE_OTHER, DATA_PRIMARY, PG_DOWN, 0, 0},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"foreign data", {LEASE_OTHER, DATA_FOREIGN, PG_DOWN, 0, 0}, MEMBER_WAITING, ACT_NONE, false},
    {"no launcher",
     {LEASE_MINE, DATA_UNKNOWN, PG_DOWN, IF_PERMIT, 0},
     MEMBER_STARTING,
     ACT_NONE,
     false},
    {"the API is away, a primary runs",
     {LEASE_UNKNOWN, DATA_PRIMARY, PG_PRIMARY, 0, 0},
     MEMBER_PRIMARY,
     ACT_NONE,
     false},
};

static void cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const Case *c = &CASES[i];
        Decision d = member_decide(&c->see);
        if (d.state != c->state || d.action != c->action || d.hold != c->hold)
            fail_msg("%s: %s, %s, hold %d", c->what, member_state_name(d.state),
                     action_name(d.action), d.hold);
    }
}

/* What must hold whatever is seen: walk every observation there can be. */
static void check_invariants(const Observation *o, const Decision *d)
{
    bool mine = o->lease == LEASE_MINE || o->lease == LEASE_MINE_NEW;
    bool others = o->lease >= LEASE_OTHER_NEW;
    bool empty = o->data == DATA_EMPTY, lost = o->data == DATA_LOST;
    if (d->action == ACT_INITDB)
        assert_true(o->lease == LEASE_MINE_NEW && empty && o->pg == PG_DOWN && !o->job);
    if (d->action == ACT_CREATE_LEASE)
        assert_true(o->lease == LEASE_NONE && empty && (o->flags & IF_FIRST));
    if (d->action == ACT_RECREATE_LEASE)
        assert_true(o->lease == LEASE_NONE && o->pg == PG_PRIMARY);
    if (d->action == ACT_START_PRIMARY)
        assert_true(mine && o->data == DATA_PRIMARY && (o->flags & IF_EPOCH) &&
                    (o->flags & IF_PERMIT));
    if (d->action == ACT_CLONE)
        assert_true(o->lease == LEASE_OTHER && (empty || lost) && o->pg == PG_DOWN);
    if (d->action == ACT_REJOIN)
        assert_true(others && o->data == DATA_STANDBY && o->pg == PG_DOWN);
    if (d->action == ACT_FOLLOW)
        assert_true(o->lease == LEASE_OTHER && o->pg == PG_STANDBY);
    if (d->hold)
        assert_true(mine);
    if (o->pg == PG_PRIMARY && others && o->data != DATA_UNKNOWN)
        assert_int_equal(d->action, ACT_STOP_NOW);
    if (o->data == DATA_FOREIGN || (o->data == DATA_ALIEN && o->pg == PG_DOWN && !o->job))
        assert_true(d->action == ACT_NONE || o->pg != PG_DOWN);
    if (d->state == MEMBER_WAITING)
        assert_non_null(d->why);
}

static void every_observation(void **state)
{
    (void)state;
    unsigned fallen_through = 0, total = 0;
    for (unsigned lease = 0; lease < LEASE_VIEW_COUNT; lease++)
        for (unsigned data = 0; data < DATA_VIEW_COUNT; data++)
            for (unsigned pg = 0; pg < PG_VIEW_COUNT; pg++)
                for (unsigned flags = 0; flags < 32; flags++) {
                    Observation o = {lease, data, pg, flags & 15, flags & 16};
                    Decision d = member_decide(&o);
                    check_invariants(&o, &d);
                    if (lease == LEASE_GONE || lease == LEASE_LATE || data == DATA_MARKED)
                        continue;
                    total++;
                    fallen_through += d.why && strstr(d.why, "no rule");
                }
    assert_true(total > 0);
    /* Only what cannot be: a standby that runs on data that is not one's, and the like. */
    assert_true(fallen_through < total / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),
        cmocka_unit_test(every_observation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
