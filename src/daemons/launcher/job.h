/* launcher/job.h - the long jobs: initdb, base backup, rewind, and recovery of what a
 * killed one left.
 *
 * job_run is synchronous and runs in a forked worker (worker.h), one at a time. Every job starts by
 * recovering the volume, may be killed at any instant, and may be asked for again. PGDATA is only
 * ever replaced by rename, after its successor is complete and synced; the old folder is kept until
 * the next job ends well. */
#pragma once
#include "conf.h"
#include "journal.h"

typedef struct JobSpec {
    LpJob kind;
    const char *password; /* initdb: of the superuser; else of `from.user` */
    uint64_t epoch;
    uint64_t system_id; /* the cluster that `from` must be of */
    Upstream from;
} JobSpec;

ErrCode job_run(const Paths *p, const JobSpec *s, Error *err) MUST_USE;
