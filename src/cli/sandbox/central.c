/* Central of the sandbox: a private PostgreSQL that listens on a socket only, and pg-swarm-central
 * on loopback ports. */
#include "sandbox.h"

#include "core/file.h"
#include "core/ident.h"
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARGS_MAX = 40 };

/* The newest PostgreSQL of the machine. */
static const char *pg_bindir(Arena *a, Error *err)
{
    glob_t g = {0};
    const char *given = getenv("PGSWARM_SANDBOX_PG_BINDIR"), *found = NULL;
    if (!str_empty(given))
        return given;
    if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &g) == 0 && g.gl_pathc) {
        const char *last = g.gl_pathv[g.gl_pathc - 1];
        found = arena_strndup(a, last, strlen(last) - strlen("/postgres"));
    }
    globfree(&g);
    if (!found)
        err_set(err, ERR_NOT_FOUND, "no PostgreSQL in /usr/lib/postgresql (package postgresql-15)");
    return found;
}

/* PostgreSQL refuses to run as root: there it gets a user namespace of its own, in which it is uid
 * 999. */
static size_t as_pg_user(Sandbox *s, const char **argv, Error *err)
{
    const char *passwd = sandbox_path(s, "central/passwd");
    if (geteuid() != 0)
        return 0;
    if (file_write_atomic(
            passwd, SV("root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/tmp:/bin/sh\n"), 0644, err))
        return 0;
    const char *const head[] = {
        "bwrap",          "--dev-bind", "/",   "/",     "--ro-bind", passwd, "/etc/passwd",
        "--unshare-user", "--uid",      "999", "--gid", "999",       "--"};
    memcpy(argv, head, sizeof head);
    return sizeof head / sizeof *head;
}

/* What runs that were killed have left, which nobody has used yet. An initdb of theirs may still be
 * at it: so each run has a folder of its own, and what cannot be removed now is so later. */
static void clear_unused(Sandbox *s, const char *data)
{
    glob_t g = {0};
    Error ignored;
    if (glob(arena_printf(s->c->arena, "%s.new*", data), 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++) {
            const char *const rm[] = {"rm", "-rf", g.gl_pathv[i], NULL};
            if (run_logged(s, sandbox_path(s, "central/initdb.log"), rm, NULL, &ignored))
                continue;
        }
    globfree(&g);
}

static ErrCode run_initdb(Sandbox *s, const char *bindir, Error *err)
{
    const char *data = sandbox_path(s, "central/pgdata"),
               *fresh = arena_printf(s->c->arena, "%s.new.%d", data, (int)getpid());
    const char *argv[ARGS_MAX] = {0};
    clear_unused(s, data);
    if (file_exists(data))
        return ERR_OK;
    size_t n = as_pg_user(s, argv, err);
    const char *const tail[] = {arena_printf(s->c->arena, "%s/initdb", bindir),
                                "-D",
                                fresh,
                                "-U",
                                "pgswarm",
                                "--auth=trust",
                                "--encoding=UTF8",
                                "--no-locale",
                                "--no-sync",
                                NULL};
    memcpy(argv + n, tail, sizeof tail);
    if (run_logged(s, sandbox_path(s, "central/initdb.log"), argv, NULL, err))
        return err->code;
    return rename(fresh, data) == 0 ? ERR_OK : err_errno(err, errno, "rename %s", fresh);
}

/* The postmaster's own pid file: line 1 the pid, line 8 its state. */
static pid_t postmaster(Sandbox *s, bool *ret_ready)
{
    StrView text;
    Error ignored;
    int64_t pid = 0;
    *ret_ready = false;
    if (file_read(s->c->arena, sandbox_path(s, "central/pgdata/postmaster.pid"), 4096, &text,
                  &ignored))
        return 0;
    StrView rest = text;
    const char *first = sv_dup(s->c->arena, sv_cut(&rest, '\n'));
    for (int i = 2; i < 8; i++)
        sv_cut(&rest, '\n');
    *ret_ready = sv_starts(rest, "ready");
    if (!str_to_i64(first, &pid) || pid <= 1 || kill((pid_t)pid, 0) != 0)
        return 0;
    return (pid_t)pid;
}

pid_t central_pg_pid(Sandbox *s)
{
    bool ready;
    return postmaster(s, &ready);
}

static bool pg_ready(void *ctx)
{
    bool ready;
    return postmaster(ctx, &ready) && ready;
}

static ErrCode pg_up(Sandbox *s, Error *err)
{
    const char *run = sandbox_path(s, "central/run"), *bindir = pg_bindir(s->c->arena, err);
    const char *argv[ARGS_MAX] = {0};
    bool ready;
    if (!bindir || file_mkdirs(run, 0700, err))
        return err->code;
    if (run_initdb(s, bindir, err))
        return err->code;
    if (!postmaster(s, &ready)) {
        unlink(sandbox_path(s, "central/pgdata/postmaster.pid"));
        size_t n = as_pg_user(s, argv, err);
        const char *const tail[] = {arena_printf(s->c->arena, "%s/postgres", bindir),
                                    "-D",
                                    sandbox_path(s, "central/pgdata"),
                                    "-k",
                                    run,
                                    "-c",
                                    "listen_addresses=",
                                    "-c",
                                    "shared_buffers=32MB",
                                    "-c",
                                    "max_connections=40",
                                    NULL};
        memcpy(argv + n, tail, sizeof tail);
        Daemon d = {.name = "PostgreSQL of central",
                    .pid_file = sandbox_path(s, "central/postgres.pid"),
                    .log_file = sandbox_path(s, "central/postgres.log"),
                    .argv = argv};
        if (daemon_start(s, &d, err))
            return err->code;
    }
    WaitSpec w = {.what = "PostgreSQL of central",
                  .ms = 30000,
                  .ready = pg_ready,
                  .ctx = s,
                  .pid_file = sandbox_path(s, "central/postgres.pid"),
                  .log_file = sandbox_path(s, "central/postgres.log")};
    return wait_for(s, &w, err);
}

static const char *const *central_env(Sandbox *s)
{
    Arena *a = s->c->arena;
    const char **env = arena_array(a, const char *, 8);
    env[0] = arena_printf(a, "PGSWARM_DATABASE_URL=host=%s user=pgswarm dbname=postgres",
                          sandbox_path(s, "central/run"));
    env[1] = arena_printf(a, "PGSWARM_HTTP_ADDR=127.0.0.1:%d", s->http_port);
    env[2] = arena_printf(a, "PGSWARM_GRPC_ADDR=127.0.0.1:%d", s->grpc_port);
    env[3] = arena_printf(a, "PGSWARM_KEY_FILE=%s", sandbox_path(s, "central/key"));
    env[4] = "PGSWARM_TLS_NAMES=central,localhost";
    env[5] = "PGSWARM_GRPC_PLAINTEXT_ADDR=";
    return env;
}

static ErrCode run_init(Sandbox *s, const char *const *env, Error *err)
{
    const char *password = sandbox_path(s, "central/admin-password");
    if (!file_exists(password)) {
        unsigned char raw[12];
        char hex[2 * sizeof raw + 1];
        random_bytes(raw, sizeof raw);
        hex_encode(hex, raw, sizeof raw);
        if (file_write_atomic(password, sv(hex), 0600, err))
            return err->code;
    }
    const char *const argv[] = {arena_printf(s->c->arena, "%s/pg-swarm-central", s->bin),
                                "init",
                                "--admin",
                                "admin",
                                "--password-file",
                                password,
                                "--ca-out",
                                sandbox_path(s, "central/ca.crt"),
                                "--token-out",
                                sandbox_path(s, "central/token"),
                                NULL};
    return run_logged(s, sandbox_path(s, "central/central.log"), argv, env, err);
}

/* The admin's context `sandbox`, made the current one. */
static ErrCode save_context(Sandbox *s, Error *err)
{
    StrView ca, token;
    if (file_read(s->c->arena, sandbox_path(s, "central/ca.crt"), 65536, &ca, err) ||
        file_read(s->c->arena, sandbox_path(s, "central/token"), 4096, &token, err))
        return err->code;
    while (token.n && (token.p[token.n - 1] == '\n'))
        token.n--;
    Context ctx = {.name = "sandbox",
                   .server = arena_printf(s->c->arena, "https://127.0.0.1:%d", s->http_port),
                   .user = "admin",
                   .token = sv_dup(s->c->arena, token),
                   .ca_pem = ca.p};
    s->c->ctx = ctx;
    return context_save(s->c, &ctx, err);
}

static bool answers(void *ctx)
{
    Sandbox *s = ctx;
    cJSON *v;
    Error ignored;
    return rest_get(s->c, "/healthz", &v, &ignored) == ERR_OK;
}

static ErrCode start_central(Sandbox *s, Error *err)
{
    const char *pid_file = sandbox_path(s, "central/central.pid");
    if (!daemon_pid(pid_file)) {
        s->http_port = free_port(s->http_port ? s->http_port : 8080);
        s->grpc_port = free_port(s->grpc_port ? s->grpc_port : 9090);
        if (sandbox_save(s, err))
            return err->code;
    }
    const char *const *env = central_env(s);
    Daemon d = {
        .name = "central",
        .pid_file = pid_file,
        .log_file = sandbox_path(s, "central/central.log"),
        .argv =
            (const char *const[]){arena_printf(s->c->arena, "%s/pg-swarm-central", s->bin), NULL},
        .envp = env};
    WaitSpec w = {.what = "central",
                  .ms = 20000,
                  .ready = answers,
                  .ctx = s,
                  .pid_file = pid_file,
                  .log_file = d.log_file};
    if (run_init(s, env, err) || daemon_start(s, &d, err) || save_context(s, err))
        return err->code;
    return wait_for(s, &w, err);
}

ErrCode central_up(Sandbox *s, Error *err)
{
    Step st = step_begin(s, "PostgreSQL of central");
    ErrCode rc = pg_up(s, err);
    step_end(&st, rc ? err : NULL);
    if (rc)
        return rc;
    st = step_begin(s, "central");
    rc = start_central(s, err);
    /* A port that was free a moment ago may have gone to somebody else. */
    for (int i = 0; i < 3 && rc == ERR_UNAVAILABLE && strstr(err->msg, "in use"); i++)
        rc = start_central(s, err);
    step_end(&st, rc ? err : NULL);
    return rc;
}

void central_down(Sandbox *s)
{
    daemon_stop(sandbox_path(s, "central/central.pid"), SIGTERM, 8000);
    pid_t pid = central_pg_pid(s);
    if (pid)
        kill(pid, SIGINT); /* fast shutdown */
    daemon_stop(sandbox_path(s, "central/postgres.pid"), SIGCONT, 10000);
}
