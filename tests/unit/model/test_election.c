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
     {LEASE_NONE, DATA_EMPTY, PG_DOWN, IF_FIRST, false},
     MEMBER_INITIALISING,
     ACT_CREATE_LEASE,
     false},
    {"another member, nothing there",
     {LEASE_NONE, DATA_EMPTY, PG_DOWN, 0, false},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"the lease is mine and new",
     {LEASE_MINE_NEW, DATA_EMPTY, PG_DOWN, IF_PERMIT, false},
     MEMBER_INITIALISING,
     ACT_INITDB,
     true},
    {"the same, but not renewed by this process",
     {LEASE_MINE_NEW, DATA_EMPTY, PG_DOWN, 0, false},
     MEMBER_INITIALISING,
     ACT_RENEW,
     true},
    {"initdb under way",
     {LEASE_MINE_NEW, DATA_EMPTY, PG_DOWN, IF_PERMIT, true},
     MEMBER_INITIALISING,
     ACT_NONE,
     true},
    {"initialised",
     {LEASE_MINE_NEW, DATA_PRIMARY, PG_DOWN, IF_PERMIT | IF_EPOCH, false},
     MEMBER_STARTING,
     ACT_START_PRIMARY,
     true},
    {"the holder's pod is back",
     {LEASE_MINE, DATA_PRIMARY, PG_DOWN, IF_EPOCH | IF_QUICK, false},
     MEMBER_STARTING,
     ACT_RENEW,
     true},
    {"and has renewed",
     {LEASE_MINE, DATA_PRIMARY, PG_DOWN, IF_EPOCH | IF_QUICK | IF_PERMIT, false},
     MEMBER_STARTING,
     ACT_START_PRIMARY,
     true},
    {"it died a second time",
     {LEASE_MINE, DATA_PRIMARY, PG_DOWN, IF_EPOCH | IF_PERMIT, false},
     MEMBER_STARTING,
     ACT_RELEASE,
     false},
    {"its data is of another epoch",
     {LEASE_MINE, DATA_PRIMARY, PG_DOWN, IF_PERMIT | IF_QUICK, false},
     MEMBER_WAITING,
     ACT_RELEASE,
     false},
    {"its data is of another cluster",
     {LEASE_MINE, DATA_ALIEN, PG_DOWN, IF_EPOCH | IF_PERMIT, false},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"its data is a standby's that nobody chose",
     {LEASE_MINE, DATA_STANDBY, PG_DOWN, IF_PERMIT, false},
     MEMBER_WAITING,
     ACT_RELEASE,
     false},
    {"its data is gone",
     {LEASE_MINE, DATA_LOST, PG_DOWN, IF_PERMIT, false},
     MEMBER_WAITING,
     ACT_RELEASE,
     false},
    {"a healthy primary",
     {LEASE_MINE, DATA_PRIMARY, PG_PRIMARY, IF_EPOCH | IF_PERMIT, false},
     MEMBER_PRIMARY,
     ACT_NONE,
     true},
    {"its lease was taken",
     {LEASE_OTHER, DATA_PRIMARY, PG_PRIMARY, 0, false},
     MEMBER_WAITING,
     ACT_STOP_NOW,
     false},
    {"its lease was deleted",
     {LEASE_NONE, DATA_PRIMARY, PG_PRIMARY, 0, false},
     MEMBER_PRIMARY,
     ACT_RECREATE_LEASE,
     false},
    {"it is frozen",
     {LEASE_MINE, DATA_PRIMARY, PG_PRIMARY, IF_EPOCH | IF_PERMIT | IF_FROZEN, false},
     MEMBER_STARTING,
     ACT_KILL,
     true},
    {"a failover was asked for",
     {LEASE_MINE, DATA_PRIMARY, PG_PRIMARY, IF_EVICTED | IF_PERMIT, false},
     MEMBER_STARTING,
     ACT_STOP_NOW,
     true},
    {"and it is down",
     {LEASE_MINE, DATA_PRIMARY, PG_DOWN, IF_EVICTED | IF_EPOCH | IF_QUICK | IF_PERMIT, false},
     MEMBER_STARTING,
     ACT_RELEASE,
     false},
    {"its pod is being deleted",
     {LEASE_MINE, DATA_PRIMARY, PG_STOPPING, IF_LEAVING, false},
     MEMBER_STARTING,
     ACT_NONE,
     true},
    {"and PostgreSQL is down",
     {LEASE_MINE, DATA_PRIMARY, PG_DOWN, IF_LEAVING | IF_EPOCH | IF_QUICK | IF_PERMIT, false},
     MEMBER_STARTING,
     ACT_RELEASE,
     false},
    {"the leader initialises",
     {LEASE_OTHER_NEW, DATA_EMPTY, PG_DOWN, 0, false},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"the leader stands",
     {LEASE_OTHER, DATA_EMPTY, PG_DOWN, 0, false},
     MEMBER_CLONING,
     ACT_CLONE,
     false},
    {"the leader has no address yet",
     {LEASE_RISING, DATA_EMPTY, PG_DOWN, 0, false},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"an emptied first member clones too",
     {LEASE_OTHER, DATA_LOST, PG_DOWN, IF_FIRST, false},
     MEMBER_CLONING,
     ACT_CLONE,
     false},
    {"clone under way",
     {LEASE_OTHER, DATA_EMPTY, PG_DOWN, 0, true},
     MEMBER_CLONING,
     ACT_NONE,
     false},
    {"cloned", {LEASE_OTHER, DATA_STANDBY, PG_DOWN, 0, false}, MEMBER_REJOINING, ACT_REJOIN, false},
    {"an old primary comes back",
     {LEASE_OTHER, DATA_PRIMARY, PG_DOWN, 0, false},
     MEMBER_REJOINING,
     ACT_REJOIN,
     false},
    {"a rewind was cut short",
     {LEASE_OTHER, DATA_MARKED, PG_DOWN, 0, false},
     MEMBER_REJOINING,
     ACT_REJOIN,
     false},
    {"a healthy standby",
     {LEASE_OTHER, DATA_STANDBY, PG_STANDBY, IF_FOLLOWS, false},
     MEMBER_REPLICA,
     ACT_NONE,
     false},
    {"its leader moved",
     {LEASE_OTHER, DATA_STANDBY, PG_STANDBY, 0, false},
     MEMBER_REPLICA,
     ACT_FOLLOW,
     false},
    {"it has a position out from an election",
     {LEASE_OTHER, DATA_STANDBY, PG_STANDBY, IF_TOLD | IF_SEALED | IF_CUT, false},
     MEMBER_REPLICA,
     ACT_WITHDRAW,
     false},
    {"it was promoted by hand",
     {LEASE_OTHER, DATA_STANDBY, PG_STANDBY, IF_FOLLOWS | IF_ROGUE, false},
     MEMBER_WAITING,
     ACT_STOP_NOW,
     false},
    {"its leader is late but streams",
     {LEASE_LATE, DATA_STANDBY, PG_STANDBY, IF_FOLLOWS, false},
     MEMBER_REPLICA,
     ACT_NONE,
     false},
    {"its leader's lease expired but it streams",
     {LEASE_EXPIRED, DATA_STANDBY, PG_STANDBY, IF_FOLLOWS, false},
     MEMBER_REPLICA,
     ACT_NONE,
     false},
    {"its leader let go, the receiver ends",
     {LEASE_FREE, DATA_STANDBY, PG_STANDBY, IF_CONFIRMED, false},
     MEMBER_REPLICA,
     ACT_NONE,
     false},
    {"its leader is late and gone",
     {LEASE_LATE, DATA_STANDBY, PG_STANDBY, IF_CUT, false},
     MEMBER_CONTENDING,
     ACT_CONFIRM,
     false},
    {"the API server says so too",
     {LEASE_LATE, DATA_STANDBY, PG_STANDBY, IF_CUT | IF_CONFIRMED, false},
     MEMBER_CONTENDING,
     ACT_SEAL,
     false},
    {"sealed",
     {LEASE_LATE, DATA_STANDBY, PG_STANDBY, IF_CUT | IF_CONFIRMED | IF_SEALED, false},
     MEMBER_CONTENDING,
     ACT_NONE,
     false},
    {"sealed, and the position is known",
     {LEASE_LATE, DATA_STANDBY, PG_STANDBY, IF_CUT | IF_CONFIRMED | IF_SEALED | IF_SETTLED, false},
     MEMBER_CONTENDING,
     ACT_PUBLISH,
     false},
    {"its turn, but the lease is not over",
     {LEASE_LATE, DATA_STANDBY, PG_STANDBY,
      IF_CUT | IF_CONFIRMED | IF_SEALED | IF_SETTLED | IF_CURRENT | IF_TOLD | IF_TURN, false},
     MEMBER_CONTENDING,
     ACT_NONE,
     false},
    {"published, another's turn",
     {LEASE_EXPIRED, DATA_STANDBY, PG_STANDBY,
      IF_CUT | IF_CONFIRMED | IF_SEALED | IF_SETTLED | IF_CURRENT | IF_TOLD, false},
     MEMBER_CONTENDING,
     ACT_NONE,
     false},
    {"its turn",
     {LEASE_FREE, DATA_STANDBY, PG_STANDBY,
      IF_CUT | IF_CONFIRMED | IF_SEALED | IF_SETTLED | IF_CURRENT | IF_TOLD | IF_TURN, false},
     MEMBER_CONTENDING,
     ACT_TAKE,
     false},
    {"it has won",
     {LEASE_MINE, DATA_STANDBY, PG_STANDBY,
      IF_SEALED | IF_CUT | IF_TOLD | IF_ENTITLED | IF_READY | IF_PERMIT, false},
     MEMBER_PROMOTING,
     ACT_PROMOTE,
     true},
    {"it has won, but does not know since when",
     {LEASE_MINE, DATA_STANDBY, PG_STANDBY, IF_SEALED | IF_ENTITLED | IF_READY, false},
     MEMBER_PROMOTING,
     ACT_RENEW,
     true},
    {"it was handed the lease and replays",
     {LEASE_MINE, DATA_STANDBY, PG_STANDBY, IF_ENTITLED | IF_PERMIT, false},
     MEMBER_PROMOTING,
     ACT_NONE,
     true},
    {"it is being promoted",
     {LEASE_MINE, DATA_PRIMARY, PG_PRIMARY, IF_RECOVERY | IF_TOLD, false},
     MEMBER_PROMOTING,
     ACT_NONE,
     true},
    {"it has won and was restarted",
     {LEASE_MINE, DATA_STANDBY, PG_DOWN, IF_ENTITLED | IF_QUICK, false},
     MEMBER_PROMOTING,
     ACT_START_SEALED,
     true},
    {"it has won, and died of the promotion",
     {LEASE_MINE, DATA_STANDBY, PG_DOWN, IF_ENTITLED | IF_PERMIT, false},
     MEMBER_STARTING,
     ACT_RELEASE,
     false},
    {"another has won",
     {LEASE_RISING, DATA_STANDBY, PG_STANDBY, IF_SEALED | IF_CUT | IF_TOLD, false},
     MEMBER_REPLICA,
     ACT_NONE,
     false},
    {"failover is paused",
     {LEASE_EXPIRED, DATA_STANDBY, PG_STANDBY, IF_CUT | IF_PAUSED, false},
     MEMBER_REPLICA,
     ACT_NONE,
     false},
    {"all restart, nobody leads",
     {LEASE_EXPIRED, DATA_STANDBY, PG_DOWN, 0, false},
     MEMBER_STARTING,
     ACT_START_SEALED,
     false},
    {"all restart, this one led",
     {LEASE_FREE, DATA_PRIMARY, PG_DOWN, 0, false},
     MEMBER_STARTING,
     ACT_START_SEALED,
     false},
    {"this one let go a moment ago",
     {LEASE_FREE, DATA_PRIMARY, PG_DOWN, IF_GAVE, false},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"no lease for long",
     {LEASE_GONE, DATA_PRIMARY, PG_DOWN, 0, false},
     MEMBER_STARTING,
     ACT_START_SEALED,
     false},
    {"no lease for long, sealed",
     {LEASE_GONE, DATA_STANDBY, PG_STANDBY,
      IF_CUT | IF_CONFIRMED | IF_SEALED | IF_SETTLED | IF_CURRENT | IF_TURN, false},
     MEMBER_CONTENDING,
     ACT_TAKE,
     false},
    {"foreign data",
     {LEASE_OTHER, DATA_FOREIGN, PG_DOWN, 0, false},
     MEMBER_WAITING,
     ACT_NONE,
     false},
    {"no launcher",
     {LEASE_MINE, DATA_UNKNOWN, PG_DOWN, IF_PERMIT, false},
     MEMBER_STARTING,
     ACT_NONE,
     false},
    {"the API is away, a primary runs",
     {LEASE_UNKNOWN, DATA_PRIMARY, PG_PRIMARY, 0, false},
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
static bool over(LeaseView l)
{
    return l == LEASE_GONE || l == LEASE_EXPIRED || l == LEASE_FREE;
}

static bool of_another(LeaseView l)
{
    return l >= LEASE_OTHER_NEW;
}

static void check_starts(const Observation *o, const Decision *d, bool mine)
{
    bool nothing = o->data == DATA_EMPTY || o->data == DATA_LOST;
    if (d->action == ACT_INITDB)
        assert_true(o->lease == LEASE_MINE_NEW && o->data == DATA_EMPTY && o->pg == PG_DOWN &&
                    !o->job);
    if (d->action == ACT_CREATE_LEASE)
        assert_true((o->lease == LEASE_NONE || o->lease == LEASE_GONE) && o->data == DATA_EMPTY &&
                    (o->flags & IF_FIRST));
    if (d->action == ACT_RECREATE_LEASE)
        assert_true((o->lease == LEASE_NONE || o->lease == LEASE_GONE) && o->pg == PG_PRIMARY);
    if (d->action == ACT_START_PRIMARY)
        assert_true(
            mine && o->data == DATA_PRIMARY && (o->flags & IF_PERMIT) &&
            (o->lease == LEASE_MINE_NEW || ((o->flags & IF_EPOCH) && (o->flags & IF_QUICK))));
    if (d->action == ACT_CLONE)
        assert_true(o->lease == LEASE_OTHER && nothing && o->pg == PG_DOWN);
    if (d->action == ACT_REJOIN)
        assert_true(o->lease == LEASE_OTHER && !nothing && o->pg == PG_DOWN);
    if (d->action == ACT_FOLLOW || d->action == ACT_REJOIN)
        assert_true(o->lease == LEASE_OTHER && !(o->flags & IF_TOLD));
    if (d->action == ACT_START_SEALED)
        assert_true(o->pg == PG_DOWN && (over(o->lease) || (mine && (o->flags & IF_ENTITLED))) &&
                    (o->data == DATA_PRIMARY || o->data == DATA_STANDBY));
}

static void check_election(const Observation *o, const Decision *d, bool mine)
{
    unsigned ready = IF_CUT | IF_CONFIRMED | IF_SEALED | IF_SETTLED | IF_CURRENT | IF_TURN;
    if (d->action == ACT_SEAL)
        assert_true((over(o->lease) || o->lease == LEASE_LATE) && o->pg == PG_STANDBY &&
                    (o->flags & IF_CUT) && (o->flags & IF_CONFIRMED) && !(o->flags & IF_PAUSED));
    if (d->action == ACT_TAKE)
        assert_true(over(o->lease) && o->pg == PG_STANDBY && (o->flags & ready) == ready &&
                    !(o->flags & (IF_PAUSED | IF_ROGUE | IF_LEAVING)));
    if (d->action == ACT_PROMOTE)
        assert_true(o->lease == LEASE_MINE && o->pg == PG_STANDBY && (o->flags & IF_READY) &&
                    (o->flags & IF_PERMIT) && (o->flags & IF_ENTITLED));
    if (d->action == ACT_RELEASE)
        assert_true(o->lease == LEASE_MINE && (o->pg == PG_DOWN || o->pg == PG_STANDBY));
    if (d->hold)
        assert_true(mine);
    if (d->action == ACT_RELEASE)
        assert_false(d->hold);
}

static void check_invariants(const Observation *o, const Decision *d)
{
    bool mine = o->lease == LEASE_MINE || o->lease == LEASE_MINE_NEW;
    check_starts(o, d, mine);
    check_election(o, d, mine);
    if (o->pg == PG_PRIMARY && of_another(o->lease) && o->data != DATA_UNKNOWN)
        assert_int_equal(d->action, ACT_STOP_NOW);
    if ((o->data == DATA_FOREIGN || o->data == DATA_ALIEN) && o->pg == PG_DOWN && !o->job)
        assert_true(d->action == ACT_NONE || d->action == ACT_RELEASE);
    if (o->pg == PG_STOPPING)
        assert_int_equal(d->action, ACT_NONE);
    if (d->state == MEMBER_WAITING)
        assert_non_null(d->why);
}

/* READY without ENTITLED and the like cannot be: observe.c makes them together. */
static bool can_be(const Observation *o)
{
    unsigned f = o->flags;
    return (!(f & IF_READY) || (f & IF_ENTITLED)) && (!(f & IF_CURRENT) || (f & IF_TOLD)) &&
           (!(f & IF_SETTLED) || ((f & IF_CUT) && (f & IF_SEALED))) &&
           (!(f & IF_CURRENT) || (f & IF_SETTLED));
}

static void every_observation(void **state)
{
    (void)state;
    unsigned fallen_through = 0, total = 0;
    for (unsigned lease = 0; lease < LEASE_VIEW_COUNT; lease++)
        for (unsigned data = 0; data < DATA_VIEW_COUNT; data++)
            for (unsigned pg = 0; pg < PG_VIEW_COUNT; pg++)
                for (unsigned flags = 0; flags < 1u << IF_BITS; flags += 1 + flags % 11) {
                    Observation o = {lease, data, pg, flags, flags % 7 == 0};
                    if (!can_be(&o))
                        continue;
                    Decision d = member_decide(&o);
                    check_invariants(&o, &d);
                    total++;
                    fallen_through += d.why && strstr(d.why, "no rule");
                }
    assert_true(total > 1000000);
    /* Only what cannot be: a standby that runs on data that is not one's, and the like. */
    assert_true(fallen_through < total / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),
        cmocka_unit_test(every_observation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
