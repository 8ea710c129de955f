#include "postmaster.h"

#include "core/log.h"
#include "procs.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_AGAIN_MS = 10 };

static _Noreturn void exec_postgres(const Paths *p, int log_fd, int failed_fd, pid_t launcher)
{
    sigset_t none;
    /* Until it has its handlers a reload would end it; after that it reads its files anyway. */
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    /* Outside of a container nothing else ends PostgreSQL with us. */
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != launcher)
        _exit(1);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    AUTO_ARENA a = arena_new();
    const char *program = arena_printf(a, "%s/postgres", p->bindir);
    const char *argv[] = {program,
                          "-D",
                          p->data,
                          "-c",
                          arena_printf(a, "config_file=%s", p->conf),
                          "-c",
                          arena_printf(a, "hba_file=%s", p->hba),
                          NULL};
    execv(program, (char *const *)(uintptr_t)argv);
    int saved = errno;
    ssize_t n = write(failed_fd, &saved, sizeof saved);
    _exit(n < 0 ? 126 : 127);
}

ErrCode pm_start(Postmaster *pm, const Paths *p, int log_fd, uint64_t now, Error *err)
{
    int fds[2], failed = 0;
    if (pipe2(fds, O_CLOEXEC))
        return err_errno(err, errno, "pipe");
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        exec_postgres(p, log_fd, fds[1], self);
    int saved = errno;
    close(fds[1]);
    ssize_t n = pid > 0 ? read(fds[0], &failed, sizeof failed) : 0;
    close(fds[0]);
    if (pid < 0)
        return err_errno(err, saved, "fork");
    if (n > 0) {
        waitpid(pid, NULL, 0);
        return err_errno(err, failed, "start %s/postgres", p->bindir);
    }
    pm->pid = pid;
    pm->state = LP_PG_UP;
    pm->started_ms = now;
    pm->kill_at = 0;
    pm->stopping = 0;
    pm->stopped_at = 0;
    return ERR_OK;
}

void pm_stop(Postmaster *pm, LpStop mode, uint64_t now)
{
    static const int SIGNALS[] = {[LP_STOP_SMART] = SIGTERM,
                                  [LP_STOP_FAST] = SIGINT,
                                  [LP_STOP_IMMEDIATE] = SIGQUIT,
                                  [LP_STOP_KILL] = SIGKILL};
    if (pm->state == LP_PG_DOWN || mode <= pm->stopping)
        return;
    pm->state = LP_PG_STOPPING;
    pm->stopping = mode;
    if (pm->pid)
        kill(pm->pid, SIGNALS[mode]);
    /* One that is stopped by a signal would not hear it. */
    if (mode == LP_STOP_IMMEDIATE)
        pm->kill_at = pm->stopped_at ? now : now + PM_KILL_AFTER_MS;
    else if (mode == LP_STOP_KILL)
        pm->kill_at = now;
}

void pm_hup(Postmaster *pm)
{
    if (pm->pid)
        kill(pm->pid, SIGHUP);
}

ErrCode pm_permit(Postmaster *pm, uint64_t epoch, uint64_t deadline, uint64_t now, Error *err)
{
    if (epoch < pm->epoch)
        return err_set(err, ERR_CONFLICT,
                       "permit: epoch %" PRIu64 " is past, PostgreSQL runs at %" PRIu64, epoch,
                       pm->epoch);
    if (deadline <= now)
        return err_set(err, ERR_TIMEOUT, "permit: the deadline passed %" PRIu64 " ms ago",
                       now - deadline);
    if (deadline - now > PM_PERMIT_MAX_MS)
        return err_set(err, ERR_INVALID,
                       "permit: %" PRIu64 " ms ahead is too far, at most %d is right",
                       deadline - now, PM_PERMIT_MAX_MS);
    pm->epoch = epoch;
    pm->deadline = deadline;
    return ERR_OK;
}

static bool permit_expired(const Postmaster *pm, uint64_t now)
{
    return pm->state != LP_PG_DOWN && pm->role == LP_ROLE_PRIMARY && now >= pm->deadline &&
           pm->stopping < LP_STOP_IMMEDIATE;
}

static void kill_what_is_left(Postmaster *pm, pid_t worker, uint64_t now)
{
    if (pm->pid)
        kill(pm->pid, SIGKILL); /* first, so that it forks no more */
    unsigned left = procs_below_us(worker, SIGKILL);
    if (pm->pid || left) {
        pm->kill_at = now + KILL_AGAIN_MS;
        return;
    }
    pm->kill_at = 0;
    pm->state = LP_PG_DOWN;
    pm->stopping = 0;
}

bool pm_tick(Postmaster *pm, pid_t worker, uint64_t now)
{
    LpPg before = pm->state;
    if (permit_expired(pm, now)) {
        log_error("permit", "the permit ran out; stopping PostgreSQL",
                  "epoch=%" PRIu64 " late_ms=%" PRIu64, pm->epoch, now - pm->deadline);
        pm->permits_expired++;
        pm_stop(pm, LP_STOP_IMMEDIATE, now);
    }
    if (pm->kill_at && now >= pm->kill_at && pm->state != LP_PG_DOWN)
        kill_what_is_left(pm, worker, now);
    return pm->state != before;
}

void pm_stopped(Postmaster *pm, bool stopped, uint64_t now)
{
    if (stopped && !pm->stopped_at)
        log_warn("postgres", "the postmaster was stopped by a signal", "pid=%d", (int)pm->pid);
    pm->stopped_at = stopped ? now : 0;
    if (stopped && pm->stopping == LP_STOP_IMMEDIATE)
        pm->kill_at = now; /* it would not hear it any more */
}

void pm_look_again(Postmaster *pm, uint64_t now)
{
    if (pm->state == LP_PG_STOPPING && !pm->pid)
        pm->kill_at = now;
}

void pm_ended(Postmaster *pm, int status, uint64_t now)
{
    pm->pid = 0;
    pm->stopped_at = 0;
    if (!pm->stopping) {
        pm->exits++;
        pm->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        pm->exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    log_info("postgres", "PostgreSQL ended", "asked=%d status=%d signal=%d", pm->stopping != 0,
             WIFEXITED(status) ? WEXITSTATUS(status) : -1,
             WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    /* Backends of a postmaster that died may go on for a while, and nobody may start beside them.
     */
    pm->state = LP_PG_STOPPING;
    pm->kill_at = now;
}

uint64_t pm_next(const Postmaster *pm)
{
    uint64_t next = UINT64_MAX;
    if (pm->state == LP_PG_DOWN)
        return next;
    if (pm->role == LP_ROLE_PRIMARY && pm->stopping < LP_STOP_IMMEDIATE)
        next = pm->deadline;
    return pm->kill_at && pm->kill_at < next ? pm->kill_at : next;
}
