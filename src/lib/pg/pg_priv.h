/* pg/pg_priv.h - inside of the adapter: one raw connection, its statements, the result.
 *
 * A PgRaw makes one connection attempt and then runs one statement at a time. It reports on_up or
 * on_down; on_down comes at most once and nothing comes after it. The owner frees it, also from
 * inside a callback. */
#pragma once
#include "core/clock.h"
#include "pg/pool.h"
#include <libpq-fe.h>

struct PgResult {
    PGresult *res;
    bool kept; /* an arena owns it now */
};

typedef struct PgRaw PgRaw;
typedef struct PgRawEvents {
    void (*on_up)(void *ctx);
    void (*on_down)(void *ctx, const Error *err);
    void (*on_notify)(void *ctx, const char *channel, const char *payload); /* may be NULL */
} PgRawEvents;
typedef struct PgRawConfig {
    const char *conninfo, *application_name;
    uint64_t statement_timeout_ms; /* 0: none */
} PgRawConfig;

/* A statement in the form that libpq wants; lives in the arena it was made in. */
typedef struct PgStmt {
    const char *sql;
    int n;
    const Oid *types;
    const char *const *values;
    const int *lengths, *formats;
    bool script; /* several statements, no parameters */
} PgStmt;
void pg_stmt_copy(Arena *a, const char *sql, const PgParam *params, size_t n, PgStmt *ret);

PgRaw *pg_raw_open(Loop *l, const PgRawConfig *cfg, const PgRawEvents *ev, void *ctx);
void pg_raw_free(PgRaw *r);       /* a statement under way gets no answer; the owner knows of it */
bool pg_raw_idle(const PgRaw *r); /* up, and no statement under way */
/* Only when up and idle. The statement must live until done. A failure to send is done + on_down,
 * in a later turn. */
void pg_raw_exec(PgRaw *r, const PgStmt *st, PgDone done, void *ctx);

/* ---- conninfo.c: names to addresses before libpq sees them ---- */
typedef struct PgDial PgDial;
typedef void (*PgDialFn)(void *ctx, const Error *err, PGconn *conn);
/* Parse, resolve every host off the loop, PQconnectStart. Exactly one call of done, never from
 * inside, none after cancel. */
PgDial *pg_dial(Loop *l, const char *conninfo, const char *application_name, PgDialFn done,
                void *ctx);
void pg_dial_cancel(PgDial *d);

/* ---- result.c ---- */
ErrCode pg_err_result(Error *err, const PGresult *res);
ErrCode pg_err_conn(Error *err, const PGconn *conn, const char *what);
/* Hand the result to done (err or rows), then free it unless it was kept. */
void pg_deliver(PGresult *res, PgDone done, void *ctx);
