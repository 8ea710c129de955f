#include "codec/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void types_by_the_core_schema(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    cJSON *root;
    Error err = {0};
    StrView text = SV("a: 1\nb: 1.50\nc: yes\nd: true\ne: null\nf: ~\ng: '1'\nh: 007\n"
                      "i: 0x10\nj: .inf\nk: |\n  two\n  lines\nl: -3e2\nm: !!str 5\nn:\n");
    if (yaml_parse(a, text, 10000, &root, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(json_text(a, root),
                        "{\"a\":1,\"b\":1.5,\"c\":\"yes\",\"d\":true,\"e\":null,\"f\":null,"
                        "\"g\":\"1\",\"h\":\"007\",\"i\":\"0x10\",\"j\":\".inf\","
                        "\"k\":\"two\\nlines\\n\",\"l\":-300,\"m\":\"5\",\"n\":null}");
}

static void refuses_tricks(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a: &x 1\nb: *x\n",
        "a: *x\n",
        "a: &x {b: 1}\n",
        "<<: {a: 1}\n",
        "a: !foo 1\n",
        "a: 1\na: 2\n",
        "[a, b]: 1\n",
        "{a: [}\n",
        "a: b: c\n",
        "a: \"\\x00\"\n",
        "a:\n\t- 1\n",
        "--- 1\n--- 2",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO_ARENA a = arena_new();
        cJSON *root;
        Error err = {0};
        if (yaml_parse(a, sv(bad[i]), 1000, &root, &err) != ERR_MALFORMED)
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(err.msg, "YAML"));
    }
}

static void depth_and_size_are_limited(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    cJSON *root;
    Error err = {0};
    for (int i = 0; i < 5000; i++)
        strbuf_addc(&b, '[');
    assert_int_equal(yaml_parse(a, sv_n(b.p, b.n), 10000, &root, &err), ERR_MALFORMED);
    assert_int_equal(yaml_parse(a, SV("a: 123"), 3, &root, &err), ERR_TOO_LARGE);
}

static void several_documents(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    YamlDocs docs;
    Error err = {0};
    assert_int_equal(yaml_parse_all(a, SV("---\na: 1\n---\n---\n- 2\n"), 1000, &docs, &err),
                     ERR_OK);
    assert_int_equal(docs.n, 2);
    assert_string_equal(json_text(a, docs.at[1]), "[2]");
}

/* What we write we read back as the same tree. */
static void round_trips(void **state)
{
    (void)state;
    static const char *const trees[] = {
        "{\"a\":{\"b\":[1,[2,3],{\"c\":\"d\",\"e\":[]}],\"f\":{}},\"g\":\"\"}",
        "{\"on\":\"on\",\"n\":\"no\",\"num\":\"12\",\"x y\":\"# no: comment\",\"s\":\" pad \"}",
        "[\"- a\",\"a: b\",\"a "
        "#b\",\"\\n\",\"\xC3\xA9\",\"*x\",\"&x\",\"null\",\"~\",null,true,1.5]",
        "[[],[[]],{\"a\":[{\"b\":1},{\"b\":2}]}]",
        "\"text\"",
        "{\"k\":\"http://x/y?z=1,2\",\"t\":\"10:30\",\"end\":\"a:\",\"u\":\"\\u0001\"}",
    };
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
        AUTO_ARENA a = arena_new();
        AUTO_STRBUF b = {0};
        cJSON *before, *after;
        Error err = {0};
        assert_int_equal(json_parse(a, sv(trees[i]), 10000, &before, &err), ERR_OK);
        yaml_write(&b, before);
        if (yaml_parse(a, sv_n(b.p, b.n), 10000, &after, &err))
            fail_msg("%s\n%s", b.p, err.msg);
        assert_string_equal(json_text(a, after), json_text(a, before));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_by_the_core_schema),
        cmocka_unit_test(refuses_tricks),
        cmocka_unit_test(depth_and_size_are_limited),
        cmocka_unit_test(several_documents),
        cmocka_unit_test(round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
