/* central/store/users.h - users and their tokens. */
#pragma once
#include "store/store.h"

typedef struct UserRow {
    ApiUser api;
    const char *id, *password_hash;
} UserRow;
typedef void (*UserDone)(void *ctx, const Error *err, const UserRow *u);

void user_find(App *app, Arena *a, const char *name, UserDone done, void *ctx);
void user_list(App *app, Arena *a, const Page *p, ListDone done, void *ctx); /* ApiUser */
/* api.name, api.role, password_hash. ERR_EXISTS when the name is taken. */
void user_create(App *app, PgConn *tx, Arena *a, const UserRow *u, UserDone done, void *ctx);
/* The last admin stays: ERR_PRECONDITION. */
void user_delete(App *app, const char *name, AppDone done, void *ctx);
