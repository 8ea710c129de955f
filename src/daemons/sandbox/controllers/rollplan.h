/* controllers/rollplan.h - how far a Deployment's rolling update may go in one step. Pure. */
#pragma once
#include "store/js.h"

typedef struct RollState {
    int replicas; /* wanted */
    int max_surge, max_unavailable;
    bool recreate;
    int new_replicas, new_available; /* of the new ReplicaSet: wanted by it, available */
    int old_replicas, old_available; /* of all old ones together */
    int old_pods;                    /* that still exist, ending ones too */
} RollState;

typedef struct RollStep {
    int new_replicas; /* what the new ReplicaSet should want */
    int old_replicas; /* what all old ones together should want */
} RollStep;

RollStep roll_step(const RollState *s);
/* "25%" or 3, of `total`; rounded up for a surge, down for what may be missing. */
int roll_amount(const cJSON *value, int total, bool up, int absent);
