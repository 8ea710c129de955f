#include "dbadmin/bootstrap.h"

#include "core/ident.h"
#include <stdlib.h>

typedef struct Bootstrap {
    Arena *arena;
    BootstrapSpec spec;
    BootstrapDone done;
    void *ctx;
    PgConn *conn;
    unsigned step;
    Error err;
} Bootstrap;

/* Quiet: nothing of this may show in the log or in the statistics. Local: on a synchronous
 * cluster nobody may be there yet to acknowledge. */
static const char SQL_QUIET[] = "SELECT set_config('log_statement', 'none', true), "
                                "set_config('log_min_duration_statement', '-1', true), "
                                "set_config('log_min_error_statement', 'panic', true), "
                                "set_config('pg_stat_statements.track', 'none', true), "
                                "set_config('synchronous_commit', 'local', true)";

/* A statement of its own: its parameter would be logged if the quiet began with it. */
static const char SQL_VERIFIER[] = "SELECT set_config('pgswarm.verifier', $1, true)";

static const char SQL_ROLE[] =
    "DO $$ BEGIN "
    "IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'repl_user') THEN "
    "CREATE ROLE repl_user; END IF; "
    "EXECUTE format('ALTER ROLE repl_user LOGIN REPLICATION PASSWORD %L', "
    "current_setting('pgswarm.verifier')); END $$";

/* What pg_rewind wants of its source, and whoever comes back behind this primary asks for. */
static const char SQL_REWIND[] =
    "DO $$ DECLARE f text; BEGIN FOREACH f IN ARRAY ARRAY["
    "'pg_ls_dir(text, boolean, boolean)', 'pg_stat_file(text, boolean)', "
    "'pg_read_binary_file(text)', 'pg_read_binary_file(text, bigint, bigint, boolean)'] LOOP "
    "IF NOT has_function_privilege('repl_user', 'pg_catalog.' || f, 'EXECUTE') THEN "
    "EXECUTE 'GRANT EXECUTE ON FUNCTION pg_catalog.' || f || ' TO repl_user'; END IF; "
    "END LOOP; END $$";

static const char SQL_EXTENSION[] =
    "DO $$ BEGIN "
    "IF current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%' "
    "AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') THEN "
    "CREATE EXTENSION IF NOT EXISTS pg_stat_statements; END IF; END $$";

/* Slots of members that are no more would keep WAL for ever. */
static const char SQL_DROP_SLOTS[] =
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
    "WHERE slot_type = 'physical' AND NOT active AND slot_name ~ '^member_[0-9]{1,4}$' "
    "AND (substr(slot_name, 8)::int >= $1 OR substr(slot_name, 8)::int = $2)";

static const char SQL_ADD_SLOTS[] =
    "SELECT pg_create_physical_replication_slot('member_' || i) "
    "FROM generate_series(0, $1::int - 1) AS i WHERE i <> $2 AND NOT EXISTS "
    "(SELECT FROM pg_replication_slots WHERE slot_name = 'member_' || i)";

typedef enum StepParams { NO_PARAMS, VERIFIER, MEMBERS } StepParams;
static const struct {
    const char *sql;
    StepParams params;
} STEPS[] = {
    {SQL_QUIET, NO_PARAMS},   {SQL_VERIFIER, VERIFIER},   {SQL_ROLE, NO_PARAMS},
    {SQL_REWIND, NO_PARAMS},  {SQL_EXTENSION, NO_PARAMS}, {SQL_DROP_SLOTS, MEMBERS},
    {SQL_ADD_SLOTS, MEMBERS},
};

static void next_step(Bootstrap *b);

static void finish(void *ctx, const Error *err, PgResult *r)
{
    (void)r;
    Bootstrap *b = ctx;
    b->done(b->ctx, b->err.code ? &b->err : err);
    arena_free(b->arena);
    free(b);
}

static void on_step(void *ctx, const Error *err, PgResult *r)
{
    (void)r;
    Bootstrap *b = ctx;
    if (err) {
        b->err = *err;
        err_wrap(&b->err, "bootstrap step %u", b->step);
        pg_rollback(b->conn, finish, b);
        return;
    }
    b->step++;
    next_step(b);
}

static void next_step(Bootstrap *b)
{
    if (b->step == sizeof STEPS / sizeof *STEPS) {
        pg_commit(b->conn, finish, b);
        return;
    }
    const char *sql = STEPS[b->step].sql;
    switch (STEPS[b->step].params) {
    case NO_PARAMS:
        pg_conn_query(b->conn, sql, PG_NO_PARAMS, on_step, b);
        return;
    case VERIFIER: {
        unsigned char salt[16];
        random_bytes(salt, sizeof salt);
        const char *verifier = scram_verifier(b->arena, b->spec.replication_password, salt);
        pg_conn_query(b->conn, sql, PG_PARAMS(pg_text(verifier)), on_step, b);
        return;
    }
    case MEMBERS:
        pg_conn_query(b->conn, sql, PG_PARAMS(pg_int(b->spec.replicas), pg_int(b->spec.ordinal)),
                      on_step, b);
        return;
    }
}

static void on_begin(void *ctx, const Error *err, PgConn *c)
{
    Bootstrap *b = ctx;
    if (err) {
        finish(b, err, NULL);
        return;
    }
    b->conn = c;
    next_step(b);
}

void bootstrap_run(PgPool *pool, const BootstrapSpec *spec, BootstrapDone done, void *ctx)
{
    Bootstrap *b = xnew(Bootstrap);
    b->arena = arena_new();
    b->spec = *spec;
    b->spec.replication_password = arena_strdup(b->arena, spec->replication_password);
    b->done = done;
    b->ctx = ctx;
    pg_begin(pool, on_begin, b);
}
