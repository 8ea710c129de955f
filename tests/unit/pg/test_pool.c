/* The pool, transactions, LISTEN and migrations against a real PostgreSQL. */
#include "../pg_fixture.h"
#include "pg/migrate.h"
#include "pg/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LIMIT_MS = 60000, TRIES = 100 };
static PgFixture pg;

typedef struct Got {
    Loop *l;
    PgPool *p;
    PgConn *c;
    bool done;
    int calls;
    Error err;
    char text[128];
    int64_t n;
    Arena *arena;
    StrView bytes;
    PgResult *kept;
} Got;

static void got(void *ctx, const Error *err, PgResult *r)
{
    Got *g = ctx;
    g->done = true;
    g->calls++;
    assert_true((err == NULL) != (r == NULL));
    g->err = err ? *err : (Error){0};
    if (r && pg_rows(r)) {
        snprintf(g->text, sizeof g->text, "%s", pg_get(r, 0, 0));
        g->n = pg_get_int(r, 0, 0);
        if (g->arena)
            g->bytes = pg_get_bytes(g->arena, r, 0, 0);
    }
}

static void wait_done(Got *g)
{
    assert_true(loop_run_until(g->l, &g->done, LIMIT_MS));
    g->done = false;
}

static void query(Got *g, const char *sql, const PgParam *params, size_t n)
{
    pg_query(g->p, sql, params, n, got, g);
    assert_false(g->done); /* never from inside */
    wait_done(g);
}

static Got open_pool(unsigned size, const char *conninfo)
{
    Loop *l = loop_new();
    return (Got){.l = l, .p = pg_pool_new(l, &(PgPoolConfig){.conninfo = conninfo, .size = size})};
}

static void close_pool(Got *g)
{
    pg_pool_free(g->p);
    loop_free(g->l);
}

static void test_values(void **state)
{
    (void)state;
    Got g = open_pool(2, pg.conninfo);
    query(&g, "SELECT $1::int + $2::int", PG_PARAMS(pg_int(40), pg_int(2)));
    assert_int_equal(g.n, 42);
    query(&g, "SELECT coalesce($1::text, 'null')", PG_PARAMS(pg_null()));
    assert_string_equal(g.text, "null");
    query(&g, "SELECT $1::text || $2::text",
          PG_PARAMS(pg_text("a'b\\"), pg_text("; DROP TABLE x")));
    assert_string_equal(g.text, "a'b\\; DROP TABLE x");
    query(&g, "SELECT ($1::float8 * 2)::text", PG_PARAMS(pg_f64(0.25)));
    assert_string_equal(g.text, "0.5");
    AUTO_ARENA a = arena_new();
    g.arena = a;
    query(&g, "SELECT $1::bytea", PG_PARAMS(pg_bytes("\0\1\xff", 3)));
    assert_int_equal(g.bytes.n, 3);
    assert_memory_equal(g.bytes.p, "\0\1\xff", 3);
    assert_true(pg_pool_up(g.p));
    close_pool(&g);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        ErrCode code;
    } rows[] = {
        {"INSERT INTO e VALUES (1)", ERR_EXISTS},
        {"INSERT INTO e VALUES (-1)", ERR_PRECONDITION},
        {"INSERT INTO e VALUES (NULL)", ERR_PRECONDITION},
        {"SELECT 1/0", ERR_INVALID},
        {"SELECT * FROM nosuch", ERR_INTERNAL},
        {"SELECT 'x'::int", ERR_INVALID},

        {"SELECT 1", ERR_OK},
        {"COPY e TO STDOUT", ERR_INTERNAL},

    };
    Got g = open_pool(1, pg.conninfo);
    query(&g, "CREATE TABLE e (n int PRIMARY KEY CHECK (n > 0))", PG_NO_PARAMS);
    query(&g, "INSERT INTO e VALUES (1)", PG_NO_PARAMS);
    assert_int_equal(g.err.code, ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        query(&g, rows[i].sql, PG_NO_PARAMS);
        assert_int_equal(g.err.code, rows[i].code);
    }
    close_pool(&g);
}

/* More requests than connections: all are answered, once each. */
static void test_queue(void **state)
{
    (void)state;
    Got g = open_pool(3, pg.conninfo);
    for (int i = 0; i < 200; i++)
        pg_query(g.p, "SELECT pg_sleep(0.001)", PG_NO_PARAMS, got, &g);
    while (g.calls < 200)
        wait_done(&g);
    assert_int_equal(g.calls, 200);
    assert_int_equal(g.err.code, ERR_OK);
    close_pool(&g);
    Loop *l = loop_new();
    Got q = {
        .l = l,
        .p = pg_pool_new(l, &(PgPoolConfig){.conninfo = pg.conninfo, .size = 1, .queue_limit = 2})};
    Got over = {.l = l};
    pg_query(q.p, "SELECT 1", PG_NO_PARAMS, got, &q);
    pg_query(q.p, "SELECT 1", PG_NO_PARAMS, got, &q);
    pg_query(q.p, "SELECT 1", PG_NO_PARAMS, got, &over);
    wait_done(&over);
    assert_int_equal(over.err.code, ERR_EXHAUSTED);
    close_pool(&q); /* what still waits ends CANCELLED */
    assert_int_equal(q.calls, 2);
}

static void test_timeout(void **state)
{
    (void)state;
    Loop *l = loop_new();
    Got g = {
        .l = l,
        .p = pg_pool_new(
            l, &(PgPoolConfig){.conninfo = pg.conninfo, .size = 1, .statement_timeout_ms = 300})};
    query(&g, "SELECT pg_sleep(20)", PG_NO_PARAMS);
    assert_int_equal(g.err.code, ERR_TIMEOUT);
    for (int i = 0; i < TRIES && g.err.code == ERR_TIMEOUT; i++) /* this one may be late, too */
        query(&g, "SELECT 7", PG_NO_PARAMS);
    assert_int_equal(g.n, 7);
    close_pool(&g);
}

static void tx_started(void *ctx, const Error *err, PgConn *c)
{
    Got *g = ctx;
    g->err = err ? *err : (Error){0};
    g->c = c;
    g->done = true;
}

static void begin(Got *g)
{
    pg_begin(g->p, tx_started, g);
    wait_done(g);
    assert_int_equal(g->err.code, ERR_OK);
}

static void test_transactions(void **state)
{
    (void)state;
    Got g = open_pool(2, pg.conninfo);
    query(&g, "CREATE TABLE t (n int PRIMARY KEY)", PG_NO_PARAMS);
    begin(&g);
    pg_conn_query(g.c, "INSERT INTO t VALUES (1)", PG_NO_PARAMS, NULL, NULL);
    pg_rollback(g.c, got, &g);
    wait_done(&g);
    begin(&g);
    pg_conn_query(g.c, "INSERT INTO t VALUES ($1)", PG_PARAMS(pg_int(2)), NULL, NULL);
    pg_commit(g.c, got, &g);
    wait_done(&g);
    assert_int_equal(g.err.code, ERR_OK);
    query(&g, "SELECT sum(n) FROM t", PG_NO_PARAMS);
    assert_int_equal(g.n, 2);
    /* A failed step fails the commit, whatever came after it. */
    begin(&g);
    pg_conn_query(g.c, "INSERT INTO t VALUES (3)", PG_NO_PARAMS, NULL, NULL);
    pg_conn_query(g.c, "INSERT INTO t VALUES (2)", PG_NO_PARAMS, NULL, NULL);
    pg_commit(g.c, got, &g);
    wait_done(&g);
    assert_int_equal(g.err.code, ERR_CONFLICT);
    query(&g, "SELECT count(*) FROM t", PG_NO_PARAMS);
    assert_int_equal(g.n, 1);
    close_pool(&g);
}

static void rollback_on_error(void *ctx, const Error *err, PgResult *r)
{
    Got *g = ctx;
    (void)r;
    assert_non_null(err);
    pg_rollback(g->c, got, g);
}

/* The server ends the connection in the middle: every step hears of it, the pool comes back. */
static void test_broken_link(void **state)
{
    (void)state;
    Got g = open_pool(1, pg.conninfo);
    begin(&g);
    pg_conn_query(g.c, "SELECT pg_terminate_backend(pg_backend_pid())", PG_NO_PARAMS,
                  rollback_on_error, &g);
    wait_done(&g);
    assert_int_equal(g.err.code, ERR_UNAVAILABLE);
    do {
        query(&g, "SELECT 5", PG_NO_PARAMS);
    } while (g.err.code == ERR_UNAVAILABLE);
    assert_int_equal(g.n, 5);
    /* Freed with a transaction open: its steps end, and so does the handle. */
    begin(&g);
    pg_conn_query(g.c, "SELECT pg_sleep(20)", PG_NO_PARAMS, rollback_on_error, &g);
    pg_pool_free(g.p);
    wait_done(&g);
    assert_int_equal(g.err.code, ERR_CANCELLED);
    loop_free(g.l);
}

static void test_server_away(void **state)
{
    (void)state;
    Got g = open_pool(2, "host=/nonexistent user=x");
    query(&g, "SELECT 1", PG_NO_PARAMS);
    assert_int_equal(g.err.code, ERR_UNAVAILABLE);
    assert_false(pg_pool_up(g.p));
    query(&g, "SELECT 1", PG_NO_PARAMS);
    assert_int_equal(g.err.code, ERR_UNAVAILABLE);
    close_pool(&g);
    g = open_pool(1, "this is not = a conninfo '");
    query(&g, "SELECT 1", PG_NO_PARAMS);
    assert_int_equal(g.err.code, ERR_INVALID);
    close_pool(&g);
    g = open_pool(1, "host=no..such.host user=x");
    query(&g, "SELECT 1", PG_NO_PARAMS);
    assert_int_equal(g.err.code, ERR_UNAVAILABLE);
    close_pool(&g);
    /* The server restarts under an open pool. */
    g = open_pool(2, pg.conninfo);
    query(&g, "SELECT 1", PG_NO_PARAMS);
    assert_int_equal(pgf_ctl(&pg, "stop"), 0);
    query(&g, "SELECT 1", PG_NO_PARAMS);
    assert_int_equal(g.err.code, ERR_UNAVAILABLE);
    assert_int_equal(pgf_ctl(&pg, "start"), 0);
    do {
        query(&g, "SELECT 9", PG_NO_PARAMS);
    } while (g.err.code == ERR_UNAVAILABLE);
    assert_int_equal(g.n, 9);
    close_pool(&g);
}

typedef struct Heard {
    bool up, told;
    char payload[64];
    int ups;
} Heard;

static void on_notify(void *ctx, const char *channel, const char *payload)
{
    Heard *h = ctx;
    assert_string_equal(channel, "some channel");
    snprintf(h->payload, sizeof h->payload, "%s", payload);
    h->told = true;
}

static void on_up(void *ctx)
{
    Heard *h = ctx;
    h->up = true;
    h->ups++;
}

static void test_listen(void **state)
{
    (void)state;
    Got g = open_pool(1, pg.conninfo);
    Heard h = {0};
    PgListen *li = pg_listen(g.l, pg.conninfo, (const char *const[]){"some channel", NULL},
                             on_notify, on_up, &h);
    assert_true(loop_run_until(g.l, &h.up, LIMIT_MS));
    query(&g, "NOTIFY \"some channel\", 'one'", PG_NO_PARAMS);
    assert_true(loop_run_until(g.l, &h.told, LIMIT_MS));
    assert_string_equal(h.payload, "one");
    h.up = h.told = false;
    query(&g,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
          "'pg-swarm listen'",
          PG_NO_PARAMS);
    assert_true(loop_run_until(g.l, &h.up, LIMIT_MS)); /* it came back by itself and said so */
    query(&g, "NOTIFY \"some channel\", 'two'", PG_NO_PARAMS);
    assert_true(loop_run_until(g.l, &h.told, LIMIT_MS));
    assert_int_equal(h.ups, 2);
    pg_listen_stop(li);
    close_pool(&g);
}

/* ---- migrations ---- */

typedef struct Migrated {
    bool done;
    Error err;
    PgMigrateResult r;
} Migrated;

static void on_migrated(void *ctx, const Error *err, const PgMigrateResult *r)
{
    Migrated *m = ctx;
    m->done = true;
    m->err = err ? *err : (Error){0};
    m->r = r ? *r : (PgMigrateResult){0};
}

static Migrated migrate(const PgMigration *list)
{
    Loop *l = loop_new();
    Migrated a = {0}, b = {0};
    pg_migrate(l, pg.conninfo, list, on_migrated, &a);
    pg_migrate(l, pg.conninfo, list, on_migrated, &b); /* two centrals start at the same time */
    assert_true(loop_run_until(l, &a.done, LIMIT_MS));
    assert_true(loop_run_until(l, &b.done, LIMIT_MS));
    assert_int_equal(a.err.code, b.err.code);
    loop_free(l);
    return a.r.applied >= b.r.applied ? a : b;
}

static void test_migrate(void **state)
{
    (void)state;
    const PgMigration one[] = {{1, "0001_a", "CREATE TABLE m (n int); INSERT INTO m VALUES (1);"},
                               {0, NULL, NULL}};
    const PgMigration two[] = {one[0], {2, "0002_b", "UPDATE m SET n = n + 1"}, {0, NULL, NULL}};
    const PgMigration bad[] = {
        one[0], two[1], {3, "0003_c", "UPDATE m SET n = 0; SELECT 1/0"}, {0, NULL, NULL}};
    const PgMigration edited[] = {{1, "0001_a", "CREATE TABLE m (n text)"}, {0, NULL, NULL}};
    Migrated m = migrate(one);
    assert_int_equal(m.err.code, ERR_OK);
    assert_int_equal(m.r.applied, 1);
    m = migrate(two);
    assert_int_equal(m.r.from, 1);
    assert_int_equal(m.r.to, 2);
    assert_int_equal(migrate(two).r.applied, 0);
    m = migrate(bad);
    assert_int_equal(m.err.code, ERR_INVALID);
    assert_non_null(strstr(m.err.msg, "0003_c"));
    assert_int_equal(migrate(one).err.code, ERR_PRECONDITION);
    assert_int_equal(migrate(edited).err.code, ERR_PRECONDITION);
    Got g = open_pool(1, pg.conninfo);
    query(&g, "SELECT n FROM m", PG_NO_PARAMS); /* the failed file left nothing behind */
    assert_int_equal(g.n, 2);
    close_pool(&g);
}

static void test_quote(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    const char *nasty = "a\"b'c\\d; --";
    Got g = open_pool(1, pg.conninfo);
    query(&g,
          arena_printf(a, "SELECT %s AS %s", pg_quote_literal(a, nasty), pg_quote_ident(a, nasty)),
          PG_NO_PARAMS);
    assert_string_equal(g.text, nasty);
    close_pool(&g);
    const char *pairs[] = {"host", pg.dir,     "user",   "postgres", "dbname",
                           "",     "password", "x' \\y", NULL};
    g = open_pool(1, pg_conninfo(a, pairs));
    query(&g, "SELECT current_user", PG_NO_PARAMS);
    assert_string_equal(g.text, "postgres");
    close_pool(&g);
}

static int start_pg(void **state)
{
    (void)state;
    pgf_start(&pg);
    return 0;
}

static int stop_pg(void **state)
{
    (void)state;
    pgf_stop(&pg);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),       cmocka_unit_test(test_errors),
        cmocka_unit_test(test_queue),        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_transactions), cmocka_unit_test(test_broken_link),
        cmocka_unit_test(test_listen),       cmocka_unit_test(test_migrate),
        cmocka_unit_test(test_quote),        cmocka_unit_test(test_server_away),
    };
    return cmocka_run_group_tests(tests, start_pg, stop_pg);
}
