/* central/store/enrol_tokens.h - tokens that admit one new satellite; known by their SHA-256 only.
 */
#pragma once
#include "store/store.h"

typedef struct EnrolTokenNew {
    const char *name, *user;
    StrMap labels;
    const unsigned char *sha256; /* 32 bytes */
    uint32_t ttl_hours;
} EnrolTokenNew;
typedef void (*EnrolTokenDone)(void *ctx, const Error *err, const ApiEnrolmentInfo *t);
void enrol_token_insert(App *app, Arena *a, const EnrolTokenNew *t, EnrolTokenDone done, void *ctx);
/* Items: ApiEnrolmentInfo, newest first. */
void enrol_token_list(App *app, Arena *a, const Page *p, ListDone done, void *ctx);
void enrol_token_delete(App *app, const char *id, AppDone done, void *ctx);

typedef struct EnrolTokenUse {
    const unsigned char *sha256; /* 32 bytes */
    const char *name, *satellite_id;
} EnrolTokenUse;
/* Marks it as used by that satellite. ERR_PRECONDITION says why it does not admit: unknown, of
 * another name, expired, used by another satellite. */
void enrol_token_use(App *app, PgConn *tx, Arena *a, const EnrolTokenUse *use, EnrolTokenDone done,
                     void *ctx);
