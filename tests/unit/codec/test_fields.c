#include "codec/fields.h"
#include "codec/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct Inner {
    const char *size;
    double ratio;
} Inner;
typedef struct Outer {
    const char *name, *mode;
    uint32_t replicas;
    int64_t count, lsn, at;
    bool on;
    StrList lines;
    StrMap labels;
    Inner inner;
    Inner *maybe;
    ObjList items;
    const char *extra, *secret;
} Outer;

static bool even_length(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "an even number of characters";
    return strlen(v) % 2 == 0;
}

static const char *const modes[] = {"fast", "slow", NULL};
static const FieldSpec inner_fields[] = {
    FIELD(Inner, size, FK_STR, .flags = FF_REQUIRED, .check = even_length),
    FIELD(Inner, ratio, FK_F64, .min = 0, .max = 1, .def = "0.5"),
};
static SCHEMA_DEF(inner_schema, "INNER", Inner, inner_fields, "An inner thing");
static const FieldSpec outer_fields[] = {
    FIELD(Outer, name, FK_STR, .flags = FF_REQUIRED, .min = 2, .max = 10, .help = "Its name"),
    FIELD(Outer, mode, FK_STR, .choices = modes, .def = "fast"),
    FIELD(Outer, replicas, FK_U32, .min = 1, .max = 15, .def = "3"),
    FIELD(Outer, count, FK_I64),
    FIELD(Outer, lsn, FK_I64_STR),
    FIELD(Outer, at, FK_TIME),
    FIELD(Outer, on, FK_BOOL, .def = "true"),
    FIELD(Outer, lines, FK_STRS, .max = 3, .check = even_length),
    FIELD(Outer, labels, FK_MAP, .max = 3, .flags = FF_SCALARS, .check_key = even_length),
    FIELD(Outer, inner, FK_OBJ, .of = &inner_schema, .flags = FF_REQUIRED),
    FIELD(Outer, maybe, FK_OBJ_PTR, .of = &inner_schema, .flags = FF_OMIT),
    FIELD(Outer, items, FK_OBJS, .of = &inner_schema),
    FIELD(Outer, extra, FK_JSON, .flags = FF_OMIT),
    FIELD(Outer, secret, FK_STR, .flags = FF_WRITEONLY),
};
static SCHEMA_DEF(outer_schema, "OUTER", Outer, outer_fields, "An outer thing");

static ErrCode decode(Arena *a, const char *text, Outer *o, FieldErrors *errs, Error *err)
{
    *errs = field_errors(a);
    return fields_decode_text(a, &outer_schema, sv(text), o, errs, err);
}

static const FieldError *error_at(const FieldErrors *e, const char *field)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->at[i].field, field) == 0)
            return &e->at[i];
    fail_msg("no error at %s", field);
    return NULL;
}

static void decodes_every_kind(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Outer o;
    FieldErrors errs;
    Error err = {0};
    ErrCode rc = decode(
        a,
        "{\"name\":\"abc\",\"mode\":\"slow\",\"replicas\":15,\"count\":-7,"
        "\"lsn\":\"9223372036854775807\",\"at\":\"2026-01-02T03:04:05Z\",\"on\":false,"
        "\"lines\":[\"ab\",\"cdef\"],\"labels\":{\"zz\":\"1\",\"aa\":2,\"bb\":true},"
        "\"inner\":{\"size\":\"10\"},\"maybe\":{\"size\":\"\xC3\xA9\",\"ratio\":1},"
        "\"items\":[{\"size\":\"aa\"},{\"size\":\"bb\"}],\"extra\":{\"x\":[1]},\"secret\":\"s3\"}",
        &o, &errs, &err);
    if (rc)
        fail_msg("%s", err.msg);
    assert_string_equal(o.mode, "slow");
    assert_int_equal(o.replicas, 15);
    assert_int_equal(o.count, -7);
    assert_true(o.lsn == INT64_MAX);
    assert_int_equal(o.at, 1767323045000000);
    assert_false(o.on);
    assert_int_equal(o.lines.n, 2);
    assert_string_equal(o.labels.at[0].key, "aa");
    assert_string_equal(strmap_get(o.labels, "bb"), "true");
    assert_true(o.inner.ratio == 0.5);
    assert_string_equal(((Inner *)o.items.at)[1].size, "bb");
    assert_string_equal(o.secret, "s3");

    char *text = fields_to_text(a, &outer_schema, &o, 0);
    assert_null(strstr(text, "s3"));
    Outer again;
    if (decode(a, text, &again, &errs, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(fields_to_text(a, &outer_schema, &again, 0), text);
}

static void fills_defaults(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Outer o;
    FieldErrors errs;
    Error err = {0};
    assert_int_equal(decode(a, "{\"name\":\"ab\",\"inner\":{\"size\":\"xx\"}}", &o, &errs, &err),
                     ERR_OK);
    assert_string_equal(o.mode, "fast");
    assert_int_equal(o.replicas, 3);
    assert_true(o.on);
    assert_null(o.maybe);
    assert_string_equal(o.secret, "");
}

static void reports_all_errors_together(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Outer o;
    FieldErrors errs;
    Error err = {0};
    ErrCode rc = decode(a,
                        "{\"name\":\"a\",\"mode\":\"medium\",\"replicas\":0,\"count\":1.5,"
                        "\"lsn\":\"12x\",\"at\":\"yesterday\",\"on\":\"yes\",\"lines\":[\"abc\",7],"
                        "\"labels\":{\"odd\":\"x\",\"ok\":[]},\"inner\":{},"
                        "\"items\":[{\"size\":\"aa\",\"ratio\":2}],\"replcas\":3,\"zzz\":null}",
                        &o, &errs, &err);
    assert_int_equal(rc, ERR_INVALID);
    assert_int_equal(errs.n, 15);
    assert_string_equal(error_at(&errs, "name")->want, "2 to 10 bytes");
    assert_string_equal(error_at(&errs, "mode")->want, "fast or slow");
    assert_string_equal(error_at(&errs, "replicas")->value, "0");
    assert_string_equal(error_at(&errs, "replicas")->want, "1 to 15");
    assert_string_equal(error_at(&errs, "inner.size")->want, "a value, it is required");
    assert_null(error_at(&errs, "inner.size")->value);
    assert_string_equal(error_at(&errs, "items.0.ratio")->want, "0 to 1");
    assert_string_equal(error_at(&errs, "replcas")->want,
                        "no such field; did you mean \"replicas\"?");
    assert_string_equal(error_at(&errs, "zzz")->want, "no such field");
    assert_string_equal(error_at(&errs, "lines.0")->value, "abc");
    assert_string_equal(error_at(&errs, "labels.odd")->want,
                        "a key that is an even number of characters");
    assert_non_null(strstr(err.msg, "and 12 more"));
}

static void wrong_shapes_are_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {"[]",
                                      "3",
                                      "\"x\"",
                                      "null",
                                      "{\"name\":\"abc\",\"inner\":[]}",
                                      "{\"name\":\"abc\",\"inner\":{\"size\":\"aa\"},\"items\":{}}",
                                      "{\"name\":{},\"inner\":{\"size\":\"aa\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO_ARENA a = arena_new();
        Outer o;
        FieldErrors errs;
        Error err = {0};
        assert_int_equal(decode(a, bad[i], &o, &errs, &err), ERR_INVALID);
    }
}

static void errors_are_bounded(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    strbuf_addc(&b, '{');
    for (int i = 0; i < 5000; i++)
        strbuf_addf(&b, "%s\"k%d\":1", i ? "," : "", i);
    strbuf_addc(&b, '}');
    Outer o;
    FieldErrors errs;
    Error err = {0};
    assert_int_equal(decode(a, b.p, &o, &errs, &err), ERR_INVALID);
    assert_int_equal(errs.n, FIELD_ERRORS_MAX);
}

static void finds_rows_and_documents(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    assert_string_equal(fields_find(&outer_schema, "inner.size")->name, "size");
    assert_null(fields_find(&outer_schema, "inner.nope"));
    assert_null(fields_find(&outer_schema, "name.x"));
    JsonOut j = json_out(&b);
    fields_openapi(&j, &outer_schema);
    cJSON *doc;
    Error err = {0};
    assert_int_equal(json_parse(a, sv_n(b.p, b.n), 1 << 20, &doc, &err), ERR_OK);
    assert_int_equal(json_int_at(doc, "properties.replicas.maximum", 0), 15);
    assert_int_equal(json_int_at(doc, "properties.replicas.default", 0), 3);
    assert_string_equal(json_str_at(doc, "properties.inner.allOf.0.$ref", ""),
                        "#/components/schemas/INNER");
    assert_string_equal(json_str_at(doc, "required.0", ""), "name");
}

static void yaml_gives_the_same_struct(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    cJSON *root;
    Error err = {0};
    StrView text = SV("name: abc\nreplicas: 5\nlabels:\n  aa: 17.10\n  bb: on\n"
                      "inner: {size: \"10\"}\nlines:\n- ab\n- 'cd'\n");
    if (yaml_parse(a, text, 10000, &root, &err))
        fail_msg("%s", err.msg);
    Outer o;
    FieldErrors errs = field_errors(a);
    fields_decode(a, &outer_schema, root, &o, "", &errs);
    assert_int_equal(errs.n, 0);
    assert_string_equal(strmap_get(o.labels, "aa"), "17.10");
    assert_string_equal(strmap_get(o.labels, "bb"), "on");
    assert_int_equal(o.replicas, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_every_kind),          cmocka_unit_test(fills_defaults),
        cmocka_unit_test(reports_all_errors_together), cmocka_unit_test(wrong_shapes_are_errors),
        cmocka_unit_test(errors_are_bounded),          cmocka_unit_test(finds_rows_and_documents),
        cmocka_unit_test(yaml_gives_the_same_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
