/* The launcher is killed at every point of a start and of a promotion; what the data is afterwards
 * follows from the directory, and a standby's data never becomes a primary's by the loss of a file.
 */
#include "launcher.h"
#include "volume_fixture.h"

#include "core/clock.h"

static void open_launcher(Launcher *l, const Paths *p)
{
    *l = (Launcher){.arena = arena_new(), .up_arena = arena_new(), .paths = *p};
    for (int i = 0; i < MAX_CLIENTS; i++)
        l->clients[i].fd = -1;
    Error err = {0};
    assert_int_equal(watch_open(l, &err), ERR_OK);
    l->log.write_fd = STDERR_FILENO;
}

static void close_launcher(Launcher *l)
{
    if (l->pm.pid) {
        kill(l->pm.pid, SIGKILL);
        waitpid(l->pm.pid, NULL, 0);
    }
    arena_free(l->arena);
    arena_free(l->up_arena);
    close(l->watch_fd);
}

static LpMsg start_of(LpRole role, uint64_t epoch)
{
    LpMsg m = {.type = LP_START};
    m.num[LPF_ROLE] = role;
    m.num[LPF_EPOCH] = epoch;
    m.num[LPF_SEALED] = role == LP_ROLE_STANDBY ? epoch : 0;
    m.num[LPF_DEADLINE] = clock_boot_ms() + 60000;
    return m;
}

static ErrCode ask(Launcher *l, Handler fn, const LpMsg *m, Error *err)
{
    Answer answer = {.arena = l->arena};
    Client c = {.fd = -1};
    return fn(l, &c, m, &answer, err);
}

/* In a child: start as that, and when asked promote; die at the point. */
static bool killed_at(const Paths *p, LpRole role, bool promote, const char *point)
{
    pid_t pid = fork();
    if (pid == 0) {
        Launcher l;
        Error err = {0};
        open_launcher(&l, p);
        fatal_point = point;
        journal_point = die_there;
        LpMsg m = start_of(role, 8);
        if (ask(&l, on_start, &m, &err))
            _exit(1);
        m.num[LPF_EPOCH] = 9;
        ErrCode rc = promote ? ask(&l, on_promote, &m, &err) : ERR_OK;
        if (l.pm.pid)
            kill(l.pm.pid, SIGKILL);
        _exit(rc ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static DataInfo look_at(const Paths *p)
{
    DataInfo d;
    datadir_inspect(p, &d);
    return d;
}

static void start_killed_everywhere(void **state)
{
    (void)state;
    static const char *const AT[] = {"start.signal", "start.stamped"};
    for (int i = 0; i < 4; i++) {
        AUTO_ARENA a = arena_new();
        Paths p = make_volume(a, false);
        LpRole role = i / 2 ? LP_ROLE_PRIMARY : LP_ROLE_STANDBY;
        run_whole(&p, LP_JOB_INITDB);
        assert_true(killed_at(&p, role, false, AT[i % 2]));
        DataInfo d = look_at(&p);
        assert_int_equal(d.kind, LP_DATA_READY);
        assert_int_equal(d.role, role);
        /* Demoted, it is a standby's from the first file on. */
        Launcher l;
        Error err = {0};
        open_launcher(&l, &p);
        LpMsg m = start_of(LP_ROLE_PRIMARY, 8);
        ErrCode rc = ask(&l, on_start, &m, &err);
        assert_int_equal(rc, role == LP_ROLE_PRIMARY ? ERR_OK : ERR_PRECONDITION);
        close_launcher(&l);
        drop_volume(a, &p);
    }
}

/* PostgreSQL's own steps, played: the history, then standby.signal gone, then the control file. */
static void put_timeline(Arena *a, const Paths *p, unsigned char timeline)
{
    const char *path = arena_printf(a, "%s/global/pg_control", p->data);
    StrView v;
    assert_int_equal(file_read(a, path, 4096, &v, NULL), ERR_OK);
    char *bytes = arena_memdup(a, v.p, v.n);
    bytes[144] = (char)timeline; /* the recovery minimum's */
    assert_int_equal(file_write_atomic(path, sv_n(bytes, v.n), 0600, NULL), ERR_OK);
}

static void expect_role(const Paths *p, LpRole role)
{
    DataInfo d = look_at(p);
    assert_int_equal(d.kind, LP_DATA_READY);
    assert_int_equal(d.role, role);
    assert_int_equal(d.stamp.promoting_from, 1);
    assert_int_equal(d.stamp.epoch, 9);
}

static void promotion_killed_everywhere(void **state)
{
    (void)state;
    static const char *const AT[] = {"promote.stamped", "promote.asked"};
    for (int i = 0; i < 2; i++) {
        AUTO_ARENA a = arena_new();
        Paths p = make_volume(a, false);
        run_whole(&p, LP_JOB_INITDB);
        put_timeline(a, &p, 1);
        assert_true(killed_at(&p, LP_ROLE_STANDBY, true, AT[i]));
        expect_role(&p, LP_ROLE_STANDBY);
        const char *history = arena_printf(a, "%s/pg_wal/00000002.history", p.data);
        assert_int_equal(file_write_atomic(history, SV("1\t0/10\tx\n"), 0600, NULL), ERR_OK);
        expect_role(&p, LP_ROLE_STANDBY);
        assert_int_equal(unlink(arena_printf(a, "%s/standby.signal", p.data)), 0);
        expect_role(&p, LP_ROLE_STANDBY);
        /* Started again as a standby, it knows nothing of the timeline that never was. */
        AUTO_ARENA b = arena_new();
        if (i == 0) {
            assert_true(killed_at(&p, LP_ROLE_STANDBY, false, "start.stamped"));
            DataInfo d = look_at(&p);
            assert_int_equal(d.role, LP_ROLE_STANDBY);
            assert_true(d.standby_signal);
            assert_int_equal(d.stamp.promoting_from, 0);
            assert_false(file_exists(history));
        } else {
            put_timeline(b, &p, 2);
            expect_role(&p, LP_ROLE_PRIMARY);
            Launcher l;
            Error err = {0};
            open_launcher(&l, &p);
            LpMsg m = start_of(LP_ROLE_PRIMARY, 9);
            if (ask(&l, on_start, &m, &err))
                fail_msg("%s", err.msg);
            DataInfo d = look_at(&p);
            assert_int_equal(d.stamp.role, LP_ROLE_PRIMARY);
            assert_int_equal(d.stamp.promoting_from, 0);
            assert_int_equal(d.stamp.promoted_epoch, 9);
            assert_int_equal(d.stamp.promoted_timeline, 2);
            close_launcher(&l);
        }
        drop_volume(a, &p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_killed_everywhere),
        cmocka_unit_test(promotion_killed_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
