/* member/observe.h - from what the launcher and the lease say to the views of the table. Pure. */
#pragma once
#include "core/launcher_proto.h"
#include "lease/lease_json.h"
#include "model/election.h"

typedef struct Facts {
    const LpMsg *launcher; /* NULL: it does not answer */
    const LeaseInfo *lease;
    bool lease_known;
    bool confirmed;         /* the API server said so since it is late */
    uint64_t lease_age_ms;  /* since we saw it renewed, taken, released or vanish */
    unsigned lease_seconds; /* as configured here */
    unsigned replicas;
    const char *pod, *uid;
    bool first;        /* ordinal 0 */
    bool established;  /* a cluster was seen in the lease: nobody begins another one */
    bool permit_fresh; /* a renewal of our own leaves enough time to start */
    bool may_restart;  /* PostgreSQL, in place */
    bool rogue;        /* PostgreSQL answers that it is not in recovery */
    bool frozen;
    bool held; /* by an operation */
} Facts;

enum { GAVE_MS = 2000 }; /* whoever let go of the lease lets the others go first */

/* Without what the campaign sees: IF_SEALED, IF_SETTLED, IF_CUT, IF_TOLD, IF_CURRENT, IF_TURN,
 * IF_ENTITLED, IF_READY. */
Observation member_observe(const Facts *f);
/* From this age on the holder's permit must be over, unless its standbys vouch for it. */
uint64_t lease_late_ms(unsigned seconds);
/* How long a renewal lets PostgreSQL run: it ends 5 s before others may take the lease; half of it
 * when it is a short one. Fence and timer errors fit in what is left. */
uint64_t lease_permit_ms(unsigned seconds);
/* A holder renews this often: every 2 s, or a third of a shorter lease. */
uint64_t lease_renew_ms(unsigned seconds);
/* From this age on the holder has missed two renewals: is it there at all? */
uint64_t lease_overdue_ms(unsigned seconds);
/* Does a standby that lost its stream `streamless_ms` ago serve on? While the lease is overdue the
 * primary may be gone, and until there is another one old rows are better than none. Who has been
 * without a stream for longer than a lease was cut off before that, and does not count. */
bool serves_without_stream(uint64_t lease_age_ms, uint64_t streamless_ms, unsigned seconds);
/* The duration that counts: what the holder wrote, or what is configured here, if that is more. */
unsigned lease_duration(const LeaseInfo *l, unsigned configured);
