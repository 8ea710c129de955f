#include "codec/json.h"
#include "codec/json_out.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static ErrCode parse(const char *text, Error *err)
{
    AUTO_ARENA a = arena_new();
    cJSON *root;
    return json_parse(a, sv(text), 1 << 20, &root, err);
}

static void accepts_what_is_json(void **state)
{
    (void)state;
    static const char *const good[] = {
        "null",
        " {} ",
        "[]",
        "[1,2.5,-0,1e3,1E-2]",
        "{\"a\":{\"b\":[true,false,null]}}",
        "\"\\u00e9\\ud83d\\ude00\\n\"",
        "\"\xC3\xA9\"",
        "0",
        "-1.5e+10",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        Error err = {0};
        if (parse(good[i], &err))
            fail_msg("%s: %s", good[i], err.msg);
    }
}

static void refuses_what_is_not(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "tru",
        "nullx",
        "[1] 2",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\ude00\"",
        "\"a\nb\"",
        "\"open",
        "\"\xC3\"",
        "\"\xED\xA0\x80\"",
        "NaN",
        "{\"a\":1,\"a\":2}",
        "[{\"x\":{\"b\":1,\"c\":2,\"b\":3}}]",
        "/* c */ 1",
        "\xEF\xBB\xBF"
        "1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Error err = {0};
        if (parse(bad[i], &err) != ERR_MALFORMED)
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(err.msg, "JSON"));
    }
}

static void names_line_and_column(void **state)
{
    (void)state;
    Error err = {0};
    assert_int_equal(parse("{\n  \"a\": 1,\n  \"\xC3\xA9\": x\n}", &err), ERR_MALFORMED);
    assert_non_null(strstr(err.msg, "line 3 column 8"));
}

static void limits_hold(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF deep = {0};
    cJSON *root;
    Error err = {0};
    for (int i = 0; i < 32; i++)
        strbuf_addc(&deep, '[');
    for (int i = 0; i < 32; i++)
        strbuf_addc(&deep, ']');
    assert_int_equal(json_parse(a, sv_n(deep.p, deep.n), 1000, &root, &err), ERR_OK);
    strbuf_reset(&deep);
    for (int i = 0; i < 100000; i++)
        strbuf_addc(&deep, '[');
    assert_int_equal(json_parse(a, sv_n(deep.p, deep.n), 1 << 20, &root, &err), ERR_MALFORMED);
    assert_int_equal(json_parse(a, SV("[1,2]"), 4, &root, &err), ERR_TOO_LARGE);
}

static void reads_by_path(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    cJSON *root;
    Error err = {0};
    StrView text = SV("{\"a\":{\"b.c\":[10,{\"d\":\"x\",\"t\":true,\"f\":1.5}]},\"big\":1e300}");
    assert_int_equal(json_parse(a, text, 1000, &root, &err), ERR_OK);
    assert_string_equal(json_str_at(root, "a.b\\.c.1.d", ""), "x");
    assert_int_equal(json_int_at(root, "a.b\\.c.0", -1), 10);
    assert_int_equal(json_int_at(root, "a.b\\.c.2", -1), -1);
    assert_int_equal(json_int_at(root, "big", -1), -1);
    assert_int_equal(json_int_at(root, "a.b\\.c.1.f", -1), -1);
    assert_true(json_bool_at(root, "a.b\\.c.1.t", false));
    assert_string_equal(json_str_at(root, "a.q.r", "alt"), "alt");
    assert_null(json_at(root, "a.b\\.c.x"));
}

static void writes_and_escapes(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    JsonOut j = json_out(&b);
    json_obj(&j);
    json_put_sv(&j, "t", SV("q\"\\\n\x01\xC3\xA9\xFF\x7F"));
    json_put_str(&j, "none", NULL);
    json_put_int(&j, "min", INT64_MIN);
    json_put_uint(&j, "max", UINT64_MAX);
    json_key(&j, "f");
    json_arr(&j);
    json_f64(&j, 0.1);
    json_f64(&j, 1e300);
    json_f64(&j, -3);
    json_f64(&j, (double)NAN);
    json_f64(&j, 1.0 / 3);
    json_arr_end(&j);
    json_put_raw(&j, "r", SV("[1]"));
    json_key(&j, "e");
    json_obj(&j);
    json_obj_end(&j);
    json_obj_end(&j);
    assert_string_equal(strbuf_str(&b),
                        "{\"t\":\"q\\\"\\\\\\n\\u0001\xC3\xA9\xEF\xBF\xBD\\u007f\",\"none\":null,"
                        "\"min\":-9223372036854775808,\"max\":18446744073709551615,"
                        "\"f\":[0.1,1e+300,-3,null,0.3333333333333333],\"r\":[1],\"e\":{}}");
}

static void writes_with_indentation(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    JsonOut j = json_out_pretty(&b);
    json_obj(&j);
    json_key(&j, "a");
    json_arr(&j);
    json_int(&j, 1);
    json_int(&j, 2);
    json_arr_end(&j);
    json_key(&j, "e");
    json_arr(&j);
    json_arr_end(&j);
    json_obj_end(&j);
    assert_string_equal(strbuf_str(&b), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"e\": []\n}");
}

/* Whatever bytes go in, the writer's output is JSON and the valid parts come back. */
static void any_bytes_give_json(void **state)
{
    (void)state;
    uint64_t seed = 12345;
    for (int round = 0; round < 2000; round++) {
        AUTO_ARENA a = arena_new();
        AUTO_STRBUF b = {0};
        unsigned char raw[24];
        for (size_t i = 0; i < sizeof raw; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            raw[i] = (unsigned char)(seed >> 56);
            raw[i] = raw[i] ? raw[i] : 1;
        }
        JsonOut j = json_out(&b);
        json_sv(&j, sv_n((char *)raw, sizeof raw));
        cJSON *root;
        Error err = {0};
        if (json_parse(a, sv_n(b.p, b.n), 1000, &root, &err))
            fail_msg("%s: %s", b.p, err.msg);
        AUTO_STRBUF again = {0};
        json_write(&again, root, 0);
        assert_string_equal(strbuf_str(&again), strbuf_str(&b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_json),    cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(names_line_and_column),   cmocka_unit_test(limits_hold),
        cmocka_unit_test(reads_by_path),           cmocka_unit_test(writes_and_escapes),
        cmocka_unit_test(writes_with_indentation), cmocka_unit_test(any_bytes_give_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
