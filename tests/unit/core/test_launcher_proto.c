#include "core/launcher_proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static LpMsg sample(void)
{
    LpMsg m = {.type = LP_START, .id = 77};
    m.num[LPF_ROLE] = LP_ROLE_STANDBY;
    m.num[LPF_EPOCH] = UINT64_MAX;
    m.text[LPF_HOST] = "198.18.0.4";
    m.text[LPF_PASSWORD] = "pa ss\xc3\xa9";
    m.text[LPF_SLOT] = "";
    return m;
}

static void round_trip(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    LpMsg in = sample(), out = {0};
    lp_encode(&b, &in);
    lp_encode(&b, &(LpMsg){.type = LP_STATUS, .id = 78});
    ptrdiff_t used = lp_decode(b.p, b.n, &out);
    assert_true(used > LP_HEADER);
    assert_int_equal(out.type, LP_START);
    assert_int_equal(out.id, 77);
    assert_true(out.num[LPF_EPOCH] == UINT64_MAX);
    assert_int_equal(out.num[LPF_PORT], 0);
    assert_string_equal(out.text[LPF_HOST], "198.18.0.4");
    assert_string_equal(out.text[LPF_PASSWORD], "pa ss\xc3\xa9");
    assert_string_equal(out.text[LPF_SLOT], "");
    assert_null(out.text[LPF_USER]);
    assert_int_equal(lp_decode(b.p + used, b.n - (size_t)used, &out), LP_HEADER);
    assert_int_equal(out.id, 78);
}

static void every_prefix_waits_for_more(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    LpMsg in = sample(), out;
    lp_encode(&b, &in);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(lp_decode(b.p, n, &out), 0);
}

static void bad_frames(void **state)
{
    (void)state;
    LpMsg out = {.id = 5};
    static const struct {
        const char *bytes;
        size_t n;
    } BAD[] = {
        {"\x04\0\0\0\x01\x10\0\0", 8},                         /* too short */
        {"\xff\xff\xff\x7f\x01", 5},                           /* too long */
        {"\x08\0\0\0\x02\x10\0\0\0\0\0\0", 12},                /* version */
        {"\x0a\0\0\0\x01\x10\0\0\0\0\0\0\x03\x08", 14},        /* cut field */
        {"\x0c\0\0\0\x01\x10\0\0\0\0\0\0\x03\x01\0\x07", 16},  /* number of 1 */
        {"\x0c\0\0\0\x01\x10\0\0\0\0\0\0\x04\x01\0x", 16},     /* no NUL */
        {"\x0e\0\0\0\x01\x10\0\0\0\0\0\0\x04\x03\0\0x\0", 18}, /* NUL inside */
        {"\x0b\0\0\0\x01\x10\0\0\0\0\0\0\x04\xff\xff", 15},    /* beyond end */
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(lp_decode(BAD[i].bytes, BAD[i].n, &out), -1);
    assert_int_equal(out.id, 5);
}

static void unknown_fields_are_skipped(void **state)
{
    (void)state;
    LpMsg out;
    static const char F[] = "\x10\0\0\0\x01\x10\0\0\x09\0\0\0\xfe\x02\0ab\x04\0\0";
    /* tag 254 with two bytes, then a cut field would be wrong; end right behind the first */
    static const char G[] = "\x0d\0\0\0\x01\x10\0\0\x09\0\0\0\xfe\x02\0ab";
    assert_int_equal(lp_decode(G, sizeof G - 1, &out), sizeof G - 1);
    assert_int_equal(out.id, 9);
    assert_int_equal(lp_decode(F, sizeof F - 1, &out), -1);
}

static void long_text_is_cut_not_refused(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    char *line = arena_alloc(a, 2 * LP_LOG_LINE);
    memset(line, 'x', 2 * LP_LOG_LINE - 1);
    LpMsg in = {.type = LP_LOG}, out;
    in.text[LPF_LINE] = line;
    lp_encode(&b, &in);
    assert_true(lp_decode(b.p, b.n, &out) > 0);
    assert_int_equal(strlen(out.text[LPF_LINE]), LP_LOG_LINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(every_prefix_waits_for_more),
        cmocka_unit_test(bad_frames),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(long_text_is_cut_not_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
