/* http/router and http/url: which row, which parameters, and what is refused. */
#include "http/router.h"

#include "http/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const RouterRow ROWS[] = {
    {"GET", "/"},
    {"GET", "/api/v1/profiles"},
    {"POST", "/api/v1/profiles"},
    {"GET", "/api/v1/profiles/{name}"},
    {"PUT", "/api/v1/profiles/{name}"},
    {"POST", "/api/v1/profiles/validate"},
    {"GET", "/api/v1/profiles/{name}/versions"},
    {"GET", "/api/v1/{kind}/{name}/versions"},
    {"GET", "/files/{path...}"},
};

static size_t row_of(const char *method, const char *pattern)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (str_eq(ROWS[i].method, method) && str_eq(ROWS[i].pattern, pattern))
            return i;
    fail_msg("no row %s %s", method, pattern);
    return 0;
}

static void test_match(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *pattern, *param, *value;
    } CASES[] = {
        {"GET", "/", "/", NULL, NULL},
        {"GET", "/api/v1/profiles", "/api/v1/profiles", NULL, NULL},
        {"HEAD", "/api/v1/profiles", "/api/v1/profiles", NULL, NULL},
        {"GET", "/api/v1/profiles/std", "/api/v1/profiles/{name}", "name", "std"},
        {"GET", "/api/v1/profiles/a%2Fb", "/api/v1/profiles/{name}", "name", "a/b"},
        {"GET", "/api/v1/profiles/caf%C3%A9", "/api/v1/profiles/{name}", "name", "caf\xc3\xa9"},
        {"GET", "/api/v1/profiles/a+b", "/api/v1/profiles/{name}", "name", "a+b"},
        {"POST", "/api/v1/profiles/validate", "/api/v1/profiles/validate", NULL, NULL},
        /* literal, but not of this method: the parameter takes it */
        {"GET", "/api/v1/profiles/validate", "/api/v1/profiles/{name}", "name", "validate"},
        {"GET", "/api/v1/profiles/x/versions", "/api/v1/profiles/{name}/versions", "name", "x"},
        {"GET", "/api/v1/rules/x/versions", "/api/v1/{kind}/{name}/versions", "kind", "rules"},
        {"GET", "/files/a/b%20c/d", "/files/{path...}", "path", "a/b c/d"},
    };
    Router *r = router_new(ROWS, sizeof ROWS / sizeof *ROWS);
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RouterMatch m;
        Error err = {0};
        if (router_match(r, a, sv(CASES[i].method), sv(CASES[i].path), &m, &err))
            fail_msg("%s %s: %s", CASES[i].method, CASES[i].path, err.msg);
        const char *want = str_eq(CASES[i].method, "HEAD") ? "GET" : CASES[i].method;
        assert_int_equal(m.row, row_of(want, CASES[i].pattern));
        if (CASES[i].param)
            assert_string_equal(router_param(&m, CASES[i].param), CASES[i].value);
        assert_null(router_param(&m, "other"));
    }
    router_free(r);
}

static void test_no_match(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        ErrCode code;
        const char *allow;
    } CASES[] = {
        {"GET", "/api/v1/none", ERR_NOT_FOUND, NULL},
        {"GET", "/api/v1/profiles/", ERR_NOT_FOUND, NULL},
        {"GET", "/api/v1//profiles", ERR_NOT_FOUND, NULL},
        {"GET", "/api/v1/profiles/x/versions/", ERR_NOT_FOUND, NULL},
        {"GET", "/files", ERR_NOT_FOUND, NULL},
        {"GET", "", ERR_NOT_FOUND, NULL},
        {"GET", "*", ERR_NOT_FOUND, NULL},
        {"DELETE", "/api/v1/profiles", ERR_METHOD, "GET, POST"},
        {"POST", "/api/v1/profiles/std", ERR_METHOD, "GET, PUT"},
        {"get", "/api/v1/profiles", ERR_METHOD, "GET, POST"},
        {"GET", "/api/v1/profiles/%ff", ERR_MALFORMED, NULL},
        {"GET", "/api/v1/profiles/%00", ERR_MALFORMED, NULL},
        {"GET", "/api/v1/profiles/%zz", ERR_MALFORMED, NULL},
        {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t", ERR_NOT_FOUND, NULL},
    };
    Router *r = router_new(ROWS, sizeof ROWS / sizeof *ROWS);
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RouterMatch m;
        Error err = {0};
        ErrCode rc = router_match(r, a, sv(CASES[i].method), sv(CASES[i].path), &m, &err);
        if (rc != CASES[i].code)
            fail_msg("%s %s: %s %s", CASES[i].method, CASES[i].path, err_name(rc), err.msg);
        if (CASES[i].allow)
            assert_string_equal(m.allow, CASES[i].allow);
    }
    router_free(r);
}

static void test_url_path(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    assert_string_equal(url_path(a, SV("/a%20b/%2e%2e.c")), "/a b/...c");
    assert_string_equal(url_path(a, SV("/%252e%252e")), "/%2e%2e"); /* once */
    static const char *const BAD[] = {"",     "a",           "/..",       "/a/../b", "/%2e%2E/b",
                                      "/a/.", "/a%2f..%2fb", "/%",        "/%4",     "/%4g",
                                      "/%00", "/%c3%28",     "/%ed%a0%80"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (url_path(a, sv(BAD[i])))
            fail_msg("'%s' was taken for a path", BAD[i]);
}

static void test_url_query(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    const UrlPair *p;
    size_t n;
    assert_true(url_query(a, SV("a=1&b=x+y%2B&&c&=d&e=f=g"), &p, &n));
    assert_int_equal(n, 5);
    assert_string_equal(p[1].value, "x y+");
    assert_string_equal(p[2].name, "c");
    assert_string_equal(p[2].value, "");
    assert_string_equal(p[3].name, "");
    assert_string_equal(p[4].value, "f=g");
    assert_true(url_query(a, (StrView){0}, &p, &n));
    assert_int_equal(n, 0);
    assert_false(url_query(a, SV("a=%0"), &p, &n));
    assert_false(url_query(a, SV("a=%00"), &p, &n));
    AUTO_STRBUF many = {0};
    for (int i = 0; i < 101; i++)
        strbuf_adds(&many, "a&");
    assert_false(url_query(a, sv(many.p), &p, &n));
}

static void test_encode_and_back(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    url_encode(&b, "a/b ?&=%+\xc3\xa4~-._9");
    assert_string_equal(b.p, "a%2Fb%20%3F%26%3D%25%2B%C3%A4~-._9");
    assert_string_equal(url_decode(a, sv(b.p), true), "a/b ?&=%+\xc3\xa4~-._9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),           cmocka_unit_test(test_no_match),
        cmocka_unit_test(test_url_path),        cmocka_unit_test(test_url_query),
        cmocka_unit_test(test_encode_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
