#include "member/vouch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names(void **state)
{
    (void)state;
    assert_int_equal(vouch_ordinal("prod-pg-2.e7", "prod-pg", 7), 2);
    assert_int_equal(vouch_ordinal("prod-pg-15.e7", "prod-pg", 7), 15);
    assert_int_equal(vouch_ordinal("prod-pg-2.e8", "prod-pg", 7), -1);
    assert_int_equal(vouch_ordinal("prod-pg-2", "prod-pg", 7), -1);
    assert_int_equal(vouch_ordinal("prod-pg-2.e7x", "prod-pg", 7), -1);
    assert_int_equal(vouch_ordinal("other-2.e7", "prod-pg", 7), -1);
    assert_int_equal(vouch_ordinal("prod", "prod-pg", 7), -1);
    assert_int_equal(vouch_ordinal("", "prod-pg", 7), -1);
}

static void only_changing_answers_count(void **state)
{
    (void)state;
    Vouch v = {0};
    vouch_note(&v, 1, "a", 1000);
    assert_false(vouch_holds(&v, 2, 0, 1000)); /* first sight */
    vouch_note(&v, 1, "a", 2000);
    assert_false(vouch_holds(&v, 2, 0, 2000)); /* the same answer again */
    vouch_note(&v, 1, "b", 3000);
    assert_true(vouch_holds(&v, 2, 0, 3000));
    assert_true(vouch_holds(&v, 2, 0, 3000 + VOUCH_FRESH_MS));
    assert_false(vouch_holds(&v, 2, 0, 3001 + VOUCH_FRESH_MS));
}

static void everybody_must_answer(void **state)
{
    (void)state;
    Vouch v = {0};
    assert_true(vouch_holds(&v, 1, 0, 5)); /* nobody else is there to be promoted */
    vouch_note(&v, 0, "a", 1000);
    vouch_note(&v, 0, "b", 2000);
    assert_true(vouch_holds(&v, 2, 1, 2000));
    assert_false(vouch_holds(&v, 3, 1, 2000));
    vouch_note(&v, 2, "a", 1000);
    vouch_note(&v, 2, "b", 2000);
    assert_true(vouch_holds(&v, 3, 1, 2000));
    assert_false(vouch_holds(&v, VOUCH_MEMBERS + 1, 1, 2000));
    vouch_keep(&v, 1u << 0); /* 2 is gone */
    assert_false(vouch_holds(&v, 3, 1, 2000));
    vouch_note(&v, 2, "c", 2100); /* back, but that is a first sight again */
    assert_false(vouch_holds(&v, 3, 1, 2100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(only_changing_answers_count),
        cmocka_unit_test(everybody_must_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
