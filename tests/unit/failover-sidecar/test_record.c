/* The decisions of a member: a chain that outlives the sidecar, handed over until acknowledged. */
#include "record/record.h"

#include "core/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SEEN_MAX = 64 };

typedef struct Site {
    Loop *loop;
    Arena *a;
    char dir[64];
    bool up;
    StrMap seen[SEEN_MAX];
    size_t n;
    Record *r;
} Site;

static bool on_send(void *ctx, const DecisionRecord *d)
{
    Site *s = ctx;
    if (!s->up)
        return false;
    StrMap m = decision_to_map(s->a, d);
    assert_true(s->n < SEEN_MAX);
    s->seen[s->n++] = strmap_dup(s->a, m);
    return true;
}

static void start(Site *s)
{
    s->r = record_new(&(RecordConfig){
        .loop = s->loop, .dir = s->dir, .member = "db-1", .send = on_send, .ctx = s});
}

static int set_up(void **state)
{
    Site *s = calloc(1, sizeof *s);
    s->loop = loop_new();
    s->a = arena_new();
    snprintf(s->dir, sizeof s->dir, "/tmp/record.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    start(s);
    *state = s;
    return 0;
}

static const char *path(Site *s)
{
    return arena_printf(s->a, "%s/decisions", s->dir);
}

static int tear_down(void **state)
{
    Site *s = *state;
    record_free(s->r);
    unlink(path(s));
    rmdir(s->dir);
    loop_free(s->loop);
    arena_free(s->a);
    free(s);
    return 0;
}

static void note(Site *s, const char *did)
{
    decision_note(s->r, &(DecisionNote){.kind = "election.sealed",
                                        .epoch = 7,
                                        .saw = "the lease\nof db-0 expired",
                                        .did = did,
                                        .why = "nobody leads"});
}

/* All that was handed over is one chain without a break; returns how many. */
static size_t whole_chain(Site *s)
{
    DecisionRecord at[SEEN_MAX];
    ObjList breaks;
    for (size_t i = 0; i < s->n; i++)
        assert_true(decision_from_map("db-1", s->seen[i], &at[i]));
    size_t n = s->n;
    decisions_verify(s->a, at, &n, &breaks);
    assert_int_equal(breaks.n, 0);
    for (size_t i = 1; i < n; i++)
        assert_string_equal(at[i].chain, at[0].chain);
    return n;
}

static const char *chain(Site *s)
{
    return strmap_get(s->seen[s->n - 1], "chain");
}

static void test_waits_for_a_stream(void **state)
{
    Site *s = *state;
    note(s, "one");
    note(s, "two");
    assert_int_equal(s->n, 0);
    s->up = true;
    record_resume(s->r);
    assert_int_equal(s->n, 2);
    assert_string_equal(strmap_get(s->seen[0], "did"), "one");
    assert_string_equal(strmap_get(s->seen[0], "saw"), "the lease of db-0 expired");
    note(s, "three");
    assert_int_equal(s->n, 3);
    record_acked(s->r, chain(s), 2);
    s->n = 0;
    record_resume(s->r); /* what is not acknowledged, again */
    assert_int_equal(s->n, 1);
    assert_string_equal(strmap_get(s->seen[0], "did"), "three");
}

static void test_same_is_said_once(void **state)
{
    Site *s = *state;
    s->up = true;
    note(s, "one");
    note(s, "one");
    assert_int_equal(s->n, 1);
}

static void test_goes_on_after_a_kill(void **state)
{
    Site *s = *state;
    s->up = true;
    note(s, "one");
    note(s, "two");
    record_acked(s->r, chain(s), 1);
    record_free(s->r); /* nothing is written at the end: as when it is killed */
    start(s);
    note(s, "three");
    record_resume(s->r);
    assert_int_equal(whole_chain(s), 3);
    assert_string_equal(strmap_get(s->seen[s->n - 1], "number"), "3");
    record_acked(s->r, chain(s), 3);
    record_free(s->r);
    start(s);
    note(s, "four"); /* everything before it is gone, its hash is not */
    assert_int_equal(whole_chain(s), 4);
}

static void test_torn_line(void **state)
{
    Site *s = *state;
    note(s, "one");
    record_free(s->r);
    FILE *f = fopen(path(s), "a");
    assert_non_null(f);
    fputs("{\"chain\":\"half a li", f);
    fclose(f);
    s->up = true;
    start(s);
    note(s, "two");
    record_resume(s->r);
    assert_int_equal(whole_chain(s), 2);
}

static void test_tampering_begins_a_new_chain(void **state)
{
    Site *s = *state;
    s->up = true;
    note(s, "one");
    note(s, "two");
    const char *before = chain(s);
    record_free(s->r);
    StrView text;
    Error err;
    assert_int_equal(file_read(s->a, path(s), 65536, &text, &err), ERR_OK);
    char *at = strstr(text.p, "\"one\"");
    assert_non_null(at);
    at[1] = 'n';
    assert_int_equal(file_write_atomic(path(s), text, 0600, &err), ERR_OK);
    start(s);
    note(s, "three");
    assert_string_not_equal(before, chain(s));
    assert_string_equal(strmap_get(s->seen[s->n - 1], "number"), "1");
}

static void test_bounded(void **state)
{
    Site *s = *state;
    for (int i = 0; i < RECORD_MAX + 20; i++)
        note(s, arena_printf(s->a, "step %d", i));
    record_free(s->r);
    start(s);
    record_acked(s->r, "another chain", 3);
    record_acked(s->r, "", RECORD_MAX);
    AUTO_ARENA a = arena_new();
    StrView text;
    Error err;
    assert_int_equal(file_read(a, path(s), 4 * 1024 * 1024, &text, &err), ERR_OK);
    size_t lines = 0;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    assert_int_equal(lines, RECORD_MAX + 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_waits_for_a_stream),           T(test_same_is_said_once),
        T(test_goes_on_after_a_kill),         T(test_torn_line),
        T(test_tampering_begins_a_new_chain), T(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
