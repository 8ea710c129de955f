/* An operation as text: the block of a terminal, and lines. */
#include "core/clock.h"
#include "op_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int64_t at(const char *time)
{
    int64_t us = 0;
    assert_true(clock_parse_rfc3339(time, &us));
    return us;
}

static cJSON *parse(Arena *a, const char *text)
{
    cJSON *op;
    Error err;
    assert_int_equal(json_parse(a, sv(text), 100000, &op, &err), ERR_OK);
    return op;
}

#define HEAD                                                                              \
    "\"id\":\"7f3c1a2b-0000-4000-8000-000000000000\",\"kind\":\"switchover\","            \
    "\"cluster\":\"db\",\"namespace\":\"ns\",\"satellite\":\"edge\",\"target\":\"db-1\"," \
    "\"primary\":\"db-0\",\"steps_total\":9"
#define STEP(n, name, status, pod, more)                                                \
    "{\"n\":" #n ",\"name\":\"" name "\",\"status\":\"" status "\",\"pod\":\"" pod "\"" \
    ",\"started_at\":\"2026-11-23T10:00:0" #n "Z\"" more "}"

static const char RUNNING[] =
    "{" HEAD ",\"state\":\"running\",\"step\":4,\"started_at\":\"2026-11-23T10:00:01Z\""
    ",\"steps\":[" STEP(
        1, "verify target", "done", "db-1",
        ",\"took_ms\":100,\"detail\":\"is ready\"") "," STEP(4, "fence", "running", "db-0",
                                                             ",\"reported_at\":\"2026-11-23T10:00:"
                                                             "04.5Z\"") "]}";

static void draw(const cJSON *op, const OpLook *look, const char *want)
{
    AUTO_STRBUF b = {0};
    op_draw(op, look, &b);
    assert_string_equal(strbuf_str(&b), want);
}

static void test_block(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    OpLook look = {.now_us = at("2026-11-23T10:00:06.5Z"), .keys = true};
    const cJSON *op = parse(a, RUNNING);
    draw(op, &look,
         " switchover 7f3c1a2b  running 5.5s  db-0 -> db-1  ns/db@edge\n"
         " [###.....................] 1/9   can be rolled back   writes wait 2.0s so far\n"
         "  1 ok verify target   db-1  0.10s  is ready\n"
         "  2    verify primary\n"
         "  3    pre-flight\n"
         "> 4 .. fence           db-0   2.5s\n"
         "  5    stop\n"
         "  6    transfer\n"
         "  7    promote                      == point of no return ==\n"
         "  8    route\n"
         "  9    follow\n"
         " x abort and roll back   q leave (it goes on)\n");
    /* The link is lost: times stop at what is known. */
    look.lost_us = at("2026-11-23T10:00:06Z");
    look.now_us = at("2026-11-23T10:05:00Z");
    look.keys = false;
    AUTO_STRBUF b = {0};
    op_draw(op, &look, &b);
    assert_non_null(strstr(b.p, "running 5.0s"));
    assert_non_null(strstr(b.p, "unknown since 10:00:06Z: central is not reached"));
}

/* No line is longer than the terminal, whatever a site says; and nothing of it moves the cursor. */
static void test_width(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    const cJSON *op = parse(a, "{" HEAD ",\"state\":\"waiting\",\"step\":1,\"steps\":[" STEP(
                                   1, "t\\u001b[2Jhe \\u00e4\\u00f6\\u00fc", "waiting", "db-1",
                                   ",\"detail\":\"a very long sentence\\nthat does not end here, "
                                   "nor here, some more\"") "]}");
    for (size_t width = 10; width < 120; width += 7)
        for (int color = 0; color < 2; color++) {
            AUTO_STRBUF b = {0};
            OpLook look = {.width = width, .color = color, .keys = true, .now_us = 1};
            op_draw(op, &look, &b);
            assert_null(strstr(b.p, "\033[2J"));
            for (StrView rest = sv_n(b.p, b.n); rest.n;) {
                StrView line = sv_cut(&rest, '\n');
                size_t cells = 0;
                for (size_t i = 0; i < line.n; i++) {
                    if (line.p[i] == '\033')
                        while (line.p[i] != 'm')
                            i++;
                    else
                        cells += ((unsigned char)line.p[i] & 0xC0) != 0x80;
                }
                assert_true(cells <= width);
            }
        }
}

static void tell(const cJSON *was, const cJSON *op, const char *want)
{
    AUTO_STRBUF b = {0};
    op_tell(was, op, &b);
    assert_string_equal(strbuf_str(&b), want);
}

static void test_lines(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    const cJSON *one = parse(a, RUNNING);
    tell(NULL, one, "step 1/9 verify target db-1 done 0.10s: is ready\n");
    tell(one, one, "");
    const cJSON *two = parse(
        a, "{" HEAD ",\"state\":\"waiting\",\"reason\":\"waits for continue or abort\",\"step\":4,"
           "\"steps\":[" STEP(1, "verify target", "done", "db-1",
                              ",\"took_ms\":100") "," STEP(4, "fence", "waiting", "db-0", "") "]}");
    tell(one, two,
         "step 4/9 fence db-0 waiting\nwaiting: waits for continue or abort; swarmctl op continue "
         "7f3c1a2b\n");
    const cJSON *aborted = parse(
        a, "{" HEAD ",\"state\":\"waiting\",\"reason\":\"waits for continue or abort\",\"step\":4,"
           "\"aborted_by\":\"anna\",\"steps\":[]}");
    tell(NULL, aborted, "waiting: waits for continue or abort\n");
    const cJSON *three = parse(
        a, "{" HEAD ",\"state\":\"unknown\",\"reason\":\"nothing was heard of it\",\"step\":7,"
           "\"steps\":[" STEP(4, "fence", "waiting", "db-0",
                              "") "," STEP(7, "promote", "done", "db-1", ",\"took_ms\":1234") "]}");
    tell(
        two, three,
        "step 7/9 promote db-1 done 1.2s (point of no return)\nunknown: nothing was heard of it\n");
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *state, *more;
        int status;
        const char *want;
    } rows[] = {
        {"done", ",\"detail\":\"db-1 leads\"", 0, "is done (2.0s): db-1 leads"},
        {"rolled_back", ",\"error\":\"why\"", 10, "was rolled back (2.0s): why"},
        {"failed", ",\"error\":\"why\"", 11, "failed past the point of no return (2.0s): why"},
        {"unknown", ",\"error\":\"why\"", 8, "ended, and how is not known (2.0s): why"},
    };
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const cJSON *op = parse(
            a, arena_printf(a,
                            "{" HEAD ",\"state\":\"%s\",\"started_at\":\"2026-11-23T10:00:01Z\","
                            "\"finished_at\":\"2026-11-23T10:00:03Z\"%s}",
                            rows[i].state, rows[i].more));
        assert_int_equal(op_exit(op), rows[i].status);
        assert_true(op_ended(op));
        assert_string_equal(op_outcome(a, op),
                            arena_printf(a, "switchover 7f3c1a2b of ns/db@edge %s", rows[i].want));
    }
    const cJSON *op = parse(a, RUNNING);
    assert_false(op_ended(op));
    assert_int_equal(op_exit(op), 8);
    assert_string_equal(op_step(a, op), "4/9 fence");
    assert_string_equal(op_target(a, op), "db-0 -> db-1");
}

static void test_took(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {{0, "0.00s"},   {99, "0.09s"},  {620, "0.62s"},   {1234, "1.2s"},
                {9999, "9.9s"}, {12345, "12s"}, {131000, "2m11s"}};
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(op_took(a, rows[i].ms), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block), cmocka_unit_test(test_width), cmocka_unit_test(test_lines),
        cmocka_unit_test(test_ends),  cmocka_unit_test(test_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
