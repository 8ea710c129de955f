#include "alone.h"

#include "core/file.h"
#include "core/log.h"
#include "datadir.h"
#include "paths.h"
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HBA_MAX = 1024 * 1024 };

static volatile sig_atomic_t postgres_pid;

/* A pod is ended by SIGTERM, which asks PostgreSQL to wait for its clients; they have no reason to
 * go. SIGINT is its fast shutdown. */
static void on_stop(int signum)
{
    (void)signum;
    if (postgres_pid > 0)
        kill(postgres_pid, SIGINT);
    else
        _exit(0);
}

static ErrCode let_in(Arena *a, const char *dir, Error *err)
{
    StrView hba;
    const char *path = arena_printf(a, "%s/pg_hba.conf", dir);
    if (file_read(a, path, HBA_MAX, &hba, err))
        return err->code;
    char *text = arena_printf(a, "%shost all all all scram-sha-256\n", sv_dup(a, hba));
    return file_write_atomic(path, sv(text), 0600, err);
}

/* Beside PGDATA, and into place by rename: whoever is killed in between starts over. */
static ErrCode make(Arena *a, const Paths *p, const char *user, const char *pwfile, Error *err)
{
    if (dir_remove(p->data_new, err))
        return err->code;
    const char *argv[] = {arena_printf(a, "%s/initdb", p->bindir),
                          "-D",
                          p->data_new,
                          arena_printf(a, "--username=%s", user),
                          arena_printf(a, "--pwfile=%s", pwfile),
                          "--auth=scram-sha-256",
                          "--data-checksums",
                          "--encoding=UTF8",
                          arena_printf(a, "--locale=%s", p->locale),
                          NULL};
    if (tool_run(argv, err) || let_in(a, p->data_new, err) || volume_sync(p->data_new, err))
        return err->code;
    if (rename(p->data_new, p->data))
        return err_errno(err, errno, "%s", p->data);
    return dir_sync(p->volume, err);
}

/* As PID 1 we also collect what nobody else does. */
static int wait_for(pid_t pid)
{
    for (;;) {
        int status;
        pid_t got = waitpid(-1, &status, 0);
        if (got < 0 && errno != EINTR)
            return 1;
        if (got == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

int alone_run(const char *user, const char *password_file, Error *err)
{
    AUTO_ARENA a = arena_new();
    Paths p;
    struct sigaction sa = {.sa_handler = on_stop};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    if (paths_load(a, &p, err))
        return -1;
    if (!file_exists(arena_printf(a, "%s/PG_VERSION", p.data)) &&
        make(a, &p, user, password_file, err))
        return -1;
    const char *argv[] = {arena_printf(a, "%s/postgres", p.bindir),
                          "-D",
                          p.data,
                          "-c",
                          "listen_addresses=*",
                          "-c",
                          arena_printf(a, "port=%s", p.pg_port),
                          "-c",
                          "unix_socket_directories=",
                          NULL};
    pid_t self = getpid(), pid = fork();
    if (pid < 0) {
        err_errno(err, errno, "fork");
        return -1;
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGINT);
        if (getppid() != self)
            _exit(1);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    postgres_pid = pid;
    log_info("alone", "postgres runs", "pid=%d data=%s", (int)pid, p.data);
    return wait_for(pid);
}
