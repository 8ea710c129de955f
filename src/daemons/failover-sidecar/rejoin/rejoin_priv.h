/* rejoin/rejoin_priv.h - inside of coming back: one run, its ends, its deeds. */
#pragma once
#include "model/lsn.h"
#include "rejoin/ask.h"
#include "rejoin/rejoin.h"

enum {
    ROUNDS_MAX = 12,    /* looks and deeds of one run; it ends earlier when nothing is wrong */
    ASK_AGAIN_MS = 200, /* a leader that has not checkpointed yet, WAL that is still replayed */
    PATIENCE_MS = 5000, /* then the caller decides anew */
    KEEP_MS = 10 * 60 * 1000,
    DISK_TIGHT_PERCENT = 90,
    GONE_TIMES = 3,
    ROOM_NEEDED = 48 * 1024 * 1024, /* three segments of WAL */
};

typedef struct Run {
    Arena *arena; /* owns the target's strings */
    RejoinTarget to;
    void (*done)(void *ctx, const Error *err);
    void *ctx;
    uint64_t began;
    unsigned rounds;
    uint64_t started;  /* LPF_STARTED of the PostgreSQL that `to.local` is of */
    bool checkpointed; /* a restartpoint was made, so that the control file has the timeline */
    bool asked;        /* a person asked for a new copy */
    bool given_up;     /* somebody else leads by now, or nobody */
    bool rewound;      /* in this run; a second one would find the same */
    uint32_t newest;   /* newest history file in pg_wal */
    RejoinLocal local;
    RejoinLeader leader;
    RejoinDecision decision;
    char clone_why[300]; /* set: nothing else helps */
} Run;

struct Rejoin {
    RejoinConfig rc;
    Run *run;
    LeaderAsk *ask;
    Timer *timer;
    Error result;
    char clone_next[200]; /* asked for; "" when not */
    bool wal_gone;
    char gone_segment[WAL_NAME_LEN + 1];
    unsigned gone_times;
    char doing[320];
    uint64_t streaming_since;
    bool forgetting;
};

/* rejoin.c */
void rejoin_look(void *rejoin); /* the next look at both sides */
void rejoin_later(Rejoin *r, uint64_t ms, TimerFn fn);
void rejoin_end(Rejoin *r, const Error *err);
void rejoin_fail(Rejoin *r, ErrCode code, const char *why);
/* Look again soon; let the caller decide anew when it takes long. */
void rejoin_not_yet(Rejoin *r, const char *why);
void rejoin_event(Rejoin *r, Severity s, const char *kind, const char *fmt, ...) PRINTF_LIKE(4, 5);
void rejoin_note(Rejoin *r, const char *kind, const char *did);

/* deeds.c */
void rejoin_act(Rejoin *r); /* what was decided */
void rejoin_clone_anew(Rejoin *r);
bool rejoin_would_change_data(const Run *run);
bool rejoin_no_room(const LpMsg *s, char *why, size_t n);
