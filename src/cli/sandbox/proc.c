#include "sandbox.h"

#include "core/clock.h"
#include "core/file.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

void pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000},
              NULL);
}

/* Field 22 of /proc/PID/stat: when the kernel started it, in ticks since boot. 0: no such process,
 * or a zombie. */
static unsigned long long start_time(pid_t pid)
{
    char path[64], buf[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    buf[n] = 0;
    const char *p = strrchr(buf, ')'); /* the name may hold blanks and parentheses */
    if (!p || p[2] == 'Z')
        return 0;
    for (int field = 2; field < 22 && p; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

pid_t daemon_pid(const char *pid_file)
{
    int pid;
    unsigned long long started;
    FILE *f = fopen(pid_file, "re");
    if (!f)
        return 0;
    int got = fscanf(f, "%d %llu", &pid, &started);
    fclose(f);
    return got == 2 && pid > 1 && start_time(pid) == started ? pid : 0;
}

static const char *const *merged_env(Arena *a, const char *const *add)
{
    size_t n = 0, k = 0;
    while (environ[n])
        n++;
    while (add && add[k])
        k++;
    const char **env = arena_array(a, const char *, n + k + 1);
    size_t out = 0;
    for (size_t i = 0; i < n; i++) {
        bool replaced = false;
        for (size_t j = 0; j < k; j++) {
            size_t len = strcspn(add[j], "=") + 1;
            replaced |= strncmp(environ[i], add[j], len) == 0;
        }
        if (!replaced)
            env[out++] = environ[i];
    }
    for (size_t j = 0; j < k; j++)
        env[out++] = add[j];
    return env;
}

/* The child: a session of its own, the log as its output, no descriptor of ours. */
static _Noreturn void become(const char *log_file, const char *const *argv, const char *const *env)
{
    setsid();
    int null = open("/dev/null", O_RDONLY),
        log = open(log_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log < 0)
        _exit(126);
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    execvpe(argv[0], (char **)(uintptr_t)argv, (char **)(uintptr_t)env);
    dprintf(STDERR_FILENO, "cannot start %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

ErrCode daemon_start(Sandbox *s, const Daemon *d, Error *err)
{
    if (daemon_pid(d->pid_file))
        return ERR_OK;
    const char *const *env = merged_env(s->c->arena, d->envp);
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(err, errno, "start %s", d->name);
    if (pid == 0)
        become(d->log_file, d->argv, env);
    const char *line = arena_printf(s->c->arena, "%d %llu\n", (int)pid, start_time(pid));
    return file_write_atomic(d->pid_file, sv(line), 0600, err);
}

void daemon_stop(const char *pid_file, int signum, unsigned grace_ms)
{
    pid_t pid = daemon_pid(pid_file);
    if (!pid) {
        unlink(pid_file);
        return;
    }
    kill(pid, signum);
    for (unsigned waited = 0; daemon_pid(pid_file) && waited < grace_ms; waited += 20)
        pause_ms(20);
    if (daemon_pid(pid_file))
        kill(pid, SIGKILL);
    while (daemon_pid(pid_file))
        pause_ms(5);
    unlink(pid_file);
}

static const char *last_line(Arena *a, const char *log_file)
{
    StrView text;
    Error err;
    if (file_read(a, log_file, 64 * 1024 * 1024, &text, &err))
        return "";
    while (text.n && text.p[text.n - 1] == '\n')
        text.n--;
    const char *nl = text.n ? memrchr(text.p, '\n', text.n) : NULL;
    return nl ? sv_dup(a, sv_n(nl + 1, (size_t)(text.p + text.n - nl - 1))) : sv_dup(a, text);
}

ErrCode run_logged(Sandbox *s, const char *log_file, const char *const *argv,
                   const char *const *envp, Error *err)
{
    const char *const *env = merged_env(s->c->arena, envp);
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(err, errno, "start %s", argv[0]);
    if (pid == 0)
        become(log_file, argv, env);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, errno, "wait for %s", argv[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return ERR_OK;
    return err_set(err, ERR_INTERNAL, "%s: %s (see %s)", argv[0], last_line(s->c->arena, log_file),
                   log_file);
}

int free_port(int wanted)
{
    for (int port = wanted;; port = 0) {
        struct sockaddr_in sa = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof sa;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 &&
                  listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&sa, &len) == 0;
        if (fd >= 0)
            close(fd);
        if (ok || port == 0)
            return ntohs(sa.sin_port);
    }
}

ErrCode wait_for(Sandbox *s, const WaitSpec *w, Error *err)
{
    uint64_t end = clock_mono_ms() + w->ms;
    while (!w->ready(w->ctx)) {
        if (w->pid_file && !daemon_pid(w->pid_file))
            return err_set(err, ERR_UNAVAILABLE, "%s ended: %s (see %s)", w->what,
                           last_line(s->c->arena, w->log_file), w->log_file);
        if (clock_mono_ms() > end)
            return err_set(err, ERR_TIMEOUT, "%s did not come up within %llu s", w->what,
                           (unsigned long long)(w->ms / 1000));
        pause_ms(20);
    }
    return ERR_OK;
}

Step step_begin(Sandbox *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    Step st = {.s = s, .what = arena_vprintf(s->c->arena, fmt, ap), .since = clock_mono_ms()};
    va_end(ap);
    if (s->c->tty_err && !s->c->quiet) {
        fprintf(stderr, "  ..  %s", st.what);
        fflush(stderr);
    }
    return st;
}

void step_end(Step *st, const Error *err)
{
    const Cli *c = st->s->c;
    if (c->quiet)
        return;
    fprintf(stderr, "%s  %s  %-44s %5.1f s\n", c->tty_err ? "\r" : "", err ? "!! " : "ok ",
            st->what, (double)(clock_mono_ms() - st->since) / 1000);
}
