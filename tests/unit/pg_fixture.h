/* tests/unit/pg_fixture.h - a throwaway PostgreSQL on a unix socket, for tests that need the real
 * one. */
#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct PgFixture {
    char dir[64], bin[256], conninfo[256], data[96];
} PgFixture;

/* PostgreSQL refuses to run as root, so its programs get the postgres user then. */
static inline int pgf_run(const PgFixture *f, const char *prog, const char *const *args)
{
    const char *argv[24] = {NULL};
    char path[400];
    snprintf(path, sizeof path, "%s/%s", f->bin, prog);
    argv[0] = path;
    for (int i = 0; i < 22 && args[i]; i++)
        argv[i + 1] = args[i];
    pid_t pid = fork();
    if (pid == 0) {
        const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
        if (pw && (setgroups(0, NULL) || setgid(pw->pw_gid) || setuid(pw->pw_uid)))
            _exit(126);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0), dup2(null, 1), dup2(null, 2);
        if (chdir("/"))
            _exit(125);
        execv(path, (char *const *)argv);
        _exit(127);
    }
    int st;
    waitpid(pid, &st, 0);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 128;
}

static inline int pgf_ctl(const PgFixture *f, const char *verb)
{
    char opts[200], log[128];
    snprintf(opts, sizeof opts, "-k %s -c listen_addresses= -c fsync=off -c max_connections=30",
             f->dir);
    snprintf(log, sizeof log, "%s/log", f->dir);
    const char *start[] = {"-D", f->data, "-w", "-l", log, "-o", opts, "start", NULL};
    const char *stop[] = {"-D", f->data, "-w", "-m", "immediate", "stop", NULL};
    return pgf_run(f, "pg_ctl", strcmp(verb, "start") == 0 ? start : stop);
}

static inline void pgf_start(PgFixture *f)
{
    DIR *d = opendir("/usr/lib/postgresql");
    int best = 0;
    for (const struct dirent *e; d && (e = readdir(d));)
        if (strtol(e->d_name, NULL, 10) > best)
            best = (int)strtol(e->d_name, NULL, 10);
    if (d)
        closedir(d);
    snprintf(f->bin, sizeof f->bin, "/usr/lib/postgresql/%d/bin", best);
    snprintf(f->dir, sizeof f->dir, "/tmp/pgswarm-test-XXXXXX");
    if (!best || !mkdtemp(f->dir)) {
        fprintf(stderr, "no PostgreSQL under /usr/lib/postgresql, or no /tmp\n");
        exit(1);
    }
    const struct passwd *pw = getpwnam("postgres");
    if (geteuid() == 0 && (!pw || chown(f->dir, pw->pw_uid, pw->pw_gid)))
        exit(1);
    snprintf(f->data, sizeof f->data, "%s/data", f->dir);
    snprintf(f->conninfo, sizeof f->conninfo, "host=%s user=postgres dbname=postgres", f->dir);
    const char *init[] = {"-D", f->data, "-A", "trust", "-U", "postgres", "-N", NULL};
    if (pgf_run(f, "initdb", init) || pgf_ctl(f, "start")) {
        fprintf(stderr, "PostgreSQL did not start in %s\n", f->dir);
        exit(1);
    }
}

static inline void pgf_stop(PgFixture *f)
{
    pgf_ctl(f, "stop");
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", f->dir, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}
