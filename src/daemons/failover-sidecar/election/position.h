/* election/position.h - how far this standby's WAL goes, asked of PostgreSQL again and again while
 * it matters: is the receiver still there, what was received and replayed, on which timeline. */
#pragma once
#include "pg/pool.h"

typedef struct PositionSeen {
    uint64_t asked_at; /* clock_boot_ms when the query left; 0: never answered */
    bool receiver;     /* a WAL receiver is there, connected or not */
    bool upstream;     /* the configuration in force names one: a receiver may come */
    bool whole;        /* everything there is here was found: streamed, or replayed to the end */
    bool in_recovery;
    uint32_t timeline;
    uint64_t received, replayed; /* received is never less than replayed */
} PositionSeen;

typedef struct PositionPoll PositionPoll;
PositionPoll *position_poll_new(Loop *l, PgPool *pool, void (*on_answer)(void *ctx), void *ctx);
void position_poll_close(PositionPoll *p); /* before the pool is freed */
void position_poll_free(PositionPoll *p);  /* after it */
/* Ask now, and so on every `every_ms`; 0: no more. */
void position_poll(PositionPoll *p, unsigned every_ms);
const PositionSeen *position_seen(const PositionPoll *p);
