/* rejoin/ask.h - what the leader, and PostgreSQL here, say about timelines: one question each. */
#pragma once
#include "loop/loop.h"
#include "model/rejoin.h"
#include "pg/pool.h"

typedef struct LeaderAsk LeaderAsk;
typedef struct LeaderAddr {
    const char *host, *user, *password;
    uint16_t port;
} LeaderAddr;

/* ret->reached tells whether it answered; err NULL or why it did not. Once; never from inside, not
 * after cancel. */
typedef void (*LeaderAnswer)(void *ctx, const Error *err, const RejoinLeader *ret);
LeaderAsk *leader_ask(Loop *l, const LeaderAddr *at, LeaderAnswer done, void *ctx);
void leader_ask_cancel(LeaderAsk *a); /* NULL is fine */

typedef struct LocalPosition {
    bool in_recovery;
    bool at_the_end;  /* all the WAL there is has been replayed, or a receiver brings more */
    uint64_t end_lsn; /* received or replayed, whichever is more */
} LocalPosition;
extern const char SQL_LOCAL_POSITION[];
LocalPosition local_position(const PgResult *r);
