#include "model/contest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static Position at(uint32_t timeline, uint64_t received)
{
    return (Position){.known = true,
                      .sealed = true,
                      .eligible = true,
                      .epoch = 8,
                      .timeline = timeline,
                      .priority = 100,
                      .received = received,
                      .replayed = received};
}

static Contest contest(const Position *p, unsigned self)
{
    return (Contest){.at = p,
                     .replicas = 3,
                     .self = self,
                     .absent = 1,
                     .epoch = 8,
                     .gather_ms = CONTEST_GATHER_MS,
                     .preferred = -1,
                     .lease_ms = 15000,
                     .sealed_ms = 1000000,
                     .over_ms = 1000000,
                     .changed_ms = 1000000,
                     .lease_over = true};
}

static void text_and_back(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Position p = at(3, 0x5000060), q;
    snprintf(p.why, sizeof p.why, "a \"why\"");
    assert_true(position_parse(position_json(a, &p), &q));
    assert_memory_equal(&p, &q, sizeof p);
    static const char *const BAD[] = {
        NULL,
        "",
        "{}",
        "[]",
        "{\"epoch\":-1}",
        "{\"epoch\":8,\"sealed\":true,\"timeline\":3,\"received\":\"x\",\"replayed\":\"0/0\","
        "\"priority\":1}",
        "{\"epoch\":8,\"sealed\":true,\"timeline\":5000000000,\"received\":\"0/1\",\"replayed\":"
        "\"0/0\",\"priority\":1}"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        assert_false(position_parse(BAD[i], &q));
        assert_false(q.known || q.sealed);
    }
}

static void order(void **state)
{
    (void)state;
    Position a = at(3, 100), b = at(2, 900);
    assert_true(position_compare(&a, 1, &b, 2) > 0); /* the timeline first */
    b = at(3, 101);
    assert_true(position_compare(&a, 1, &b, 2) < 0);
    b = at(3, 100);
    assert_true(position_compare(&a, 1, &b, 2) > 0); /* the lower ordinal last */
    b.priority = 101;
    assert_true(position_compare(&a, 1, &b, 2) < 0);
}

static void best_takes_at_once(void **state)
{
    (void)state;
    Position p[3] = {{0}, at(3, 100), at(3, 200)};
    Contest c = contest(p, 2);
    ContestResult r = contest_verdict(&c);
    assert_int_equal(r.verdict, CONTEST_TAKE);
    assert_int_equal(r.votes, 6);
    c = contest(p, 1);
    r = contest_verdict(&c);
    assert_int_equal(r.verdict, CONTEST_WAIT);
    assert_int_equal(r.rank, 1);
    assert_int_equal(r.again, CONTEST_GRACE_MS);
    c.published_ms = CONTEST_GRACE_MS; /* the first did not: it is gone */
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_TAKE);
    c.changed_ms = 0; /* the first has only just come */
    assert_int_equal(contest_verdict(&c).again, CONTEST_GRACE_MS);
    c.over_ms = 0; /* the lease ends only now: so long it could not */
    assert_int_equal(contest_verdict(&c).again, CONTEST_GRACE_MS);
}

static void the_others_are_awaited_for_a_while(void **state)
{
    (void)state;
    Position p[3] = {{0}, at(3, 100), {0}};
    Contest c = contest(p, 1);
    c.published_ms = CONTEST_GATHER_MS - 1;
    ContestResult r = contest_verdict(&c);
    assert_int_equal(r.verdict, CONTEST_WAIT);
    assert_int_equal(r.again, 1);
    c.published_ms++;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_TAKE);
    c.published_ms = 0;
    c.absent = 5;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_TAKE);
    p[2] = at(3, 500); /* of another election: does not count */
    p[2].epoch = 7;
    c.absent = 1;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_WAIT);
    assert_int_equal(contest_verdict(&c).votes, 2);
}

static void never_before_the_lease_is_over(void **state)
{
    (void)state;
    Position p[3] = {{0}, at(3, 100), at(3, 1)};
    Contest c = contest(p, 1);
    c.lease_over = false;
    c.published_ms = 1000000;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_WAIT);
    c.lease_over = true;
    c.seal_wait_ms = 3000;
    c.sealed_ms = 2999;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_WAIT);
    assert_int_equal(contest_verdict(&c).again, 1);
    c.sealed_ms = 3000;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_TAKE);
    p[1].sealed = false;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_WAIT);
}

static void proofs(void **state)
{
    (void)state;
    Position p[3] = {{0}, at(3, 100), {0}};
    Contest c = contest(p, 1);
    c.published_ms = 100000;
    c.mood = CONTEST_PROOF;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_WAIT);
    assert_true(contest_verdict(&c).again == UINT64_MAX);
    c.forced = true;
    ContestResult r = contest_verdict(&c);
    assert_true(r.verdict == CONTEST_TAKE && r.lossy);
    c.forced = false;
    c.mood = CONTEST_WISHED;
    r = contest_verdict(&c);
    assert_true(r.verdict == CONTEST_TAKE && r.lossy);
    c.published_ms = c.lease_ms - 1;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_WAIT);
    c.mood = CONTEST_PROOF;
    c.proven = true;
    r = contest_verdict(&c);
    assert_true(r.verdict == CONTEST_TAKE && !r.lossy);
    /* The vote of one that has more proves nothing about us. */
    p[2] = at(3, 101);
    assert_int_equal(contest_votes(&c), 6);
    assert_int_equal(contest_backing(&c), 2);
    p[2].received = 100;
    assert_int_equal(contest_backing(&c), 6);
    p[2] = at(2, 500);
    assert_int_equal(contest_backing(&c), 6);
}

static void who_may_not_lead(void **state)
{
    (void)state;
    Position p[3] = {{0}, at(3, 100), at(3, 200)};
    p[2].eligible = false;
    Contest c = contest(p, 2);
    c.published_ms = 100000;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_WAIT);
    c = contest(p, 1);
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_TAKE);
    assert_int_equal(contest_verdict(&c).rank, 0);
    c = contest(p, 2);
    c.forced = true;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_TAKE);
}

static void the_one_that_is_named(void **state)
{
    (void)state;
    Position p[3] = {{0}, at(3, 100), at(3, 200)};
    Contest c = contest(p, 1);
    c.preferred = 1;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_TAKE);
    c = contest(p, 2);
    c.preferred = 1;
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_WAIT);
    c.published_ms = CONTEST_PREFERRED_MS + CONTEST_GRACE_MS; /* it does not come */
    assert_int_equal(contest_verdict(&c).verdict, CONTEST_TAKE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_back),
        cmocka_unit_test(order),
        cmocka_unit_test(best_takes_at_once),
        cmocka_unit_test(the_others_are_awaited_for_a_while),
        cmocka_unit_test(never_before_the_lease_is_over),
        cmocka_unit_test(proofs),
        cmocka_unit_test(who_may_not_lead),
        cmocka_unit_test(the_one_that_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
