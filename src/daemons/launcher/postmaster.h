/* launcher/postmaster.h - the one PostgreSQL of this container: started, stopped, killed, and as a
 * primary only ever running under a permit.
 *
 * The permit is (epoch, deadline on CLOCK_BOOTTIME); only the sidecar extends it. Past the deadline
 * PostgreSQL is stopped at once, and 500 ms later whatever is left of it is killed: a frozen,
 * crashed or cut-off sidecar cannot leave a stale primary behind. DOWN means that no process of it
 * lives. Times: `now` is clock_boot_ms. */
#pragma once
#include "core/launcher_proto.h"
#include "paths.h"
#include <sys/types.h>

enum { PM_KILL_AFTER_MS = 500, PM_PERMIT_MAX_MS = 120 * 1000 };

typedef struct Postmaster {
    pid_t pid; /* 0 when the postmaster itself is gone */
    LpPg state;
    LpRole role; /* since the last start */
    uint64_t epoch, deadline, started_ms;
    uint64_t kill_at;    /* 0: not set */
    LpStop stopping;     /* the strongest stop that was asked for; 0: none */
    uint64_t stopped_at; /* by a signal, since; 0: it runs */
    uint64_t exits, permits_expired;
    int exit_status, exit_signal; /* of the last unasked end */
} Postmaster;

/* log_fd becomes its stdout and stderr. */
ErrCode pm_start(Postmaster *pm, const Paths *p, int log_fd, uint64_t now, Error *err) MUST_USE;
void pm_stop(Postmaster *pm, LpStop mode, uint64_t now);
void pm_hup(Postmaster *pm);
/* Check a permit against the clock and the running epoch; on success it holds from here on. */
ErrCode pm_permit(Postmaster *pm, uint64_t epoch, uint64_t deadline, uint64_t now,
                  Error *err) MUST_USE;
/* Deadlines that have passed are acted upon. `worker` is the job's pid, which is never touched.
 * Returns true when the state changed. */
bool pm_tick(Postmaster *pm, pid_t worker, uint64_t now);
void pm_stopped(Postmaster *pm, bool stopped, uint64_t now); /* by a signal, or goes on */
/* Another process below us ended: whoever is waited for may have been the last. */
void pm_look_again(Postmaster *pm, uint64_t now);
void pm_ended(Postmaster *pm, int status, uint64_t now); /* its pid was reaped */
/* When pm_tick must be called next; UINT64_MAX: no need. */
uint64_t pm_next(const Postmaster *pm);
