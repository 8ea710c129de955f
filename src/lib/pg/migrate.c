#include "pg/migrate.h"

#include "core/ident.h"
#include "pg/pg_priv.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/* Any number of our own; every central takes the same lock, so that two that start together do not
 * race. */
#define LOCK_SQL "SELECT pg_advisory_lock(7235891640021)"
#define TABLE_SQL                                                                       \
    "CREATE TABLE IF NOT EXISTS schema_migrations (version int PRIMARY KEY, name text " \
    "NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
#define LIST_SQL "SELECT version, name, sha256 FROM schema_migrations ORDER BY version"
#define NOTE_SQL "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)"

typedef struct Migrate {
    Loop *l;
    Arena *arena;
    const PgMigration *list, *next;
    void (*done)(void *ctx, const Error *err, const PgMigrateResult *r);
    void *ctx;
    PgRaw *raw;
    PgMigrateResult result;
    PgStmt st;
} Migrate;

static void finish(Migrate *m, const Error *err)
{
    Error room;
    if (err) {
        room = *err;
        err_wrap(&room, "migrate%s%s", m->next && m->next->version ? " " : "",
                 m->next && m->next->version ? m->next->name : "");
    }
    m->done(m->ctx, err ? &room : NULL, err ? NULL : &m->result);
    pg_raw_free(m->raw); /* gives the lock back */
    arena_free(m->arena);
}

static void run(Migrate *m, const char *sql, PgDone done)
{
    m->st = (PgStmt){.sql = sql, .script = true};
    pg_raw_exec(m->raw, &m->st, done, m);
}

/* Every step has this shape: an ERROR of the server ends it here, a lost link ends it in on_down.
 */
#define STEP_FAILED(m, err)        \
    if (err) {                     \
        if (pg_raw_idle((m)->raw)) \
            finish((m), (err));    \
        return;                    \
    }

static void checksum(const PgMigration *g, char ret[65])
{
    unsigned char sum[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(sum, (const unsigned char *)g->sql, strlen(g->sql));
    hex_encode(ret, sum, sizeof sum);
}

static void next_file(Migrate *m);

static void committed(void *ctx, const Error *err, PgResult *r)
{
    Migrate *m = ctx;
    (void)r;
    STEP_FAILED(m, err)
    m->result.applied++;
    m->result.to = m->next->version;
    m->next++;
    next_file(m);
}

static void noted(void *ctx, const Error *err, PgResult *r)
{
    Migrate *m = ctx;
    (void)r;
    STEP_FAILED(m, err)
    run(m, "COMMIT", committed);
}

static void applied(void *ctx, const Error *err, PgResult *r)
{
    Migrate *m = ctx;
    char sum[65];
    (void)r;
    STEP_FAILED(m, err)
    checksum(m->next, sum);
    const PgParam params[] = {pg_int(m->next->version), pg_text(m->next->name), pg_text(sum)};
    pg_stmt_copy(m->arena, NOTE_SQL, params, 3, &m->st);
    pg_raw_exec(m->raw, &m->st, noted, m);
}

static void begun(void *ctx, const Error *err, PgResult *r)
{
    Migrate *m = ctx;
    (void)r;
    STEP_FAILED(m, err)
    run(m, m->next->sql, applied);
}

static void next_file(Migrate *m)
{
    if (m->next->version)
        run(m, "BEGIN", begun);
    else
        finish(m, NULL);
}

static ErrCode check_row(const PgMigration *g, const PgResult *r, int i, Error *err)
{
    char sum[65];
    int version = (int)pg_get_int(r, i, 0);
    if (!g->version)
        return err_set(
            err, ERR_PRECONDITION,
            "the database is at version %d (%s), which this program does not know: run a "
            "newer one",
            version, pg_get(r, i, 1));
    checksum(g, sum);
    if (g->version != version || !str_eq(sum, pg_get(r, i, 2)))
        return err_set(err, ERR_PRECONDITION,
                       "version %d was applied with another text (%s) than this program has (%s)",
                       version, pg_get(r, i, 1), g->name);
    return ERR_OK;
}

static void listed(void *ctx, const Error *err, PgResult *r)
{
    Migrate *m = ctx;
    Error why;
    STEP_FAILED(m, err)
    const PgMigration *g = m->list;
    for (int i = 0; i < pg_rows(r); i++, g++)
        if (check_row(g, r, i, &why)) {
            finish(m, &why);
            return;
        }
    m->next = g;
    m->result.from = m->result.to = g == m->list ? 0 : g[-1].version;
    next_file(m);
}

static void table_made(void *ctx, const Error *err, PgResult *r)
{
    Migrate *m = ctx;
    (void)r;
    STEP_FAILED(m, err)
    run(m, LIST_SQL, listed);
}

static void locked(void *ctx, const Error *err, PgResult *r)
{
    Migrate *m = ctx;
    (void)r;
    STEP_FAILED(m, err)
    run(m, TABLE_SQL, table_made);
}

static void raw_up(void *ctx)
{
    Migrate *m = ctx;
    run(m, LOCK_SQL, locked);
}

static void raw_down(void *ctx, const Error *err)
{
    finish(ctx, err);
}

void pg_migrate(Loop *l, const char *conninfo, const PgMigration *list,
                void (*done)(void *ctx, const Error *err, const PgMigrateResult *r), void *ctx)
{
    static const PgRawEvents EVENTS = {raw_up, raw_down, NULL};
    Arena *a = arena_new();
    Migrate *m = arena_new_of(a, Migrate);
    *m = (Migrate){.l = l, .arena = a, .list = list, .done = done, .ctx = ctx};
    PgRawConfig cfg = {.conninfo = conninfo, .application_name = "pg-swarm migrate"};
    m->raw = pg_raw_open(l, &cfg, &EVENTS, m);
}
