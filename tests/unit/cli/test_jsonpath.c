/* -o jsonpath: kubectl's templates, on kubectl's own kind of answers; and --set and watch tables,
 * which share its documents. */
#include "doc.h"
#include "live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char DOC[] =
    "{\"items\":[{\"name\":\"a\",\"state\":\"running\",\"n\":1,\"l\":{\"x.y/z\":\"v\"}},"
    "{\"name\":\"b\",\"state\":\"failed\",\"n\":25,\"l\":{}}],\"total\":2}";

static void templates(void **state)
{
    static const char *const CASES[][2] = {
        {"{.total}", "2"},
        {"{.items[*].name}", "a b"},
        {"{.items[0].name}", "a"},
        {"{.items[-1].name}", "b"},
        {".items[1].state", "failed"},
        {"{range .items[*]}{.name}{\"\\t\"}{.state}{\"\\n\"}{end}", "a\trunning\nb\tfailed\n"},
        {"{.items[?(@.state==\"failed\")].name}", "b"},
        {"{.items[?(@.state!='failed')].name}", "a"},
        {"{.items[?(@.n>10)].name}", "b"},
        {"{.items[0].l['x.y/z']}", "v"},
        {"{.items[0].l.x\\.y/z}", "v"},
        {"{..name}", "a b"},
        {"{.items[0].l}", "{\"x.y/z\":\"v\"}"},
        {"{.nothing.here}", ""},
        {"n={.total}!", "n=2!"},
        {"{$.total}", "2"},
    };
    (void)state;
    AUTO_ARENA a = arena_new();
    cJSON *doc;
    Error err = {0};
    assert_int_equal(json_parse(a, sv(DOC), 4096, &doc, &err), ERR_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        AUTO_STRBUF b = {0};
        if (jsonpath_print(doc, CASES[i][0], &b, &err))
            fail_msg("%s: %s", CASES[i][0], err.msg);
        if (!str_eq(strbuf_str(&b), CASES[i][1]))
            fail_msg("%s gives '%s'", CASES[i][0], strbuf_str(&b));
    }
}

static void broken_templates(void **state)
{
    static const char *const BAD[] = {"{.items", "{range .items[*]}{.name}", "{.items[}",
                                      "{.items[x]}", "{.items[?(n>1)]}"};
    (void)state;
    AUTO_ARENA a = arena_new();
    cJSON *doc;
    Error err;
    assert_int_equal(json_parse(a, sv(DOC), 4096, &doc, &err), ERR_OK);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        AUTO_STRBUF b = {0};
        assert_int_equal(jsonpath_print(doc, BAD[i], &b, &err), ERR_USAGE);
    }
}

static void set_changes_one_field(void **state)
{
    static const char *const SETS[][2] = {
        {"replicas=5", "{\"replicas\":5}"},
        {"deletion_protection=true", "{\"deletion_protection\":true}"},
        {"postgres.version=17", "{\"postgres\":{\"version\":17}}"},
        {"postgres.version=\"17\"", "{\"postgres\":{\"version\":\"17\"}}"},
        {"storage.size=10Gi", "{\"storage\":{\"size\":\"10Gi\"}}"},
        {"parameters.work_mem=16MB", "{\"parameters\":{\"work_mem\":\"16MB\"}}"},
        {"parameters.max_connections=200", "{\"parameters\":{\"max_connections\":\"200\"}}"},
        {"parameters.pg_stat_statements.max=5000",
         "{\"parameters\":{\"pg_stat_statements.max\":\"5000\"}}"},
        {"description=", "{}"},
        {"description=a=b", "{\"description\":\"a=b\"}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof SETS / sizeof *SETS; i++) {
        AUTO_ARENA a = arena_new();
        Error err = {0};
        cJSON *doc = json_own(a, cJSON_CreateObject());
        if (doc_set(doc, SETS[i][0], &err))
            fail_msg("%s: %s", SETS[i][0], err.msg);
        if (!str_eq(json_text(a, doc), SETS[i][1]))
            fail_msg("%s gives %s", SETS[i][0], json_text(a, doc));
    }
    Error err;
    cJSON *doc = cJSON_CreateObject();
    assert_int_equal(doc_set(doc, "novalue", &err), ERR_USAGE);
    assert_int_equal(doc_set(doc, "=x", &err), ERR_USAGE);
    cJSON_Delete(doc);
}

static cJSON *items(Arena *a, const char *text)
{
    cJSON *tree = NULL;
    Error err;
    assert_int_equal(json_parse(a, sv(text), 4096, &tree, &err), ERR_OK);
    return tree;
}

static void watch_tables_follow(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    cJSON *t = json_own(a, cJSON_CreateArray());
    live_merge(t, "snapshot", items(a, "[{\"id\":\"1\",\"s\":\"x\"},{\"id\":\"2\"}]"));
    live_merge(t, "upsert", items(a, "[{\"id\":\"1\",\"s\":\"y\"},{\"id\":\"3\"}]"));
    assert_string_equal(json_text(a, t),
                        "[{\"id\":\"1\",\"s\":\"y\"},{\"id\":\"2\"},{\"id\":\"3\"}]");
    live_merge(t, "delete", items(a, "[{\"id\":\"2\"},{\"id\":\"9\"}]"));
    assert_string_equal(json_text(a, t), "[{\"id\":\"1\",\"s\":\"y\"},{\"id\":\"3\"}]");
    live_merge(t, "snapshot", items(a, "[{\"id\":\"7\"}]"));
    assert_string_equal(json_text(a, t), "[{\"id\":\"7\"}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates),
        cmocka_unit_test(broken_templates),
        cmocka_unit_test(set_changes_one_field),
        cmocka_unit_test(watch_tables_follow),
    };
    return cmocka_run_group_tests_name("cli documents", tests, NULL, NULL);
}
