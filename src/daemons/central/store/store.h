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

/* One page of a query. The SQL gives the items in order, `limit` + 1 of them at most, with two more
 * columns at the end: the cursor of the row as text, and the total. */
typedef struct ListSpec {
    const char *sql;
    const PgParam *params;
    size_t n;
    uint32_t limit;
    size_t item_size;
    void (*map)(Arena *a, const PgResult *r, int row, void *item);
} ListSpec;
void store_list(App *app, Arena *a, const ListSpec *spec, ListDone done, void *ctx);
uint32_t store_limit(const Page *p);

/* Answer with an error that was found before any SQL, in the next turn. */
typedef void (*StoreFail)(void *ctx, const Error *err);
void store_fail(App *app, const Error *err, StoreFail fail, void *ctx);

/* pg_query on the pool, or on the transaction when there is one. */
typedef struct StoreConn {
    App *app;
    PgConn *tx;
} StoreConn;
void store_query_on(StoreConn on, const char *sql, const PgParam *params, size_t n, PgDone done,
                    void *ctx);
#define store_query(app, tx, ...) store_query_on((StoreConn){(app), (tx)}, __VA_ARGS__)
/* ERR_NOT_FOUND "satellite 'x': there is none" and its kind. */
ErrCode store_absent(Error *err, const char *what, const char *ref);
/* jsonb to a map, lenient: what is not text is left out. */
StrMap store_map(Arena *a, const char *json);
char *store_map_json(Arena *a, StrMap m);
/* kubectl's selector language to the argument of SQL's labels_select(); NULL or "" gives "[]". */
ErrCode store_selector(Arena *a, const char *text, char **ret_json, Error *err) MUST_USE;
/* For commands of which only success matters: a PgDone whose ctx is a StoreAck made by store_ack.
 */
void *store_ack(AppDone done, void *ctx);
/* The same, and ERR_NOT_FOUND (store_absent) when no row was touched. what: static. */
void *store_ack_of(const char *what, const char *ref, AppDone done, void *ctx);
void store_acked(void *ack, const Error *err, PgResult *r);
/* A one-dimensional array parameter, for UNNEST; zero-initialised is empty. */
typedef struct PgArray {
    StrBuf b;
} PgArray;
void pgarray_text(PgArray *a, const char *v); /* NULL gives NULL */
void pgarray_int(PgArray *a, int64_t v);
void pgarray_f64(PgArray *a, double v);
PgParam pgarray_param(PgArray *a); /* closes it; the array must live until the query is sent */
void pgarrays_done(PgArray *a, size_t n);
/* A timestamptz column as microseconds. date_part counts in double precision, which is exact to the
 * microsecond for centuries; extract counts in numeric, which costs a long list half its time. */
#define STORE_US(col) "(date_part('epoch', " col ") * 1000000)::bigint"
