/* A job is killed at every point of its journal, with programs that only pretend to be
 * PostgreSQL's; afterwards the volume recovers, and never holds half a cluster as PGDATA. */
#include "volume_fixture.h"

static const char *const POINTS[] = {"build.begin",  "build.done",    "build.stamped",
                                     "swap.begin",   "swap.held",     "swap.between",
                                     "swap.renamed", "swap.unmarked", "swap.cleared"};
enum { POINT_COUNT = sizeof POINTS / sizeof *POINTS };

static void check_tidy(const Paths *p)
{
    assert_false(file_exists(p->journal));
    assert_false(file_exists(p->data_new));
    assert_false(file_exists(p->data_clone));
}

static void fresh_volume(LpJob kind, bool wal)
{
    for (unsigned i = 0; i < POINT_COUNT; i++) {
        AUTO_ARENA a = arena_new();
        Paths p = make_volume(a, wal);
        bool killed = run_killed_at(&p, kind, POINTS[i]);
        assert_true(killed);
        LpData before = kind_of(&p);
        assert_true(before == LP_DATA_EMPTY || before == LP_DATA_LOST || before == LP_DATA_READY);
        run_whole(&p, LP_JOB_RECOVER);
        check_tidy(&p);
        LpData after = kind_of(&p);
        /* From the journal's SWAP on the cluster is kept, before it nothing is. */
        if (strncmp(POINTS[i], "swap", 4) == 0)
            assert_int_equal(after, LP_DATA_READY);
        else
            assert_int_equal(count_entries(wal ? p.wal_root : p.volume, "pg_wal-"), 0);
        if (after != LP_DATA_READY) {
            assert_int_equal(after, LP_DATA_EMPTY);
            run_whole(&p, kind);
        }
        assert_int_equal(kind_of(&p), LP_DATA_READY);
        drop_volume(a, &p);
    }
}

static void initdb_killed_everywhere(void **state)
{
    (void)state;
    fresh_volume(LP_JOB_INITDB, false);
    fresh_volume(LP_JOB_INITDB, true);
}

static void clone_killed_everywhere(void **state)
{
    (void)state;
    fresh_volume(LP_JOB_BASEBACKUP, false);
    fresh_volume(LP_JOB_BASEBACKUP, true);
}

/* Cloning over data: at no instant is there no complete cluster in the volume. */
static void reclone_never_loses_the_last_copy(void **state)
{
    (void)state;
    for (unsigned i = 0; i < POINT_COUNT; i++) {
        AUTO_ARENA a = arena_new();
        Paths p = make_volume(a, true);
        run_whole(&p, LP_JOB_INITDB);
        assert_true(run_killed_at(&p, LP_JOB_BASEBACKUP, POINTS[i]));
        bool at_home = kind_of(&p) == LP_DATA_READY;
        assert_true(at_home || count_entries(p.volume, "pgdata.old.") == 1);
        run_whole(&p, LP_JOB_RECOVER);
        check_tidy(&p);
        assert_int_equal(kind_of(&p), LP_DATA_READY);
        Stamp s;
        assert_true(stamp_read(p.data, &s));
        bool swapped = strncmp(POINTS[i], "swap", 4) == 0;
        assert_int_equal(s.role, swapped ? LP_ROLE_STANDBY : LP_ROLE_PRIMARY);
        assert_int_equal(count_entries(p.volume, "pgdata.old."), swapped ? 1 : 0);
        drop_volume(a, &p);
    }
}

/* A rewind that is killed leaves the data untouched or marked; marked it is only ever rewound again
 * or cloned anew. */
static void rewind_killed_everywhere(void **state)
{
    (void)state;
    static const char *const REWIND_POINTS[] = {"rewind.begin", "rewind.recovered", "rewind.done",
                                                "rewind.stamped", "rewind.unmarked"};
    for (size_t i = 0; i < sizeof REWIND_POINTS / sizeof *REWIND_POINTS; i++) {
        AUTO_ARENA a = arena_new();
        Paths p = make_volume(a, i % 2);
        run_whole(&p, LP_JOB_INITDB);
        assert_true(run_killed_at(&p, LP_JOB_REWIND, REWIND_POINTS[i]));
        run_whole(&p, LP_JOB_RECOVER);
        bool through = str_eq(REWIND_POINTS[i], "rewind.unmarked");
        assert_int_equal(kind_of(&p), through ? LP_DATA_READY : LP_DATA_MARKED);
        if (!through)
            run_whole(&p, LP_JOB_REWIND);
        DataInfo d;
        datadir_inspect(&p, &d);
        assert_int_equal(d.kind, LP_DATA_READY);
        assert_int_equal(d.role, LP_ROLE_STANDBY);
        assert_true(d.standby_signal);
        assert_int_equal(d.stamp.role, LP_ROLE_STANDBY);
        assert_int_equal(d.stamp.epoch, 4);
        drop_volume(a, &p);
    }
}

/* The mark outlives a clone that does not get there, and ends with one that does. */
static void clone_over_a_marked_directory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < POINT_COUNT; i++) {
        AUTO_ARENA a = arena_new();
        Paths p = make_volume(a, true);
        run_whole(&p, LP_JOB_INITDB);
        assert_true(run_killed_at(&p, LP_JOB_REWIND, "rewind.recovered"));
        assert_true(run_killed_at(&p, LP_JOB_BASEBACKUP, POINTS[i]));
        LpData at_once = kind_of(&p);
        run_whole(&p, LP_JOB_RECOVER);
        check_tidy(&p);
        bool swapped = strncmp(POINTS[i], "swap", 4) == 0;
        assert_int_equal(kind_of(&p), swapped ? LP_DATA_READY : LP_DATA_MARKED);
        assert_true(at_once == LP_DATA_MARKED || at_once == LP_DATA_LOST ||
                    at_once == LP_DATA_READY);
        Error err = {0};
        JobSpec forget = spec_of(LP_JOB_FORGET);
        assert_int_equal(job_run(&p, &forget, &err), swapped ? ERR_OK : ERR_PRECONDITION);
        if (!swapped)
            run_whole(&p, LP_JOB_BASEBACKUP);
        assert_int_equal(kind_of(&p), LP_DATA_READY);
        assert_false(file_exists(p.mark));
        drop_volume(a, &p);
    }
}

static void rewind_that_fails_early_changes_nothing(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Paths p = make_volume(a, false);
    run_whole(&p, LP_JOB_INITDB);
    put_script(a, p.bindir, "pg_rewind",
               "#!/bin/sh\necho 'pg_rewind: error: no server' >&2\nexit 1\n");
    JobSpec s = spec_of(LP_JOB_REWIND);
    Error err = {0};
    assert_int_equal(job_run(&p, &s, &err), ERR_UNAVAILABLE);
    DataInfo d;
    datadir_inspect(&p, &d);
    assert_int_equal(d.kind, LP_DATA_READY);
    assert_int_equal(d.role, LP_ROLE_PRIMARY);
    /* One that fails after its first change leaves the mark. */
    put_script(a, p.bindir, "pg_rewind",
               "#!/bin/sh\necho 'pg_rewind: rewinding from last common checkpoint'\nexit 1\n");
    assert_int_equal(job_run(&p, &s, &err), ERR_UNAVAILABLE);
    assert_int_equal(kind_of(&p), LP_DATA_MARKED);
    drop_volume(a, &p);
}

/* pg_rewind looks at the last checkpoint only; data that went on by itself is not believed to be
 * on the leader's line. */
static void rewind_with_nothing_to_do_after_a_recovery_is_not_believed(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Paths p = make_volume(a, false);
    run_whole(&p, LP_JOB_INITDB);
    put_script(a, p.bindir, "pg_rewind", "#!/bin/sh\necho 'pg_rewind: no rewind required'\n");
    JobSpec s = spec_of(LP_JOB_REWIND);
    Error err = {0};
    assert_int_equal(job_run(&p, &s, &err), ERR_CONFLICT);
    assert_int_equal(kind_of(&p), LP_DATA_MARKED);
    drop_volume(a, &p);
}

static void initdb_refuses_held_volumes(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Paths p = make_volume(a, false);
    run_whole(&p, LP_JOB_INITDB);
    JobSpec s = spec_of(LP_JOB_INITDB);
    Error err = {0};
    assert_int_equal(job_run(&p, &s, &err), ERR_PRECONDITION);
    assert_int_equal(dir_remove(p.data, &err), ERR_OK);
    assert_int_equal(kind_of(&p), LP_DATA_LOST);
    assert_int_equal(job_run(&p, &s, &err), ERR_PRECONDITION);
    assert_false(file_exists(p.data));
    drop_volume(a, &p);
}

static void unreadable_journal_changes_nothing(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Paths p = make_volume(a, false);
    run_whole(&p, LP_JOB_INITDB);
    Error err = {0};
    assert_int_equal(file_write_atomic(p.journal, SV("job=initdb\nstep="), 0600, &err), ERR_OK);
    JobSpec s = spec_of(LP_JOB_RECOVER);
    assert_int_equal(job_run(&p, &s, &err), ERR_DATA_LOSS);
    assert_int_equal(kind_of(&p), LP_DATA_READY);
    drop_volume(a, &p);
}

static void failed_tool_tells_its_last_words(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Paths p = make_volume(a, false);
    static const char FAILING[] = "#!/bin/sh\necho first\necho 'error: no room' >&2\nexit 3\n";
    assert_int_equal(
        file_write_atomic(arena_printf(a, "%s/initdb", p.bindir), sv(FAILING), 0755, NULL), ERR_OK);
    JobSpec s = spec_of(LP_JOB_INITDB);
    Error err = {0};
    assert_int_equal(job_run(&p, &s, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "status 3: error: no room"));
    check_tidy(&p);
    assert_int_equal(kind_of(&p), LP_DATA_EMPTY);
    drop_volume(a, &p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initdb_killed_everywhere),
        cmocka_unit_test(clone_killed_everywhere),
        cmocka_unit_test(reclone_never_loses_the_last_copy),
        cmocka_unit_test(rewind_killed_everywhere),
        cmocka_unit_test(clone_over_a_marked_directory),
        cmocka_unit_test(rewind_that_fails_early_changes_nothing),
        cmocka_unit_test(rewind_with_nothing_to_do_after_a_recovery_is_not_believed),
        cmocka_unit_test(initdb_refuses_held_volumes),
        cmocka_unit_test(unreadable_journal_changes_nothing),
        cmocka_unit_test(failed_tool_tells_its_last_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
