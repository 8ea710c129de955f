/* Chains of decisions: what was changed, taken out or put between shows. */
#include "model/decision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { N = 6 };

static void make_chain(Arena *a, const char *member, DecisionRecord at[N])
{
    const char *prev = "";
    for (uint64_t i = 0; i < N; i++) {
        char hash[DECISION_HASH + 1];
        at[i] = (DecisionRecord){.member = member,
                                 .chain = "00c0ffee",
                                 .number = i + 1,
                                 .epoch = 7 + i / 3,
                                 .at_us = 1000 * (int64_t)i,
                                 .kind = "election.sealed",
                                 .saw = arena_printf(a, "look %d", (int)i),
                                 .did = "sealed",
                                 .why = "the lease expired",
                                 .prev = prev};
        decision_hash(&at[i], hash);
        prev = at[i].hash = arena_strdup(a, hash);
    }
}

static ObjList verify(Arena *a, DecisionRecord *at, size_t *n)
{
    ObjList breaks;
    decisions_verify(a, at, n, &breaks);
    return breaks;
}

static void test_whole(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    DecisionRecord at[3 * N];
    make_chain(a, "db-1", at);
    make_chain(a, "db-0", at + N);
    memcpy(at + 2 * N, at, N * sizeof *at); /* said twice is said once */
    size_t n = 3 * N;
    assert_int_equal(verify(a, at, &n).n, 0);
    assert_int_equal(n, 2 * N);
    assert_string_equal(at[0].member, "db-0");
    decisions_order(at, n);
    for (size_t i = 1; i < n; i++)
        assert_true(at[i - 1].epoch <= at[i].epoch);
}

static void test_oldest_may_be_gone(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    DecisionRecord at[N];
    make_chain(a, "db-1", at);
    size_t n = N - 2;
    assert_int_equal(verify(a, at + 2, &n).n, 0);
}

static void expect_fault(DecisionRecord *at, size_t n, ChainFault f, uint64_t number)
{
    AUTO_ARENA a = arena_new();
    ObjList l = verify(a, at, &n);
    assert_true(l.n >= 1);
    const ChainBreak *b = l.at;
    assert_int_equal(b->fault, f);
    assert_int_equal(b->number, number);
    assert_non_null(strstr(b->text, "db-1"));
}

/* Every field of a record is under its hash. */
static void test_altered(void **state)
{
    (void)state;
    for (int field = 0; field < 8; field++) {
        AUTO_ARENA a = arena_new();
        DecisionRecord at[N];
        make_chain(a, "db-1", at);
        DecisionRecord *d = &at[2];
        switch (field) {
        case 0:
            d->saw = "look 3";
            break;
        case 1:
            d->did = "sealed ";
            break;
        case 2:
            d->why = "";
            break;
        case 3:
            d->at_us++;
            break;
        case 4:
            d->epoch++;
            break;
        case 5:
            d->kind = "election.won";
            break;
        case 6: /* text that only moved from one field to the next */
            d->saw = "look 2sealed";
            d->did = "";
            break;
        default:
            d->hash = at[1].hash;
        }
        expect_fault(at, N, CHAIN_ALTERED, 3);
    }
}

static void test_taken_out(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    DecisionRecord at[N];
    make_chain(a, "db-1", at);
    memmove(at + 2, at + 3, (N - 3) * sizeof *at);
    expect_fault(at, N - 1, CHAIN_GAP, 4);
}

/* A record of the right number and hash that does not continue the chain. */
static void test_replaced(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    DecisionRecord at[N];
    make_chain(a, "db-1", at);
    char hash[DECISION_HASH + 1];
    at[3].why = "somebody wanted it so";
    decision_hash(&at[3], hash);
    at[3].hash = hash;
    expect_fault(at, N, CHAIN_FORKED, 5);
    make_chain(a, "db-1", at);
    at[0].prev = at[1].hash; /* the first has none before it */
    decision_hash(&at[0], hash);
    at[0].hash = hash;
    expect_fault(at, 1, CHAIN_FORKED, 1);
}

static void test_map(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    DecisionRecord at[N], back;
    make_chain(a, "db-1", at);
    StrMap m = decision_to_map(a, &at[4]);
    assert_true(decision_from_map("db-1", m, &back));
    char hash[DECISION_HASH + 1];
    decision_hash(&back, hash);
    assert_string_equal(hash, at[4].hash);
    static const char *const KEYS[] = {"chain", "number", "at_us", "epoch", "decision", "hash"};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        StrMap bad = strmap_dup(a, m);
        strmap_put(a, &bad, KEYS[i], "");
        assert_false(decision_from_map("db-1", bad, &back));
        strmap_put(a, &bad, KEYS[i], "-1");
        if (i != 0 && i != 4)
            assert_false(decision_from_map("db-1", bad, &back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),    cmocka_unit_test(test_oldest_may_be_gone),
        cmocka_unit_test(test_altered),  cmocka_unit_test(test_taken_out),
        cmocka_unit_test(test_replaced), cmocka_unit_test(test_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
