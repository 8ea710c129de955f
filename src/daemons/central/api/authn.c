#include "api/call_priv.h"
#include "core/ident.h"

typedef struct Waiting {
    ApiCall *call;
    AuthnDone done;
    Error err;
} Waiting;

static void on_token(void *ctx, const Error *err, const Identity *id)
{
    Waiting *w = ctx;
    w->done(w->call, err, id);
}

static void fail(void *ctx)
{
    Waiting *w = ctx;
    w->done(w->call, &w->err, NULL);
}

/* git can only send a name and a password: the password is the token, the name is not looked at. */
static const char *basic_password(Arena *a, StrView coded)
{
    size_t n;
    unsigned char *plain = base64_decode(a, coded.p, coded.n, &n);
    char *colon = plain ? memchr(plain, ':', n) : NULL;
    return colon && strlen((char *)plain) == n ? colon + 1 : NULL;
}

static bool git_route(const ApiRouteInfo *r)
{
    return str_starts(r->path, "/git/");
}

/* The bearer token of the request, or NULL. */
static const char *find_token(const ApiCall *c)
{
    const char *header = http_header(c->http, "authorization");
    StrView value = sv(header), scheme = sv_cut(&value, ' ');
    if (!header || !value.p)
        return NULL;
    value = sv_trim(value);
    if (sv_ieqs(scheme, "Bearer"))
        return sv_dup(c->a, value);
    if (git_route(c->route) && sv_ieqs(scheme, "Basic"))
        return basic_password(c->a, value);
    return NULL;
}

void authn_call(ApiCall *c, AuthnDone done)
{
    Waiting *w = arena_new_of(c->a, Waiting);
    w->call = c;
    w->done = done;
    const char *token = find_token(c);
    if (!str_empty(token) && strlen(token) <= 4 * TOKEN_LEN) {
        auth_token(c->app, token, on_token, w);
        return;
    }
    err_set(&w->err, ERR_UNAUTHENTICATED,
            "no token: send 'Authorization: Bearer TOKEN' (swarmctl login gets one)");
    loop_defer(c->app->loop, fail, w);
}

void authn_refuse(ApiCall *c, const Error *err)
{
    http_reply_header(c->http, "WWW-Authenticate",
                      git_route(c->route) ? "Basic realm=\"pg-swarm\""
                                          : "Bearer realm=\"pg-swarm\"");
    call_reply_err(c, err);
}
