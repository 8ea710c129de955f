#include "pg/pg_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_TIMEOUT_MS = 10000, ANSWER_GRACE_MS = 5000 };

typedef enum RawState { RAW_DIALLING, RAW_CONNECTING, RAW_SETUP, RAW_UP, RAW_DEAD } RawState;

struct PgRaw {
    Loop *l;
    PgRawEvents ev;
    void *ctx;
    RawState state;
    uint64_t statement_timeout_ms;
    PgDial *dial;
    PGconn *conn;
    FdWatch *watch;
    Timer *limit; /* of the connection attempt, then of each answer */
    Timer *broke; /* a failure found inside a call of the owner, told in the next turn */
    Error why;
    bool busy;
    PgDone done;
    void *done_ctx;
    PGresult *last; /* first error, else newest rows, of the statement under way */
    unsigned depth; /* callbacks under way: free only when they have returned */
    bool freed;
};

static void close_link(PgRaw *r)
{
    fdwatch_stop(r->watch); /* before libpq closes the descriptor */
    r->watch = NULL;
    pg_dial_cancel(r->dial);
    r->dial = NULL;
    timer_stop(r->limit);
    timer_stop(r->broke);
    r->limit = r->broke = NULL;
    PQclear(r->last);
    r->last = NULL;
    PQfinish(r->conn);
    r->conn = NULL;
}

static void leave(PgRaw *r)
{
    if (--r->depth == 0 && r->freed)
        free(r);
}

void pg_raw_free(PgRaw *r)
{
    if (!r || r->freed)
        return;
    close_link(r);
    r->state = RAW_DEAD;
    r->freed = true;
    if (r->depth == 0)
        free(r);
}

static void raw_fail(PgRaw *r, const Error *why)
{
    Error err = *why;
    if (r->state == RAW_DEAD)
        return;
    bool busy = r->busy;
    PgDone done = r->done;
    r->state = RAW_DEAD;
    r->busy = false;
    close_link(r);
    r->depth++;
    if (busy && done)
        done(r->done_ctx, &err, NULL);
    if (!r->freed)
        r->ev.on_down(r->ctx, &err);
    leave(r);
}

static void raw_fail_conn(PgRaw *r, const char *what)
{
    Error err;
    pg_err_conn(&err, r->conn, what);
    raw_fail(r, &err);
}

static void tell_broken(void *ctx)
{
    PgRaw *r = ctx;
    raw_fail(r, &r->why);
}

/* ---- one statement ---- */

static void want(PgRaw *r)
{
    int rc = PQflush(r->conn);
    if (rc < 0 && !r->broke) {
        pg_err_conn(&r->why, r->conn, "send");
        r->broke = timer_start(r->l, 0, 0, tell_broken, r);
        return;
    }
    fdwatch_update(r->watch, FD_READ | (rc > 0 ? FD_WRITE : 0));
}

static bool send_stmt(PGconn *conn, const PgStmt *st)
{
    if (st->script)
        return PQsendQuery(conn, st->sql);
    return PQsendQueryParams(conn, st->sql, st->n, st->types, st->values, st->lengths, st->formats,
                             0);
}

bool pg_raw_idle(const PgRaw *r)
{
    return r->state == RAW_UP && !r->busy && !r->broke;
}

void pg_raw_exec(PgRaw *r, const PgStmt *st, PgDone done, void *ctx)
{
    if (r->busy || (r->state != RAW_UP && r->state != RAW_SETUP))
        BUG("a statement on a connection that is not idle");
    r->busy = true;
    r->done = done;
    r->done_ctx = ctx;
    if (!send_stmt(r->conn, st)) {
        pg_err_conn(&r->why, r->conn, "send");
        r->broke = timer_start(r->l, 0, 0, tell_broken, r);
        return;
    }
    if (r->statement_timeout_ms)
        timer_again(r->limit, r->statement_timeout_ms + ANSWER_GRACE_MS);
    want(r);
}

static bool is_error(const PGresult *res)
{
    return PQresultStatus(res) == PGRES_FATAL_ERROR || PQresultStatus(res) == PGRES_BAD_RESPONSE;
}

/* Returns false when the connection is of no use any more. */
static bool collect(PgRaw *r, PGresult *res)
{
    ExecStatusType st = PQresultStatus(res);
    if (st == PGRES_COPY_IN || st == PGRES_COPY_OUT || st == PGRES_COPY_BOTH) {
        PQclear(res);
        return false;
    }
    if (r->last && is_error(r->last)) {
        PQclear(res);
    } else {
        PQclear(r->last);
        r->last = res;
    }
    return true;
}

static void statement_done(PgRaw *r)
{
    PGresult *res = r->last;
    r->last = NULL;
    r->busy = false;
    timer_again(r->limit, UINT64_MAX);
    if (res)
        pg_deliver(res, r->done, r->done_ctx);
}

static void take_notifies(PgRaw *r)
{
    PGnotify *n;
    while (r->conn && (n = PQnotifies(r->conn))) {
        if (r->ev.on_notify && r->state == RAW_UP)
            r->ev.on_notify(r->ctx, n->relname, n->extra);
        PQfreemem(n);
    }
}

static void pump(PgRaw *r)
{
    Error err;
    if (!PQconsumeInput(r->conn)) {
        raw_fail_conn(r, "database");
        return;
    }
    take_notifies(r);
    while (r->conn && r->busy && !PQisBusy(r->conn)) {
        PGresult *res = PQgetResult(r->conn);
        if (!res) {
            statement_done(r);
            return;
        }
        if (!collect(r, res)) {
            err_set(&err, ERR_INTERNAL, "COPY is not spoken here");
            raw_fail(r, &err);
            return;
        }
    }
    if (r->conn && PQstatus(r->conn) == CONNECTION_BAD)
        raw_fail_conn(r, "database");
    else if (r->conn)
        want(r);
}

/* ---- connecting ---- */

static void setup_done(void *ctx, const Error *err, PgResult *res)
{
    PgRaw *r = ctx;
    (void)res;
    if (err) {
        if (r->state == RAW_SETUP)
            raw_fail(r, err);
        return;
    }
    r->state = RAW_UP;
    r->ev.on_up(r->ctx);
}

static void setup(PgRaw *r)
{
    char sql[512];
    snprintf(
        sql, sizeof sql,
        "SELECT set_config('statement_timeout', '%llu', false),"
        " set_config('idle_in_transaction_session_timeout', '60000', false),"
        " set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false),"
        " set_config('bytea_output', 'hex', false), set_config('search_path', 'public', false)",
        (unsigned long long)r->statement_timeout_ms);
    r->state = RAW_SETUP;
    PQsetnonblocking(r->conn, 1);
    pg_raw_exec(r, &(PgStmt){.sql = sql}, setup_done, r);
    if (!r->statement_timeout_ms)
        timer_again(r->limit, CONNECT_TIMEOUT_MS);
}

static void on_fd(void *ctx, int events, bool failed);

static void connect_step(PgRaw *r)
{
    fdwatch_stop(r->watch); /* the descriptor may change or be closed in the step */
    r->watch = NULL;
    PostgresPollingStatusType st = PQconnectPoll(r->conn);
    if (st == PGRES_POLLING_FAILED) {
        raw_fail_conn(r, "connect");
        return;
    }
    int ev = st == PGRES_POLLING_WRITING ? FD_WRITE : FD_READ;
    r->watch = fdwatch_start(r->l, PQsocket(r->conn), ev, on_fd, r);
    if (st == PGRES_POLLING_OK)
        setup(r);
}

static void on_fd(void *ctx, int events, bool failed)
{
    PgRaw *r = ctx;
    r->depth++;
    if (r->state == RAW_CONNECTING) {
        connect_step(r);
    } else if (events & FD_READ || failed) {
        pump(r);
    } else {
        want(r);
    }
    leave(r);
}

static void on_limit(void *ctx)
{
    PgRaw *r = ctx;
    Error err;
    err_set(&err, ERR_UNAVAILABLE, "database: no answer in time%s",
            r->busy ? " to a statement" : " to the connection attempt");
    raw_fail(r, &err);
}

static void ignore_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

static void on_dialled(void *ctx, const Error *err, PGconn *conn)
{
    PgRaw *r = ctx;
    r->dial = NULL;
    if (err) {
        raw_fail(r, err);
        return;
    }
    r->conn = conn;
    r->state = RAW_CONNECTING;
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    r->watch = fdwatch_start(r->l, PQsocket(conn), FD_WRITE, on_fd, r);
}

PgRaw *pg_raw_open(Loop *l, const PgRawConfig *cfg, const PgRawEvents *ev, void *ctx)
{
    PgRaw *r = xnew(PgRaw);
    r->l = l;
    r->ev = *ev;
    r->ctx = ctx;
    r->statement_timeout_ms = cfg->statement_timeout_ms;
    r->limit = timer_start(l, CONNECT_TIMEOUT_MS, 0, on_limit, r);
    r->dial = pg_dial(l, cfg->conninfo, cfg->application_name, on_dialled, r);
    return r;
}
