/* model/election.h - what a member of a cluster is and does next: a pure table over what it sees.
 *
 * No I/O, no clock: ages are turned into views by the caller. Rows are tried in order, the first
 * that matches decides; the last one matches everything. What keeps two primaries apart:
 *   - a lease is only ever taken when its holder let go of it with PostgreSQL down, or when it was
 *     not renewed for its whole duration as this member saw it, and only by a sealed member;
 *   - a primary only runs under a permit that ends before its lease does;
 *   - a sealed member has no receiver, so it vouches for nobody, and its published position stays
 *     true until it is withdrawn, which comes before the seal is lifted. */
#pragma once
#include "core/str.h"

typedef enum LeaseView {
    LEASE_UNKNOWN,   /* not read yet, or not since this process stood still */
    LEASE_NONE,      /* there is none */
    LEASE_GONE,      /* there is none, and nobody made one for a whole duration */
    LEASE_MINE_NEW,  /* mine; no system identifier in it yet */
    LEASE_MINE,      /* mine, by name of the pod */
    LEASE_OTHER_NEW, /* another's, who has not initialised yet */
    LEASE_RISING,    /* another's, who took it and has not said yet where it leads */
    LEASE_OTHER,     /* another's, renewed in time, with an address */
    LEASE_LATE,      /* another's; its permit must be over by now, but not the lease */
    LEASE_EXPIRED,   /* another's, not renewed in time */
    LEASE_FREE,      /* released */
    LEASE_VIEW_COUNT
} LeaseView;

typedef enum DataView {
    DATA_UNKNOWN, /* the launcher does not answer */
    DATA_EMPTY,
    DATA_LOST,    /* the volume held a cluster once */
    DATA_FOREIGN, /* not made by PG-Swarm */
    DATA_ALIEN,   /* of another cluster than the lease's */
    DATA_MARKED,  /* a rewind was begun and not ended */
    DATA_PRIMARY, /* ours, last ran as primary */
    DATA_STANDBY,
    DATA_VIEW_COUNT
} DataView;

typedef enum PgView { PG_DOWN, PG_PRIMARY, PG_STANDBY, PG_STOPPING, PG_VIEW_COUNT } PgView;

enum {
    IF_FIRST = 1 << 0,     /* this pod is ordinal 0 */
    IF_EPOCH = 1 << 1,     /* the data is of the lease's epoch */
    IF_FOLLOWS = 1 << 2,   /* the standby follows the holder, at its address and epoch */
    IF_PERMIT = 1 << 3,    /* a renewal of ours leaves enough time */
    IF_QUICK = 1 << 4,     /* PostgreSQL may be started again in place */
    IF_ENTITLED = 1 << 5,  /* the lease is mine and this standby was chosen for its epoch */
    IF_READY = 1 << 6,     /* entitled, and what was handed over has been replayed */
    IF_SEALED = 1 << 7,    /* sealed for the epoch that is to be taken */
    IF_CUT = 1 << 8,       /* the receiver is gone (always, when PostgreSQL is down) */
    IF_CONFIRMED = 1 << 9, /* the API server confirmed the lease as it is seen here */
    IF_TOLD = 1 << 10,     /* a position stands in the own pod's annotation, or may */
    IF_CURRENT = 1 << 11,  /* it is that of this contest, and still true */
    IF_TURN = 1 << 12,     /* contest_verdict says: take it */
    IF_PAUSED = 1 << 13,   /* and nobody forces a failover */
    IF_EVICTED = 1 << 14,  /* somebody asked for a failover away from here */
    IF_FROZEN = 1 << 15,   /* PostgreSQL is stopped by a signal, or answers nobody */
    IF_ROGUE = 1 << 16,    /* started as a standby, but out of recovery */
    IF_LEAVING = 1 << 17,  /* the launcher was asked to end */
    IF_GAVE = 1 << 18,     /* we released it a moment ago: the others go first */
    IF_RECOVERY = 1 << 19, /* PostgreSQL is still in recovery, or not known to be out */
    IF_HELD = 1 << 20,     /* an operation keeps PostgreSQL down */
    IF_SETTLED = 1 << 21,  /* sealed, the receiver gone, and the position known */
    IF_BITS = 22
};

typedef struct Observation {
    LeaseView lease;
    DataView data;
    PgView pg;
    unsigned flags;
    bool job; /* the launcher has one under way */
} Observation;

typedef enum MemberState {
    MEMBER_STARTING,
    MEMBER_WAITING,
    MEMBER_INITIALISING,
    MEMBER_CLONING,
    MEMBER_PRIMARY,
    MEMBER_REPLICA,
    MEMBER_CONTENDING, /* sealed, or about to be */
    MEMBER_PROMOTING,
    MEMBER_REJOINING,
    MEMBER_STATE_COUNT
} MemberState;

typedef enum Action {
    ACT_NONE,
    ACT_CREATE_LEASE,
    ACT_RECREATE_LEASE, /* deleted under a running primary: with the next epoch */
    ACT_RENEW,          /* at once; otherwise `hold` renews by the clock */
    ACT_INITDB,
    ACT_START_PRIMARY,
    ACT_CLONE,
    ACT_FOLLOW,       /* a running standby, sealed or not */
    ACT_REJOIN,       /* data, PostgreSQL down, another leads */
    ACT_START_SEALED, /* a standby that follows nobody */
    ACT_STOP_NOW,
    ACT_KILL,     /* the whole group, at once */
    ACT_CONFIRM,  /* read the lease again */
    ACT_SEAL,     /* drop the receiver for good */
    ACT_PUBLISH,  /* the sealed position, into the own pod's annotation */
    ACT_WITHDRAW, /* and out of it */
    ACT_TAKE,     /* the lease, with the next epoch */
    ACT_PROMOTE,
    ACT_RELEASE, /* the lease: PostgreSQL here is down, or never was a primary at this epoch */
    ACTION_COUNT
} Action;

typedef struct Decision {
    MemberState state;
    Action action;
    bool hold;       /* keep renewing the lease */
    const char *why; /* one sentence; %s stands for the holder; NULL when all is well */
} Decision;

Decision member_decide(const Observation *o);
const char *member_state_name(MemberState s);
const char *action_name(Action a);
