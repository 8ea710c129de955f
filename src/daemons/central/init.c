#include "init.h"

#include "app.h"
#include "core/file.h"
#include "core/ident.h"
#include "store/tokens.h"
#include "store/users.h"
#include "svc/auth.h"
#include "svc/password.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum { DATABASE_WAIT_MS = 30000 };

typedef struct Init {
    App *app;
    Arena *arena;
    bool done;
    Error err;
    bool known;
    UserRow user;
    const char *hash;
} Init;

static void finish(Init *in, const Error *err)
{
    in->done = true;
    in->err = err ? *err : (Error){0};
}

static ErrCode await(Init *in, Error *err)
{
    loop_run_until(in->app->loop, &in->done, 0);
    in->done = false;
    return in->err.code ? err_copy(err, &in->err) : ERR_OK;
}

/* ---- the admin ---- */

static ErrCode read_password(Arena *a, const char *path, const char **ret, Error *err)
{
    StrView v;
    char *buf = arena_alloc(a, PASSWORD_MAX + 2);
    if (str_eq(path, "-")) {
        size_t n = 0;
        ssize_t got;
        while (n <= PASSWORD_MAX && (got = read(STDIN_FILENO, buf + n, PASSWORD_MAX + 1 - n)) > 0)
            n += (size_t)got;
        v = sv_n(buf, n);
    } else if (file_read(a, path, PASSWORD_MAX + 1, &v, err)) {
        return err_wrap(err, "password file");
    }
    while (v.n && (v.p[v.n - 1] == '\n' || v.p[v.n - 1] == '\r'))
        v.n--;
    *ret = sv_dup(a, v);
    return password_check(*ret, err);
}

static void on_hash(void *ctx, const char *hash)
{
    Init *in = ctx;
    in->hash = arena_strdup(in->arena, hash);
    finish(in, NULL);
}

static void on_user(void *ctx, const Error *err, const UserRow *u)
{
    Init *in = ctx;
    if (u)
        in->user = *u;
    in->known = u != NULL;
    finish(in, err && err->code == ERR_NOT_FOUND ? NULL : err);
}

static ErrCode ensure_admin(Init *in, Error *err)
{
    const Config *cfg = in->app->cfg;
    const char *password = "";
    user_find(in->app, in->arena, cfg->admin, on_user, in);
    if (await(in, err))
        return err->code;
    if (in->known) {
        printf("admin %s is there already\n", cfg->admin);
        return ERR_OK;
    }
    in->hash = "";
    if (*cfg->password_file) {
        if (read_password(in->arena, cfg->password_file, &password, err))
            return err->code;
        password_hash(in->app->loop, password, on_hash, in);
        if (await(in, err))
            return err->code;
    }
    UserRow row = {.api = {.name = cfg->admin, .role = "admin"}, .password_hash = in->hash};
    user_create(in->app, NULL, in->arena, &row, on_user, in);
    Error why;
    if (await(in, &why)) {
        if (why.code != ERR_EXISTS)
            return err_copy(err, &why);
        user_find(in->app, in->arena, cfg->admin, on_user, in); /* another machine was faster */
        if (await(in, err))
            return err->code;
        printf("admin %s is there already\n", cfg->admin);
        return ERR_OK;
    }
    printf("admin %s made%s\n", cfg->admin, *in->hash ? "" : ", without a password");
    return ERR_OK;
}

/* ---- the token ---- */

static void on_owner(void *ctx, const Error *err, const TokenOwner *o)
{
    Init *in = ctx;
    in->known = o && str_eq(o->user, in->app->cfg->admin);
    finish(in, err && err->code == ERR_UNAUTHENTICATED ? NULL : err);
}

static void on_token(void *ctx, const Error *err, const ApiTokenInfo *t)
{
    (void)t;
    finish(ctx, err);
}

static void token_sha(StrView token, unsigned char ret[32])
{
    crypto_hash_sha256(ret, (const unsigned char *)token.p, token.n);
}

/* The file's token is kept as long as it works. */
static ErrCode ensure_token(Init *in, Error *err)
{
    const char *path = in->app->cfg->token_out;
    unsigned char sha[32];
    char token[TOKEN_LEN + 1];
    StrView old;
    if (file_exists(path) && !file_read(in->arena, path, 4096, &old, NULL)) {
        while (old.n && old.p[old.n - 1] == '\n')
            old.n--;
        token_sha(old, sha);
        token_owner(in->app, in->arena, sha, on_owner, in);
        if (await(in, err))
            return err->code;
        if (in->known)
            return ERR_OK;
    }
    token_new(token);
    token_sha(sv(token), sha);
    TokenNew t = {
        .user_id = in->user.id, .role = "admin", .description = "made by init", .sha256 = sha};
    token_insert(in->app, NULL, in->arena, &t, on_token, in);
    if (await(in, err))
        return err->code;
    if (file_write_atomic(path, sv(arena_printf(in->arena, "%s\n", token)), 0600, err))
        return err_wrap(err, "token file");
    printf("token of %s written to %s\n", in->app->cfg->admin, path);
    return ERR_OK;
}

static ErrCode init_steps(Init *in, Error *err)
{
    const Config *cfg = in->app->cfg;
    printf("database at version %d\n", in->app->schema_version);
    if (*cfg->ca_out && file_write_atomic(cfg->ca_out, sv(ca_cert_pem(in->app->ca)), 0644, err))
        return err_wrap(err, "CA file");
    if (*cfg->token_out && !*cfg->admin)
        return err_set(err, ERR_USAGE, "--token-out needs --admin: whose token is it?");
    if (*cfg->admin && ensure_admin(in, err))
        return err_wrap(err, "admin");
    return *cfg->token_out ? ensure_token(in, err) : ERR_OK;
}

/* Two inits of one machine make the same files, one may have outlived who started it: the second
 * waits for the first. The lock ends with the descriptor. */
static int wait_for_others(Arena *a, const char *key_file)
{
    const char *slash = strrchr(key_file, '/'), *dir = slash ? "/" : ".";
    Error ignored;
    if (slash && slash != key_file)
        dir = arena_strndup(a, key_file, (size_t)(slash - key_file));
    int fd = file_mkdirs(dir, 0700, &ignored) ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && flock(fd, LOCK_EX) && errno == EINTR)
        ;
    return fd;
}

ErrCode init_run(const Config *cfg, Error *err)
{
    AUTO_ARENA a = arena_new();
    Init in = {.arena = a};
    setvbuf(stdout, NULL, _IOLBF, 0); /* what went wrong stands behind what was done */
    int lock = wait_for_others(a, cfg->key_file);
    ErrCode rc = app_open(cfg, true, DATABASE_WAIT_MS, &in.app, err);
    if (!rc) {
        rc = init_steps(&in, err);
        app_free(in.app);
    }
    if (lock >= 0)
        close(lock);
    return rc;
}

ErrCode init_print_ca(const Config *cfg, Error *err)
{
    App *app;
    if (app_open(cfg, false, DATABASE_WAIT_MS, &app, err))
        return err->code;
    fputs(ca_cert_pem(app->ca), stdout);
    app_free(app);
    return ERR_OK;
}
