/* central/store/tokens.h - bearer tokens, known here by their SHA-256 only. */
#pragma once
#include "store/store.h"

typedef struct TokenNew {
    const char *user_id, *role, *description;
    const unsigned char *sha256; /* 32 bytes */
    uint32_t ttl_hours;          /* 0: no end */
} TokenNew;
typedef void (*TokenDone)(void *ctx, const Error *err, const ApiTokenInfo *t);
void token_insert(App *app, PgConn *tx, Arena *a, const TokenNew *t, TokenDone done, void *ctx);

typedef struct TokenOwner {
    const char *token_id, *user_id, *user;
    const char *role; /* the lesser of the token's and the user's */
} TokenOwner;
/* ERR_UNAUTHENTICATED when there is none or it has expired. Notes last_used_at once a minute. */
void token_owner(App *app, Arena *a, const unsigned char sha256[32],
                 void (*done)(void *ctx, const Error *err, const TokenOwner *o), void *ctx);
/* user NULL: of everybody. Items: ApiTokenInfo. */
void token_list(App *app, Arena *a, const char *user, const Page *p, ListDone done, void *ctx);
/* user NULL: of anybody. */
void token_delete(App *app, const char *id, const char *user, AppDone done, void *ctx);
