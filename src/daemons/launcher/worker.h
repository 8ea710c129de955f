/* launcher/worker.h - the forked process that runs one job, so that the loop never waits.
 *
 * The worker dies with the launcher. Its result is one Error on a pipe; a worker that ends without
 * one was killed. */
#pragma once
#include "job.h"
#include <sys/types.h>

typedef struct Worker {
    pid_t pid; /* 0: none */
    int result_fd;
    LpJob kind;
    uint64_t started_ms; /* boot time */
} Worker;

/* log_fd becomes the worker's stderr. */
ErrCode worker_start(Worker *w, const Paths *p, const JobSpec *s, int log_fd, Error *err) MUST_USE;
/* The worker's pid was reaped: collect what it said. */
void worker_ended(Worker *w, int status, Error *ret, uint64_t *ret_old_data);
void worker_kill(Worker *w); /* it and its tools */
