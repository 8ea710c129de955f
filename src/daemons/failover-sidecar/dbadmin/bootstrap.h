/* dbadmin/bootstrap.h - what every primary of ours must have: the replication role with the
 * Secret's password, a physical slot for each other member, pg_stat_statements when it is loaded.
 *
 * Idempotent; run once after each start as a primary. The password reaches PostgreSQL as a
 * SCRAM-SHA-256 verifier only, as a parameter, with statement logging off. */
#pragma once
#include "pg/pool.h"

typedef struct BootstrapSpec {
    const char *replication_password;
    unsigned replicas, ordinal;
} BootstrapSpec;

typedef void (*BootstrapDone)(void *ctx, const Error *err);
/* done once, never from inside. The spec is copied. */
void bootstrap_run(PgPool *pool, const BootstrapSpec *spec, BootstrapDone done, void *ctx);

/* "SCRAM-SHA-256$4096:SALT$STORED:SERVER" (RFC 5803) for an ASCII password. */
char *scram_verifier(Arena *a, const char *password, const unsigned char salt[16]);
