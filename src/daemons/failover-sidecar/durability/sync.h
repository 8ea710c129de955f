/* durability/sync.h - keeps synchronous_standby_names at a primary, and the record of it in the
 * lease, as the profile's durability wants.
 *
 * Looks at pg_stat_replication once a second, plans by model/durability.h (which says in what order
 * record and effect follow one another), does one thing at a time. Nothing is weakened while the
 * lease cannot be written or this member is fenced: then writes wait. A backend that waits for an
 * acknowledgement is never cancelled. */
#pragma once
#include "config.h"
#include "launcher/client.h"
#include "lease/lease.h"
#include "link/satellite.h"
#include "pg/pool.h"
#include "record/record.h"

typedef struct Sync Sync;
/* How this member stands now. */
typedef struct SyncSituation {
    PgPool *pool;   /* NULL: there is no primary of ours, out of recovery */
    uint64_t epoch; /* at which it leads */
    bool may_write; /* the lease is ours, renewed lately, reachable; not fenced, not ending */
} SyncSituation;
typedef struct SyncConfig {
    Loop *loop;
    const Config *cfg;
    Lease *lease;
    LauncherClient *launcher;
    Record *record;
    Link *link;
    SyncSituation (*situation)(void *ctx);
    void (*on_news)(void *ctx); /* people should hear of it: who follows, what is in force */
    void *ctx;
} SyncConfig;

Sync *sync_new(const SyncConfig *cfg);
void sync_free(Sync *s); /* after the pool of its last situation */
void sync_wake(Sync *s); /* something changed: look now */
/* Durability, record, and at a primary what is in force and who follows. */
void sync_facts(const Sync *s, Arena *a, HaFacts *ret);

/* synchronous_standby_names for a start: a primary's as the lease records it (or, without a record,
 * as a new leader's); a standby's as if it led, so that PostgreSQL waits from the first commit
 * after a promotion on. */
const char *sync_primary_text(Arena *a, const Config *cfg, const LeaseInfo *l);
const char *sync_standby_text(Arena *a, const Config *cfg, uint64_t epoch);
/* "prod-pg" of "prod-pg-0". */
const char *sync_base(Arena *a, const Config *cfg);
