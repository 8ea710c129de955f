/* central/store/secrets.h - sealed values by name. */
#pragma once
#include "pg/pool.h"
#include "seal.h"

/* plain NULL: there is none. Lives in the arena. */
typedef void (*SecretDone)(void *ctx, const Error *err, const StrView *plain);
void secret_get(PgPool *pool, const Sealer *s, Arena *a, const char *name, SecretDone done,
                void *ctx);
/* Store unless one is there already; done gets the one that is there now. Two centrals that start
 * together agree this way. */
typedef struct SecretNew {
    const char *name;
    StrView plain;
} SecretNew;
void secret_settle(PgPool *pool, const Sealer *s, Arena *a, const SecretNew *n, SecretDone done,
                   void *ctx);
