#include "model/guc.h"
#include "model/param_class.h"
#include "model/profile_files.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static Profile make(Arena *a, const char *json, FieldErrors *errs)
{
    Profile p;
    Error err = {0};
    *errs = field_errors(a);
    fields_defaults(a, &profile_schema, &p);
    if (fields_decode_text(a, &profile_schema, sv(json), &p, errs, &err) && !errs->n)
        fail_msg("%s", err.msg);
    return p;
}

static Profile good(Arena *a, const char *json)
{
    FieldErrors errs;
    Profile p = make(a, json, &errs);
    if (errs.n)
        fail_msg("%s: want %s", errs.at[0].field, errs.at[0].want);
    return p;
}

#define RICH                                                                                      \
    "{\"name\":\"std\",\"description\":\"It's \\\\ good\",\"replicas\":5,"                        \
    "\"postgres\":{\"version\":\"15\"},\"storage\":{\"size\":\"10Gi\",\"storage_class\":\"tier:"  \
    "fast\"},"                                                                                    \
    "\"wal_storage\":{\"size\":\"2Gi\"},\"resources\":{\"memory_limit\":\"4Gi\",\"cpu_request\":" \
    "\"1\"},"                                                                                     \
    "\"parameters\":{\"work_mem\":\"32MB\",\"log_line_prefix\":\"it's \\\\%m \",\"app.x\":\"y\"," \
    "\"Shared_Preload_Libraries\":\"auto_explain\"},"                                             \
    "\"hba_rules\":[\"# partner\",\"host app app 10.0.0.0/8 scram-sha-256\"],"                    \
    "\"archive\":{\"mode\":\"custom\",\"archive_command\":\"cp %p /a/%f\"},"                      \
    "\"deletion_protection\":true,\"message\":\"why\"}"

static void a_profile_is_its_files(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Profile p = good(a, RICH), back;
    ProfileFiles files, again;
    Error err = {0};
    ObjList changes;
    profile_to_files(a, &p, &files);
    if (profile_from_files(a, &files, &back, &err))
        fail_msg("%s", err.msg);
    profile_diff(a, &p, &back, &changes);
    assert_int_equal(changes.n, 0);
    profile_to_files(a, &back, &again);
    for (size_t i = 0; i < PROFILE_FILES; i++)
        assert_true(sv_eq(files.at[i].text, again.at[i].text));
    assert_null(strstr(files.at[4].text.p, "why"));
    assert_non_null(strstr(files.at[3].text.p, "log_line_prefix = 'it''s \\\\%m '\n"));
    assert_string_equal(profile_diff_text(a, &p, &back), "");
}

static const char *mode_in(const ObjList *changes, const char *field)
{
    const ProfileChange *c = changes->at;
    for (size_t i = 0; i < changes->n; i++)
        if (strcmp(c[i].field, field) == 0)
            return c[i].mode;
    return "(no change)";
}

static void changes_and_what_they_cost(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Profile p = good(a, RICH);
    Profile q = good(a, "{\"name\":\"std\",\"replicas\":3,\"postgres\":{\"version\":\"16\"},"
                        "\"storage\":{\"size\":\"20Gi\"},\"parameters\":{\"work_mem\":\"64MB\","
                        "\"wal_level\":\"logical\",\"max_connections\":\"300\"}}");
    ObjList c;
    profile_diff(a, &p, &q, &c);
    assert_string_equal(mode_in(&c, "replicas"), "scale");
    assert_string_equal(mode_in(&c, "postgres.version"), "immutable");
    assert_string_equal(mode_in(&c, "storage.size"), "immutable");
    assert_string_equal(mode_in(&c, "parameters.work_mem"), "reload");
    assert_string_equal(mode_in(&c, "parameters.wal_level"), "full");
    assert_string_equal(mode_in(&c, "parameters.max_connections"), "sequential");
    assert_string_equal(mode_in(&c, "hba_rules"), "reload");
    assert_string_equal(mode_in(&c, "archive.mode"), "sequential");
    assert_string_equal(mode_in(&c, "description"), "none");
    assert_string_equal(mode_in(&c, "failover.enabled"), "(no change)");
    q.postgres.version = "15.4";
    profile_diff(a, &p, &q, &c);
    assert_string_equal(mode_in(&c, "postgres.version"), "sequential");
}

static void diffs_of_text(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    text_diff(&b, "f", SV("1\n2\n3\n4\n5\n6\n7\n8\n9\n"),
              SV("1\n2\n3\n4\nfive\n6\n7\n8\n9\nten\n"));
    assert_string_equal(strbuf_str(&b), "--- a/f\n+++ b/f\n@@ -2,8 +2,9 @@\n 2\n 3\n 4\n-5\n+five\n"
                                        " 6\n 7\n 8\n 9\n+ten\n");
    strbuf_reset(&b);
    text_diff(&b, "f", SV(""), SV("a\n"));
    assert_string_equal(strbuf_str(&b), "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+a\n");
    strbuf_reset(&b);
    text_diff(&b, "f", SV("same\n"), SV("same\n"));
    assert_string_equal(strbuf_str(&b), "");
}

static ClusterSpec spec_of(Profile *p, const char *image)
{
    ClusterSpec s = {.cluster_id = "", .name = "prod-pg", .ns = "databases"};
    cluster_spec_from_profile(&s, p, image);
    return s;
}

static void configuration_in_layers(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Profile p = good(a, RICH);
    ClusterSpec s = spec_of(&p, "postgres:15");
    StrMap m = guc_effective(a, &s);
    assert_string_equal(strmap_get(m, "shared_buffers"), "1024MB");
    assert_string_equal(strmap_get(m, "effective_cache_size"), "3072MB");
    assert_string_equal(strmap_get(m, "work_mem"), "32MB");
    assert_string_equal(strmap_get(m, "archive_mode"), "on");
    assert_string_equal(strmap_get(m, "archive_command"), "cp %p /a/%f");
    assert_string_equal(strmap_get(m, "shared_preload_libraries"),
                        "pg_stat_statements,auto_explain");
    assert_null(strmap_get(m, "Shared_Preload_Libraries"));
    assert_string_equal(strmap_get(m, "fsync"), "on");
    assert_string_equal(strmap_get(m, "app.x"), "y");
    char *conf = guc_postgresql_conf(a, &s);
    assert_non_null(strstr(conf, "log_line_prefix = 'it''s \\\\%m '\n"));

    /* Small volumes must not be filled by WAL. */
    Profile small = good(a, "{\"name\":\"s\",\"storage\":{\"size\":\"1Gi\"}}");
    s = spec_of(&small, "postgres:17");
    m = guc_effective(a, &s);
    assert_string_equal(strmap_get(m, "max_wal_size"), "128MB");
    assert_string_equal(strmap_get(m, "max_slot_wal_keep_size"), "256MB");
    assert_string_equal(strmap_get(m, "archive_mode"), "off");
}

/* The profile of an old central may carry what is refused today: it must not get through. */
static void managed_values_stay_ours(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Profile p = good(a, "{\"name\":\"s\",\"storage\":{\"size\":\"1Gi\"}}");
    strmap_put(a, &p.parameters, "fsync", "off");
    strmap_put(a, &p.parameters, "Listen_Addresses", "evil");
    ClusterSpec s = spec_of(&p, "postgres:17");
    StrMap m = guc_effective(a, &s);
    assert_string_equal(strmap_get(m, "fsync"), "on");
    assert_string_equal(strmap_get(m, "listen_addresses"), "*");
    assert_null(strmap_get(m, "Listen_Addresses"));
}

static size_t at(const char *text, const char *line)
{
    const char *p = strstr(text, line);
    if (!p)
        fail_msg("not there: %s\n%s", line, text);
    return (size_t)(p - text);
}

static void narrow_lines_before_wide_ones(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Profile p = good(a, RICH);
    ClusterSpec s = spec_of(&p, "postgres:15");
    ClusterDatabase db = {.name = "all", .owner = "o"};
    strlist_add(a, &db.allowed_cidrs, "10.0.0.0/8");
    strlist_add(a, &db.allowed_cidrs, "::1");
    s.databases = (ObjList){&db, 1};
    char *hba = guc_pg_hba_conf(a, &s);
    size_t fleet = at(hba, "host replication repl_user all scram-sha-256\n");
    size_t narrow = at(hba, "host \"all\" \"o\" 10.0.0.0/8 scram-sha-256\n"
                            "host \"all\" \"o\" ::1/128 scram-sha-256\n"
                            "host \"all\" \"o\" all reject\n");
    size_t own = at(hba, "# partner\nhost app app 10.0.0.0/8 scram-sha-256\n");
    size_t wide = at(hba, "host all all all scram-sha-256\n");
    assert_true(fleet < narrow && narrow < own && own < wide);
    assert_null(strstr(hba, "trust"));
}

static void parameters_are_known_by_major(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    const char *want = NULL;
    assert_non_null(param_find("Work_Mem", 13));
    assert_null(param_find("io_method", 17));
    assert_non_null(param_find("io_method", 18));
    assert_null(param_find("promote_trigger_file", 16));
    assert_int_equal(param_find("autovacuum_max_workers", 17)->context, PARAM_POSTMASTER);
    assert_int_equal(param_find("autovacuum_max_workers", 18)->context, PARAM_SIGHUP);
    assert_string_equal(param_nearest(a, "work_mmem", 15), "work_mem");
    static const struct {
        const char *name, *value;
        bool fine;
    } rows[] = {
        {"work_mem", "4MB", true},
        {"work_mem", "4096", true},
        {"work_mem", "4 MB", true},
        {"work_mem", "4mb", false},
        {"work_mem", "1kB", false},
        {"work_mem", "4s", false},
        {"work_mem", "", false},
        {"work_mem", " 4MB", false},
        {"work_mem", "nan", false},
        {"checkpoint_timeout", "15min", true},
        {"checkpoint_timeout", "1h", true},
        {"checkpoint_timeout", "2d", false},
        {"checkpoint_timeout", "15MB", false},
        {"random_page_cost", "1.1", true},
        {"random_page_cost", "-1", false},
        {"jit", "on", true},
        {"jit", "t", true},
        {"jit", "of", true},
        {"jit", "o", false},
        {"jit", "maybe", false},
        {"wal_level", "logical", true},
        {"wal_level", "LOGICAL", true},
        {"wal_level", "full", false},
        {"synchronous_commit", "true", true},
        {"shared_buffers", "1GB", true},
        {"max_connections", "300", true},
        {"max_connections", "0", false},
        {"max_connections", "300 MB", false},
        {"huge_pages", "try", true},
        {"log_min_duration_statement", "-1", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (param_value_valid(a, param_find(rows[i].name, 15), rows[i].value, &want) !=
            rows[i].fine)
            fail_msg("%s = %s", rows[i].name, rows[i].value);
    assert_int_equal(param_bytes(param_find("shared_buffers", 15), "128MB"), 134217728);
    assert_int_equal(param_bytes(param_find("shared_buffers", 15), "16384"), 134217728);
}

static void the_table_is_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < param_count(); i++) {
        const ParamInfo *p = param_at(i);
        if (param_find(p->name, p->since) != p || param_find(p->name, p->until) != p)
            fail_msg("%s", p->name);
        assert_true(p->since >= 13 && p->until <= 18 && p->since <= p->until);
    }
}

/* Every value of the profile that is text, with a byte that could end a line of a file. */
static void no_value_can_leave_its_line(void **state)
{
    (void)state;
    static const char *const tries[] = {
        "{\"name\":\"s\",\"storage\":{\"size\":\"1Gi\"},\"parameters\":{\"log_line_prefix\":"
        "\"a\\nb\"}}",
        "{\"name\":\"s\",\"storage\":{\"size\":\"1Gi\"},\"parameters\":{\"app.x\":\"\\r\"}}",
        "{\"name\":\"s\",\"storage\":{\"size\":\"1Gi\"},\"parameters\":{\"app.x y\":\"1\"}}",
        "{\"name\":\"s\",\"storage\":{\"size\":\"1Gi\"},\"hba_rules\":[\"host all all all "
        "md5\\nx\"]}",
        "{\"name\":\"s\",\"storage\":{\"size\":\"1Gi\"},\"hba_rules\":[\"# x\\nlocal all all "
        "trust\"]}",
        "{\"name\":\"s\",\"storage\":{\"size\":\"1Gi\"},\"description\":\"a\\u0007\"}",
        "{\"name\":\"s\",\"storage\":{\"size\":\"1Gi\"},\"archive\":{\"mode\":\"custom\","
        "\"archive_command\":\"x\\ny\"}}",
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        AUTO_ARENA a = arena_new();
        FieldErrors errs;
        make(a, tries[i], &errs);
        if (errs.n != 1)
            fail_msg("%zu errors: %s", errs.n, tries[i]);
    }
}

static void specs_are_held_to_the_same_rules(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Profile p = good(a, RICH);
    ClusterSpec s = spec_of(&p, "postgres:15");
    FieldErrors errs = field_errors(a);
    cluster_spec_validate(a, &s, &errs);
    assert_int_equal(errs.n, 0);
    s.name = "Bad";
    s.replicas = 0;
    s.image = "";
    s.storage.size = "x";
    strmap_put(a, &s.parameters, "x", "a\nb");
    cluster_spec_validate(a, &s, &errs);
    assert_int_equal(errs.n, 5);
    ClusterSpec copy = cluster_spec_dup(a, &s);
    assert_string_equal(fields_to_text(a, &cluster_spec_schema, &copy, 0),
                        fields_to_text(a, &cluster_spec_schema, &s, 0));
}

/* Each rule of a profile, broken alone: one error, at its field, that says what is right. */
static void every_rule_has_its_error(void **state)
{
    (void)state;
    static const struct {
        const char *member, *field, *want;
    } rows[] = {
        {"\"storage\":{\"size\":\"\"}", "storage.size", "required"},
        {"\"storage\":{\"size\":\"1Mi\"}", "storage.size", "at least 512Mi"},
        {"\"storage\":{\"size\":\"-1Gi\"}", "storage.size", "quantity"},
        {"\"storage\":{\"size\":\"1Gi\",\"storage_class\":\"No\"}", "storage.storage_class",
         "tier:"},
        {"\"wal_storage\":{\"storage_class\":\"x\"}", "wal_storage.size", "storage_class"},
        {"\"wal_storage\":{\"size\":\"1Mi\"}", "wal_storage.size", "256Mi"},
        {"\"resources\":{\"memory_limit\":\"1Mi\"}", "resources.memory_limit", "128Mi"},
        {"\"resources\":{\"cpu_request\":\"2\",\"cpu_limit\":\"1\"}", "resources.cpu_request",
         "limit, 1"},
        {"\"postgres\":{\"version\":\"12\"}", "postgres.version", "13 to 18"},
        {"\"postgres\":{\"version\":\"17.x\"}", "postgres.version", "13 to 18"},
        {"\"postgres\":{\"variant\":\"A\"}", "postgres.variant", "a-z"},
        {"\"postgres\":{\"image\":\"A b\"}", "postgres.image", "image"},
        {"\"replicas\":16", "replicas", "1 to 15"},
        {"\"parameters\":{\"io_methd\":\"x\"},\"postgres\":{\"version\":\"18\"}",
         "parameters.io_methd", "io_method"},
        {"\"parameters\":{\"io_method\":\"sync\"}", "parameters.io_method", "another major"},
        {"\"parameters\":{\"zzzzzzzz\":\"1\"}", "parameters.zzzzzzzz", "extension.name"},
        {"\"parameters\":{\".x\":\"1\"}", "parameters..x", "extension.name"},
        {"\"parameters\":{\"block_size\":\"1\"}", "parameters.block_size", "only shows"},
        {"\"parameters\":{\"PORT\":\"1\"}", "parameters.PORT", "operator"},
        {"\"parameters\":{\"max_wal_senders\":\"4\"}", "parameters.max_wal_senders", "at least 5"},
        {"\"parameters\":{\"max_replication_slots\":\"1\"}", "parameters.max_replication_slots",
         "at least 3"},
        {"\"parameters\":{\"max_connections\":\"5\"}", "parameters.max_connections", "at least 20"},
        {"\"parameters\":{\"wal_level\":\"minimal\"}", "parameters.wal_level", "logical"},
        {"\"parameters\":{\"recovery_min_apply_delay\":\"1h\"}",
         "parameters.recovery_min_apply_delay", "cannot take over"},
        {"\"parameters\":{\"default_transaction_read_only\":\"on\"}",
         "parameters.default_transaction_read_only", "takes no writes"},
        {"\"parameters\":{\"wal_receiver_status_interval\":\"0\"}",
         "parameters.wal_receiver_status_interval", "1s"},
        {"\"parameters\":{\"data_sync_retry\":\"on\"}", "parameters.data_sync_retry", "off"},
        {"\"parameters\":{\"wal_sender_timeout\":\"0\"}", "parameters.wal_sender_timeout", "3s"},
        {"\"parameters\":{\"wal_sender_timeout\":\"5min\"}", "parameters.wal_sender_timeout",
         "60s"},
        {"\"parameters\":{\"superuser_reserved_connections\":\"0\"}",
         "parameters.superuser_reserved_connections", "at least 3"},
        {"\"parameters\":{\"synchronous_commit\":\"off\"},\"failover\":{\"durability\":"
         "\"protected\"}",
         "parameters.synchronous_commit", "remote_apply"},
        {"\"parameters\":{\"synchronous_commit\":\"local\"},\"failover\":{\"durability\":"
         "\"available\"}",
         "parameters.synchronous_commit", "available"},
        {"\"parameters\":{\"shared_buffers\":\"1GB\"},\"resources\":{\"memory_limit\":\"1Gi\"}",
         "parameters.shared_buffers", "80%"},
        {"\"hba_rules\":[\"x\"]", "hba_rules.0", "type"},
        {"\"archive\":{\"mode\":\"custom\"}", "archive.archive_command", "a command"},
        {"\"archive\":{\"restore_command\":\"x\"}", "archive.mode", "custom"},
        {"\"archive\":{\"mode\":\"s3\"}", "archive.mode", "custom"},
        {"\"archive\":{\"credentials_secret\":\"No!\"}", "archive.credentials_secret", "Secret"},
        {"\"failover\":{\"lease_seconds\":5,\"health_interval_seconds\":3}",
         "failover.health_interval_seconds", "half"},
        {"\"failover\":{\"durability\":\"total\"}", "failover.durability", "protected"},
        {"\"failover\":{\"durability\":\"protected\"},\"replicas\":1", "failover.durability",
         "nobody"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO_ARENA a = arena_new();
        FieldErrors errs;
        bool storage = str_starts(rows[i].member, "\"storage\"");
        make(a,
             arena_printf(a, "{\"name\":\"s\",%s%s}",
                          storage ? "" : "\"storage\":{\"size\":\"1Gi\"},", rows[i].member),
             &errs);
        if (errs.n != 1)
            fail_msg("%s: %zu errors", rows[i].member, errs.n);
        if (!str_eq(errs.at[0].field, rows[i].field) || !strstr(errs.at[0].want, rows[i].want))
            fail_msg("%s: %s: %s", rows[i].member, errs.at[0].field, errs.at[0].want);
    }
}

static void a_copy_is_whole(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Arena *first = arena_new();
    Profile p = good(first, RICH), copy = profile_dup(a, &p);
    char *text = arena_strdup(a, fields_to_text(first, &profile_schema, &p, 0));
    arena_free(first);
    assert_string_equal(fields_to_text(a, &profile_schema, &copy, 0), text);
    assert_string_equal(copy.message, "why");
    assert_int_equal(pg_major_of("17.5"), 17);
    assert_int_equal(pg_major_of("17."), 0);
    assert_int_equal(pg_major_of(""), 0);
    assert_int_equal(pg_major_of("19"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_error),
        cmocka_unit_test(a_copy_is_whole),
        cmocka_unit_test(a_profile_is_its_files),
        cmocka_unit_test(changes_and_what_they_cost),
        cmocka_unit_test(diffs_of_text),
        cmocka_unit_test(configuration_in_layers),
        cmocka_unit_test(managed_values_stay_ours),
        cmocka_unit_test(narrow_lines_before_wide_ones),
        cmocka_unit_test(parameters_are_known_by_major),
        cmocka_unit_test(the_table_is_in_order),
        cmocka_unit_test(no_value_can_leave_its_line),
        cmocka_unit_test(specs_are_held_to_the_same_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
