#include "launcher.h"

#include "core/clock.h"
#include "core/log.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOG_READS = 8, /* in one turn, so that nothing else waits long */
    FIXED = 6,     /* descriptors besides the clients' */
};

void launcher_push_state(Launcher *l)
{
    if (!l->changed)
        return;
    l->changed = false;
    AUTO_ARENA a = arena_new_sized(1024);
    LpMsg state;
    state_message(l, &state, a);
    for (int i = 0; i < MAX_CLIENTS; i++)
        if (l->clients[i].fd >= 0 && l->clients[i].watch)
            client_send(&l->clients[i], &state);
}

/* Answer everybody who waits for the job, or for PostgreSQL to be gone. */
static void tell_job(Launcher *l)
{
    for (int i = 0; i < MAX_CLIENTS; i++) {
        Client *c = &l->clients[i];
        if (c->fd >= 0 && c->waits_job)
            client_result(c, c->job_id, &l->last_result);
        c->waits_job = false;
    }
}

static void tell_stopped(Launcher *l)
{
    for (int i = 0; i < MAX_CLIENTS; i++) {
        Client *c = &l->clients[i];
        if (c->fd >= 0 && c->waits_stop)
            client_result(c, c->stop_id, &(Error){0});
        c->waits_stop = false;
    }
}

static void job_ended(Launcher *l, int status)
{
    l->last_job = l->worker.kind;
    worker_ended(&l->worker, status, &l->last_result, &l->old_data);
    if (l->last_result.code)
        log_error("job", "failed", "job=%s err=%s", lp_job_name(l->last_job),
                  log_quote(l->last_result.msg));
    else
        log_info("job", "done", "job=%s", lp_job_name(l->last_job));
    l->changed = true;
    launcher_push_state(l);
    tell_job(l);
}

static void reap(Launcher *l)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0;) {
        bool ended = WIFEXITED(status) || WIFSIGNALED(status);
        uint64_t now = clock_boot_ms();
        if (!ended && pid == l->pm.pid) {
            pm_stopped(&l->pm, WIFSTOPPED(status), now);
            l->changed = true;
        } else if (ended && pid == l->worker.pid) {
            job_ended(l, status);
        } else if (ended && pid == l->pm.pid) {
            pm_ended(&l->pm, status, now);
        } else if (ended) {
            pm_look_again(&l->pm, now); /* an orphan that fell to us */
        }
    }
}

static void terminate(Launcher *l)
{
    if (l->terminating)
        return;
    log_info("launcher", "asked to end; stopping PostgreSQL", "%s", "");
    l->terminating = true;
    l->changed = true;
    worker_kill(&l->worker);
    pm_stop(&l->pm, LP_STOP_FAST, clock_boot_ms());
    l->give_up_at = clock_boot_ms() + l->paths.stop_grace_ms;
}

static void on_signals(Launcher *l)
{
    struct signalfd_siginfo si;
    while (read(l->signal_fd, &si, sizeof si) == sizeof si) {
        if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
            terminate(l);
        else if (si.ssi_signo == SIGCHLD)
            reap(l);
    }
}

/* Nothing of it lives any more, so what it left behind can be cleared for the next start. */
static void went_down(Launcher *l)
{
    Error err = {0};
    if (recover_lock_files(&l->paths, &err))
        log_error("postgres", "its lock files stay", "err=%s", log_quote(err.msg));
    promote_ended(l);
}

/* Deadlines come before anything a client may have sent: a launcher that was frozen looks at the
 * clock first. */
static void tick(Launcher *l)
{
    uint64_t now = clock_boot_ms();
    if (l->terminating && now >= l->give_up_at)
        pm_stop(&l->pm, LP_STOP_IMMEDIATE, now);
    if (pm_tick(&l->pm, l->worker.pid, now)) {
        l->changed = true;
        if (l->pm.state == LP_PG_DOWN)
            went_down(l);
        launcher_push_state(l);
        if (l->pm.state == LP_PG_DOWN)
            tell_stopped(l);
    }
    promote_tick(l, now);
    l->done = l->terminating && l->pm.state == LP_PG_DOWN && !l->worker.pid;
}

static void arm_timer(Launcher *l)
{
    uint64_t next = pm_next(&l->pm);
    if (l->terminating && l->pm.stopping < LP_STOP_IMMEDIATE && l->give_up_at < next)
        next = l->give_up_at;
    if (l->promoting_from && l->look_at < next)
        next = l->look_at;
    struct itimerspec its = {0};
    if (next != UINT64_MAX) {
        its.it_value.tv_sec = (time_t)(next / 1000);
        its.it_value.tv_nsec = (long)(next % 1000) * 1000000 + 1; /* never 0, which disarms */
    }
    timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

static void turn(Launcher *l)
{
    struct pollfd fds[FIXED + MAX_CLIENTS] = {
        {.fd = l->signal_fd, .events = POLLIN},
        {.fd = l->timer_fd, .events = POLLIN},
        {.fd = l->log.read_fd, .events = POLLIN},
        {.fd = logpipe_waits(&l->log) ? STDOUT_FILENO : -1, .events = POLLOUT},
        {.fd = l->listen_fd, .events = POLLIN},
        {.fd = l->watch_fd, .events = POLLIN},
    };
    for (int i = 0; i < MAX_CLIENTS; i++) {
        Client *c = &l->clients[i];
        fds[FIXED + i].fd = c->fd;
        fds[FIXED + i].events = (short)(POLLIN | (c->out.n ? POLLOUT : 0));
    }
    if (poll(fds, FIXED + MAX_CLIENTS, -1) < 0 && errno != EINTR)
        BUG("poll: %m");
    tick(l);
    /* What PostgreSQL said before it ended is told before its end is. */
    for (int i = 0; i < LOG_READS && fds[2].revents && logpipe_read(&l->log); i++)
        ;
    if (fds[0].revents)
        on_signals(l);
    uint64_t ticks;
    if (fds[1].revents && read(l->timer_fd, &ticks, sizeof ticks) < 0 && errno != EAGAIN)
        BUG("timerfd: %m");
    if (fds[3].revents)
        logpipe_flush(&l->log);
    for (int i = 0; i < MAX_CLIENTS; i++) {
        if (fds[FIXED + i].revents & POLLOUT)
            client_write(&l->clients[i]);
        if (fds[FIXED + i].revents & (POLLIN | POLLHUP | POLLERR))
            client_read(l, &l->clients[i]);
    }
    if (fds[4].revents)
        server_accept(l);
    if (fds[5].revents)
        watch_read(l);
    tick(l);
    launcher_push_state(l);
    server_sweep(l);
    arm_timer(l);
}

static ErrCode set_up(Launcher *l, Error *err)
{
    if (paths_load(l->arena, &l->paths, err) || logpipe_open(&l->log, err))
        return err->code;
    l->log.on_line = server_log_line;
    l->log.ctx = l;
    sigset_t set;
    sigemptyset(&set);
    const int wanted[] = {SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        sigaddset(&set, wanted[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l->signal_fd < 0 || l->timer_fd < 0)
        return err_errno(err, errno, "signalfd, timerfd");
    /* As PID 1 orphans fall to us anyway; elsewhere we ask for them. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return watch_open(l, err) ? err->code : server_open(l, err);
}

int launcher_run(void)
{
    Launcher l = {.arena = arena_new_sized(2048), .up_arena = arena_new_sized(512)};
    Error err = {0};
    if (set_up(&l, &err) || worker_start(&l.worker, &l.paths, &(JobSpec){.kind = LP_JOB_RECOVER},
                                         l.log.write_fd, &err)) {
        log_error("launcher", "cannot start", "err=%s", log_quote(err.msg));
        return err_exit(err.code);
    }
    log_info("launcher", "ready", "version=%s data=%s wal=%s bin=%s", PGSWARM_VERSION,
             log_quote(l.paths.data), log_quote(str_or(l.paths.wal_root, "-")),
             log_quote(l.paths.bindir));
    arm_timer(&l);
    while (!l.done)
        turn(&l);
    logpipe_done(&l.log);
    for (int i = 0; i < MAX_CLIENTS; i++)
        l.clients[i].dead = true;
    server_sweep(&l);
    unlink(l.paths.socket);
    arena_free(l.up_arena);
    arena_free(l.arena);
    return 0;
}
