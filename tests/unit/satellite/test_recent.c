#include "sidecars/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static EventReport event(int64_t at_us, const char *pod, const char *kind, const char *message)
{
    return (EventReport){
        .at_us = at_us, .ns = "prod", .pod_name = pod, .kind = kind, .message = message};
}

static bool take(Recent *r, EventReport e)
{
    return recent_take(r, &e);
}

static void the_same_comes_once(void **state)
{
    (void)state;
    Recent r = {0};
    assert_true(take(&r, event(7, "db-0", "a.b", "it is so")));
    assert_false(take(&r, event(7, "db-0", "a.b", "it is so")));
    assert_true(take(&r, event(8, "db-0", "a.b", "it is so")));
    assert_true(take(&r, event(7, "db-1", "a.b", "it is so")));
    assert_true(take(&r, event(7, "db-0", "a.bi", "t is so")));
    assert_true(take(&r, event(7, "db-0", "a.b", "it is not")));
    assert_false(take(&r, event(7, "db-1", "a.b", "it is so")));
}

static void what_is_long_ago_is_forgotten(void **state)
{
    (void)state;
    Recent r = {0};
    for (int64_t i = 1; i <= RECENT_MAX + 1; i++)
        assert_true(take(&r, event(i, "db-0", "a.b", "x")));
    assert_false(take(&r, event(2, "db-0", "a.b", "x")));
    assert_true(take(&r, event(1, "db-0", "a.b", "x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_comes_once),
        cmocka_unit_test(what_is_long_ago_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
