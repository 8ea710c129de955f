/* durability/look.h - what a primary sees of its followers: one row each of pg_stat_replication,
 * and since when by our own clock. */
#pragma once
#include "model/durability.h"
#include "model/ha.h"
#include "pg/pool.h"

enum { LOOK_FRESH_MS = 3000 }; /* standbys answer every second */

typedef struct Seen {
    char stamp[40];       /* of its last answer; only ever compared for equality */
    uint64_t answered_at; /* when the stamp changed last */
    uint64_t streamed_at; /* when it last counted as streaming; 0: never */
} Seen;

typedef struct Look {
    Arena *a; /* followers, in_force */
    ObjList followers;
    char in_force[SYNC_TEXT_MAX];
    SyncSet set; /* the same, of our epoch */
    Seen seen[SYNC_MEMBERS];
    uint32_t streaming;
    uint64_t since;       /* when the first look of this leadership was */
    uint64_t streamed_at; /* when anybody streamed last */
    /* Since `in_force` is as it is. */
    uint64_t force_since, armed_lsn;
    bool armed, confirmed;
} Look;

extern const char SQL_LOOK[];
/* A row set of SQL_LOOK, taken at `now`. */
void look_take(Look *k, const PgResult *r, const char *base, uint64_t epoch, uint64_t now);
void look_reset(Look *k); /* another leadership begins; the arena stays */
/* Who streams, or did lately; when we lead since a moment ago, everybody may be on the way. */
uint32_t look_recent(const Look *k, uint64_t now);
bool look_alone(const Look *k, uint64_t now);
