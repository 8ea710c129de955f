/* The rule of the profile as a set: text, changes, votes, and what people are told. */
#include "model/durability.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static SyncSet set(Durability mode, unsigned k, uint32_t members)
{
    return (SyncSet){.mode = mode, .k = k, .members = members};
}
static const SyncSet DEGRADED = {.mode = DURABILITY_AVAILABLE, .degraded = true};

static void test_text(void **state)
{
    (void)state;
    char buf[SYNC_TEXT_MAX];
    SyncSet s = set(DURABILITY_PROTECTED, 1, 6), back = {0};
    assert_string_equal(sync_text(buf, &s, "db", 7), "ANY 1 (\"db-1.e7\",\"db-2.e7\")");
    assert_true(sync_text_parse(buf, "db", 7, &back));
    assert_int_equal(back.k, 1);
    assert_int_equal(back.members, 6);
    /* Nobody of another epoch can acknowledge. */
    assert_true(sync_text_parse(buf, "db", 8, &back));
    assert_int_equal(back.k, 1);
    assert_int_equal(back.members, 0);
    assert_true(sync_text_parse("", "db", 8, &back));
    assert_int_equal(back.k, 0);
    assert_false(sync_text_parse("FIRST 1 (x)", "db", 8, &back));
    assert_false(sync_text_parse("ANY x (a)", "db", 8, &back));
    assert_string_equal(sync_text(buf, &DEGRADED, "db", 7), "");
}

static void test_longest_text_fits(void **state)
{
    (void)state;
    char base[64], buf[SYNC_TEXT_MAX];
    memset(base, 'x', 63);
    base[63] = '\0';
    SyncSet s = set(DURABILITY_PROTECTED, 7, 0xFFFE), back = {0};
    sync_text(buf, &s, base, UINT64_MAX);
    assert_true(sync_text_parse(buf, base, UINT64_MAX, &back));
    assert_int_equal(back.members, 0xFFFE);
    AUTO_ARENA a = arena_new();
    assert_true(sync_json_parse(sync_json(a, &s, base), base, &back));
    assert_true(sync_equal(&s, &back));
}

static void test_record(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    SyncSet s = set(DURABILITY_PROTECTED, 1, 6), back = {0};
    assert_string_equal(
        sync_json(a, &s, "db"),
        "{\"mode\":\"protected\",\"k\":1,\"names\":[\"db-1\",\"db-2\"],\"degraded\":false}");
    assert_true(sync_json_parse(sync_json(a, &s, "db"), "db", &back));
    assert_true(sync_equal(&s, &back));
    /* What cannot be read whole proves nothing. */
    static const char *const BAD[] = {
        "",
        "{}",
        "[1]",
        "{\"mode\":\"protected\",\"k\":1,\"names\":[\"other-1\"],\"degraded\":false}",
        "{\"mode\":\"protected\",\"k\":-1,\"names\":[],\"degraded\":false}",
        "{\"mode\":\"protected\",\"k\":99,\"names\":[],\"degraded\":false}",
        "{\"mode\":\"sure\",\"k\":1,\"names\":[\"db-1\"],\"degraded\":false}",
        "{\"mode\":\"protected\",\"k\":1,\"names\":[7],\"degraded\":false}"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(sync_json_parse(BAD[i], "db", &back));
    /* Without the word, it is taken as degraded. */
    assert_true(
        sync_json_parse("{\"mode\":\"available\",\"k\":1,\"names\":[\"db-1\"]}", "db", &back));
    assert_true(back.degraded);
}

static void test_weaker(void **state)
{
    (void)state;
    SyncSet one_of_two = set(DURABILITY_PROTECTED, 1, 6), one = set(DURABILITY_PROTECTED, 1, 2),
            both = set(DURABILITY_PROTECTED, 2, 6), none = set(DURABILITY_PERFORMANCE, 0, 0);
    assert_true(sync_weaker(&one_of_two, &one));
    assert_false(sync_weaker(&one, &one_of_two));
    assert_true(sync_weaker(&one_of_two, &both));
    assert_false(sync_weaker(&both, &one_of_two));
    assert_true(sync_weaker(&none, &both));
    assert_false(sync_weaker(&one, &none));
    SyncSet other = set(DURABILITY_AVAILABLE, 1, 4), m = sync_meet(&one, &other);
    assert_int_equal(m.members, 6);
    assert_int_equal(m.k, 1);
    /* In every pair the meet is weaker than both. */
    for (unsigned ka = 0; ka < 3; ka++)
        for (unsigned kb = 0; kb < 3; kb++)
            for (uint32_t ma = 0; ma < 8; ma++)
                for (uint32_t mb = 0; mb < 8; mb++) {
                    SyncSet x = set(DURABILITY_AVAILABLE, ka, ma),
                            y = set(DURABILITY_AVAILABLE, kb, mb), z = sync_meet(&x, &y);
                    assert_true(sync_weaker(&z, &x));
                    assert_true(sync_weaker(&z, &y));
                }
}

static void test_votes(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    SyncSet s3 = set(DURABILITY_PROTECTED, 1, 6), s5 = set(DURABILITY_PROTECTED, 2, 0x1E),
            s2 = set(DURABILITY_AVAILABLE, 1, 2), async = set(DURABILITY_PERFORMANCE, 0, 0);
    SyncVotes v = sync_votes(&s3, 0, 6);
    assert_true(v.proven && v.wanted);
    v = sync_votes(&s3, 0, 2);
    assert_false(v.proven);
    assert_int_equal(v.need, 2);
    assert_string_equal(sync_votes_text(a, &v, "db"),
                        "1 of 2 votes is here; 1 of db-0, db-2 is missing");
    v = sync_votes(&s2, 0, 0);
    assert_string_equal(sync_votes_text(a, &v, "db"),
                        "0 of 1 votes are here; 1 of db-0, db-1 is missing");
    v = sync_votes(&s5, 0, 0x08);
    assert_string_equal(sync_votes_text(a, &v, "db"),
                        "1 of 3 votes is here; 2 of db-0, db-1, db-2, db-4 are missing");
    assert_true(sync_votes(&s3, 0, 1).proven);  /* the old primary has every row */
    assert_false(sync_votes(&s3, 0, 8).proven); /* who was not in the set says nothing */
    assert_true(sync_votes(&s5, 0, 0x0E).proven);
    assert_false(sync_votes(&s5, 0, 0x06).proven);
    assert_true(sync_votes(&s2, 0, 2).proven);
    assert_false(sync_votes(&async, 0, 6).wanted);
    assert_false(sync_votes(&DEGRADED, 0, 6).proven);
}

/* Whose record it is that an election goes by. */
static void test_electors(void **state)
{
    (void)state;
    const char *text =
        "{\"mode\":\"protected\",\"k\":1,\"names\":[\"db-1\",\"db-2\"],\"degraded\":false}";
    SyncElectors e = sync_electors(text, "db", DURABILITY_PROTECTED, 3, 0);
    assert_int_equal(e.old, 0);
    assert_true(sync_votes(&e.rec, e.old, 1).proven);
    /* The lease is gone, or its holder's name is nobody's, or that of a follower: no vote is enough
     * alone, whoever's it is. */
    const struct {
        const char *text;
        int holder;
    } unknown[] = {{"", -1}, {text, -1}, {text, 1}};
    for (size_t i = 0; i < 3; i++) {
        e = sync_electors(unknown[i].text, "db", DURABILITY_PROTECTED, 3, unknown[i].holder);
        for (uint32_t sealed = 1; sealed < 8; sealed++) {
            SyncVotes v = sync_votes(&e.rec, e.old, sealed);
            assert_true(v.wanted);
            assert_int_equal(v.proven, __builtin_popcount(sealed) >= 2);
        }
    }
    /* A lease that was made again has no record yet. */
    e = sync_electors("", "db", DURABILITY_PROTECTED, 3, 0);
    assert_true(sync_votes(&e.rec, e.old, 2).wanted);
    assert_false(sync_votes(&e.rec, e.old, 2).proven);
    assert_true(sync_votes(&e.rec, e.old, 1).proven);
    e = sync_electors("", "db", DURABILITY_PERFORMANCE, 3, -1);
    assert_false(sync_votes(&e.rec, e.old, 2).wanted);
}

/* Whatever a set of writers was enough for, a proven election holds one of them (or the old
 * primary): over every set of up to five members. */
static void test_votes_meet_writes(void **state)
{
    (void)state;
    for (unsigned n = 2; n <= 5; n++)
        for (uint32_t names = 0; names < 1u << n; names += 2)
            for (unsigned k = 1; k < n; k++) {
                SyncSet s = set(DURABILITY_PROTECTED, k, names);
                for (uint32_t sealed = 1; sealed < 1u << n; sealed++) {
                    if (!sync_votes(&s, 0, sealed).proven)
                        continue;
                    for (uint32_t acks = 0; acks < 1u << n; acks += 2)
                        if (!(acks & ~names) && (unsigned)__builtin_popcount(acks) >= k)
                            assert_true(sealed & (acks | 1));
                }
            }
}

/* ---- changes ---- */

typedef struct Site {
    SyncView v;
    unsigned steps;
} Site;

/* Does what the plan says until it stays; the record never claims more than is in force. */
static SyncPlan run(Site *s)
{
    for (unsigned i = 0; i < 20; i++) {
        SyncPlan p = sync_plan(&s->v);
        switch (p.step) {
        case SYNC_RECORD:
            s->v.record = p.set;
            s->v.has_record = true;
            break;
        case SYNC_APPLY:
            assert_true(s->v.has_record || sync_weaker(&s->v.in_force, &p.set));
            assert_true(sync_weaker(&s->v.record, &p.set));
            s->v.in_force = p.set;
            s->v.confirmed = false;
            break;
        case SYNC_CONFIRM:
            s->v.confirmed = true;
            break;
        case SYNC_STAY:
        case SYNC_HOLD:
            return p;
        }
        s->steps++;
        assert_true(sync_weaker(&s->v.record, &s->v.in_force));
    }
    fail_msg("%s", "it does not come to rest");
    return (SyncPlan){0};
}

static Site site(Durability mode, unsigned replicas, uint32_t streaming)
{
    return (Site){.v = {.mode = mode,
                        .replicas = replicas,
                        .streaming = streaming,
                        .recent = streaming,
                        .alone = !streaming,
                        .may_write = true}};
}

static void test_plan_each_mode(void **state)
{
    (void)state;
    Site s = site(DURABILITY_PERFORMANCE, 3, 6);
    assert_int_equal(run(&s).step, SYNC_STAY);
    assert_int_equal(s.v.in_force.k, 0);
    s = site(DURABILITY_PROTECTED, 5, 0x1E);
    run(&s);
    assert_int_equal(s.v.in_force.k, 2);
    assert_int_equal(s.v.in_force.members, 0x1E);
    assert_true(sync_equal(&s.v.record, &s.v.in_force) || !s.v.record.degraded);
    s = site(DURABILITY_PROTECTED, 1, 0);
    run(&s);
    assert_int_equal(s.v.in_force.k, 0);
    s = site(DURABILITY_AVAILABLE, 3, 6);
    run(&s);
    assert_int_equal(s.v.in_force.k, 1);
    assert_int_equal(s.v.in_force.members, 6);
    assert_false(s.v.record.degraded);
}

/* A new cluster has no record: what is in force from the start is recorded once, and as it is. */
static void test_first_record(void **state)
{
    (void)state;
    Site s = site(DURABILITY_PROTECTED, 3, 6);
    s.v.in_force = set(DURABILITY_PROTECTED, 1, 6);
    assert_int_equal(sync_plan(&s.v).step, SYNC_CONFIRM);
    s.v.confirmed = true;
    SyncPlan p = sync_plan(&s.v);
    assert_int_equal(p.step, SYNC_RECORD);
    assert_int_equal(p.set.k, 1);
    s = site(DURABILITY_AVAILABLE, 2, 0); /* and it degrades with a record as well */
    s.v.in_force = set(DURABILITY_AVAILABLE, 1, 2);
    p = sync_plan(&s.v);
    assert_int_equal(p.step, SYNC_RECORD);
    assert_true(p.set.degraded);
}

static void test_protected_never_lets_go(void **state)
{
    (void)state;
    Site s = site(DURABILITY_PROTECTED, 3, 6);
    run(&s);
    s.v.streaming = s.v.recent = 0;
    s.v.alone = true;
    assert_int_equal(run(&s).step, SYNC_STAY);
    assert_int_equal(s.v.in_force.k, 1);
}

static void test_available_degrades_and_returns(void **state)
{
    (void)state;
    Site s = site(DURABILITY_AVAILABLE, 2, 2);
    run(&s);
    s.v.streaming = 0; /* just now: wait a little */
    s.v.alone = false;
    assert_int_equal(run(&s).step, SYNC_STAY);
    assert_int_equal(s.v.in_force.k, 1);
    s.v.alone = true; /* the API is away, or the primary is fenced: writes wait */
    s.v.recent = 0;
    s.v.may_write = false;
    assert_int_equal(run(&s).step, SYNC_HOLD);
    assert_int_equal(s.v.in_force.k, 1);
    s.v.may_write = true;
    SyncPlan first = sync_plan(&s.v);
    assert_int_equal(first.step, SYNC_RECORD); /* before it takes effect */
    assert_true(first.set.degraded);
    run(&s);
    assert_int_equal(s.v.in_force.k, 0);
    assert_true(s.v.record.degraded);
    s.v.streaming = s.v.recent = 2;
    s.v.alone = false;
    assert_int_equal(sync_plan(&s.v).step, SYNC_APPLY);
    s.v.in_force = sync_plan(&s.v).set;
    s.v.confirmed = false;
    assert_int_equal(sync_plan(&s.v).step, SYNC_CONFIRM); /* not proven yet: still degraded */
    run(&s);
    assert_false(s.v.record.degraded);
}

static void test_from_one_follower_to_another(void **state)
{
    (void)state;
    Site s = site(DURABILITY_AVAILABLE, 3, 2);
    run(&s);
    assert_int_equal(s.v.record.members, 2);
    s.v.streaming = s.v.recent = 4;
    SyncPlan p = sync_plan(&s.v);
    assert_int_equal(p.step, SYNC_RECORD);
    assert_int_equal(p.set.members, 6); /* over both */
    run(&s);
    assert_int_equal(s.v.record.members, 4);
    assert_int_equal(s.v.in_force.members, 4);
}

static void test_scaling(void **state)
{
    (void)state;
    Site s = site(DURABILITY_PROTECTED, 3, 6);
    run(&s);
    s.v.replicas = 5;
    run(&s);
    assert_int_equal(s.v.record.k, 2);
    assert_int_equal(s.v.record.members, 0x1E);
    s.v.replicas = 1;
    run(&s);
    assert_int_equal(s.v.in_force.k, 0);
    assert_int_equal(s.v.record.k, 0);
}

static void test_record_rules_at_start(void **state)
{
    (void)state;
    Site s = site(DURABILITY_PROTECTED, 3, 0);
    s.v.record = sync_at_takeover(DURABILITY_PROTECTED, 3, 0, true);
    s.v.has_record = true;
    s.v.may_write = false; /* applying what is recorded asks nobody */
    SyncPlan p = sync_plan(&s.v);
    assert_int_equal(p.step, SYNC_APPLY);
    assert_int_equal(p.set.k, 1);
}

static void test_every_change_comes_to_rest(void **state)
{
    (void)state;
    static const Durability MODES[] = {DURABILITY_PERFORMANCE, DURABILITY_AVAILABLE,
                                       DURABILITY_PROTECTED};
    for (unsigned from = 0; from < 3; from++)
        for (unsigned to = 0; to < 3; to++)
            for (unsigned n = 1; n <= 4; n++)
                for (unsigned m = 1; m <= 4; m++)
                    for (uint32_t st = 0; st < 16; st += 2)
                        for (uint32_t st2 = 0; st2 < 16; st2 += 2) {
                            Site s = site(MODES[from], n, st & ((1u << n) - 1));
                            run(&s);
                            s.v.mode = MODES[to];
                            s.v.replicas = m;
                            s.v.streaming = s.v.recent = st2 & ((1u << m) - 1);
                            s.v.alone = !s.v.streaming;
                            SyncPlan p = run(&s);
                            assert_int_equal(p.step, SYNC_STAY);
                            assert_int_equal(s.v.record.mode, MODES[to]);
                        }
}

/* ---- what people are told ---- */

static void expect_loss(const LossView *v, LossVerdict verdict, const char *text)
{
    AUTO_ARENA a = arena_new();
    LossStatement s = loss_state(a, v, "db");
    assert_int_equal(s.verdict, verdict);
    assert_non_null(strstr(s.text, text));
}

static void test_loss(void **state)
{
    (void)state;
    LossView v = {.record = set(DURABILITY_PROTECTED, 1, 6),
                  .has_record = true,
                  .has_primary = true,
                  .candidates = 6,
                  .best = 1,
                  .behind_bytes = 5000,
                  .behind_seconds = 1.5};
    expect_loss(&v, LOSS_NONE, "no: every acknowledged row is on 2 members");
    v.candidates = 4;
    expect_loss(&v, LOSS_REFUSED, "1 of 2 votes is here");
    v.record.mode = DURABILITY_AVAILABLE;
    expect_loss(&v, LOSS_POSSIBLE, "4.9 KiB");
    v.record = set(DURABILITY_PERFORMANCE, 0, 0);
    expect_loss(&v, LOSS_POSSIBLE, "performance");
    v.record = DEGRADED;
    expect_loss(&v, LOSS_POSSIBLE, "degraded");
    v.behind_bytes = 0;
    expect_loss(&v, LOSS_POSSIBLE, "next moment");
    v.behind_bytes = -1;
    expect_loss(&v, LOSS_POSSIBLE, "not known");
    v.candidates = 0;
    expect_loss(&v, LOSS_NOBODY, "nobody");
    v.has_primary = false;
    expect_loss(&v, LOSS_UNKNOWN, "no primary");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_longest_text_fits),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_weaker),
        cmocka_unit_test(test_votes),
        cmocka_unit_test(test_votes_meet_writes),
        cmocka_unit_test(test_electors),
        cmocka_unit_test(test_plan_each_mode),
        cmocka_unit_test(test_first_record),
        cmocka_unit_test(test_protected_never_lets_go),
        cmocka_unit_test(test_available_degrades_and_returns),
        cmocka_unit_test(test_from_one_follower_to_another),
        cmocka_unit_test(test_scaling),
        cmocka_unit_test(test_record_rules_at_start),
        cmocka_unit_test(test_every_change_comes_to_rest),
        cmocka_unit_test(test_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
