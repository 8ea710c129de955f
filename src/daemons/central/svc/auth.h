/* central/svc/auth.h - who is calling: tokens and passwords. */
#pragma once
#include "api/routes.h"
#include "store/users.h"

typedef struct Identity {
    char user_id[UUID_TEXT], token_id[UUID_TEXT], user[64];
    ApiRole role;
} Identity;
typedef void (*IdentityDone)(void *ctx, const Error *err, const Identity *id);
/* Asks the database at most once in 5 s per token; auth_forget makes the next call ask. */
void auth_token(App *app, const char *token, IdentityDone done, void *ctx);
void auth_forget(App *app);

typedef void (*AuthTokenDone)(void *ctx, const Error *err, const ApiToken *t);
/* argon2id off the loop, same time for unknown names; more than 10 failures a minute from one peer
 * are ERR_EXHAUSTED. */
void auth_login(App *app, Arena *a, const ApiLogin *in, const char *peer, AuthTokenDone done,
                void *ctx);
/* A token for the caller; a role above the caller's is ERR_FORBIDDEN. */
void auth_token_create(App *app, Arena *a, const Identity *who, const ApiTokenCreate *in,
                       AuthTokenDone done, void *ctx);
void auth_user_create(App *app, Arena *a, const ApiUserCreate *in, UserDone done, void *ctx);
void auth_free(void);
