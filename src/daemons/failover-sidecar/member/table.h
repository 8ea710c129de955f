/* member/table.h - what a member of a cluster is and does next: a pure table over what it sees.
 *
 * No I/O, no clock: ages are turned into views by the caller. Rows are tried in order, the first
 * that matches decides; the last one matches everything. What needs an election (a lease that is
 * free or expired while data exists) has rows that wait and say so. */
#pragma once
#include "core/str.h"

typedef enum LeaseView {
    LEASE_UNKNOWN,   /* not read yet */
    LEASE_NONE,      /* there is none */
    LEASE_MINE_NEW,  /* mine; no system identifier in it yet */
    LEASE_MINE,      /* mine, by name of the pod */
    LEASE_OTHER_NEW, /* another's, who has not initialised yet */
    LEASE_OTHER,     /* another's, renewed in time */
    LEASE_EXPIRED,   /* another's, not renewed in time */
    LEASE_FREE,      /* released */
} LeaseView;

typedef enum DataView {
    DATA_UNKNOWN, /* the launcher does not answer */
    DATA_EMPTY,
    DATA_LOST,    /* the volume held a cluster once */
    DATA_FOREIGN, /* not made by PG-Swarm */
    DATA_ALIEN,   /* of another cluster than the lease's */
    DATA_PRIMARY, /* ours, last ran as primary */
    DATA_STANDBY,
} DataView;

typedef enum PgView { PG_DOWN, PG_PRIMARY, PG_STANDBY, PG_STOPPING } PgView;

enum {
    IF_FIRST = 1,   /* this pod is ordinal 0 */
    IF_EPOCH = 2,   /* the data is of the lease's epoch */
    IF_FOLLOWS = 4, /* the standby follows the holder, at its address and epoch */
    IF_PERMIT = 8,  /* a renewal of ours leaves enough time */
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
    ACT_START_STANDBY,
    ACT_FOLLOW,
    ACT_STOP_NOW,
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
