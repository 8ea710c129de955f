#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(const char *const *argv, int out, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it died before that was said */
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static bool names_error(const char *line)
{
    static const char *const MARKS[] = {"error:", "ERROR:", "FATAL:", "fatal:"};
    for (size_t i = 0; i < sizeof MARKS / sizeof *MARKS; i++)
        if (strstr(line, MARKS[i]))
            return true;
    return false;
}

/* The first error is the cause; what follows it is consequence and tidying up. */
static void remember(StrBuf *best, const StrBuf *line)
{
    if (names_error(strbuf_str(best)))
        return;
    strbuf_reset(best);
    strbuf_add(best, line->p, line->n);
}

typedef struct Output {
    StrBuf last;      /* the line that says most */
    const char *text; /* looked for; may be NULL */
    bool seen;
} Output;

enum { LINE_MAX_BYTES = 4096 }; /* longer ones go on in pieces */

static void forward(StrBuf *line, Output *o)
{
    if (line->n)
        remember(&o->last, line);
    o->seen |= o->text && strstr(strbuf_str(line), o->text);
    strbuf_addc(line, '\n');
    (void)!write(STDERR_FILENO, line->p, line->n); /* nobody is left to hear that the log is gone */
    strbuf_reset(line);
}

/* Forward everything, remember what matters. By whole lines: the tools write theirs in pieces, and
 * our own records must not come between those. */
static void follow_output(int fd, Output *o)
{
    char buf[4096];
    AUTO_STRBUF line = {0};
    for (ssize_t n; (n = read(fd, buf, sizeof buf)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        for (ssize_t i = 0; i < n; i++) {
            if (buf[i] != '\n')
                strbuf_addc(&line, buf[i]);
            if (buf[i] == '\n' || line.n == LINE_MAX_BYTES)
                forward(&line, o);
        }
    }
    if (line.n)
        forward(&line, o);
}

static ErrCode judge(const char *path, int status, const Output *o, Error *err)
{
    const char *name = strrchr(path, '/') + 1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return ERR_OK;
    if (WIFSIGNALED(status))
        return err_set(err, ERR_UNAVAILABLE, "%s was killed by signal %d", name, WTERMSIG(status));
    return err_set(err, ERR_UNAVAILABLE, "%s ended with status %d: %s", name, WEXITSTATUS(status),
                   strbuf_str(&o->last));
}

ErrCode tool_run(const char *const *argv, Error *err)
{
    return tool_run_watching(argv, NULL, &(bool){false}, err);
}

ErrCode tool_run_watching(const char *const *argv, const char *text, bool *ret_seen, Error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return err_errno(err, errno, "pipe");
    pid_t self = getpid(), pid = fork();
    if (pid < 0) {
        int saved = errno;
        close(fds[0]);
        close(fds[1]);
        return err_errno(err, saved, "fork");
    }
    if (pid == 0)
        child(argv, fds[1], self);
    close(fds[1]);
    Output o = {.text = text};
    follow_output(fds[0], &o);
    close(fds[0]);
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *ret_seen = o.seen;
    ErrCode rc = judge(argv[0], status, &o, err);
    strbuf_done(&o.last);
    return rc;
}
