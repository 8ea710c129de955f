/* cli/sandbox/sandbox.h - the whole system on this machine: where it keeps what, and the processes
 * it is made of.
 *
 * Everything lives under one folder. Each process has a pid file "PID START" with the kernel's
 * start time of that pid, so a number that was given to somebody else is never taken for ours, and
 * never ended. One run at a time holds the lock. */
#pragma once
#include "out.h"
#include <sys/types.h>

enum { SITES_MAX = 16 };

typedef struct Site {
    const char *name, *dir, *labels; /* labels: "k=v,k=v" */
    int index, api_port;
} Site;

typedef struct Sandbox {
    Cli *c;
    const char *dir, *bin; /* bin: the folder of the programs */
    int http_port, grpc_port;
    int node_base; /* first node port; another for each folder, so that two sandboxes do not meet */
    Site sites[SITES_MAX];
    size_t nsites;
    int lock_fd;
} Sandbox;

/* Folder and what is written down there; nothing of it need exist. lock: wait for another run to
 * end. */
ErrCode sandbox_open(Cli *c, bool lock, Sandbox *ret, Error *err) MUST_USE;
ErrCode sandbox_save(Sandbox *s, Error *err) MUST_USE;
void sandbox_close(Sandbox *s);
const char *sandbox_path(Sandbox *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- processes (proc.c) ---- */
typedef struct Daemon {
    const char *name; /* as shown: "central", "site edge-a" */
    const char *pid_file, *log_file;
    const char *const *argv, *const *envp; /* envp: additions, NAME=VALUE */
} Daemon;
/* pid of the running process of that pid file, or 0. */
pid_t daemon_pid(const char *pid_file);
ErrCode daemon_start(Sandbox *s, const Daemon *d, Error *err) MUST_USE;
/* signum, wait for at most grace_ms, then SIGKILL. Fine when it does not run. */
void daemon_stop(const char *pid_file, int signum, unsigned grace_ms);
/* Run to the end, output appended to the log; a failure carries the log's last line. */
ErrCode run_logged(Sandbox *s, const char *log_file, const char *const *argv,
                   const char *const *envp, Error *err) MUST_USE;
void pause_ms(unsigned ms); /* for what offers nothing to wait on */
/* A free TCP port on 127.0.0.1: `wanted` when it is free. */
int free_port(int wanted);
/* Poll `ready` every 20 ms until it says yes; for what offers nothing to wait on, such as a file
 * that must appear. When the process of pid_file ends first, that is the error, with its log's last
 * line. */
typedef struct WaitSpec {
    const char *what;
    uint64_t ms;
    bool (*ready)(void *ctx);
    void *ctx;
    const char *pid_file, *log_file; /* NULL: nobody in particular */
} WaitSpec;
ErrCode wait_for(Sandbox *s, const WaitSpec *w, Error *err) MUST_USE;

/* ---- parts ---- */
ErrCode central_up(Sandbox *s, Error *err) MUST_USE;
void central_down(Sandbox *s);
pid_t central_pg_pid(Sandbox *s);
ErrCode site_up(Sandbox *s, Site *site, Error *err) MUST_USE; /* the Kubernetes of one site */
ErrCode site_enrol(Sandbox *s, Site *site,
                   Error *err) MUST_USE; /* its satellite, approved and labelled */
void site_down(Sandbox *s, const Site *site);
/* One request to the site's API as its admin; an error in the server's words. */
typedef struct SiteCall {
    const char *method, *path;
    StrView body; /* JSON, or empty */
} SiteCall;
ErrCode site_ask(Sandbox *s, const Site *site, const SiteCall *req, StrView *ret,
                 Error *err) MUST_USE;
pid_t site_pid(Sandbox *s, const Site *site); /* 0: it does not run */
Site *site_find(Sandbox *s, const char *name);
size_t faults_count(Sandbox *s);                       /* made on purpose, at all sites that run */
ErrCode images_write(Sandbox *s, Error *err) MUST_USE; /* what stands behind image names */

/* A step on stderr: "  ok  PostgreSQL of central   0.8 s". */
typedef struct Step {
    Sandbox *s;
    const char *what;
    uint64_t since;
} Step;
Step step_begin(Sandbox *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void step_end(Step *st, const Error *err);
