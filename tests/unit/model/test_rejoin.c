#include "model/rejoin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SYS = 77, FORK = 0x5000000 };

static TimelineHistory history(const char *text)
{
    TimelineHistory h;
    if (!timeline_history_parse(text, &h))
        fail_msg("no history: %s", text);
    return h;
}

/* The leader was promoted at epoch 8 from timeline 1 to 2 at FORK, and has checkpointed. */
static RejoinLeader leader(void)
{
    return (RejoinLeader){.reached = true,
                          .system_id = SYS,
                          .promoted_epoch = 8,
                          .epoch = 8,
                          .timeline = 2,
                          .control_timeline = 2,
                          .oldest_wal = 0x1000000,
                          .history = history("1\t0/5000000\tno recovery target specified\n")};
}

/* A standby of epoch 7 on timeline 1 that was killed. */
static RejoinLocal standby(void)
{
    return (RejoinLocal){.data = LP_DATA_READY,
                         .role = LP_ROLE_STANDBY,
                         .db = LP_DB_IN_ARCHIVE_RECOVERY,
                         .system_id = SYS,
                         .epoch = 7,
                         .timeline = 1,
                         .end_lsn = FORK - 0x1000};
}

/* The primary of epoch 7 on timeline 1 that was killed. */
static RejoinLocal primary(void)
{
    RejoinLocal l = standby();
    l.role = LP_ROLE_PRIMARY;
    l.db = LP_DB_IN_PRODUCTION;
    l.promoted_epoch = 7;
    return l;
}

static void expect_at(const RejoinLocal *l, const RejoinLeader *p, RejoinVerdict v, int line)
{
    RejoinDecision d = rejoin_decide(l, p);
    if (d.verdict != v)
        fail_msg("line %d: %s, not %s: %s", line, rejoin_verdict_name(d.verdict),
                 rejoin_verdict_name(v), d.why);
    assert_true(strlen(d.why) > 10);
}
#define EXPECT(l, p, v) expect_at(&(l), &(p), REJOIN_##v, __LINE__)

static void histories(void **state)
{
    (void)state;
    TimelineHistory h = history("1\t0/3000110\tno recovery target specified\n\n# x\n"
                                "2 1/A0 \n4\t1/F0\treason with\ttabs\n");
    assert_int_equal(h.n, 3);
    assert_true(timeline_leaves(&h, 5, 1) == 0x3000110);
    assert_true(timeline_leaves(&h, 5, 2) == 0x1000000A0);
    assert_true(timeline_leaves(&h, 5, 5) == UINT64_MAX);
    assert_int_equal(timeline_leaves(&h, 5, 3), 0);
    assert_int_equal(history("").n, 0);
    static const char *const BAD[] = {
        "x\t0/1\n",        "0\t0/10\n",          "1\t0/0\n",           "1\n",
        "1\t10\n",         "2\t0/20\n1\t0/30\n", "1\t0/30\n2\t0/20\n", "99999999999\t0/1\n",
        "1\t0/123456789\n"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (timeline_history_parse(BAD[i], &h))
            fail_msg("taken: %s", BAD[i]);
}

static void history_has_a_limit(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    TimelineHistory h;
    for (int i = 1; i <= REJOIN_HISTORY_MAX; i++)
        strbuf_addf(&b, "%d\t0/%X\n", i, i);
    assert_true(timeline_history_parse(strbuf_str(&b), &h));
    strbuf_addf(&b, "%d\t1/0\n", REJOIN_HISTORY_MAX + 1);
    assert_false(timeline_history_parse(strbuf_str(&b), &h));
}

static void who_is_not_asked(void **state)
{
    (void)state;
    RejoinLocal l = standby();
    RejoinLeader p = leader();
    p.reached = false;
    EXPECT(l, p, WAIT);
    p = leader();
    p.in_recovery = true;
    EXPECT(l, p, WAIT);
    p = leader();
    p.system_id = 78;
    EXPECT(l, p, REFUSE);
    l.data = LP_DATA_FOREIGN;
    p = leader();
    EXPECT(l, p, REFUSE);
    l = (RejoinLocal){.data = LP_DATA_LOST};
    EXPECT(l, p, CLONE);
    l.data = LP_DATA_EMPTY;
    EXPECT(l, p, CLONE);
}

static void standby_on_the_leaders_timeline(void **state)
{
    (void)state;
    RejoinLocal l = standby();
    RejoinLeader p = leader();
    l.timeline = 2;
    l.epoch = 8;
    l.history = p.history;
    l.end_lsn = FORK + 0x100;
    EXPECT(l, p, START_STANDBY);
    l.running = true;
    EXPECT(l, p, START_STANDBY);
    p.oldest_wal = FORK + 0x1000000;
    EXPECT(l, p, CLONE); /* no slot kept it */
    l.running = false;
    EXPECT(l, p, START_STANDBY); /* its pg_wal may go further than we know */
    l.wal_gone = true;
    EXPECT(l, p, CLONE);
}

static void standby_before_the_fork(void **state)
{
    (void)state;
    RejoinLocal l = standby();
    RejoinLeader p = leader();
    EXPECT(l, p, START_SEALED);
    l.db = LP_DB_SHUTDOWNED_IN_RECOVERY;
    EXPECT(l, p, START_SEALED); /* it may have received more than it replayed */
    l.running = true;
    EXPECT(l, p, START_STANDBY);
    l.end_lsn = FORK;
    EXPECT(l, p, START_STANDBY); /* exactly as far as the leader went */
    l.end_lsn = FORK + 1;
    EXPECT(l, p, REWIND);
    RejoinDecision d = rejoin_decide(&l, &p);
    assert_true(d.fork_lsn == FORK);
    assert_int_equal(d.fork_timeline, 1);
    assert_non_null(strstr(d.why, "0/5000000"));
}

static void standby_beyond_the_fork(void **state)
{
    (void)state;
    RejoinLocal l = standby();
    RejoinLeader p = leader();
    l.end_lsn = FORK + 0x100;
    EXPECT(l, p, START_SEALED); /* killed: pg_rewind wants it stopped in order */
    l.db = LP_DB_SHUTDOWNED_IN_RECOVERY;
    EXPECT(l, p, REWIND);
    l.running = true;
    EXPECT(l, p, REWIND);
    p.control_timeline = 1;
    EXPECT(l, p, WAIT); /* directly after the promotion */
    p = leader();
    p.oldest_wal = FORK + 1;
    EXPECT(l, p, CLONE);
    p.oldest_wal = FORK;
    EXPECT(l, p, REWIND);
}

static void primary_of_before(void **state)
{
    (void)state;
    RejoinLocal l = primary();
    RejoinLeader p = leader();
    EXPECT(l, p, REWIND); /* its last checkpoint says nothing about its end */
    p.control_timeline = 1;
    EXPECT(l, p, WAIT);
    p = leader();
    l.db = LP_DB_SHUTDOWNED;
    EXPECT(l, p, START_STANDBY); /* a clean handover: the shutdown checkpoint was replicated */
    p.control_timeline = 1;
    EXPECT(l, p, START_STANDBY); /* for which no checkpoint of the leader is needed */
    p = leader();
    l.end_lsn = FORK;
    EXPECT(l, p, REWIND); /* the shutdown checkpoint itself is beyond */
    l.end_lsn = FORK + 0x4000;
    EXPECT(l, p, REWIND);
    l.db = LP_DB_SHUTDOWNING;
    l.end_lsn = FORK - 0x1000;
    EXPECT(l, p, REWIND);
}

static void timeline_that_the_leader_never_was_on(void **state)
{
    (void)state;
    RejoinLocal l = primary();
    RejoinLeader p = leader();
    l.timeline = 3;
    l.history = history("1\t0/4000000\n");
    EXPECT(l, p, REWIND);
    RejoinDecision d = rejoin_decide(&l, &p);
    assert_true(d.fork_lsn == 0x4000000);
    assert_int_equal(d.fork_timeline, 1);
    /* The leader's timeline is the lower one: somebody promoted a replica. */
    p.timeline = p.control_timeline = 1;
    p.history.n = 0;
    p.promoted_epoch = 1;
    EXPECT(l, p, REWIND);
    l.role = LP_ROLE_STANDBY;
    l.promoted_epoch = 0;
    l.db = LP_DB_IN_ARCHIVE_RECOVERY;
    EXPECT(l, p, START_SEALED);
    l.db = LP_DB_SHUTDOWNED_IN_RECOVERY;
    EXPECT(l, p, REWIND);
    l.running = true;
    EXPECT(l, p, REWIND);
}

static void same_number_of_another_promotion(void **state)
{
    (void)state;
    RejoinLeader p = leader();
    /* Promoted here at 7 to timeline 2, by halves or wholly; there at 8 to another 2. */
    RejoinLocal l = primary();
    l.timeline = 2;
    l.history = history("1\t0/4000000\n");
    EXPECT(l, p, CLONE);
    l.history = p.history; /* even from the same point */
    EXPECT(l, p, CLONE);
    l.role = LP_ROLE_STANDBY; /* started sealed since */
    EXPECT(l, p, CLONE);
    /* A standby that followed the one of epoch 7. */
    l = standby();
    l.timeline = 2;
    l.history = p.history;
    EXPECT(l, p, CLONE);
    l.epoch = 8;
    EXPECT(l, p, START_STANDBY);
    /* A leader of an older version does not tell. */
    l.epoch = 7;
    p.promoted_epoch = 0;
    EXPECT(l, p, START_STANDBY);
}

static void unheard_promotion_in_the_leaders_past(void **state)
{
    (void)state;
    RejoinLeader p = leader();
    p.timeline = p.control_timeline = 3;
    p.history = history("1\t0/5000000\n2\t0/6000000\n");
    p.epoch = p.promoted_epoch = 9;
    RejoinLocal l = primary();
    l.timeline = 2;
    l.history = history("1\t0/5000000\n");
    EXPECT(l, p, REWIND); /* it led on 2, and the leader of now followed it there */
    l.promoting_from = 1;
    EXPECT(l, p, CLONE); /* nobody ever followed that 2 */
    l.promoting_from = 2;
    EXPECT(l, p, REWIND); /* it never got to 3: its timeline is the 2 that all share */
}

static void two_forks_back(void **state)
{
    (void)state;
    RejoinLeader p = leader();
    p.timeline = p.control_timeline = 4;
    p.history = history("1\t0/5000000\n2\t0/6000000\n3\t0/7000000\n");
    p.epoch = p.promoted_epoch = 11;
    RejoinLocal l = standby();
    l.running = true;
    l.end_lsn = 0x4F00000;
    EXPECT(l, p, START_STANDBY);
    l.end_lsn = 0x5F00000;
    EXPECT(l, p, REWIND); /* beyond where 1 was left, whatever came later */
    l.timeline = 2;
    l.history = history("1\t0/5000000\n");
    EXPECT(l, p, START_STANDBY);
    l.end_lsn = 0x6F00000;
    EXPECT(l, p, REWIND);
    /* Another 2: the ancestors part at 1. */
    l.history = history("1\t0/4800000\n");
    l.end_lsn = 0x5000000;
    EXPECT(l, p, REWIND);
    RejoinDecision d = rejoin_decide(&l, &p);
    assert_int_equal(d.fork_timeline, 1);
    assert_true(d.fork_lsn == 0x4800000);
}

static void marked_and_half_done(void **state)
{
    (void)state;
    RejoinLeader p = leader();
    RejoinLocal l = primary();
    l.data = LP_DATA_MARKED;
    EXPECT(l, p, REWIND);
    l.backup_label = true;
    EXPECT(l, p, REWIND); /* the launcher knows whether it was through */
    p.control_timeline = 1;
    EXPECT(l, p, WAIT);
    p = leader();
    /* pg_promote by hand, which took the number that the leader took. */
    l = standby();
    l.data = LP_DATA_MARKED;
    l.db = LP_DB_SHUTDOWNED;
    l.timeline = 2;
    EXPECT(l, p, CLONE);
    l.db = LP_DB_IN_ARCHIVE_RECOVERY; /* stopped before it got there: can be undone */
    EXPECT(l, p, REWIND);
}

static void copies_that_were_never_recovered(void **state)
{
    (void)state;
    RejoinLeader p = leader();
    RejoinLocal l = standby();
    l.backup_label = true;
    l.epoch = 8;
    EXPECT(l, p, START_STANDBY);
    l.epoch = 7;
    EXPECT(l, p, CLONE);
    l.running = true; /* it got to where it is readable after all */
    EXPECT(l, p, START_STANDBY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories),
        cmocka_unit_test(history_has_a_limit),
        cmocka_unit_test(who_is_not_asked),
        cmocka_unit_test(standby_on_the_leaders_timeline),
        cmocka_unit_test(standby_before_the_fork),
        cmocka_unit_test(standby_beyond_the_fork),
        cmocka_unit_test(primary_of_before),
        cmocka_unit_test(timeline_that_the_leader_never_was_on),
        cmocka_unit_test(same_number_of_another_promotion),
        cmocka_unit_test(unheard_promotion_in_the_leaders_past),
        cmocka_unit_test(two_forks_back),
        cmocka_unit_test(marked_and_half_done),
        cmocka_unit_test(copies_that_were_never_recovered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
