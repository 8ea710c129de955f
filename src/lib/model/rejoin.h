/* model/rejoin.h - how a member that holds data comes back behind the leader: start it as it is,
 * rewind it, clone it anew, or wait. Pure.
 *
 * What decides is where the leader's timeline left ours (the fork point), against how far our own
 * WAL goes. Where that is only known by replaying (a standby that was killed), the verdict is
 * START_SEALED: it replays what it has, follows nobody, and is asked about as a running one. A
 * timeline's number alone proves nothing: a promotion that nobody heard of may have taken the same
 * one, so the epoch of the promotion counts as well. */
#pragma once
#include "core/launcher_proto.h"

enum { REJOIN_HISTORY_MAX = 512 };

typedef struct TimelineFork { /* `timeline` was left at `lsn` */
    uint32_t timeline;
    uint64_t lsn;
} TimelineFork;

typedef struct TimelineHistory { /* ancestors, oldest first */
    TimelineFork at[REJOIN_HISTORY_MAX];
    size_t n;
} TimelineHistory;

/* A history file of PostgreSQL, or the launcher's HISTORY text: lines of timeline, LSN, reason.
 * False when it is none, or has too many lines. */
bool timeline_history_parse(const char *text, TimelineHistory *ret);
/* Where the line that ends in `timeline` with this history leaves `of`; UINT64_MAX when it is on
 * it, 0 when it never was. */
uint64_t timeline_leaves(const TimelineHistory *h, uint32_t timeline, uint32_t of);

typedef struct RejoinLocal {
    LpData data;
    LpRole role; /* what the data is */
    LpDb db;
    bool running;      /* as a standby, sealed or not */
    bool backup_label; /* a base backup or rewind that was never recovered */
    bool wal_gone;     /* the leader said that it no longer has the WAL that this standby needs */
    uint64_t system_id;
    uint64_t epoch;          /* last followed, or led */
    uint64_t promoted_epoch; /* at which its timeline began here; 0: elsewhere */
    uint32_t promoting_from; /* a promotion from this timeline was asked for and never seen
                                through, so that nobody followed it; 0: none */
    uint32_t timeline;       /* of its WAL, as the control file has it */
    uint64_t end_lsn;        /* running: received or replayed, whichever is more; down: the last
                                checkpoint or the recovery minimum, so at least that far */
    TimelineHistory history; /* of `timeline` */
} RejoinLocal;

typedef struct RejoinLeader {
    bool reached;     /* it answered */
    bool in_recovery; /* it is not a primary yet */
    uint64_t system_id;
    uint64_t promoted_epoch;   /* at which its timeline began; 0: not known */
    uint64_t epoch;            /* the lease's */
    uint32_t timeline;         /* it writes on */
    uint32_t control_timeline; /* of its last checkpoint */
    uint64_t oldest_wal;       /* first byte that its pg_wal still has; 0: not known */
    TimelineHistory history;
} RejoinLeader;

typedef enum RejoinVerdict {
    REJOIN_WAIT,
    REJOIN_START_STANDBY, /* down: start and follow; running: follow */
    REJOIN_START_SEALED,  /* start without a leader, and ask again */
    REJOIN_REWIND,        /* stop first when it runs */
    REJOIN_CLONE,         /* likewise */
    REJOIN_REFUSE,        /* nothing is touched: not ours, or another cluster's */
    REJOIN_VERDICT_COUNT
} RejoinVerdict;

typedef struct RejoinDecision {
    RejoinVerdict verdict;
    uint64_t fork_lsn;      /* where the lines part, when they do */
    uint32_t fork_timeline; /* the one that both were on */
    char why[256];          /* one sentence for a person */
} RejoinDecision;

RejoinDecision rejoin_decide(const RejoinLocal *local, const RejoinLeader *leader);
const char *rejoin_verdict_name(RejoinVerdict v);
