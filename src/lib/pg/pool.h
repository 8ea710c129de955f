/* pg/pool.h - asynchronous PostgreSQL: connections, a pool, queries with parameters, transactions,
 * LISTEN.
 *
 * Built on libpq's non-blocking interface and the loop; nothing here blocks, names are resolved off
 * the loop. SQL takes parameters only ($1..); text format both ways. A result lives until the
 * callback returns, unless pg_result_keep moved it into an arena. */
#pragma once
#include "core/str.h"
#include "loop/loop.h"

typedef struct PgPool PgPool;
typedef struct PgConn PgConn; /* one connection, checked out */
typedef struct PgResult PgResult;

typedef struct PgPoolConfig {
    const char *conninfo;          /* keyword=value or URI */
    unsigned size;                 /* 0: 6 */
    unsigned queue_limit;          /* requests waiting; 0: 1,000; beyond: ERR_EXHAUSTED */
    uint64_t statement_timeout_ms; /* 0: 10,000 */
    const char *application_name;
} PgPoolConfig;

/* Connects at once and again whenever all links are lost. While no link can be had, queries end
 * UNAVAILABLE at once; they wait only while a link is being made or is busy. */
PgPool *pg_pool_new(Loop *l, const PgPoolConfig *cfg);
void pg_pool_free(PgPool *p);     /* what waits ends CANCELLED */
bool pg_pool_up(const PgPool *p); /* at least one connection works */

/* "k='v' k2='v2'" from {"host", "/run", "password", pw, NULL}; a NULL or empty value leaves its key
 * out. For one dedicated connection (a sidecar on its socket) take a pool of size 1. */
char *pg_conninfo(Arena *a, const char *const *pairs);
/* For the one place where DDL cannot take parameters: an identifier, a literal, ready to stand in
 * SQL. */
char *pg_quote_ident(Arena *a, const char *s);
char *pg_quote_literal(Arena *a, const char *s);

/* ---- parameters: PG_PARAMS(pg_text(id), pg_int(v), pg_null()) ---- */
typedef struct PgParam {
    const char *text; /* NULL: SQL NULL; must live until the query was sent, that is until the call
                         returns */
    char num[24];
    const void *bytes; /* bytea, sent binary */
    size_t n;
    int kind;
} PgParam;
PgParam pg_text(const char *s); /* NULL gives SQL NULL */
PgParam pg_int(int64_t v);
PgParam pg_bool(bool v);
PgParam pg_f64(double v);
PgParam pg_bytes(const void *p, size_t n);
PgParam pg_null(void);
#define PG_PARAMS(...) \
    ((const PgParam[]){__VA_ARGS__}), (sizeof((const PgParam[]){__VA_ARGS__}) / sizeof(PgParam))
#define PG_NO_PARAMS NULL, 0

/* err by SQLSTATE: 23505 EXISTS, 23503/23514/23502 PRECONDITION, 40001/40P01/55P03 CONFLICT, 57014
 * TIMEOUT, class 08 and 57P0x UNAVAILABLE, 42xxx INTERNAL (our SQL is wrong), 22xxx INVALID. */
typedef void (*PgDone)(void *ctx, const Error *err,
                       PgResult *r); /* exactly one of err and r; once; never from inside */

/* One statement on any connection of the pool, as its own transaction. Params are copied. */
void pg_query(PgPool *p, const char *sql, const PgParam *params, size_t n, PgDone done, void *ctx);

/* A transaction on one connection: fn is called with it after BEGIN; steps run with pg_conn_query;
 * end with exactly one of pg_commit / pg_rollback. A connection that breaks gives every pending
 * step its error, and pg_commit then fails too. */
typedef void (*PgTxFn)(void *ctx, const Error *err, PgConn *c);
void pg_begin(PgPool *p, PgTxFn fn, void *ctx);
void pg_conn_query(PgConn *c, const char *sql, const PgParam *params, size_t n, PgDone done,
                   void *ctx);
void pg_commit(PgConn *c, PgDone done, void *ctx);   /* the connection goes back to the pool */
void pg_rollback(PgConn *c, PgDone done, void *ctx); /* done may be NULL */

/* LISTEN on a connection of its own that reconnects by itself; on_up is called after every
 * (re)connect, so that the listener can re-read what it may have missed. */
typedef struct PgListen PgListen;
PgListen *pg_listen(Loop *l, const char *conninfo, const char *const *channels,
                    void (*on_notify)(void *ctx, const char *channel, const char *payload),
                    void (*on_up)(void *ctx), void *ctx);
void pg_listen_stop(PgListen *li);
bool pg_listen_up(const PgListen *li); /* what is told now arrives here */

/* ---- results ---- */
int pg_rows(const PgResult *r);
int pg_cols(const PgResult *r);
int pg_affected(const PgResult *r);
bool pg_is_null(const PgResult *r, int row, int col);
const char *pg_get(const PgResult *r, int row, int col); /* "" for NULL */
int64_t pg_get_int(const PgResult *r, int row, int col); /* 0 for NULL */
double pg_get_f64(const PgResult *r, int row, int col);
bool pg_get_bool(const PgResult *r, int row, int col);
StrView pg_get_bytes(Arena *a, const PgResult *r, int row, int col); /* bytea */
void pg_result_keep(PgResult *r, Arena *a); /* lives until the arena ends */
