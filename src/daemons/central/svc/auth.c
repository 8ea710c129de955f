#include "svc/auth.h"

#include "core/ident.h"
#include "core/map.h"
#include "store/tokens.h"
#include "svc/password.h"
#include "svc/ratelimit.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CACHE_MS = 5000,
    CACHE_MAX = 2000,
    LOGIN_FAILURES = 10,
    LOGIN_WINDOW_MS = 60000,
    LOGIN_TTL_HOURS = 12,
    TOKEN_TTL_MAX = 24 * 366
};

typedef struct CacheEntry {
    Identity id;
    uint64_t until_ms;
} CacheEntry;

static Map *cache; /* sha256 in hex -> CacheEntry */
static RateLimit *failures;

static void token_sha(const char *token, unsigned char ret[32])
{
    crypto_hash_sha256(ret, (const unsigned char *)token, strlen(token));
}

void auth_forget(App *app)
{
    (void)app;
    for (MapIter it = {0}; cache && map_next(cache, &it);)
        free(it.value);
    map_free(cache);
    cache = NULL;
}

void auth_free(void)
{
    auth_forget(NULL);
    ratelimit_free(failures);
    failures = NULL;
}

/* ---- a token ---- */

typedef struct TokenAsk {
    App *app;
    Arena *arena;
    char hex[65];
    Identity id;
    bool cached;
    IdentityDone done;
    void *ctx;
} TokenAsk;

static void remember(const TokenAsk *k)
{
    if (cache && map_count(cache) >= CACHE_MAX)
        auth_forget(k->app);
    if (!cache)
        cache = map_new();
    CacheEntry *e = xnew(CacheEntry);
    e->id = k->id;
    e->until_ms = loop_now(k->app->loop) + CACHE_MS;
    free(map_put(cache, k->hex, e));
}

static void owner_known(void *ctx, const Error *err, const TokenOwner *o)
{
    TokenAsk *k = ctx;
    if (!err) {
        snprintf(k->id.user_id, sizeof k->id.user_id, "%s", o->user_id);
        snprintf(k->id.token_id, sizeof k->id.token_id, "%s", o->token_id);
        snprintf(k->id.user, sizeof k->id.user, "%s", o->user);
        if (!api_role_of(o->role, &k->id.role))
            BUG("role '%s' in the database", o->role);
        remember(k);
    }
    k->done(k->ctx, err, err ? NULL : &k->id);
    arena_free(k->arena);
}

static void cache_hit(void *ctx)
{
    TokenAsk *k = ctx;
    k->done(k->ctx, NULL, &k->id);
    arena_free(k->arena);
}

void auth_token(App *app, const char *token, IdentityDone done, void *ctx)
{
    Arena *a = arena_new();
    TokenAsk *k = arena_new_of(a, TokenAsk);
    unsigned char sha[32];
    token_sha(str_or(token, ""), sha);
    *k = (TokenAsk){.app = app, .arena = a, .done = done, .ctx = ctx};
    hex_encode(k->hex, sha, sizeof sha);
    const CacheEntry *e = cache ? map_get(cache, k->hex) : NULL;
    if (e && e->until_ms > loop_now(app->loop)) {
        k->id = e->id;
        loop_defer(app->loop, cache_hit, k);
        return;
    }
    token_owner(app, a, sha, owner_known, k);
}

/* ---- making tokens ---- */

typedef struct Making {
    App *app;
    Arena *arena;
    char token[TOKEN_LEN + 1];
    ApiToken out;
    AuthTokenDone done;
    void *ctx;
} Making;

static void made(void *ctx, const Error *err, const ApiTokenInfo *t)
{
    Making *m = ctx;
    if (err) {
        m->done(m->ctx, err, NULL);
        return;
    }
    m->out = (ApiToken){.id = t->id,
                        .token = m->token,
                        .user = t->user,
                        .role = t->role,
                        .description = t->description,
                        .expires_at = t->expires_at};
    m->done(m->ctx, NULL, &m->out);
}

static void make_token(Making *m, const char *user_id, const char *role, const char *description,
                       uint32_t ttl_hours)
{
    unsigned char sha[32];
    token_new(m->token);
    token_sha(m->token, sha);
    TokenNew n = {.user_id = user_id,
                  .role = role,
                  .description = description,
                  .sha256 = sha,
                  .ttl_hours = ttl_hours > TOKEN_TTL_MAX ? TOKEN_TTL_MAX : ttl_hours};
    token_insert(m->app, NULL, m->arena, &n, made, m);
}

static Making *making_new(App *app, Arena *a, AuthTokenDone done, void *ctx)
{
    Making *m = arena_new_of(a, Making);
    m->app = app;
    m->arena = a;
    m->done = done;
    m->ctx = ctx;
    return m;
}

static void making_failed(void *ctx, const Error *err)
{
    Making *m = ctx;
    m->done(m->ctx, err, NULL);
}

void auth_token_create(App *app, Arena *a, const Identity *who, const ApiTokenCreate *in,
                       AuthTokenDone done, void *ctx)
{
    Making *m = making_new(app, a, done, ctx);
    ApiRole role = who->role;
    Error err = {0};
    if (!str_empty(in->role) && (!api_role_of(in->role, &role) || role == API_OPEN))
        err_set(&err, ERR_INVALID, "role: '%s' is none of viewer, operator, admin", in->role);
    else if (role > who->role)
        err_set(&err, ERR_FORBIDDEN, "role: %s is more than your own (%s)", api_role_name(role),
                api_role_name(who->role));
    if (err.code)
        store_fail(app, &err, making_failed, m);
    else
        make_token(m, who->user_id, api_role_name(role), in->description, in->ttl_hours);
}

/* ---- login ---- */

typedef struct Login {
    Making *m;
    const ApiLogin *in;
    const char *peer_ip;
    UserRow user;
    bool known;
} Login;

static void verified(void *ctx, bool ok)
{
    Login *g = ctx;
    Error err;
    if (ok && g->known) {
        make_token(g->m, g->user.id, g->user.api.role, str_or(g->in->description, "login"),
                   g->in->ttl_hours ? g->in->ttl_hours : LOGIN_TTL_HOURS);
        return;
    }
    ratelimit_hit(failures, g->peer_ip, loop_now(g->m->app->loop));
    err_set(&err, ERR_UNAUTHENTICATED, "name or password is wrong");
    g->m->done(g->m->ctx, &err, NULL);
}

static void user_known(void *ctx, const Error *err, const UserRow *u)
{
    Login *g = ctx;
    if (err && err->code != ERR_NOT_FOUND) {
        g->m->done(g->m->ctx, err, NULL);
        return;
    }
    g->known = u != NULL;
    if (u)
        g->user = *u;
    password_verify(g->m->app->loop, str_or(g->in->password, ""), u ? u->password_hash : "",
                    verified, g);
}

void auth_login(App *app, Arena *a, const ApiLogin *in, const char *peer, AuthTokenDone done,
                void *ctx)
{
    Making *m = making_new(app, a, done, ctx);
    Login *g = arena_new_of(a, Login);
    Error err;
    *g = (Login){.m = m, .in = in, .peer_ip = ratelimit_key(a, peer)};
    if (!failures)
        failures = ratelimit_new(LOGIN_FAILURES, LOGIN_WINDOW_MS);
    if (!ratelimit_ok(failures, g->peer_ip, loop_now(app->loop))) {
        err_set(&err, ERR_EXHAUSTED, "too many failed logins from this address; wait a minute");
        store_fail(app, &err, making_failed, m);
        return;
    }
    user_find(app, a, str_or(in->name, ""), user_known, g);
}

/* ---- users ---- */

typedef struct NewUser {
    App *app;
    Arena *arena;
    const ApiUserCreate *in;
    UserDone done;
    void *ctx;
} NewUser;

static void user_failed(void *ctx, const Error *err)
{
    NewUser *n = ctx;
    n->done(n->ctx, err, NULL);
}

static void hashed(void *ctx, const char *hash)
{
    NewUser *n = ctx;
    UserRow row = {.api = {.name = n->in->name, .role = n->in->role}, .password_hash = hash};
    user_create(n->app, NULL, n->arena, &row, n->done, n->ctx);
}

void auth_user_create(App *app, Arena *a, const ApiUserCreate *in, UserDone done, void *ctx)
{
    NewUser *n = arena_new_of(a, NewUser);
    Error err = {0};
    ApiRole role;
    *n = (NewUser){app, a, in, done, ctx};
    if (!api_role_of(in->role, &role) || role == API_OPEN)
        err_set(&err, ERR_INVALID, "role: '%s' is none of viewer, operator, admin",
                str_or(in->role, ""));
    if (err.code || (!str_empty(in->password) && password_check(in->password, &err)))
        store_fail(app, &err, user_failed, n);
    else if (str_empty(in->password))
        hashed(n, ""); /* only tokens */
    else
        password_hash(app->loop, in->password, hashed, n);
}
