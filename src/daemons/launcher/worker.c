#include "worker.h"

#include "core/clock.h"
#include "recover.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct WorkerResult {
    Error err;
    uint64_t old_data; /* walking the folders takes its time, so it is done here */
} WorkerResult;

static _Noreturn void work(const Paths *p, const JobSpec *s, int log_fd, int result_fd,
                           pid_t launcher)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launcher)
        _exit(1);
    dup2(log_fd, STDERR_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    WorkerResult r = {0};
    r.err.code = job_run(p, s, &r.err);
    r.old_data = old_folders_bytes(p);
    ssize_t n = write(result_fd, &r, sizeof r);
    _exit(n == sizeof r ? 0 : 1);
}

ErrCode worker_start(Worker *w, const Paths *p, const JobSpec *s, int log_fd, Error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
        return err_errno(err, errno, "pipe");
    pid_t self = getpid(), pid = fork();
    if (pid < 0) {
        int saved = errno;
        close(fds[0]);
        close(fds[1]);
        return err_errno(err, saved, "fork");
    }
    if (pid == 0)
        work(p, s, log_fd, fds[1], self);
    close(fds[1]);
    *w = (Worker){.pid = pid, .result_fd = fds[0], .kind = s->kind, .started_ms = clock_boot_ms()};
    return ERR_OK;
}

void worker_ended(Worker *w, int status, Error *ret, uint64_t *ret_old_data)
{
    WorkerResult r = {0};
    if (read(w->result_fd, &r, sizeof r) != sizeof r) {
        r = (WorkerResult){.old_data = *ret_old_data};
        if (WIFSIGNALED(status))
            err_set(&r.err, ERR_CANCELLED, "%s was killed by signal %d", lp_job_name(w->kind),
                    WTERMSIG(status));
        else
            err_set(&r.err, ERR_INTERNAL, "%s ended without a result", lp_job_name(w->kind));
    }
    close(w->result_fd);
    *w = (Worker){0};
    *ret = r.err;
    *ret_old_data = r.old_data;
}

void worker_kill(Worker *w)
{
    if (w->pid)
        kill(w->pid, SIGKILL); /* its tool goes with it: PR_SET_PDEATHSIG */
}
