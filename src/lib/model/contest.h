/* model/contest.h - an election among sealed members: the position each publishes, who is the most
 * advanced, and when one may take the lease. Pure: `now` and all ages are parameters.
 *
 * Order: timeline, received WAL, priority, lower ordinal. The first takes the lease as soon as all
 * who are expected have published (or after CONTEST_GATHER_MS); each other one waits a grace that
 * grows with its rank, so that a winner that dies is replaced. The lease's compare-and-swap
 * decides; two takers are no danger, only a waste. */
#pragma once
#include "core/str.h"
#include "model/durability.h"

enum {
    CONTEST_MEMBERS = SYNC_MEMBERS,
    CONTEST_GATHER_MS = 1000, /* what `gather_ms` usually is */
    CONTEST_GRACE_MS = 1000,  /* for each rank above one's own */
    CONTEST_TEXT = 200,
    CONTEST_PREFERRED_MS = 10000, /* how long a forced failover waits for the one it names */
};

/* Annotation pg-swarm.io/position of a pod:
 * {"epoch":8,"sealed":true,"timeline":3,"received":"0/5000060","replayed":"0/5000060",
 *  "eligible":true,"why":"","priority":100} */
typedef struct Position {
    bool known, sealed, eligible;
    uint64_t epoch; /* that is contested */
    uint32_t timeline, priority;
    uint64_t received, replayed;
    char why[CONTEST_TEXT]; /* not eligible: why */
} Position;

/* False when it is no such text; *ret is unknown then. */
bool position_parse(const char *text, Position *ret);
char *position_json(Arena *a, const Position *p);
/* Above 0: `a` (of ordinal ai) goes before `b`. */
int position_compare(const Position *a, unsigned ai, const Position *b, unsigned bi);

typedef enum ContestMood {
    CONTEST_ASYNC,  /* no proof is asked for */
    CONTEST_PROOF,  /* the votes must prove that nothing acknowledged is lost */
    CONTEST_WISHED, /* the same, but after one duration of the lease it goes on without */
} ContestMood;

typedef struct Contest {
    const Position *at; /* of all ordinals up to `replicas` */
    unsigned replicas, self;
    uint32_t absent;    /* bits: not waited for (who let go of the lease, or lost it) */
    uint64_t epoch;     /* to be taken */
    uint64_t gather_ms; /* how long those who have not published are waited for */
    bool forced;        /* accept_data_loss: votes and eligibility do not count */
    int preferred;      /* ordinal a forced failover names; -1: nobody */
    ContestMood mood;
    bool proven;           /* sync_votes over contest_backing */
    uint64_t published_ms; /* since our own position is out */
    uint64_t sealed_ms;    /* since our receiver is gone for good */
    uint64_t over_ms;      /* since nobody has the lease */
    uint64_t changed_ms;   /* since the last of the others came or went */
    uint64_t seal_wait_ms; /* 0 when the holder let go by itself */
    uint64_t lease_ms;     /* one duration of the lease */
    bool lease_over;       /* free or expired: not merely late */
} Contest;

typedef enum ContestVerdict {
    CONTEST_WAIT,
    CONTEST_TAKE,
} ContestVerdict;

typedef struct ContestResult {
    ContestVerdict verdict;
    unsigned rank;   /* 0: first; among those who have published */
    uint32_t votes;  /* bits of the sealed members of this epoch, our own included */
    uint64_t again;  /* ms until time alone changes the verdict; UINT64_MAX: never */
    bool lossy;      /* taken without the proof that was wished for */
    const char *why; /* static; NULL: take it */
} ContestResult;

uint32_t contest_votes(const Contest *c);
/* Those of them that have no more than we: only they prove that we have everything. */
uint32_t contest_backing(const Contest *c);
ContestResult contest_verdict(const Contest *c);
