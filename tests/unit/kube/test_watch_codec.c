#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include "kube/kube.h"
#include "kube/watch_codec.h"
#include <stdlib.h>

typedef struct Lines {
    StrBuf text;
    int stop_after;
} Lines;

static bool on_line(void *ctx, StrView line)
{
    Lines *g = ctx;
    strbuf_addf(&g->text, "[" SV_FMT "]", SV_ARG(line));
    return --g->stop_after != 0;
}

static void test_split_anywhere(void **st)
{
    (void)st;
    const char *in = "one\n\ntwo\nthree and more\nrest";
    for (size_t cut = 0; cut <= strlen(in); cut++)
        for (size_t cut2 = cut; cut2 <= strlen(in); cut2++) {
            WatchSplit s = {0};
            Lines g = {.stop_after = -1};
            assert_int_equal(watch_split_feed(&s, sv_n(in, cut), on_line, &g, NULL), 0);
            assert_int_equal(watch_split_feed(&s, sv_n(in + cut, cut2 - cut), on_line, &g, NULL),
                             0);
            assert_int_equal(
                watch_split_feed(&s, sv_n(in + cut2, strlen(in) - cut2), on_line, &g, NULL), 0);
            assert_string_equal(g.text.p, "[one][two][three and more]");
            assert_int_equal(s.buf.n, 4);
            strbuf_done(&g.text);
            watch_split_done(&s);
        }
}

static void test_split_limits(void **st)
{
    (void)st;
    WatchSplit s = {0};
    Lines g = {.stop_after = 1};
    assert_int_equal(watch_split_feed(&s, SV("a\nb\n"), on_line, &g, NULL), 0);
    assert_string_equal(g.text.p, "[a]"); /* stopped */
    char *big = xcalloc(1, KUBE_WATCH_LINE_MAX);
    memset(big, 'x', KUBE_WATCH_LINE_MAX);
    Error err;
    assert_int_equal(watch_split_feed(&s, sv_n(big, KUBE_WATCH_LINE_MAX), on_line, &g, &err), 0);
    assert_int_equal(watch_split_feed(&s, SV("x"), on_line, &g, &err), ERR_TOO_LARGE);
    free(big);
    strbuf_done(&g.text);
    watch_split_done(&s);
}

static void test_lines(void **st)
{
    (void)st;
    static const char *const BAD[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"type\":\"ADDED\"}",
        "{\"type\":\"ADDED\",\"object\":[]}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}",
        "{\"type\":\"added\",\"object\":{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"1\"}}}",
        "{\"type\":7,\"object\":{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"1\"}}}",
    };
    WatchLine l;
    Error err;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(watch_line_parse(sv(BAD[i]), &l, &err), ERR_MALFORMED);
    assert_int_equal(
        watch_line_parse(SV("{\"type\":\"ERROR\",\"object\":{\"code\":410}}"), &l, &err), ERR_OK);
    assert_int_equal(l.error_code, 410);
    cJSON_Delete(l.root);
    assert_int_equal(
        watch_line_parse(
            SV("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}"), &l,
            &err),
        ERR_OK);
    assert_string_equal(l.rv, "7");
    cJSON_Delete(l.root);
}

static void test_paths(void **st)
{
    (void)st;
    cJSON *o =
        cJSON_Parse("{\"a\":{\"b.c/d\":\"x\",\"l\":[{\"n\":5},{\"n\":6}],\"t\":true},\"s\":\"y\"}");
    assert_string_equal(kube_str(o, "a['b.c/d']"), "x");
    assert_int_equal(kube_int(o, "a.l[1].n", -1), 6);
    assert_int_equal(kube_int(o, "a.l[2].n", -1), -1);
    assert_int_equal(kube_int(o, "s", -1), -1);
    assert_true(kube_bool(o, "a.t", false));
    assert_string_equal(kube_str(o, "s"), "y");
    assert_null(kube_str(o, "s.x"));
    assert_null(kube_str(o, "a.l[x]"));
    assert_null(kube_str(o, "a['b"));
    assert_null(kube_str(NULL, "a"));
    cJSON_Delete(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_anywhere),
        cmocka_unit_test(test_split_limits),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
