#include "api/call.h"
#include "store/tokens.h"
#include "svc/auth.h"
#include <stdio.h>

/* ---- tokens ---- */

static void on_token(void *ctx, const Error *err, const ApiToken *t)
{
    ApiCall *c = ctx;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    if (!*c->who.user) { /* a login: it is known only now who asked */
        snprintf(c->who.user, sizeof c->who.user, "%s", t->user);
        api_role_of(t->role, &c->who.role);
    }
    call_object(c, "token/%s", t->id);
    call_reply_obj(c, 201, &schema_TOKEN, t, 0);
}

void api_LOGIN(ApiCall *c)
{
    auth_login(c->app, c->a, c->body, http_peer(c->http), on_token, c);
}

void api_TOKEN_CREATE(ApiCall *c)
{
    auth_token_create(c->app, c->a, &c->who, c->body, on_token, c);
}

static void on_ended(void *ctx, const Error *err)
{
    ApiCall *c = ctx;
    auth_forget(c->app);
    if (err)
        call_reply_err(c, err);
    else
        call_reply_none(c);
}

void api_LOGOUT(ApiCall *c)
{
    call_object(c, "token/%s", c->who.token_id);
    token_delete(c->app, c->who.token_id, NULL, on_ended, c);
}

void api_TOKEN_DELETE(ApiCall *c)
{
    const char *id = call_param(c, "id");
    call_object(c, "token/%s", id);
    token_delete(c->app, id, c->who.role == API_ADMIN ? NULL : c->who.user, on_ended, c);
}

static void on_tokens(void *ctx, const Error *err, const ObjList *items, int64_t total,
                      const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_TOKEN_INFO, items, total, next);
}

void api_TOKEN_LIST(ApiCall *c)
{
    Page page;
    if (call_page(c, &page))
        token_list(c->app, c->a, c->who.role == API_ADMIN ? NULL : c->who.user, &page, on_tokens,
                   c);
}

/* ---- users ---- */

static void on_self(void *ctx, const Error *err, const UserRow *u)
{
    ApiCall *c = ctx;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    ApiUser self = u->api;
    self.role = api_role_name(c->who.role); /* of the token, which may be less */
    call_reply_obj(c, 200, &schema_USER, &self, 0);
}

void api_WHOAMI(ApiCall *c)
{
    user_find(c->app, c->a, c->who.user, on_self, c);
}

static void on_users(void *ctx, const Error *err, const ObjList *items, int64_t total,
                     const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_USER, items, total, next);
}

void api_USER_LIST(ApiCall *c)
{
    Page page;
    if (call_page(c, &page))
        user_list(c->app, c->a, &page, on_users, c);
}

static void on_created(void *ctx, const Error *err, const UserRow *u)
{
    ApiCall *c = ctx;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_object(c, "user/%s", u->api.name);
    call_after(c, &schema_USER, &u->api);
    call_reply_obj(c, 201, &schema_USER, &u->api, 0);
}

void api_USER_CREATE(ApiCall *c)
{
    auth_user_create(c->app, c->a, c->body, on_created, c);
}

void api_USER_DELETE(ApiCall *c)
{
    const char *name = call_param(c, "name");
    call_object(c, "user/%s", name);
    user_delete(c->app, name, on_ended, c);
}
