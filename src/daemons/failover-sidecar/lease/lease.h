/* lease/lease.h - the cluster's Lease: watched by all, written by its holder only.
 *
 * Every write is a compare-and-swap on resourceVersion; a conflict is told as such and the object
 * read again, never forced. Ages are counted from our own observation on CLOCK_BOOTTIME: the wall
 * clocks of two machines are never compared. One write at a time. */
#pragma once
#include "kube/watch.h"
#include "lease/lease_json.h"

typedef struct Lease Lease;
typedef struct LeaseConfig {
    Kube *kube;
    const char *ns, *name, *cluster, *pod;
    unsigned seconds;
    void (*on_change)(void *ctx); /* holder, address, epoch, existence, or being known */
    void *ctx;
} LeaseConfig;

Lease *lease_new(const LeaseConfig *cfg); /* strings are kept, not copied */
void lease_free(Lease *l);
/* False until it was read once. */
bool lease_known(const Lease *l);
const LeaseInfo *lease_info(const Lease *l);
/* Held by another and not renewed for its whole duration, as we saw it. */
bool lease_expired(const Lease *l);
uint64_t lease_age_ms(const Lease *l); /* since we saw it renewed */

/* sent_ms: clock_boot_ms when the write left; the new lease counts from there. */
typedef void (*LeaseDone)(void *ctx, const Error *err, uint64_t sent_ms);
bool lease_busy(const Lease *l);
void lease_create(Lease *l, const LeaseClaim *claim, LeaseDone done);
void lease_renew(Lease *l, const LeaseClaim *claim, LeaseDone done);
