#include "core/clock.h"
#include "core/file.h"
#include "core/ident.h"
#include "core/log.h"
#include "core/map.h"
#include "core/strmap.h"
#include "core/vec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- arena ---- */

static char order[8];
static size_t ordered;
static void note(void *arg)
{
    order[ordered++] = *(const char *)arg;
}

static void arenas_zero_align_and_dispose(void **state)
{
    (void)state;
    Arena *a = arena_new_sized(64);
    for (size_t n = 1; n < 5000; n = n * 3 + 1) {
        unsigned char *p = arena_alloc(a, n);
        assert_true((uintptr_t)p % _Alignof(max_align_t) == 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xEE, n);
    }
    assert_true(arena_used(a) > 4000);
    ordered = 0;
    arena_on_free(a, note, (void *)"1");
    arena_on_free(a, note, (void *)"2");
    arena_reset(a);
    assert_memory_equal(order, "21", 2);
    assert_int_equal(arena_used(a), 0);
    unsigned char *again = arena_alloc(a, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(again[i], 0);
    arena_on_free(a, note, (void *)"3");
    arena_free(a);
    assert_memory_equal(order, "213", 3);
    arena_free(NULL);
}

static void arena_text(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    assert_string_equal(arena_printf(a, "%s-%d", "x", 7), "x-7");
    assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
    assert_null(arena_strdup(a, NULL));
    char big[10000];
    memset(big, 'y', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_string_equal(arena_printf(a, "%s", big), big);
}

/* ---- text ---- */

static void views_are_cut(void **state)
{
    (void)state;
    StrView rest = SV("a,,b"), v;
    v = sv_cut(&rest, ',');
    assert_true(sv_eqs(v, "a"));
    v = sv_cut(&rest, ',');
    assert_true(v.n == 0 && rest.p);
    v = sv_cut(&rest, ',');
    assert_true(sv_eqs(v, "b") && !rest.p);
    assert_true(sv_eqs(sv_trim(SV(" \tx y\t ")), "x y"));
    assert_true(sv_ieqs(SV("AbC"), "aBc") && !sv_ieqs(SV("AbC"), "ab"));
    assert_true(sv_starts(SV("abc"), "ab") && sv_ends(SV("abc"), "bc") && !sv_ends(SV("c"), "bc"));
}

static void buffers_grow(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    assert_string_equal(strbuf_str(&b), "");
    for (int i = 0; i < 3000; i++)
        strbuf_addf(&b, "%d,", i % 10);
    assert_int_equal(b.n, 6000);
    assert_int_equal(strlen(b.p), 6000);
    strbuf_consume(&b, 5998);
    assert_string_equal(b.p, "9,");
    strbuf_reset(&b);
    assert_string_equal(strbuf_str(&b), "");
}

static void numbers_strictly(void **state)
{
    (void)state;
    int64_t i;
    uint64_t u;
    double d;
    assert_true(str_to_i64("-9223372036854775808", &i) && i == INT64_MIN);
    assert_true(str_to_u64("18446744073709551615", &u) && u == UINT64_MAX);
    assert_true(str_to_f64("-1.5e3", &d) && d == -1500);
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "0x1", "1a", "--1", "9223372036854775808", "1.0"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        if (str_to_i64(bad[k], &i))
            fail_msg("accepted: \"%s\"", bad[k]);
    assert_false(str_to_u64("-1", &u) || str_to_u64("18446744073709551616", &u));
    assert_false(str_to_f64("inf", &d) || str_to_f64("nan", &d) || str_to_f64("1e999", &d));
}

static void utf8_strictly(void **state)
{
    (void)state;
    assert_true(utf8_valid("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 10));
    static const char *const bad[] = {"\xC0\x80",         "\xC3", "\xE2\x82", "\xED\xA0\x80",
                                      "\xF4\x90\x80\x80", "\xFF", "\x80",     "\xE0\x80\x80",
                                      "\xF0\x80\x80\x80"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_false(utf8_valid(bad[k], strlen(bad[k])));
    assert_false(utf8_valid("a\0b", 3));
    assert_true(utf8_valid("", 0));
}

static void nearest_word(void **state)
{
    (void)state;
    static const char *const words[] = {"replicas", "resources", "storage", NULL};
    assert_string_equal(str_nearest("replcas", words), "replicas");
    assert_string_equal(str_nearest("stroage", words), "storage");
    assert_null(str_nearest("zebra", words));
    assert_int_equal(str_distance("ab", "ba"), 1);
    assert_int_equal(str_distance("", "abc"), 3);
}

/* ---- maps, lists ---- */

static void maps_hold_many(void **state)
{
    (void)state;
    Map *m = map_new();
    static int values[5000];
    char key[16];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_null(map_put(m, key, &values[i]));
    }
    assert_int_equal(map_count(m), 5000);
    for (int i = 0; i < 5000; i += 2) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ptr_equal(map_remove(m, key), &values[i]);
        assert_null(map_get(m, key));
    }
    size_t n = 0;
    for (MapIter it = {0}; map_next(m, &it); n++)
        assert_ptr_equal(map_get(m, it.key), it.value);
    assert_int_equal(n, 2500);
    assert_ptr_equal(map_put(m, "k1", &values[0]), &values[1]);
    for (MapIter it = {0}; map_next(m, &it);)
        map_remove(m, it.key);
    assert_int_equal(map_count(m), 0);
    map_free(m);
}

static void small_maps_are_sorted(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    StrMap m = {0};
    char key[8];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "%03d", i * 7 % 300);
        strmap_put(a, &m, arena_strdup(a, key), "v");
    }
    assert_int_equal(m.n, 300);
    for (size_t i = 1; i < m.n; i++)
        assert_true(strcmp(m.at[i - 1].key, m.at[i].key) < 0);
    StrMap copy = strmap_dup(a, m);
    assert_true(strmap_eq(m, copy));
    assert_true(strmap_remove(&copy, "100") && !strmap_remove(&copy, "100"));
    assert_false(strmap_eq(m, copy));
    assert_null(strmap_get(copy, "100"));
    strmap_put(a, &copy, "100", "w");
    assert_string_equal(strmap_get(copy, "100"), "w");
    assert_string_equal(strmap_get(m, "100"), "v");
    StrList l = {0};
    for (int i = 0; i < 50; i++)
        strlist_add(a, &l, "x");
    assert_true(strlist_eq(l, strlist_dup(a, l)) && strlist_has(l, "x") && !strlist_has(l, "y"));
}

static void vectors(void **state)
{
    (void)state;
    VEC(int) v = {0};
    for (int i = 0; i < 100; i++)
        vec_push(&v, i);
    vec_remove(&v, 0);
    vec_remove(&v, 98);
    assert_int_equal(v.n, 98);
    assert_int_equal(v.at[0], 1);
    assert_int_equal(v.at[97], 98);
    vec_done(&v);
}

/* ---- identifiers, time ---- */

static void identifiers(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    char id[UUID_LEN + 1], other[UUID_LEN + 1], token[TOKEN_LEN + 1];
    uuid_new(id);
    uuid_new(other);
    assert_true(uuid_valid(id) && strcmp(id, other) != 0 && id[14] == '4');
    assert_false(uuid_valid("x") || uuid_valid("") ||
                 uuid_valid("01234567-89ab-cdef-0123-456789abcdeg"));
    token_new(token);
    assert_int_equal(strspn(token, "0123456789abcdef"), TOKEN_LEN);
    unsigned char bytes[64], back[64];
    for (size_t n = 0; n < sizeof bytes; n++) {
        char hex[130];
        size_t len;
        random_bytes(bytes, n);
        hex_encode(hex, bytes, n);
        assert_int_equal(hex_decode(back, sizeof back, hex, n * 2), n);
        assert_memory_equal(bytes, back, n);
        char *b64 = base64_encode(a, bytes, n);
        unsigned char *plain = base64_decode(a, b64, strlen(b64), &len);
        assert_non_null(plain);
        assert_int_equal(len, n);
        assert_memory_equal(plain, bytes, n);
    }
    size_t len;
    assert_int_equal(hex_decode(back, 1, "abcd", 4), -1);
    assert_int_equal(hex_decode(back, 9, "abc", 3), -1);
    assert_null(base64_decode(a, "a*b=", 4, &len));
    assert_true(secure_eq("same", "same") && !secure_eq("same", "sama") && !secure_eq("a", "ab"));
}

static void times_go_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-23T03:08:37.123456Z", 1795403317123456},
        {"2026-11-23T04:08:37.123456+01:00", 1795403317123456},
        {"2024-02-29T23:59:59.9Z", 1709251199900000},
        {"1999-12-31T23:59:59Z", 946684799000000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t us;
        char text[CLOCK_RFC3339_LEN + 1];
        if (!clock_parse_rfc3339(rows[i].text, &us) || us != rows[i].us)
            fail_msg("%s: %lld", rows[i].text, (long long)us);
        clock_rfc3339(text, us);
        int64_t again;
        assert_true(clock_parse_rfc3339(text, &again) && again == us);
    }
    static const char *const bad[] = {"",
                                      "2026-11-23",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-30T00:00:00Z",
                                      "2026-11-23T25:00:00Z",
                                      "2026-11-23T00:00:00",
                                      "2026-11-23T00:00:00Zx"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t us;
        if (clock_parse_rfc3339(bad[i], &us))
            fail_msg("accepted: %s", bad[i]);
    }
}

static void backoff_grows_to_its_limit(void **state)
{
    (void)state;
    Backoff b = {.base_ms = 1000, .max_ms = 30000};
    uint32_t most = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t limit = i < 5 ? 1000u << i : 30000, d = backoff_next(&b);
        assert_true(d <= limit);
        most = d > most ? d : most;
    }
    assert_true(most > 20000);
    backoff_reset(&b);
    assert_true(backoff_next(&b) <= 1000);
}

/* ---- errors, log, files ---- */

static void errors_have_one_table(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_CODE_COUNT; i++) {
        assert_int_equal(err_from_name(err_name((ErrCode)i)), i);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(err_name((ErrCode)i), err_name((ErrCode)k));
    }
    Error err = {0};
    assert_int_equal(err_set(&err, ERR_INVALID, "%s: %d", "n", 3), ERR_INVALID);
    assert_int_equal(err_wrap(&err, "save %s", "x"), ERR_INVALID);
    assert_string_equal(err.msg, "save x: n: 3");
    assert_int_equal(err_set(NULL, ERR_GONE, "x"), ERR_GONE);
    char big[2000];
    memset(big, 'z', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    err_set(&err, ERR_INVALID, "%s", big);
    err_wrap(&err, "context");
    assert_true(strlen(err.msg) < sizeof err.msg && str_starts(err.msg, "context: z"));
}

static char last_line[64];
static void sink(void *ctx, LogLevel level, const char *at, const char *msg, const char *fields)
{
    snprintf(last_line, sizeof last_line, "%d %s %s %s %s", level, at, msg, fields, (char *)ctx);
}

static void logs_reach_the_sink(void **state)
{
    (void)state;
    LogLevel l;
    log_init("test", LOG_ERROR);
    log_set_sink(sink, (void *)"ctx");
    log_error("here", "it happened", "v=%s", log_quote("a \"b\"\n"));
    assert_string_equal(last_line, "4 here it happened v=\"a \\\"b\\\"\\n\" ctx");
    log_set_sink(NULL, NULL);
    assert_true(log_level_from_name("debug", &l) && l == LOG_DEBUG);
    assert_false(log_level_from_name("loud", &l));
    assert_string_equal(log_quote("plain-1.2"), "plain-1.2");
}

static void files_are_written_whole(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    char dir[] = "/tmp/pgs-core-XXXXXX";
    assert_non_null(mkdtemp(dir));
    Error err = {0};
    char *deep = arena_printf(a, "%s/x/y", dir), *path = arena_printf(a, "%s/f", deep);
    StrView got;
    assert_int_equal(file_mkdirs(deep, 0700, &err), ERR_OK);
    assert_int_equal(file_mkdirs(deep, 0700, &err), ERR_OK);
    assert_int_equal(file_write_atomic(path, SV("one"), 0600, &err), ERR_OK);
    assert_int_equal(file_write_atomic(path, SV("two!"), 0640, &err), ERR_OK);
    assert_int_equal(file_read(a, path, 100, &got, &err), ERR_OK);
    assert_true(sv_eqs(got, "two!") && !got.p[got.n]);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(file_read(a, path, 3, &got, &err), ERR_TOO_LARGE);
    assert_int_equal(file_read(a, dir, 3, &got, &err) == ERR_OK, false);
    assert_false(file_exists(arena_printf(a, "%s.tmp", path)));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(file_read(a, path, 3, &got, &err), ERR_NOT_FOUND);
    assert_int_equal(rmdir(deep) | rmdir(arena_printf(a, "%s/x", dir)) | rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas_zero_align_and_dispose),
        cmocka_unit_test(arena_text),
        cmocka_unit_test(views_are_cut),
        cmocka_unit_test(buffers_grow),
        cmocka_unit_test(numbers_strictly),
        cmocka_unit_test(utf8_strictly),
        cmocka_unit_test(nearest_word),
        cmocka_unit_test(maps_hold_many),
        cmocka_unit_test(small_maps_are_sorted),
        cmocka_unit_test(vectors),
        cmocka_unit_test(identifiers),
        cmocka_unit_test(times_go_both_ways),
        cmocka_unit_test(backoff_grows_to_its_limit),
        cmocka_unit_test(errors_have_one_table),
        cmocka_unit_test(logs_reach_the_sink),
        cmocka_unit_test(files_are_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
