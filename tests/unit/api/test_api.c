#include "api/routes.h"
#include "model/health.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void every_route_is_whole(void **state)
{
    (void)state;
    for (ApiRoute r = 0; r < API_ROUTE_COUNT; r++) {
        const ApiRouteInfo *i = api_route(r);
        assert_int_equal(i->id, r);
        assert_true(*i->summary && *i->path == '/');
        if (i->request.kind == BODY_ONE || i->response.kind == BODY_ONE)
            assert_true(i->request.kind != BODY_ONE || i->request.schema);
        /* Whoever changes something leaves a row, but for asking. */
        bool asks = r == API_RULE_PREVIEW || r == API_PROFILE_VALIDATE || r == API_GIT_UPLOAD_PACK;
        if (strcmp(i->method, "GET") != 0 && !asks && !*i->audit)
            fail_msg("%s has no audit action", i->name);
        for (ApiRoute k = 0; k < r; k++)
            if (str_eq(api_route(k)->path, i->path) && str_eq(api_route(k)->method, i->method))
                fail_msg("%s stands twice", i->path);
    }
}

static void paths_are_encoded(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    assert_string_equal(api_path(a, API_CLUSTER_SHOW, "databases/prod-pg@edge-a", NULL),
                        "/api/v1/clusters/databases%2Fprod-pg@edge-a");
    assert_string_equal(api_path(a, API_PROFILE_SHOW, "..", NULL), "/api/v1/profiles/%2E%2E");
    assert_string_equal(api_path(a, API_PGVERSION_PUT, "17", "a b", NULL),
                        "/api/v1/postgres-versions/17/a%20b");
    strbuf_adds(&b, "/x");
    api_query(&b, "a", "1&2");
    api_query(&b, "b", NULL);
    api_query(&b, "c", "\xC3\xA9");
    assert_string_equal(strbuf_str(&b), "/x?a=1%262&c=%C3%A9");
    assert_null(api_percent_decode(a, SV("%00")));
    assert_null(api_percent_decode(a, SV("%4")));
    assert_null(api_percent_decode(a, SV("%zz")));
    assert_string_equal(api_percent_decode(a, SV("a%2fb")), "a/b");
}

static void check_table(const Schema *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const FieldSpec *f = &s->fields[i];
        if (str_empty(f->help))
            fail_msg("%s.%s has no help", s->name, f->name);
        if (f->of && api_schema(f->of->name) != f->of)
            fail_msg("%s.%s: %s is not in api_schemas", s->name, f->name, f->of->name);
        if (f->offset >= s->size)
            fail_msg("%s.%s lies outside", s->name, f->name);
        for (size_t k = 0; k < i; k++)
            if (str_eq(s->fields[k].name, f->name))
                fail_msg("%s.%s stands twice", s->name, f->name);
    }
}

/* An object of defaults is one that its own table reads back, but for what it requires. */
static void every_table_is_documented_and_reads_itself(void **state)
{
    (void)state;
    for (size_t i = 0; api_schemas[i]; i++) {
        AUTO_ARENA a = arena_new();
        AUTO_STRBUF doc = {0};
        const Schema *s = api_schemas[i];
        check_table(s);
        JsonOut j = json_out(&doc);
        fields_openapi(&j, s);
        Error err = {0};
        assert_int_equal(json_check(sv_n(doc.p, doc.n), 1 << 20, &err), ERR_OK);
        void *obj = arena_alloc(a, s->size), *back = arena_alloc(a, s->size);
        fields_defaults(a, s, obj);
        char *text = fields_to_text(a, s, obj, 2);
        FieldErrors errs = field_errors(a);
        cJSON *root;
        assert_int_equal(json_parse(a, sv(text), 1 << 20, &root, &err), ERR_OK);
        fields_decode(a, s, root, back, "", &errs);
        for (size_t k = 0; k < errs.n; k++)
            if (strstr(errs.at[k].want, "no such field"))
                fail_msg("%s: %s", s->name, errs.at[k].field);
    }
}

/* What a sidecar measured is written by hand in model; it must be the table's INSTANCE. */
static void instances_are_as_the_table_says(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    DatabaseStat db = {"app", 1, 0.5};
    TableStat table = {.database = "app", .schema = "s", .table = "t", .last_vacuum_us = 1000000};
    SlowQuery slow = {.query = "q", .database = "app"};
    InstanceHealth h = {.pod_name = "pg-0",
                        .role = ROLE_REPLICA,
                        .lsn = "0/1",
                        .epoch = 3,
                        .started_at_us = 1000000,
                        .databases = {&db, 1},
                        .tables = {&table, 1},
                        .slow_queries = {&slow, 1}};
    JsonOut j = json_out(&b);
    instance_health_json(&j, &h);
    ApiInstance in;
    FieldErrors errs;
    errs = field_errors(a);
    Error err = {0};
    if (fields_decode_text(a, &schema_INSTANCE, sv_n(b.p, b.n), &in, &errs, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(fields_to_text(a, &schema_INSTANCE, &in, 0), strbuf_str(&b));
}

/* Bodies, and at which fields they are wrong ("" nowhere), in the order of the table. */
static void bodies_are_held_to_their_tables(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *body, *fields;
    } rows[] = {
        {"USER_CREATE", "{\"name\":\"anna@x.org\",\"role\":\"viewer\",\"password\":\"0123456789\"}",
         ""},
        {"USER_CREATE", "{\"name\":\".a\",\"role\":\"root\",\"password\":\"short\"}",
         "name role password"},
        {"USER_CREATE", "{}", "name role password"},
        {"TOKEN_CREATE", "{\"role\":\"viewer\",\"ttl_hours\":0,\"description\":\"a\\nb\"}",
         "description ttl_hours"},
        {"LOGIN", "{\"name\":\"a\",\"password\":\"b\",\"user\":\"c\"}", "user"},
        {"SATELLITE_APPROVE", "{\"name\":\"edge-7\",\"labels\":{\"tier\":\"edge\",\"n\":1}}", ""},
        {"SATELLITE_APPROVE", "{\"name\":\"Edge\",\"labels\":{\"a b\":\"x\",\"y\":\"-\"}}",
         "name labels.a b labels.y"},
        {"SATELLITE_LABELS", "{}", "labels"},
        {"SATELLITE_LABELS", "{\"labels\":{}}", ""},
        {"LOG_LEVEL", "{\"level\":\"debug\",\"target\":\"databases/prod-pg\"}", ""},
        {"LOG_LEVEL", "{\"level\":\"loud\",\"target\":\"a/B\"}", "level target"},
        {"RULE_INPUT",
         "{\"name\":\"r\",\"profile\":\"p\",\"selector\":{\"a\":\"b\"},\"cluster_name\":\"c\"}",
         ""},
        {"RULE_INPUT",
         "{\"name\":\"r\",\"profile\":\"p\",\"selector\":{},\"namespace\":\"pgswarm-system\","
         "\"cluster_name\":\"1c\"}",
         "selector namespace cluster_name"},
        {"PGVERSION_INPUT", "{\"image\":\"A\"}", "image"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO_ARENA a = arena_new();
        AUTO_STRBUF got = {0};
        AUTO_STRBUF json = {0};
        const Schema *s = api_schema(rows[i].schema);
        FieldErrors errs = field_errors(a);
        Error err = {0};
        ErrCode rc =
            fields_decode_text(a, s, sv(rows[i].body), arena_alloc(a, s->size), &errs, &err);
        for (size_t k = 0; k < errs.n; k++)
            strbuf_addf(&got, "%s%s", k ? " " : "", errs.at[k].field);
        assert_string_equal(strbuf_str(&got), rows[i].fields);
        assert_int_equal(rc, errs.n ? ERR_INVALID : ERR_OK);
        JsonOut j = json_out(&json);
        field_errors_json(&errs, &j);
        assert_int_equal(json_check(sv_n(json.p, json.n), 1 << 16, &err), ERR_OK);
    }
}

static void roles_have_names(void **state)
{
    (void)state;
    ApiRole r;
    assert_true(api_role_of("operator", &r) && r == API_OPERATOR);
    assert_false(api_role_of("", &r) || api_role_of("root", &r));
    assert_string_equal(api_role_name(API_ADMIN), "admin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_whole),
        cmocka_unit_test(paths_are_encoded),
        cmocka_unit_test(every_table_is_documented_and_reads_itself),
        cmocka_unit_test(instances_are_as_the_table_says),
        cmocka_unit_test(bodies_are_held_to_their_tables),
        cmocka_unit_test(roles_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
