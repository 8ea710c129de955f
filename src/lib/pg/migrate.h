/* pg/migrate.h - forward-only migrations under an advisory lock, one transaction each. */
#pragma once
#include "core/err.h"
#include "loop/loop.h"

typedef struct PgMigration {
    int version;      /* of the file name NNNN_name.sql; 0 ends the list */
    const char *name; /* "0001_init" */
    const char *sql;
} PgMigration;

typedef struct PgMigrateResult {
    int applied, from, to;
} PgMigrateResult;

/* Bring the database at conninfo to the newest version. A database newer than the list, or one
 * whose applied migration has another checksum, is ERR_PRECONDITION and nothing is done. Exactly
 * one call of done, never from inside. */
void pg_migrate(Loop *l, const char *conninfo, const PgMigration *list,
                void (*done)(void *ctx, const Error *err, const PgMigrateResult *r), void *ctx);
