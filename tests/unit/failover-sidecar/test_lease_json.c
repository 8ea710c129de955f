#include "config.h"
#include "dbadmin/bootstrap.h"
#include "kube/kube.h"
#include "lease/lease_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const LeaseClaim CLAIM = {.name = "prod-pg-leader",
                                 .ns = "databases",
                                 .cluster = "prod-pg",
                                 .holder = "prod-pg-0",
                                 .epoch = 1,
                                 .seconds = 15,
                                 .now_us = 1795403317123456};

static void created_is_parsed_again(void **state)
{
    (void)state;
    cJSON *obj = lease_create_body(&CLAIM);
    LeaseInfo l;
    lease_parse(obj, &l);
    assert_true(l.exists);
    assert_string_equal(l.holder, "prod-pg-0");
    assert_int_equal(l.epoch, 1);
    assert_int_equal(l.seconds, 15);
    assert_int_equal(l.system_id, 0);
    assert_string_equal(l.primary_addr, "");
    assert_string_equal(kube_label(obj, "pg-swarm.io/cluster"), "prod-pg");
    assert_string_equal(l.renewed, kube_str(obj, "spec.acquireTime"));
    cJSON_Delete(obj);
}

static void renewing_keeps_what_is_not_ours(void **state)
{
    (void)state;
    cJSON *seen = lease_create_body(&CLAIM);
    cJSON *meta = cJSON_GetObjectItem(seen, "metadata");
    cJSON_AddStringToObject(meta, "resourceVersion", "4711");
    cJSON_AddStringToObject(cJSON_GetObjectItem(meta, "annotations"), "example.org/x", "kept");
    LeaseClaim c = CLAIM;
    c.addr = "198.18.0.2:5432";
    c.system_id = UINT64_MAX - 1;
    c.timeline = 3;
    c.now_us += 2000000;
    cJSON *next = lease_update_body(seen, &c);
    LeaseInfo l;
    lease_parse(next, &l);
    assert_string_equal(l.rv, "4711");
    assert_true(l.system_id == UINT64_MAX - 1);
    assert_int_equal(l.timeline, 3);
    assert_string_equal(l.primary_addr, "198.18.0.2:5432");
    assert_string_equal(kube_annotation(next, "example.org/x"), "kept");
    assert_string_not_equal(l.renewed, kube_str(next, "spec.acquireTime"));
    /* A renewal that knows neither leaves both as they are. */
    cJSON *again = lease_update_body(next, &CLAIM);
    lease_parse(again, &l);
    assert_true(l.system_id == UINT64_MAX - 1);
    assert_string_equal(l.primary_addr, "198.18.0.2:5432");
    cJSON_Delete(seen);
    cJSON_Delete(next);
    cJSON_Delete(again);
}

static void odd_objects(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "{}", "{\"spec\":null,\"metadata\":[]}",
        "{\"spec\":{\"leaseTransitions\":-4,\"leaseDurationSeconds\":1e12,\"holderIdentity\":7}}",
        "{\"metadata\":{\"annotations\":{\"pg-swarm.io/system-id\":\"-1\"}}}"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        cJSON *obj = cJSON_Parse(TEXTS[i]);
        LeaseInfo l;
        lease_parse(obj, &l);
        assert_int_equal(l.epoch, 0);
        assert_int_equal(l.system_id, 0);
        assert_int_equal(l.seconds, 15);
        cJSON *next = lease_update_body(obj, &CLAIM);
        lease_parse(next, &l);
        assert_string_equal(l.holder, "prod-pg-0");
        cJSON_Delete(next);
        cJSON_Delete(obj);
    }
}

static void addresses(void **state)
{
    (void)state;
    char host[64];
    uint16_t port;
    assert_true(addr_split("198.18.0.4:5432", host, sizeof host, &port));
    assert_string_equal(host, "198.18.0.4");
    assert_int_equal(port, 5432);
    assert_true(addr_split("[fd00::1]:6000", host, sizeof host, &port));
    assert_string_equal(host, "fd00::1");
    static const char *const BAD[] = {"",      "198.18.0.4",   "x:0",    "x:65536",
                                      ":5432", "fd00::1:5432", "x:5432y"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(addr_split(BAD[i], host, sizeof host, &port));
}

/* The example of RFC 7677, section 3. */
static void scram(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    static const unsigned char SALT[16] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
                                           0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};
    assert_string_equal(scram_verifier(a, "pencil", SALT),
                        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
                        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

static void configuration(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Config c;
    Error err = {0};
    clearenv();
    assert_int_equal(config_load(a, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "POD_NAME"));
    setenv("POD_NAME", "prod-pg-12", 1);
    setenv("POD_NAMESPACE", "databases", 1);
    setenv("POD_IP", "fd00::9", 1);
    setenv("CLUSTER_NAME", "prod-pg", 1);
    assert_int_equal(config_load(a, &c, &err), ERR_OK);
    assert_int_equal(c.ordinal, 12);
    assert_string_equal(c.lease_name, "prod-pg-leader");
    assert_string_equal(c.my_addr, "[fd00::9]:5432");
    assert_int_equal(c.lease_seconds, 15);
    setenv("LEASE_SECONDS", "4", 1);
    assert_int_equal(config_load(a, &c, &err), ERR_INVALID);
    assert_string_equal(err.msg, "LEASE_SECONDS: '4' is not right, 5 to 60 is");
    setenv("LEASE_SECONDS", "15", 1);
    setenv("POD_NAME", "prod-pg", 1);
    assert_int_equal(config_load(a, &c, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(created_is_parsed_again),
        cmocka_unit_test(renewing_keeps_what_is_not_ours),
        cmocka_unit_test(odd_objects),
        cmocka_unit_test(addresses),
        cmocka_unit_test(scram),
        cmocka_unit_test(configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
