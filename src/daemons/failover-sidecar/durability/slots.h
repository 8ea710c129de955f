/* durability/slots.h - a physical slot for every other member, on every node, so that whoever leads
 * next has the WAL that the others need.
 *
 * On a primary a slot moves with its follower. On a standby nobody moves them: each follows the
 * node's own last restartpoint, so it holds back no WAL that is not there anyway, and holds that
 * back over a promotion. Slots of members that are no more go, and those whose WAL was given up
 * (max_slot_wal_keep_size) are made anew. */
#pragma once
#include "config.h"
#include "pg/pool.h"

typedef struct Slots Slots;
typedef struct SlotsSituation {
    PgPool *pool; /* NULL: PostgreSQL does not run */
    bool standby;
} SlotsSituation;
typedef struct SlotsConfig {
    Loop *loop;
    const Config *cfg;
    SlotsSituation (*situation)(void *ctx);
    void *ctx;
} SlotsConfig;

Slots *slots_new(const SlotsConfig *cfg);
void slots_free(Slots *s); /* after the pool of its last situation */
