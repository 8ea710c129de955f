/* model/durability.h - who must have a row before the client is told: the rule of the profile as a
 * set of members, the text PostgreSQL gets, how a set changes, what an election may conclude from
 * it, and what a failover would lose now. Pure.
 *
 * Members are bits of their ordinals; "db-2" is bit 2 of base "db". The set in the lease's
 * annotation (the record) is what an election relies on, so it never claims more than is true: a
 * weaker set (fewer acknowledgements, more names, none at all) is recorded before it takes effect,
 * a stronger one takes effect first and is recorded once everything acknowledged under the weaker
 * one is where the stronger one wants it. A change that is neither goes over a set weaker than
 * both. */
#pragma once
#include "core/str.h"

enum { SYNC_MEMBERS = 16, SYNC_TEXT_MAX = 2048 };

typedef enum Durability {
    DURABILITY_PERFORMANCE, /* asynchronous */
    DURABILITY_AVAILABLE,   /* one follower as long as there is one; degrades with a record */
    DURABILITY_PROTECTED,   /* ANY k of all others; waits rather than lies */
} Durability;
Durability durability_of(const char *name); /* PERFORMANCE when it is none */
const char *durability_name(Durability d);

typedef struct SyncSet {
    Durability mode;
    unsigned k;       /* how many followers must have a row; 0: none is waited for */
    uint32_t members; /* of which ones: bits of ordinals */
    bool degraded;    /* `available` without a follower, or not caught up yet: proves nothing */
} SyncSet;

/* "db-2" of base "db" is 2; -1: it is no member's name. */
int sync_ordinal(const char *pod, const char *base);
bool sync_equal(const SyncSet *a, const SyncSet *b);
/* Every set of members that is enough for `b` is enough for `a`: recording `a` is true while `b` is
 * in force. */
bool sync_weaker(const SyncSet *a, const SyncSet *b);
/* The strongest set that is weaker than both. */
SyncSet sync_meet(const SyncSet *a, const SyncSet *b);
/* "ANY 1 (\"db-1.e7\",\"db-2.e7\")"; "" when nobody is waited for. As synchronous_standby_names. */
const char *sync_text(char buf[SYNC_TEXT_MAX], const SyncSet *s, const char *base, uint64_t epoch);
/* Back; names of another base or epoch are left out (nobody of them can acknowledge). False when it
 * is not of this form; *ret is untouched then. `mode` and `degraded` are not in the text. */
bool sync_text_parse(const char *text, const char *base, uint64_t epoch, SyncSet *ret);
/* The lease's annotation pg-swarm.io/sync:
 * {"mode":"protected","k":1,"names":["db-1","db-2"],"degraded":false} */
char *sync_json(Arena *a, const SyncSet *s, const char *base);
bool sync_json_parse(const char *text, const char *base, SyncSet *ret);

/* The set that a new primary promotes with: recorded in the write that takes the lease, in force
 * before the first client comes. proven: the election had its votes (or nobody had to vote). */
SyncSet sync_at_takeover(Durability mode, unsigned replicas, unsigned self, bool proven);

/* ---- at an election ---- */

typedef struct SyncVotes {
    bool proven;         /* whoever is the most advanced of `sealed` has every acknowledged row */
    bool wanted;         /* a proof is possible with this record: without it, wait (see mode) */
    unsigned have, need; /* R, and the least R with R + W > N; need 0: no proof is possible */
    uint32_t missing;    /* whose votes would help */
} SyncVotes;
/* What an election goes by. */
typedef struct SyncElectors {
    SyncSet rec;
    unsigned old; /* who wrote it; SYNC_MEMBERS: not known, so nobody's vote alone is enough */
} SyncElectors;
/* text: the lease's record; holder: who has the lease or let go of it, -1: nobody of ours. Without
 * a record the profile's rule counts, as at a takeover. A holder that the record names as a
 * follower did not write it; then, and without a holder, every member counts. */
SyncElectors sync_electors(const char *text, const char *base, Durability mode, unsigned replicas,
                           int holder);
/* rec: the record of the lease as it is compared-and-swapped. old: ordinal of who wrote it, whose
 * own sealed vote counts as well; sealed: the votes, the winner's own included. */
SyncVotes sync_votes(const SyncSet *rec, unsigned old, uint32_t sealed);
/* One sentence: "1 of 2 votes is here; 1 of db-0, db-2 is missing". */
char *sync_votes_text(Arena *a, const SyncVotes *v, const char *base);

/* ---- at a primary ---- */

enum {
    SYNC_DEGRADE_MS = 2000, /* `available`: without any follower for so long */
    SYNC_SHRINK_MS = 10000, /* `available`: a follower that is gone for so long is not named */
};

typedef struct SyncView {
    Durability mode;
    unsigned replicas, self;
    SyncSet record; /* as seen in the lease now */
    bool has_record;
    SyncSet in_force;   /* as PostgreSQL has it */
    uint32_t streaming; /* followers that stream from us at our epoch and answer */
    uint32_t recent;    /* the same, or did within SYNC_SHRINK_MS */
    bool alone;         /* nobody streams since SYNC_DEGRADE_MS */
    bool confirmed;     /* enough of in_force have what was written before it took effect */
    bool may_write; /* the lease is ours and can be written: not away, not fenced, no handover */
} SyncView;

typedef enum SyncStep {
    SYNC_STAY,
    SYNC_RECORD,  /* write `set` into the lease */
    SYNC_APPLY,   /* give `set` to PostgreSQL: the record allows it */
    SYNC_CONFIRM, /* in force; look whether the followers have caught up */
    SYNC_HOLD,    /* a weaker set is wanted, but nothing may be written now: writes wait */
} SyncStep;

typedef struct SyncPlan {
    SyncStep step;
    SyncSet set;
    const char *why; /* one clause, static */
} SyncPlan;
SyncPlan sync_plan(const SyncView *v);

/* ---- for people ---- */

typedef enum LossVerdict {
    LOSS_UNKNOWN,
    LOSS_NONE,     /* every acknowledged row is at whoever may be promoted */
    LOSS_POSSIBLE, /* up to `bytes` of WAL */
    LOSS_NOBODY,   /* there is no one to fail over to */
    LOSS_REFUSED,  /* nothing would be lost: nobody would be promoted without the missing votes */
} LossVerdict;
const char *loss_name(LossVerdict v); /* "none", "possible", ... */

typedef struct LossView {
    SyncSet record;
    bool has_record, has_primary;
    unsigned primary;     /* ordinal */
    uint32_t candidates;  /* members that could vote and be promoted without the primary */
    unsigned best;        /* the most advanced of them */
    int64_t behind_bytes; /* how far it is behind what the primary has written; -1: not known */
    double behind_seconds;
} LossView;

typedef struct LossStatement {
    LossVerdict verdict;
    int64_t bytes;
    const char *text; /* one honest line, of the arena */
} LossStatement;
LossStatement loss_state(Arena *a, const LossView *v, const char *base);
