/* probe/heavy.h - the costly part of the probe: one round of queries after the other, into one
 * arena that replaces that of the round before. */
#pragma once
#include "model/health.h"
#include "pg/pool.h"

typedef struct Heavy {
    PgPool *pool;
    Arena *arena, *next; /* of the last whole round, of the one under way */
    InstanceHealth health, building;
    bool under_way, statements;
    void (*on_whole)(void *ctx); /* a round is complete */
    void *ctx;
} Heavy;

/* Results appear in h->health when the round is complete. A round that fails keeps the old one. */
void heavy_round(Heavy *h);
void heavy_done(Heavy *h);
/* Copy the heavy figures of the last whole round. */
void heavy_fill(const Heavy *h, InstanceHealth *ret);
