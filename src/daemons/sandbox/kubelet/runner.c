#include "kubelet/runner.h"

#include "core/clock.h"
#include "core/str.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_COUNT = 3, PIPE_STATUS = 2, OPTIONS_FD = 3, CHILD_FDS = 4, STATUS_MAX = 4096 };
/* What an exec joins; the user namespace last, it takes the right to join the others. */
#define EXEC_FLAGS \
    (CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER)

/* One pipe that we read: stdout, stderr, or what bubblewrap tells about itself. */
typedef struct Pipe {
    Runner *runner;
    FdWatch *watch;
    int fd;
} Pipe;

struct Runner {
    Loop *loop;
    RunnerSpec spec;
    Pipe pipes[PIPE_COUNT];
    int pidfd;
    FdWatch *exit_watch;
    pid_t monitor, init;
    StrBuf status; /* JSON lines of --json-status-fd */
    int wait_code;
    bool exited, told;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- what bubblewrap tells: {"child-pid": N, ...} and at the end {"exit-code": N} ---- */

static bool status_number(const Runner *r, const char *name, int *ret)
{
    const char *at = r->status.n ? strstr(strbuf_str(&r->status), name) : NULL;
    if (!at)
        return false;
    at += strlen(name);
    at += strspn(at, "\": ");
    char *end;
    long v = strtol(at, &end, 10);
    /* The number is whole only when something follows it. */
    if (end == at || !*end)
        return false;
    *ret = (int)v;
    return true;
}

static void on_status(Runner *r, const char *data, size_t n)
{
    if (r->status.n + n > STATUS_MAX)
        return;
    strbuf_add(&r->status, data, n);
    int pid;
    if (!r->init && status_number(r, "\"child-pid\"", &pid))
        r->init = pid;
}

/* ---- output and exit ---- */

static void maybe_tell(Runner *r)
{
    if (!r->exited || r->told)
        return;
    for (int i = 0; i < PIPE_COUNT; i++)
        if (r->pipes[i].fd >= 0)
            return;
    r->told = true;
    RunnerExit how = {.code = r->wait_code, .wall_us = clock_wall_us()};
    int code;
    how.started = status_number(r, "\"exit-code\"", &code) || r->wait_code > 128;
    r->spec.on_exit(r->spec.ctx, &how);
}

static void pipe_close(Pipe *p)
{
    fdwatch_stop(p->watch);
    p->watch = NULL;
    close_fd(&p->fd);
}

static void on_pipe(void *ctx, int events, bool failed)
{
    (void)events;
    (void)failed;
    Pipe *p = ctx;
    Runner *r = p->runner;
    char buf[16 * 1024];
    ssize_t n = read(p->fd, buf, sizeof buf);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        if (p == &r->pipes[PIPE_STATUS])
            on_status(r, buf, (size_t)n);
        else
            r->spec.on_output(r->spec.ctx, p == &r->pipes[0] ? RUN_STDOUT : RUN_STDERR, buf,
                              (size_t)n);
        return;
    }
    pipe_close(p);
    maybe_tell(r);
}

static int code_of(const siginfo_t *si)
{
    return si->si_code == CLD_EXITED ? si->si_status : 128 + si->si_status;
}

static void on_monitor_exit(void *ctx, int events, bool failed)
{
    (void)events;
    (void)failed;
    Runner *r = ctx;
    siginfo_t si = {0};
    if (waitid(P_PIDFD, (id_t)r->pidfd, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
        return;
    fdwatch_stop(r->exit_watch);
    r->exit_watch = NULL;
    r->exited = true;
    r->wait_code = code_of(&si);
    maybe_tell(r);
}

/* ---- starting ---- */

static const char *const bwrap_paths[] = {"/usr/local/bin/bwrap", "/usr/bin/bwrap", "/bin/bwrap"};

ErrCode runner_check(Error *err)
{
    for (size_t i = 0; i < sizeof bwrap_paths / sizeof *bwrap_paths; i++)
        if (access(bwrap_paths[i], X_OK) == 0)
            return ERR_OK;
    return err_set(err, ERR_NOT_FOUND,
                   "bwrap is not installed, and pods run in it: apt-get install bubblewrap");
}

/* A time namespace for our children; the container's PID 1 is one. Its clocks are set before
 * anybody is in it. */
static int shift_clocks(int64_t s)
{
    char line[96];
    if (unshare(CLONE_NEWTIME) < 0)
        return -1;
    int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    int n = snprintf(line, sizeof line, "monotonic %lld 0\nboottime %lld 0\n", (long long)s,
                     (long long)s);
    return fd >= 0 && write(fd, line, (size_t)n) == n ? 0 : -1;
}

/* Between fork and exec: only calls that are safe there. */
_Noreturn static void child_run(const RunnerSpec *spec, char *const *argv, const int w[CHILD_FDS],
                                pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(125);
    setsid();
    /* First above everything, so that no dup2 hits a descriptor that is still wanted. */
    int fd[CHILD_FDS + 1];
    fd[0] = fcntl(open("/dev/null", O_RDWR), F_DUPFD, 64);
    for (int i = 0; i < CHILD_FDS; i++)
        fd[i + 1] = fcntl(w[i], F_DUPFD, 64);
    static const char lost[] = "cannot enter the pod's namespaces\n";
    if (podnet_join(spec->net) < 0) {
        (void)!write(fd[2], lost, sizeof lost - 1);
        _exit(125);
    }
    static const char no_clock[] = "cannot make a time namespace with another clock\n";
    if (spec->clock_offset_s && shift_clocks(spec->clock_offset_s) < 0) {
        (void)!write(fd[2], no_clock, sizeof no_clock - 1);
        _exit(125);
    }
    for (int i = 0; i <= CHILD_FDS; i++)
        dup2(fd[i], i);
    close_range(CHILD_FDS + 1, ~0U, 0);
    static char *const env[] = {(char *)"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    for (size_t i = 0; i < sizeof bwrap_paths / sizeof *bwrap_paths; i++)
        execve(bwrap_paths[i], argv, env);
    static const char missing[] = "bwrap (package bubblewrap) cannot be started\n";
    (void)!write(2, missing, sizeof missing - 1);
    _exit(127);
}

static ErrCode make_pipes(Runner *r, int w[CHILD_FDS], Error *err)
{
    for (int i = 0; i < PIPE_COUNT; i++) {
        int p[2];
        if (pipe2(p, O_CLOEXEC) < 0)
            return err_errno(err, errno, "pipe");
        r->pipes[i] = (Pipe){.runner = r, .fd = p[0]};
        w[i] = p[1];
        fcntl(p[0], F_SETFL, O_NONBLOCK);
    }
    return ERR_OK;
}

/* bubblewrap reads its options from a descriptor, each ended by a NUL. */
static ErrCode write_options(const char *const *options, int *ret_fd, Error *err)
{
    AUTO_STRBUF b = {0};
    for (; *options; options++)
        strbuf_add(&b, *options, strlen(*options) + 1);
    int fd = memfd_create("bwrap-options", MFD_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "memfd_create");
    if (write(fd, b.p, b.n) != (ssize_t)b.n || lseek(fd, 0, SEEK_SET) < 0) {
        ErrCode rc = err_errno(err, errno, "write the options of bwrap");
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* "bwrap --json-status-fd 3 --args 4 -- COMMAND" */
static char **full_argv(const char *const *command)
{
    static const char *const head[] = {"bwrap", "--json-status-fd", "3", "--args", "4", "--"};
    size_t n = 0, h = sizeof head / sizeof *head;
    while (command[n])
        n++;
    const char **out = xcalloc(n + h + 1, sizeof *out);
    memcpy(out, head, sizeof head);
    memcpy(out + h, command, n * sizeof *command);
    return (char **)(uintptr_t)out;
}

static ErrCode spawn(Runner *r, const int w[CHILD_FDS], Error *err)
{
    char **argv = full_argv(r->spec.command);
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        child_run(&r->spec, argv, w, self);
    int e = errno;
    free(argv);
    if (pid < 0)
        return err_errno(err, e, "fork");
    r->monitor = pid;
    r->pidfd = pidfd_open(pid, 0);
    if (r->pidfd < 0) {
        ErrCode rc = err_errno(err, errno, "pidfd_open");
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return rc;
    }
    return ERR_OK;
}

ErrCode runner_start(Loop *l, const RunnerSpec *spec, Runner **ret, Error *err)
{
    Runner *r = xnew(Runner);
    int w[CHILD_FDS] = {-1, -1, -1, -1};
    r->loop = l;
    r->spec = *spec;
    r->pidfd = -1;
    for (int i = 0; i < PIPE_COUNT; i++)
        r->pipes[i].fd = -1;
    ErrCode rc = make_pipes(r, w, err);
    if (!rc)
        rc = write_options(spec->options, &w[OPTIONS_FD], err);
    if (!rc)
        rc = spawn(r, w, err);
    for (int i = 0; i < CHILD_FDS; i++)
        close_fd(&w[i]);
    r->spec.options = r->spec.command = NULL; /* the caller's, and not needed any more */
    if (rc) {
        r->told = true;
        runner_free(r);
        return rc;
    }
    for (int i = 0; i < PIPE_COUNT; i++)
        r->pipes[i].watch = fdwatch_start(l, r->pipes[i].fd, FD_READ, on_pipe, &r->pipes[i]);
    r->exit_watch = fdwatch_start(l, r->pidfd, FD_READ, on_monitor_exit, r);
    *ret = r;
    return ERR_OK;
}

pid_t runner_pid(const Runner *r)
{
    return r->exited ? 0 : r->init;
}

void runner_signal(Runner *r, int signum)
{
    if (r->exited)
        return;
    if (r->init)
        kill(r->init, signum);
    else
        pidfd_send_signal(r->pidfd, SIGKILL, NULL, 0);
}

void runner_free(Runner *r)
{
    if (!r)
        return;
    if (!r->exited && r->pidfd >= 0) {
        if (r->init)
            kill(r->init, SIGKILL);
        pidfd_send_signal(r->pidfd, SIGKILL, NULL, 0);
        siginfo_t si;
        waitid(P_PIDFD, (id_t)r->pidfd, &si, WEXITED); /* a SIGKILL is not waited for long */
    }
    for (int i = 0; i < PIPE_COUNT; i++)
        pipe_close(&r->pipes[i]);
    fdwatch_stop(r->exit_watch);
    close_fd(&r->pidfd);
    strbuf_done(&r->status);
    free(r);
}

/* ---- exec ---- */

struct Exec {
    ExecSpec spec;
    int pidfd;
    FdWatch *watch;
};

/* The command must be a child of one that has joined: a PID namespace is for children. */
_Noreturn static void exec_child(const ExecSpec *spec, int target, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || setns(target, EXEC_FLAGS) < 0)
        _exit(126);
    pid_t pid = fork();
    if (pid < 0)
        _exit(126);
    if (pid > 0) {
        int st = 0;
        while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
            continue;
        _exit(WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    setsid();
    int null = open("/dev/null", O_RDWR);
    const int want[3] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd};
    for (int i = 0; i < 3; i++)
        dup2(want[i] < 0 ? null : want[i], i);
    close_range(3, ~0U, 0);
    if (setresgid(spec->gid, spec->gid, spec->gid) < 0 ||
        setresuid(spec->uid, spec->uid, spec->uid) < 0 || chdir("/") < 0)
        _exit(126);
    execvpe(spec->argv[0], (char **)(uintptr_t)spec->argv, (char **)(uintptr_t)spec->envp);
    _exit(errno == ENOENT ? 127 : 126);
}

static void on_exec_exit(void *ctx, int events, bool failed)
{
    (void)events;
    (void)failed;
    Exec *e = ctx;
    siginfo_t si = {0};
    if (waitid(P_PIDFD, (id_t)e->pidfd, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
        return;
    fdwatch_stop(e->watch);
    e->watch = NULL;
    close_fd(&e->pidfd);
    e->spec.on_exit(e->spec.ctx, code_of(&si));
}

ErrCode runner_exec(Loop *l, const Runner *r, const ExecSpec *spec, Exec **ret, Error *err)
{
    if (!runner_pid(r))
        return err_set(err, ERR_UNAVAILABLE, "the container is not running");
    int target = pidfd_open(r->init, 0);
    if (target < 0)
        return err_errno(err, errno, "pidfd_open");
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        exec_child(spec, target, self);
    int e = errno;
    close(target);
    if (pid < 0)
        return err_errno(err, e, "fork");
    Exec *x = xnew(Exec);
    x->spec = *spec;
    x->pidfd = pidfd_open(pid, 0);
    x->watch = fdwatch_start(l, x->pidfd, FD_READ, on_exec_exit, x);
    *ret = x;
    return ERR_OK;
}

void exec_free(Exec *e)
{
    if (!e)
        return;
    fdwatch_stop(e->watch);
    if (e->pidfd >= 0) {
        siginfo_t si;
        pidfd_send_signal(e->pidfd, SIGKILL, NULL, 0);
        waitid(P_PIDFD, (id_t)e->pidfd, &si, WEXITED);
    }
    close_fd(&e->pidfd);
    free(e);
}
