/* central/store/store.h - what every store function shares.
 *
 * A store function is one SQL statement, or a few in one transaction, and rows made into structs.
 * It takes the arena of the request; results live there. Its done is called exactly once, never
 * from inside, with either err or the result. `tx` is a transaction of the caller's, or NULL: one
 * of its own on app->pool. */
#pragma once
#include "api/schemas.h"
#include "app.h"
#include "model/health.h"

/* A page of a list. `after` is the `next` of the page before, opaque to callers. */
typedef struct Page {
    uint32_t limit; /* 1 to LIMIT_LIST_PAGE; 0: 100 */
    const char *after;
} Page;

typedef void (*ListDone)(void *ctx, const Error *err, const ObjList *items, int64_t total,
                         const char *next); /* next NULL: the last page */

/* pg_query on the pool, or on the transaction when there is one. */
void store_query(App *app, PgConn *tx, const char *sql, const PgParam *params, size_t n,
                 PgDone done, void *ctx);
/* ERR_NOT_FOUND "satellite 'x': there is none" and its kind. */
ErrCode store_absent(Error *err, const char *what, const char *ref);
/* jsonb to a map, lenient: what is not text is left out. */
StrMap store_map(Arena *a, const char *json);
/* A timestamptz column selected as (extract(epoch FROM x) * 1000000)::bigint. */
#define STORE_US(col) "(extract(epoch FROM " col ") * 1000000)::bigint"
