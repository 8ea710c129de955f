#include "store/managed.h"
#include "store/patch.h"
#include "store/quantity.h"
#include "store/selector.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct Row {
    const char *doc, *patch, *want; /* want NULL: refused */
} Row;

static void check(const cJSON *got, const char *want)
{
    AUTO_JSON w = cJSON_Parse(want);
    assert_non_null(w);
    if (!js_equal(got, w)) {
        char *text = js_print(got);
        assert_string_equal(text, want);
    }
}

static void test_json_patch(void **state)
{
    (void)state;
    static const Row rows[] = {
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":2}]", "{\"a\":1,\"b\":2}"},
        {"{\"a\":[1,3]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]", "{\"a\":[1,2,3]}"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}]", "{\"a\":[1,2]}"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/3\",\"value\":2}]", NULL},
        {"{\"a\":{\"b/c\":1}}", "[{\"op\":\"remove\",\"path\":\"/a/b~1c\"}]", "{\"a\":{}}"},
        {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":2}]", "{\"a\":1,\"b\":2}"},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"z\":1}}]", "{\"z\":1}"},
        {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]", "{\"b\":1}"},
        {"{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL},
        {"{\"a\":[1]}", "[{\"op\":\"copy\",\"from\":\"/a/0\",\"path\":\"/b\"}]",
         "{\"a\":[1],\"b\":1}"},
        {"{\"a\":1}", "[{\"op\":\"frob\",\"path\":\"/a\"}]", NULL},
        {"{\"a\":1}", "{}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *doc = cJSON_Parse(rows[i].doc);
        AUTO_JSON patch = cJSON_Parse(rows[i].patch);
        ErrCode rc = patch_json(&doc, patch, NULL);
        if ((rc == ERR_OK) != (rows[i].want != NULL)) {
            fail_msg("%s", rows[i].patch);
        }
        if (rows[i].want) {
            check(doc, rows[i].want);
        }
        cJSON_Delete(doc);
    }
}

static void test_strategic(void **state)
{
    (void)state;
    static const Row rows[] = {
        {"{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\"}]}",
         "{\"containers\":[{\"name\":\"b\",\"image\":\"2\"},{\"name\":\"c\"}]}",
         "{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"2\"},"
         "{\"name\":\"c\"}]}"},
        /* a new element comes as early as it can, the others keep their order */
        {"{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
         "{\"containers\":[{\"name\":\"c\"}]}",
         "{\"containers\":[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"b\"}]}"},
        {"{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
         "{\"containers\":[{\"name\":\"a\",\"$patch\":\"delete\"}]}",
         "{\"containers\":[{\"name\":\"b\"}]}"},
        {"{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
         "{\"containers\":[{\"$patch\":\"replace\"},{\"name\":\"c\"}]}",
         "{\"containers\":[{\"name\":\"c\"}]}"},
        {"{\"containers\":[{\"name\":\"a\"},{\"name\":\"x\"},{\"name\":\"b\"}]}",
         "{\"$setElementOrder/containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}",
         "{\"containers\":[{\"name\":\"x\"},{\"name\":\"b\"},{\"name\":\"a\"}]}"},
        {"{\"tolerations\":[{\"key\":\"a\"}]}", "{\"tolerations\":[{\"key\":\"b\"}]}",
         "{\"tolerations\":[{\"key\":\"b\"}]}"},
        {"{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}",
         "{\"volumes\":[{\"$retainKeys\":[\"name\",\"hostPath\"],\"name\":\"v\",\"hostPath\":"
         "{\"path\":\"/x\"}}]}",
         "{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/x\"}}]}"},
        {"{\"nodeSelector\":{\"a\":\"b\"}}", "{\"nodeSelector\":{\"a\":null,\"c\":\"d\"}}",
         "{\"nodeSelector\":{\"c\":\"d\"}}"},
        {"{\"affinity\":{\"nodeAffinity\":{}}}",
         "{\"affinity\":{\"$patch\":\"replace\",\"podAffinity\":{}}}",
         "{\"affinity\":{\"podAffinity\":{}}}"},
        {"{}", "{\"containers\":[{\"image\":\"no name\"}]}", NULL},
        {"{}", "{\"affinity\":{\"$patch\":\"frob\"}}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO_JSON doc = cJSON_Parse(rows[i].doc);
        AUTO_JSON patch = cJSON_Parse(rows[i].patch);
        ErrCode rc = patch_strategic(schema_type("PodSpec"), doc, patch, NULL);
        assert_int_equal(rc == ERR_OK, rows[i].want != NULL);
        if (rows[i].want) {
            check(doc, rows[i].want);
        }
    }
    AUTO_JSON meta = cJSON_Parse("{\"finalizers\":[\"a\",\"b\"]}");
    AUTO_JSON less =
        cJSON_Parse("{\"$deleteFromPrimitiveList/finalizers\":[\"a\"],\"finalizers\":[\"c\"]}");
    assert_int_equal(patch_strategic(schema_type("ObjectMeta"), meta, less, NULL), ERR_OK);
    check(meta, "{\"finalizers\":[\"b\",\"c\"]}");
}

static ErrCode apply(cJSON *live, const char *config, const char *who, bool force)
{
    AUTO_JSON c = cJSON_Parse(config);
    const Manager m = {who, "Apply", "", "apps/v1", "2026-01-01T00:00:00Z"};
    const Apply ap = {schema_type("StatefulSet"), c, &m, force};
    AUTO_JSON list = cJSON_CreateArray();
    Causes causes = {list};
    return managed_apply(&ap, live, &causes, NULL);
}

static void test_apply_lists(void **state)
{
    (void)state;
    AUTO_JSON live = cJSON_CreateObject();
#define CONTAINERS(list) "{\"spec\":{\"template\":{\"spec\":{\"containers\":[" list "]}}}}"
    assert_int_equal(apply(live, CONTAINERS("{\"name\":\"a\",\"image\":\"1\"}"), "one", false),
                     ERR_OK);
    assert_int_equal(apply(live, CONTAINERS("{\"name\":\"b\",\"image\":\"1\"}"), "two", false),
                     ERR_OK);
    assert_int_equal(js_count(live, "spec.template.spec.containers"), 2);
    assert_int_equal(apply(live, CONTAINERS("{\"name\":\"a\",\"image\":\"2\"}"), "two", false),
                     ERR_CONFLICT);
    /* two takes a's image over and lets b go */
    assert_int_equal(apply(live, CONTAINERS("{\"name\":\"a\",\"image\":\"2\"}"), "two", true),
                     ERR_OK);
    assert_int_equal(js_count(live, "spec.template.spec.containers"), 1);
    assert_string_equal(js_str(live, "spec.template.spec.containers[0].image"), "2");
    /* one no longer owns the image, so letting a go leaves it to two */
    assert_int_equal(apply(live, "{\"spec\":{\"replicas\":1}}", "one", false), ERR_OK);
    assert_string_equal(js_str(live, "spec.template.spec.containers[0].image"), "2");
    assert_int_equal(apply(live, "{\"spec\":{\"serviceName\":\"x\"}}", "two", false), ERR_OK);
    assert_null(js_at(live, "spec.template.spec.containers"));
    assert_int_equal(js_int(live, "spec.replicas", 0), 1);
}

static void test_update_takes_ownership(void **state)
{
    (void)state;
    AUTO_JSON live = cJSON_CreateObject();
    assert_int_equal(apply(live, "{\"spec\":{\"replicas\":1}}", "one", false), ERR_OK);
    AUTO_JSON now = js_dup(live);
    js_set_int(now, "spec.replicas", 5);
    const Manager m = {"hand", "Update", "", "apps/v1", "2026-01-01T00:00:00Z"};
    managed_update(schema_type("StatefulSet"), live, now, &m);
    assert_int_equal(js_count(now, "metadata.managedFields"), 1);
    assert_string_equal(js_str(now, "metadata.managedFields[0].manager"), "hand");
    assert_int_equal(apply(now, "{\"spec\":{\"replicas\":1}}", "one", false), ERR_CONFLICT);
    assert_int_equal(apply(now, "{\"spec\":{\"replicas\":5}}", "one", false), ERR_OK);
}

static void test_quantities(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t milli; /* -1: no quantity */
    } rows[] = {{"1", 1000},
                {"500m", 500},
                {"0.5", 500},
                {"1Ki", 1024000},
                {"1k", 1000000},
                {"1e3", 1000000},
                {"1.5Gi", 1610612736000},
                {"", -1},
                {"x", -1},
                {"1x", -1},
                {"1.2.3", -1},
                {"1 Gi", -1},
                {"--1", -1},
                {".", -1},
                {"1E2", 100000}};
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t v = -1;
        assert_int_equal(quantity_parse(rows[i].text, &v), rows[i].milli >= 0);
        assert_int_equal(v, rows[i].milli);
    }
    static const struct {
        const char *text, *canonical; /* NULL: stands so already, or not ours to write */
    } forms[] = {
        {"0.5", "500m"},
        {"1024Mi", "1Gi"},
        {"1.5Gi", "1536Mi"},
        {"2000m", "2"},
        {"1000", "1k"},
        {"1500", NULL},
        {"500m", NULL},
        {"0", NULL},
        {"0Mi", "0"},
        {"1e3", NULL},
        {"100n", NULL},
        {"-1", NULL},
        {"0.1Gi", "107374182400m"},
        {"1Gi", NULL},
        {"x", NULL},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char buf[QUANTITY_TEXT];
        bool changed = quantity_canonical(forms[i].text, buf);
        if (changed != (forms[i].canonical != NULL)) {
            fail_msg("%s: %s", forms[i].text, changed ? buf : "not changed");
        }
        if (changed) {
            assert_string_equal(buf, forms[i].canonical);
        }
    }
    assert_string_equal(quantity_text(a, 1610612736000, true), "1536Mi");
    assert_string_equal(quantity_text(a, 1500, false), "1500m");
}

static void test_selectors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want; /* -1: refused */
    } rows[] = {{"", 1},           {"a=b", 1},         {"a==b", 1},     {"a!=b", 0},
                {"a in (b,c)", 1}, {"a notin (b)", 0}, {"a", 1},        {"!a", 0},
                {"!z", 1},         {"a=b,z", 0},       {"x.io/y=1", 1}, {"z!=1", 1},
                {"a=b c", -1},     {"a in b", -1},     {"=b", -1},      {"a=b,,c=d", -1},
                {"a in (b", -1},   {"a=(b)", -1}};
    AUTO_JSON labels = cJSON_Parse("{\"a\":\"b\",\"x.io/y\":\"1\"}");
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const Selector *s = NULL;
        ErrCode rc = selector_parse(a, rows[i].text, &s, NULL);
        assert_int_equal(rc ? -1 : selector_matches(s, labels), rows[i].want);
    }
    assert_false(selector_matches(selector_from_map(a, NULL), labels));
}

static void test_protobuf(void **state)
{
    (void)state;
    /* a Namespace as kubectl 1.32 sends it */
    static const char ns[] = "k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x10\x0a\x0a\x0a\x02"
                             "t2\x12\x00\x1a\x00\x42\x00\x12\x00\x1a\x00\x1a\x00\x22\x00";
    static const char unknown[] = "k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x03\xba\x3e\x01x";
    cJSON *o = NULL;
    Error err = {0};
    assert_int_equal(schema_from_protobuf(sv_n(ns, sizeof ns - 1), &o, &err), ERR_OK);
    check(o, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"t2\"},"
             "\"spec\":{},\"status\":{}}");
    cJSON_Delete(o);
    assert_int_equal(schema_from_protobuf(sv_n(unknown, sizeof unknown - 1), &o, &err),
                     ERR_MALFORMED);
    for (size_t cut = 0; cut + 12 < sizeof ns; cut++) {
        if (schema_from_protobuf(sv_n(ns, cut), &o, &err) == ERR_OK) {
            cJSON_Delete(o);
        }
    }
}

static void test_names_in_field_selectors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } rows[] = {{"metadata.name=a", "a"},
                {"metadata.name==a", "a"},
                {"status.phase=Running,metadata.name=a", "a"},
                {"metadata.name!=a", NULL},
                {"spec.nodeName=a", NULL},
                {"", NULL},
                {"metadata.name", NULL}};
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = field_selector_name(a, rows[i].text);
        if (!str_eq(str_or(got, "-"), str_or(rows[i].name, "-"))) {
            fail_msg("%s: %s", rows[i].text, str_or(got, "none"));
        }
    }
}

static void test_apply_is_typed(void **state)
{
    (void)state;
    static const struct {
        const char *config, *refusal; /* NULL: fits */
    } rows[] = {
        {"{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\"}}", NULL},
        {"{\"colour\":1}", ".colour: field not declared in schema"},
        {"{\"metadata\":{\"size\":1}}", ".metadata.size: field not declared in schema"},
        {"{\"data\":[1]}", ".data: expected map, got &{[1]}"},
        {"{\"data\":null}", NULL},
        {"{\"metadata\":{\"ownerReferences\":[{\"uid\":\"x\"},{\"uid\":\"x\"}]}}",
         ".metadata.ownerReferences: duplicate entries for key [uid=\"x\"]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO_JSON config = cJSON_Parse(rows[i].config);
        Error err = {0};
        ErrCode rc = apply_typed(schema_type("ConfigMap"), config, "", &err);
        assert_int_equal(rc, rows[i].refusal ? ERR_INTERNAL : ERR_OK);
        if (rows[i].refusal) {
            assert_non_null(strstr(err.msg, rows[i].refusal));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_patch),     cmocka_unit_test(test_strategic),
        cmocka_unit_test(test_apply_lists),    cmocka_unit_test(test_update_takes_ownership),
        cmocka_unit_test(test_quantities),     cmocka_unit_test(test_selectors),
        cmocka_unit_test(test_protobuf),       cmocka_unit_test(test_names_in_field_selectors),
        cmocka_unit_test(test_apply_is_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
