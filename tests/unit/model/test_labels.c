#include "model/labels.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static StrMap labels(Arena *a)
{
    StrMap m = {0};
    strmap_put(a, &m, "tier", "edge");
    strmap_put(a, &m, "region", "us-east");
    strmap_put(a, &m, "example.com/x", "");
    return m;
}

static bool selects(const char *text)
{
    AUTO_ARENA a = arena_new();
    LabelSelector s;
    Error err = {0};
    if (labels_parse(a, text, &s, &err))
        fail_msg("%s: %s", text, err.msg);
    return labels_select(&s, labels(a));
}

static void the_language_of_kubectl(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "",
        " ",
        "tier=edge",
        "tier==edge",
        " tier = edge , region != eu ",
        "tier in (edge,core)",
        "tier notin (core)",
        "nope notin (x)",
        "nope!=x",
        "tier",
        "!nope",
        "example.com/x=",
        "example.com/x",
        "tier in ( edge )",
        "tier,region,!zone",
    };
    static const char *const no[] = {"tier=core",      "tier!=edge", "tier in (core)",
                                     "!tier",          "nope",       "tier notin (edge,core)",
                                     "tier=edge,nope", "region="};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!selects(yes[i]))
            fail_msg("should match: %s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (selects(no[i]))
            fail_msg("should not match: %s", no[i]);
}

static void errors_say_where(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "=x",   "a=b=c", "a b",   "a in b", "a in (b", "a in ()x", "a,",      ",a", "a in (b c)",
        "!a=b", "!",     "a=b c", "a=x!y",  "a>1",     "(a)",      "a notin", "-a", "a=-"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO_ARENA a = arena_new();
        LabelSelector s;
        Error err = {0};
        if (labels_parse(a, bad[i], &s, &err) != ERR_INVALID)
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(err.msg, "at "));
    }
}

static void maps_match_by_containment(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    StrMap m;
    Error err = {0};
    assert_int_equal(labels_map_parse(a, "region=us-east, tier=edge", &m, &err), ERR_OK);
    assert_string_equal(labels_text(a, m), "region=us-east,tier=edge");
    assert_true(labels_match(m, labels(a)));
    strmap_put(a, &m, "zone", "1");
    assert_false(labels_match(m, labels(a)));
    assert_true(labels_match((StrMap){0}, labels(a)));
    assert_int_equal(labels_map_parse(a, "a=b,a=c", &m, &err), ERR_INVALID);
    assert_int_equal(labels_map_parse(a, "a", &m, &err), ERR_INVALID);
    assert_int_equal(labels_map_parse(a, "a=b!", &m, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_language_of_kubectl),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(maps_match_by_containment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
