/* lease/lease.h - the cluster's Lease: watched by all. Its holder renews it; others take it
 * when it is free or expired, and write annotations that ask for something (lease_edit).
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
    /* Holder, address, epoch, existence, being known; or it is not busy any more. */
    void (*on_change)(void *ctx);
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
/* Any change of a lease that exists, over the object as it was last seen: renewed, taken (epoch
 * + 1), released (holder ""), handed over. CONFLICT: somebody was faster, nothing was written; the
 * lease is read again. TIMEOUT, UNAVAILABLE: it may have been written or not. */
void lease_renew(Lease *l, const LeaseClaim *claim, LeaseDone done);
/* Read it now: on_change comes as usual, `done` in any case. */
void lease_read(Lease *l, LeaseDone done);
bool lease_reading(const Lease *l);
/* When the last read that was answered was sent (clock_boot_ms); 0: none was asked for. */
uint64_t lease_read_at(const Lease *l);
/* We stood still, or were told otherwise: not known until it is read again. */
void lease_doubt(Lease *l);

/* Write annotations and nothing else, by whoever runs this: compare-and-swap, tried again after a
 * conflict as long as `still` (may be NULL) agrees with the lease as it is then. Waits for its turn
 * behind a write that is under way. done comes once, never from inside; ERR_CONFLICT: `still` said
 * no. Cancelled (done is not called) by lease_free. */
typedef struct LeaseEdit {
    LeaseNote notes[LEASE_NOTES]; /* copied */
    size_t n;
    bool (*still)(void *ctx, const LeaseInfo *now);
    void (*done)(void *ctx, const Error *err);
    void *ctx;
} LeaseEdit;
void lease_edit(Lease *l, const LeaseEdit *e);
