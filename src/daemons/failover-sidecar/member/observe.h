/* member/observe.h - from what the launcher and the lease say to the views of the table. Pure. */
#pragma once
#include "core/launcher_proto.h"
#include "lease/lease_json.h"
#include "model/election.h"

typedef struct Facts {
    const LpMsg *launcher; /* NULL: it does not answer */
    const LeaseInfo *lease;
    bool lease_known, lease_expired;
    const char *pod;
    bool first;        /* ordinal 0 */
    bool permit_fresh; /* a renewal of our own leaves enough time to start */
} Facts;

Observation member_observe(const Facts *f);
