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

static void notes_and_uid(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    LeaseClaim c = CLAIM;
    c.uid = "u-1";
    cJSON *obj = lease_create_body(&c);
    LeaseInfo l;
    lease_parse(obj, &l);
    assert_string_equal(l.uid, "u-1");
    assert_false(l.released.is || l.handover.is || l.paused.is || l.failover.is);
    /* Given away: the uid of who had it goes as well. */
    LeaseReleased r = {.clean = true, .by = "prod-pg-0", .reason = "x", .lsn = 80, .timeline = 2};
    c = CLAIM;
    c.holder = "";
    c.notes[0] = (LeaseNote){LEASE_A_RELEASED, lease_released_json(a, &r)};
    cJSON *freed = lease_update_body(obj, &c);
    lease_parse(freed, &l);
    assert_string_equal(l.uid, "");
    assert_true(l.released.is && l.released.clean && l.released.lsn == 80);
    /* Taken: the note is removed, others are written. */
    LeaseHandover h = {.operation = "op", .from = "a", .to = "prod-pg-1", .lsn = 81};
    LeasePaused p = {.by = "anna", .operation = "op-2"};
    LeaseFailover f = {.operation = "op-3", .to = "prod-pg-2", .accept_data_loss = true};
    const LeaseNote notes[] = {{LEASE_A_RELEASED, NULL},
                               {LEASE_A_HANDOVER, lease_handover_json(a, &h)},
                               {LEASE_A_PAUSED, lease_paused_json(a, &p)},
                               {LEASE_A_FAILOVER, lease_failover_json(a, &f)}};
    cJSON *noted = lease_notes_body(freed, notes, 4);
    LeaseInfo n;
    lease_parse(noted, &n);
    assert_false(n.released.is);
    assert_true(n.handover.is && n.handover.lsn == 81 && str_eq(n.handover.to, "prod-pg-1"));
    assert_true(n.paused.is && str_eq(n.paused.by, "anna"));
    assert_true(n.failover.is && n.failover.accept_data_loss);
    assert_true(lease_same(&n, &n) && !lease_same(&n, &l));
    cJSON_Delete(obj);
    cJSON_Delete(freed);
    cJSON_Delete(noted);
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
        cmocka_unit_test(notes_and_uid),
        cmocka_unit_test(odd_objects),
        cmocka_unit_test(addresses),
        cmocka_unit_test(scram),
        cmocka_unit_test(configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
