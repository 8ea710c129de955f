#include "model/cidr.h"
#include "model/kname.h"
#include "model/lsn.h"
#include "model/quantity.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void quantities_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t millis;
    } rows[] = {
        {"1", 1000},      {"500m", 500},    {"0.5", 500}, {"1.5Gi", 1610612736000},
        {"2e3", 2000000}, {"2E3", 2000000}, {"0", 0},     {"1Ki", 1024000},
        {".5", 500},      {"1.", 1000},     {"1e-3", 1},  {"100M", 100000000000},
        {"0.001", 1},     {"-1", -1000},    {"+2", 2000}, {"1k", 1000000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Quantity q;
        if (!quantity_parses(rows[i].text, &q))
            fail_msg("%s", rows[i].text);
        if (quantity_millis(q) != rows[i].millis)
            fail_msg("%s: %lld", rows[i].text, (long long)quantity_millis(q));
    }
}

static void what_is_no_quantity(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",    "Gi",   "1 Gi",   "1gi",
        "1KB", "0x10", "1e",     "1e99",
        "--1", "1..2", ".",      "1m5",
        "NaN", "1Mi ", "0.0001", "99999999999999999999999999999999999999999999"};
    Quantity q;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (quantity_parses(bad[i], &q))
            fail_msg("accepted: %s", bad[i]);
}

static void quantities_print_canonically(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"1024Mi", "1Gi"}, {"1.5Gi", "1536Mi"}, {"1000m", "1"}, {"1500m", "1500m"},
        {"10", "10"},      {"1e3", "1000"},     {"0", "0"},     {"-2048", "-2Ki"},
    };
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        Quantity q, again;
        assert_true(quantity_parses(pairs[i][0], &q));
        char *text = quantity_text(a, q);
        assert_string_equal(text, pairs[i][1]);
        assert_true(quantity_parses(text, &again) && quantity_cmp(q, again) == 0);
    }
    assert_true(quantity_bytes("16Ei", 0) == INT64_MAX);
    assert_int_equal(quantity_bytes("x", 7), 7);
    Quantity q;
    assert_true(quantity_parses("1500m", &q));
    assert_int_equal(quantity_units(q), 2);
}

static void names_by_their_rules(void **state)
{
    (void)state;
    assert_true(kname_label("a") && kname_label("0-9") && !kname_label("") && !kname_label("-a"));
    assert_false(kname_label("A") || kname_label("a.b") || kname_label("a_b") || kname_label("a-"));
    assert_false(kname_label("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    assert_true(kname_subdomain("a.b-c.d") && !kname_subdomain("a..b") && !kname_subdomain("a."));
    assert_true(kname_label_key("example.com/Name_x.y") && kname_label_key("tier"));
    assert_false(kname_label_key("/x") || kname_label_key("x/") || kname_label_key("A.com/x") ||
                 kname_label_key("a/b/c") || kname_label_key(""));
    assert_true(kname_label_value("") && kname_label_value("us-East_1.a"));
    assert_false(kname_label_value("a b") || kname_label_value("-a") || kname_label_value("a/"));
    assert_true(kname_cluster("prod-pg") && !kname_cluster("1pg") &&
                !kname_cluster("a2345678901234567890123456789012345678901"));
    assert_true(kname_identifier("My Table") && !kname_identifier("a\nb") && !kname_identifier(""));
}

static void images_by_their_grammar(void **state)
{
    (void)state;
    static const char *const good[] = {
        "postgres",
        "postgres:17",
        "library/postgres:17.5-alpine3.23",
        "host:5000/a/b_c.d-e:Tag_1",
        "localhost/x",
        "a.b/c@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    };
    static const char *const bad[] = {
        "",     "Postgres",     "a/",   "/a",   "a:", "a:b:c",  "a b",    "a@sha256:12",
        "a//b", "host:99999/a", "a:-x", "a;rm", "..", "a/../b", "-a.b/c",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!kname_image(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (kname_image(bad[i]))
            fail_msg("accepted: %s", bad[i]);
}

static void networks(void **state)
{
    (void)state;
    Cidr net, addr;
    assert_true(cidr_parse("10.0.0.0/8", true, &net) && net.bits == 8 && !net.v6);
    assert_true(cidr_parse("10.255.0.1", false, &addr) && cidr_contains(&net, &addr));
    assert_true(cidr_parse("11.0.0.1", false, &addr) && !cidr_contains(&net, &addr));
    assert_false(cidr_parse("10.0.0.1/8", true, &net));
    assert_true(cidr_parse("10.0.0.1/8", false, &net));
    assert_true(cidr_parse("2001:db8::/33", true, &net));
    assert_true(cidr_parse("2001:db8:7fff::1", false, &addr) && cidr_contains(&net, &addr));
    assert_true(cidr_parse("2001:db8:8000::1", false, &addr) && !cidr_contains(&net, &addr));
    assert_true(cidr_parse("0.0.0.0/0", true, &net) && cidr_parse("9.9.9.9", false, &addr) &&
                cidr_contains(&net, &addr));
    static const char *const bad[] = {"",          "/8",     "10.0.0.0/",   "10.0.0.0/33",
                                      "10.0.0/8",  "::/129", "10.0.0.0/08", "10.0.0.0/-1",
                                      "1.2.3.4.5", "x",      "10.0.0.0/8 "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (cidr_parse(bad[i], false, &net))
            fail_msg("accepted: %s", bad[i]);
}

static void positions_and_wal_names(void **state)
{
    (void)state;
    uint64_t lsn;
    char buf[LSN_TEXT_MAX], name[WAL_NAME_LEN + 1];
    assert_true(lsn_parse("16/B374D848", &lsn) && lsn == 0x16B374D848);
    assert_string_equal(lsn_text(buf, lsn), "16/B374D848");
    assert_string_equal(lsn_text(buf, 0), "0/0");
    assert_string_equal(lsn_text(buf, UINT64_MAX), "FFFFFFFF/FFFFFFFF");
    assert_false(lsn_parse("16", &lsn) || lsn_parse("/1", &lsn) || lsn_parse("1/", &lsn) ||
                 lsn_parse("1/1 ", &lsn) || lsn_parse("123456789/1", &lsn) || lsn_parse("", &lsn));
    WalName w;
    wal_name_text(name, 1, wal_segment_of(0x16B374D848, WAL_SEGMENT_DEFAULT), WAL_SEGMENT_DEFAULT);
    assert_string_equal(name, "0000000100000016000000B3");
    assert_true(wal_name_parse(name, WAL_SEGMENT_DEFAULT, &w) && w.kind == WAL_SEGMENT &&
                w.timeline == 1 && w.segno == 0x16B3);
    assert_true(wal_name_parse("00000002.history", WAL_SEGMENT_DEFAULT, &w) &&
                w.kind == WAL_HISTORY && w.timeline == 2);
    assert_true(
        wal_name_parse("0000000100000016000000B3.00000028.backup", WAL_SEGMENT_DEFAULT, &w) &&
        w.kind == WAL_BACKUP && w.offset == 0x28);
    assert_true(wal_name_parse("0000000100000016000000B3.partial", WAL_SEGMENT_DEFAULT, &w) &&
                w.kind == WAL_PARTIAL);
    static const char *const bad[] = {"",
                                      "0000000100000016000000B",
                                      "0000000100000016000000b3",
                                      "000000010000001600000100",
                                      "000000000000001600000001",
                                      "0000000100000016000000B3x",
                                      "00000001.histor",
                                      "../x",
                                      "0000000100000016000000B3.28.backup"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (wal_name_parse(bad[i], WAL_SEGMENT_DEFAULT, &w))
            fail_msg("accepted: %s", bad[i]);
}

/* Names of consecutive segments, of every size: back and forth. */
static void wal_names_round_trip(void **state)
{
    (void)state;
    for (uint32_t size = 1u << 20; size <= 1u << 30; size <<= 1)
        for (uint64_t segno = 0; segno < 70000; segno += 997) {
            char name[WAL_NAME_LEN + 1];
            WalName w;
            wal_name_text(name, 7, segno, size);
            assert_true(wal_name_parse(name, size, &w));
            assert_true(w.segno == segno && w.timeline == 7);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantities_are_exact),         cmocka_unit_test(what_is_no_quantity),
        cmocka_unit_test(quantities_print_canonically), cmocka_unit_test(names_by_their_rules),
        cmocka_unit_test(images_by_their_grammar),      cmocka_unit_test(networks),
        cmocka_unit_test(positions_and_wal_names),      cmocka_unit_test(wal_names_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
