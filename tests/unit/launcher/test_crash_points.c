/* A job is killed at every point of its journal, with programs that only pretend to be
 * PostgreSQL's; afterwards the volume recovers, and never holds half a cluster as PGDATA. */
#include "core/file.h"
#include "core/ident.h"
#include "job.h"
#include "recover.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const POINTS[] = {"build.begin",  "build.done",  "build.stamped",
                                     "swap.begin",   "swap.held",   "swap.between",
                                     "swap.renamed", "swap.cleared"};
enum { POINT_COUNT = sizeof POINTS / sizeof *POINTS };

static const char *fatal_point;

static void die_there(const char *where)
{
    if (str_eq(where, fatal_point))
        raise(SIGKILL);
}

/* Writes PG_VERSION, a control file with the system identifier of its own letter, and links
 * pg_wal like the real one. */
static const char SCRIPT[] =
    "#!/bin/sh\n"
    "for a; do case \"$prev\" in -D) dir=$a;; esac\n"
    "case \"$a\" in --waldir=*) wal=${a#--waldir=};; esac; prev=$a; done\n"
    "mkdir -p \"$dir/global\" && echo 15 > \"$dir/PG_VERSION\"\n"
    "printf '%s0000000' \"${0##*/}\" | cut -c1-8 | tr -d '\\n' > \"$dir/global/pg_control\"\n"
    "head -c 200 /dev/zero >> \"$dir/global/pg_control\"\n"
    "if [ \"$wal\" ]; then mkdir \"$wal\"; ln -s \"$wal\" \"$dir/pg_wal\";\n"
    "else mkdir \"$dir/pg_wal\"; fi\n";

static void put_script(Arena *a, const char *dir, const char *name)
{
    assert_int_equal(file_write_atomic(arena_printf(a, "%s/%s", dir, name), sv(SCRIPT), 0755, NULL),
                     ERR_OK);
}

static Paths make_volume(Arena *a, bool wal)
{
    char *base = arena_strdup(a, "/tmp/pgs-unit-XXXXXX");
    assert_non_null(mkdtemp(base));
    const char *dirs[] = {"volume", "run", "wal", "bin", "config"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        mkdir(arena_printf(a, "%s/%s", base, dirs[i]), 0700);
    setenv("PGDATA", arena_printf(a, "%s/volume/pgdata", base), 1);
    setenv("PGSWARM_RUN_DIR", arena_printf(a, "%s/run", base), 1);
    setenv("PGSWARM_CONFIG_DIR", arena_printf(a, "%s/config", base), 1);
    setenv("PGSWARM_WAL_DIR", arena_printf(a, "%s/%s", base, wal ? "wal" : "none"), 1);
    setenv("PGSWARM_BINDIR", arena_printf(a, "%s/bin", base), 1);
    const char *bin = getenv("PGSWARM_BINDIR");
    put_script(a, bin, "initdb");
    put_script(a, bin, "pg_basebackup");
    put_script(a, bin, "postgres");
    Paths p;
    Error err = {0};
    assert_int_equal(paths_load(a, &p, &err), ERR_OK);
    return p;
}

static void drop_volume(Arena *a, const Paths *p)
{
    char *base = arena_strndup(a, p->volume, strlen(p->volume) - strlen("/volume"));
    assert_int_equal(dir_remove(base, NULL), ERR_OK);
}

static JobSpec spec_of(LpJob kind)
{
    return (JobSpec){.kind = kind,
                     .password = "pw",
                     .epoch = 4,
                     .from = {.host = "192.0.2.1", .port = 5432, .user = "repl_user", .epoch = 4}};
}

static LpData kind_of(const Paths *p)
{
    DataInfo info;
    datadir_inspect(p, &info);
    return info.kind;
}

static unsigned count_entries(const char *dir, const char *with)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        n += strstr(e->d_name, with) != NULL;
    if (d)
        closedir(d);
    return n;
}

/* Returns true when the job was killed at the point (not every job passes every point). */
static bool run_killed_at(const Paths *p, LpJob kind, const char *point)
{
    pid_t pid = fork();
    if (pid == 0) {
        fatal_point = point;
        journal_point = die_there;
        JobSpec s = spec_of(kind);
        Error err = {0};
        _exit(job_run(p, &s, &err) ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void run_whole(const Paths *p, LpJob kind)
{
    JobSpec s = spec_of(kind);
    Error err = {0};
    if (job_run(p, &s, &err))
        fail_msg("%s: %s", lp_job_name(kind), err.msg);
}

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
        cmocka_unit_test(initdb_refuses_held_volumes),
        cmocka_unit_test(unreadable_journal_changes_nothing),
        cmocka_unit_test(failed_tool_tells_its_last_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
