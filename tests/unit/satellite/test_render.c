/* Golden objects: what a spec becomes. PGSWARM_UPDATE_GOLDEN=1 writes the files anew; look at the
 * diff before it is committed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include "core/file.h"
#include "render/render.h"
#include "render/tpl.h"
#include <stdlib.h>

#define GOLDEN "tests/fixtures/golden/satellite/"

static void check_golden(const char *name, cJSON *obj)
{
    AUTO_ARENA a = arena_new();
    char *text = cJSON_Print(obj);
    char *path = arena_printf(a, GOLDEN "%s.json", name);
    StrView want;
    Error err;
    char *now = arena_printf(a, "%s\n", text);
    if (getenv("PGSWARM_UPDATE_GOLDEN"))
        assert_int_equal(file_write_atomic(path, sv(now), 0644, &err), ERR_OK);
    if (file_read(a, path, 1 << 20, &want, &err))
        fail_msg("%s", err.msg);
    if (!sv_eqs(want, now))
        fail_msg("%s differs; it is now:\n%s", path, now);
    cJSON_free(text);
    cJSON_Delete(obj);
}

static ClusterSpec small_spec(void)
{
    return (ClusterSpec){.cluster_id = "11111111-2222-4333-8444-555555555555",
                         .name = "prod-pg",
                         .ns = "databases",
                         .config_version = 3,
                         .profile_name = "standard",
                         .profile_version = 2,
                         .replicas = 3,
                         .pg_major = 15,
                         .image = "postgres:15",
                         .storage = {.size = "10Gi", .storage_class = ""},
                         .wal_storage = {.size = "", .storage_class = ""},
                         .resources = {"", "", "", ""},
                         .failover = {.enabled = true,
                                      .lease_seconds = 15,
                                      .health_interval_seconds = 2,
                                      .sidecar_image = "",
                                      .durability = "available"},
                         .archive = {"", "", "", 0, ""}};
}

static RenderInput input(const ClusterSpec *s)
{
    return (RenderInput){.spec = s,
                         .service_type = "ClusterIP",
                         .sidecar_image = "pg-swarm/failover-sidecar:dev",
                         .satellite_addr = "10.96.4.5:9091",
                         .satellite_ca_pem = "-----BEGIN CERTIFICATE-----\nAA==\n",
                         .storage_class = "",
                         .wal_storage_class = ""};
}

static void test_statefulset_small(void **st)
{
    (void)st;
    ClusterSpec s = small_spec();
    RenderInput in = input(&s);
    check_golden("statefulset-small", render_statefulset(&in));
}

static void test_statefulset_full(void **st)
{
    (void)st;
    ClusterSpec s = small_spec();
    s.replicas = 5;
    s.pg_major = 17;
    s.image = "registry.example/postgres:17.5";
    s.wal_storage = (Volume){"2Gi", "tier:fast"};
    s.resources = (Resources){"500m", "2", "1Gi", "2Gi"};
    s.failover.enabled = false;
    s.failover.sidecar_image = "registry.example/sidecar:9";
    RenderInput in = input(&s);
    in.storage_class = "standard";
    in.wal_storage_class = "nvme";
    check_golden("statefulset-full", render_statefulset(&in));
}

static void test_services(void **st)
{
    (void)st;
    ClusterSpec s = small_spec();
    RenderInput in = input(&s);
    in.service_type = "NodePort";
    check_golden("service-headless", render_service_headless(&s));
    check_golden("service-rw", render_service_rw(&in));
    check_golden("service-ro", render_service_ro(&in));
}

static void test_rights(void **st)
{
    (void)st;
    ClusterSpec s = small_spec();
    check_golden("serviceaccount", render_service_account(&s));
    check_golden("role", render_role(&s));
    check_golden("rolebinding", render_role_binding(&s));
    check_golden("pdb", render_pdb(&s));
    check_golden("network-policy", render_network_policy(&s));
}

static void test_configmaps(void **st)
{
    (void)st;
    ClusterSpec s = small_spec();
    RenderInput in = input(&s);
    StrPair pairs[] = {{"log_line_prefix", "it's \"%m\" \\"}, {"work_mem", "8MB"}};
    const char *hba[] = {"host all app 10.0.0.0/8 scram-sha-256"};
    RecoveryRule rules[] = {{.name = "oom",
                             .pattern = "out of memory: \"(.*)\"",
                             .severity = "error",
                             .action = "event",
                             .exec_command = "",
                             .category = "memory",
                             .cooldown_seconds = 60,
                             .threshold = 1,
                             .window_seconds = 0,
                             .enabled = true}};
    s.parameters = (StrMap){pairs, 2};
    s.hba_rules = (StrList){hba, 1};
    s.recovery_rules = (ObjList){rules, 1};
    check_golden("config", render_config(&s));
    check_golden("recovery-rules", render_recovery_rules(&s));
    check_golden("satellite-ca", render_satellite_ca(&in));
    check_golden("record", render_record(&s, 2));
}

/* The record is what a satellite reads after it was killed: everything but secrets comes back. */
static void test_record_reads_back(void **st)
{
    (void)st;
    AUTO_ARENA a = arena_new();
    ClusterDatabase dbs[] = {{"app", "app", "top-secret", {0}}};
    ClusterSpec s = small_spec(), back;
    s.databases = (ObjList){dbs, 1};
    cJSON *cm = render_record(&s, 2);
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(cm, "data"), "config.json"));
    assert_null(strstr(text, "top-secret"));
    FieldErrors errs = field_errors(a);
    Error err;
    assert_int_equal(fields_decode_text(a, &cluster_spec_schema, sv(text), &back, &errs, &err),
                     ERR_OK);
    back.databases = s.databases;
    cJSON *again = render_record(&back, 2);
    back.databases = (ObjList){0};
    assert_true(cJSON_Compare(cm, again, true));
    cluster_spec_validate(a, &back, &errs);
    assert_int_equal(errs.n, 0);
    cJSON_Delete(again);
    cJSON_Delete(cm);
}

static void test_secret(void **st)
{
    (void)st;
    ClusterSpec s = small_spec();
    check_golden("secret", render_secret(&s, &(SecretValues){"one", "two", "three"}));
}

static void test_tpl(void **st)
{
    (void)st;
    cJSON *o = tpl("{'a': %s, 'b': 'x-%S-y', 'c': %d, 'd': %b, 'e': %j, 'f': %s, 'g': %v}",
                   "it's \"q\"\n", "m\"n", -3, 1, tpl("[1]"), NULL, sv_n("abc", 2));
    char *text = cJSON_PrintUnformatted(o);
    assert_string_equal(text,
                        "{\"a\":\"it's \\\"q\\\"\\n\",\"b\":\"x-m\\\"n-y\",\"c\":-3,\"d\":true,"
                        "\"e\":[1],\"f\":null,\"g\":\"ab\"}");
    cJSON_free(text);
    cJSON_Delete(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statefulset_small),
        cmocka_unit_test(test_statefulset_full),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_configmaps),
        cmocka_unit_test(test_record_reads_back),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_tpl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
