/* A volume under test, with programs that only pretend to be PostgreSQL's, and jobs that are killed
 * at a named point of their life. */
#pragma once
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
    "printf '\\006' | dd of=\"$dir/global/pg_control\" bs=1 seek=16 conv=notrunc 2>/dev/null\n"
    "if [ \"$wal\" ]; then mkdir \"$wal\"; ln -s \"$wal\" \"$dir/pg_wal\";\n"
    "else mkdir \"$dir/pg_wal\"; fi\n";

/* Crash recovery leaves it shut down. */
static const char POSTGRES[] =
    "#!/bin/sh\n"
    "for a; do case \"$prev\" in -D) dir=$a;; esac; prev=$a; done\n"
    "case \" $* \" in *' --single '*) ;; *) exec sleep 60;; esac\n"
    "printf '\\001' | dd of=\"$dir/global/pg_control\" bs=1 seek=16 conv=notrunc 2>/dev/null\n";

/* Takes the leader's stamp along, loses standby.signal, writes the control file last. */
static const char PG_REWIND[] =
    "#!/bin/sh\n"
    "for a; do case \"$prev\" in -D) dir=$a;; esac; prev=$a; done\n"
    "echo 'pg_rewind: rewinding from last common checkpoint at 0/1 on timeline 1'\n"
    "id=$(sed -n s/system_id=//p \"$dir/pgswarm.stamp\")\n"
    "printf 'role=primary\\nepoch=4\\nsystem_id=%s\\n' \"$id\" > \"$dir/pgswarm.stamp\"\n"
    "rm -f \"$dir/standby.signal\"; : > \"$dir/backup_label\"\n"
    "printf '\\005' | dd of=\"$dir/global/pg_control\" bs=1 seek=16 conv=notrunc 2>/dev/null\n";

static void put_script(Arena *a, const char *dir, const char *name, const char *text)
{
    assert_int_equal(file_write_atomic(arena_printf(a, "%s/%s", dir, name), sv(text), 0755, NULL),
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
    put_script(a, bin, "initdb", SCRIPT);
    put_script(a, bin, "pg_basebackup", SCRIPT);
    put_script(a, bin, "postgres", POSTGRES);
    put_script(a, bin, "pg_rewind", PG_REWIND);
    put_script(a, getenv("PGSWARM_CONFIG_DIR"), "postgresql.conf", "");
    put_script(a, getenv("PGSWARM_CONFIG_DIR"), "pg_hba.conf", "");
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

static __attribute__((unused)) LpData kind_of(const Paths *p)
{
    DataInfo info;
    datadir_inspect(p, &info);
    return info.kind;
}

static __attribute__((unused)) unsigned count_entries(const char *dir, const char *with)
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
static __attribute__((unused)) bool run_killed_at(const Paths *p, LpJob kind, const char *point)
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
