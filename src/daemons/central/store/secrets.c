#include "store/secrets.h"

#include <stdlib.h>

typedef struct Ask {
    Arena *arena;
    const Sealer *sealer;
    const char *name;
    SecretDone done;
    void *ctx;
} Ask;

static Ask *ask_new(Arena *a, const Sealer *s, const char *name, SecretDone done, void *ctx)
{
    Ask *k = arena_new_of(a, Ask);
    *k = (Ask){a, s, arena_strdup(a, name), done, ctx};
    return k;
}

static void got(void *ctx, const Error *err, PgResult *r)
{
    Ask *k = ctx;
    Error why;
    StrView plain;
    if (err) {
        k->done(k->ctx, err, NULL);
    } else if (pg_rows(r) == 0) {
        k->done(k->ctx, NULL, NULL);
    } else if (unseal(k->sealer, k->arena, k->name, pg_get_bytes(k->arena, r, 0, 0), &plain,
                      &why)) {
        k->done(k->ctx, &why, NULL);
    } else {
        k->done(k->ctx, NULL, &plain);
    }
}

void secret_get(PgPool *pool, const Sealer *s, Arena *a, const char *name, SecretDone done,
                void *ctx)
{
    pg_query(pool, "SELECT sealed FROM secrets WHERE name = $1", PG_PARAMS(pg_text(name)), got,
             ask_new(a, s, name, done, ctx));
}

void secret_settle(PgPool *pool, const Sealer *s, Arena *a, const SecretNew *n, SecretDone done,
                   void *ctx)
{
    StrView box = seal(s, a, n->name, n->plain);
    /* DO UPDATE that changes nothing makes RETURNING give the row that is there. */
    pg_query(pool,
             "INSERT INTO secrets AS x (name, sealed) VALUES ($1, $2)"
             " ON CONFLICT (name) DO UPDATE SET sealed = x.sealed RETURNING sealed",
             PG_PARAMS(pg_text(n->name), pg_bytes(box.p, box.n)), got,
             ask_new(a, s, n->name, done, ctx));
}
