/* model/switchover.h - the nine steps of a planned change of the primary as a pure table: what is
 * seen of the two members and the lease, and which step it is -> what to order, and where to go.
 *
 * No I/O, no clock: ages are flags that the caller sets. Rows are tried in order, the first that
 * matches decides; the last one matches everything. Every order may be repeated, so a step that is
 * begun again after a restart does no harm. Nothing is cut off before SW_FENCE; until the lease is
 * the target's there is a way back (the old primary starts again and is unfenced); the point of no
 * return is the target's promotion. An operation that nobody drives any more ends as well: the
 * old primary's sidecar takes back what it holds for it (see proto/pgswarm/v1/sidecar.proto). */
#pragma once
#include "model/operation.h"

typedef enum SwStep {
    SW_NONE,
    SW_TARGET,    /* is the target fit to lead */
    SW_PRIMARY,   /* is the old primary the one that it seems */
    SW_PREFLIGHT, /* lag, sessions; a checkpoint ahead of the stop */
    SW_FENCE,     /* clients are let go; from here on they wait */
    SW_STOP,      /* the old primary shuts down; the target replays its last byte */
    SW_TRANSFER,  /* the lease becomes the target's, with the next epoch */
    SW_PROMOTE,   /* the target leaves recovery: the point of no return */
    SW_ROUTE,     /* labels, hence Services */
    SW_FOLLOW,    /* the old primary streams from the new one */
    SW_STEP_COUNT
} SwStep;

typedef enum SwPhase {
    SW_FORWARD,
    SW_WAITING, /* for a person, before SW_FENCE */
    SW_BACK,    /* nothing was transferred: the old primary is made whole again */
    SW_PHASE_COUNT
} SwPhase;

typedef enum SwOld {
    OLD_SILENT,       /* its sidecar does not answer */
    OLD_PRIMARY,      /* runs, out of recovery, open for clients */
    OLD_FENCED,       /* the same with the fence of this operation */
    OLD_OTHERS_FENCE, /* fenced by somebody else */
    OLD_DOWN,         /* its PostgreSQL is down or starting */
    OLD_STOPPED,      /* down in good order, for this operation */
    OLD_STANDBY,
    OLD_FOLLOWS, /* a standby that streams from the target at the lease's epoch */
    OLD_COUNT
} SwOld;

typedef enum SwTarget {
    TGT_SILENT,
    TGT_UNFIT,   /* down, fenced, of another line or epoch */
    TGT_STREAMS, /* a standby that streams from the old primary */
    TGT_STANDBY, /* a standby that does not */
    TGT_READY,   /* the same, and it has replayed the old primary's last byte */
    TGT_PRIMARY, /* runs, out of recovery */
    TGT_COUNT
} SwTarget;

typedef enum SwLease {
    SW_LEASE_UNKNOWN,
    SW_LEASE_OLD,
    SW_LEASE_TARGET,
    SW_LEASE_FREE,
    SW_LEASE_OTHER, /* a third one's */
    SW_LEASE_COUNT
} SwLease;

enum {
    SWF_LATE = 1,         /* the step's time limit has passed */
    SWF_OLD_QUIET = 2,    /* the old primary did not answer for SW_QUIET_MS */
    SWF_TARGET_QUIET = 4, /* the same of the target */
    SWF_CHECKPOINTED = 8, /* the checkpoint of SW_PREFLIGHT is done */
    SWF_LAG_OK = 16,
    SWF_DRAINED = 32, /* fenced, and no session is left */
    SWF_ROUTED = 64,  /* exactly the target's pod has the role label */
    SWF_INTERACTIVE = 128,
    SWF_CONTINUE = 256,
    SWF_ABORT = 512,
    SWF_REFUSED = 1024, /* the order of this step was refused for good */
    SWF_COUNT = 11
};

enum { SW_QUIET_MS = 3000 };

typedef struct SwSeen {
    SwPhase phase;
    SwStep step;
    SwOld old;
    SwTarget target;
    SwLease lease;
    unsigned flags;
} SwSeen;

typedef enum SwAction {
    SWA_WATCH, /* order nothing, look again */
    SWA_CHECKPOINT,
    SWA_FENCE,
    SWA_STOP,
    SWA_HANDOVER,
    SWA_PROMOTE, /* a nudge: the target does it by itself on seeing the lease */
    SWA_START_AGAIN,
    SWA_UNFENCE,
    SWA_COUNT
} SwAction;

typedef enum SwNext {
    SWN_STAY,
    SWN_ADVANCE,
    SWN_WAIT, /* for a person; then SW_FENCE */
    SWN_BACK,
    SWN_PROMOTE, /* the lease is the target's: go on from SW_PROMOTE */
    SWN_DONE,
    SWN_ROLLED_BACK,
    SWN_PAST_NO_RETURN,
    SWN_UNKNOWN,
    SWN_COUNT
} SwNext;

typedef struct SwDecision {
    SwAction action;
    SwNext next;
    const char *why; /* of everything but "go on"; a clause without names */
} SwDecision;

SwDecision switchover_decide(const SwSeen *s);
/* What is to be seen within this long; the way back has its own. */
uint64_t switchover_limit_ms(SwPhase phase, SwStep step);
const char *switchover_step_name(SwStep s); /* "fence" */
SwStep switchover_step_of(const char *name);
const char *switchover_phase_name(SwPhase p);
SwPhase switchover_phase_of(const char *name);
Outcome switchover_outcome(SwNext n); /* OUTCOME_NONE: it goes on */
const char *switchover_action_name(SwAction a);

/* ---- whom to choose when nobody was named ---- */

typedef struct SwCandidate {
    const char *pod;
    bool fit, sync; /* streams, at the right epoch, not fenced; its acknowledgements count */
    int64_t lag_bytes;
    unsigned ordinal;
} SwCandidate;
/* The fittest: synchronous, least lag, lowest ordinal. -1: nobody is fit. */
int switchover_best(const SwCandidate *c, size_t n);
