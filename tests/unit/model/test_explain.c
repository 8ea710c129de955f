/* The last incident as one story, whatever order and clocks the records came with. */
#include "model/explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const int64_t S = 1000000;
enum { MAX = 32 };

typedef struct Site {
    Arena *a;
    DecisionRecord at[MAX];
    size_t n;
} Site;

static int set_up(void **state)
{
    Arena *a = arena_new();
    Site *s = arena_new_of(a, Site);
    s->a = a;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    arena_free(((Site *)*state)->a);
    return 0;
}

/* The next decision of a member, chained to its last one. */
static void add(Site *s, const char *member, uint64_t epoch, int64_t at_us, const char *kind)
{
    char hash[DECISION_HASH + 1];
    DecisionRecord d = {.member = member,
                        .chain = "c0ffee",
                        .number = 1,
                        .epoch = epoch,
                        .at_us = at_us,
                        .kind = kind,
                        .saw = arena_printf(s->a, "%s looked", member),
                        .did = arena_printf(s->a, "did %s", kind),
                        .why = "a rule",
                        .prev = ""};
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->at[i].member, member) && s->at[i].number >= d.number) {
            d.number = s->at[i].number + 1;
            d.prev = s->at[i].hash;
        }
    decision_hash(&d, hash);
    d.hash = arena_strdup(s->a, hash);
    assert_true(s->n < MAX);
    s->at[s->n++] = d;
}

static void a_failover(Site *s)
{
    add(s, "db-0", 7, 10 * S, "lease.created");
    add(s, "db-0", 7, 11 * S, "sync.recorded");
    add(s, "db-0", 7, 900 * S, "postgres.died");
    add(s, "db-0", 7, 900 * S + 10000, "lease.released");
    add(s, "db-1", 7, 900 * S + 30000, "election.sealed");
    add(s, "db-2", 7, 900 * S + 25000, "election.sealed");
    add(s, "db-2", 8, 900 * S + 150000, "election.lost");
    add(s, "db-1", 8, 900 * S + 100000, "lease.taken");
    add(s, "db-1", 8, 900 * S + 300000, "promote.done");
}

static const char *story(Site *s, bool all)
{
    AUTO_STRBUF b = {0};
    Explanation e = explain_decisions(s->a, s->at, s->n, all);
    explain_text(&b, &e, "db@edge");
    return arena_strdup(s->a, strbuf_str(&b));
}

static void test_a_failover_is_told(void **state)
{
    Site *s = *state;
    a_failover(s);
    const char *text = story(s, false);
    static const char *const ORDER[] = {
        "db@edge: what happened on 1970-01-01 from 00:15:00.000 to 00:15:00.300 UTC (0.3 s)",
        "Epoch 7",
        "db-0: did postgres.died",
        "saw: db-0 looked",
        "why: a rule",
        "db-0: did lease.released",
        "db-2: did election.sealed",
        "db-1: did election.sealed",
        "Epoch 8, held by db-1",
        "+0.100 s  db-1: did lease.taken",
        "db-2: did election.lost",
        "db-1: did promote.done",
        "9 decisions in 3 chains, every hash fits",
    };
    const char *at = text;
    for (size_t i = 0; i < sizeof ORDER / sizeof *ORDER; i++) {
        const char *next = strstr(at, ORDER[i]);
        if (!next)
            fail_msg("not there, or not in order: %s\n%s", ORDER[i], text);
        at = next;
    }
    assert_null(strstr(text, "lease.created")); /* that was another day */
    assert_non_null(strstr(story(s, true), "lease.created"));
}

/* What happened later and moved nothing does not hide the incident. */
static void test_quiet_days_after(void **state)
{
    Site *s = *state;
    a_failover(s);
    add(s, "db-1", 8, 5000 * S, "sync.recorded");
    Explanation e = explain_decisions(s->a, s->at, s->n, false);
    assert_true(e.incident);
    assert_int_equal(e.to_us, 900 * S + 300000);
}

static void test_nothing_moved(void **state)
{
    Site *s = *state;
    add(s, "db-0", 1, 10 * S, "lease.created");
    add(s, "db-0", 1, 11 * S, "sync.recorded");
    assert_non_null(strstr(story(s, false), "nothing moved"));
    s->n = 0;
    assert_non_null(strstr(story(s, false), "no decisions are kept"));
}

/* A clock that was set back does not turn a member's own story around. */
static void test_a_clock_that_jumped(void **state)
{
    Site *s = *state;
    add(s, "db-1", 8, 900 * S, "lease.taken");
    add(s, "db-1", 8, 890 * S, "promote.begun");
    add(s, "db-2", 8, 890 * S + 5, "election.lost");
    add(s, "db-1", 8, 891 * S, "promote.done");
    Explanation e = explain_decisions(s->a, s->at, s->n, false);
    uint64_t last = 0;
    assert_int_equal(e.n, 4);
    for (size_t i = 0; i < 4; i++)
        if (str_eq(e.at[i].member, "db-1"))
            assert_int_equal(e.at[i].number, ++last);
}

static void test_a_broken_chain_is_said(void **state)
{
    Site *s = *state;
    a_failover(s);
    s->at[8].why = "because I say so";
    const char *text = story(s, false);
    assert_non_null(strstr(text, "BROKEN"));
    assert_non_null(strstr(text, "of db-1 is not what was written"));
    AUTO_STRBUF b = {0};
    JsonOut j = json_out(&b);
    Explanation e = explain_decisions(s->a, s->at, s->n, false);
    explain_json(&j, &e, "db@edge");
    assert_non_null(strstr(b.p, "\"whole\":false"));
    assert_non_null(strstr(b.p, "\"fault\":\"altered\""));
    assert_non_null(strstr(b.p, "\"holder\":\"db-1\""));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_a_failover_is_told),  T(test_quiet_days_after),       T(test_nothing_moved),
        T(test_a_clock_that_jumped), T(test_a_broken_chain_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
