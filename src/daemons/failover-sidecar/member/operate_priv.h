/* member/operate_priv.h - inside of operate*.c: the order under way and what is held.
 *
 * One order at a time, as a small machine: `run` looks at what is seen and either starts one call
 * (waiting), or asks to be run again in a moment, or ends the order. Another order of the same
 * operation takes its place once no call is out; one of another operation is refused. */
#pragma once
#include "member/member_priv.h"
#include "member/operate.h"

enum {
    OPERATION_ID = 64,
    HOLD_NEW_MS = 20 * 1000, /* a temporary fence that a new sidecar finds */
    SWEEP_MS = 15,           /* between two looks for sessions, while fencing */
    SWEEP_IDLE_MS = 500,     /* and as long as the fence stands */
    POLL_MS = 15,
};

typedef struct Job {
    SidecarDownKind kind; /* SIDECAR_DOWN_OTHER: none */
    Arena *arena;
    SidecarOrder order;
    OperateDone done;
    void *ctx;
    unsigned phase, quiet;
    uint64_t began, limit; /* CLOCK_BOOTTIME ms */
    uint64_t mark;         /* an order's own */
    uint64_t swept;        /* when sessions were first ended */
    bool waiting;          /* for an answer to the call that is out */
    bool by_itself;        /* nobody asked: what was held is given back */
} Job;

struct Operate {
    Member *m;
    PgPool *pool; /* of the run of PostgreSQL that started at pool_of */
    uint64_t pool_of;
    Timer *tick, *poll;
    Job job, next;           /* next: takes the place of job when that has no call out */
    char held[OPERATION_ID]; /* whose stop keeps PostgreSQL down; "" */
    char fence[OPERATION_ID];
    uint64_t hold_ms, hold_until; /* of all that is held for a time; 0: nothing is */
    uint64_t sweep_at;
    bool sweeping, lifting;
};

typedef enum JobStep { JOB_WAITS, JOB_AGAIN, JOB_DONE, JOB_FAILED } JobStep;
/* WAITS: a call is out, or something must change first; AGAIN: look again in POLL_MS. */
typedef JobStep (*JobRun)(Operate *o, Job *j, const LpMsg *s, Error *err);

/* operate.c */
void job_answered(Operate *o, const Error *err); /* the call that was out */
void operate_launcher(Operate *o, LpMsg *msg);   /* a call of the job */
bool operate_leads(const Operate *o);            /* the lease is this member's */
bool fence_is_temporary(const LpMsg *s);
void operate_hold(Operate *o, uint32_t seconds); /* 0: no limit */
/* "" when it is nobody's. */
const char *fence_text(const LpMsg *s);

/* operate_fence.c */
JobStep fence_run(Operate *o, Job *j, const LpMsg *s, Error *err);
JobStep unfence_run(Operate *o, Job *j, const LpMsg *s, Error *err);
void sweep_now(Operate *o); /* outside of an order */

/* operate_stop.c */
JobStep stop_run(Operate *o, Job *j, const LpMsg *s, Error *err);
JobStep start_again_run(Operate *o, Job *j, const LpMsg *s, Error *err);
JobStep restart_run(Operate *o, Job *j, const LpMsg *s, Error *err);
JobStep reinit_run(Operate *o, Job *j, const LpMsg *s, Error *err);

/* operate_lease.c */
JobStep handover_run(Operate *o, Job *j, const LpMsg *s, Error *err);
JobStep promote_run(Operate *o, Job *j, const LpMsg *s, Error *err);
JobStep note_run(Operate *o, Job *j, const LpMsg *s, Error *err); /* pause, resume, failover */
