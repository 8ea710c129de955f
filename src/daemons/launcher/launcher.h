/* launcher/launcher.h - the launcher: one loop over signals, the permit's timer, the log pipe, the
 * socket.
 *
 * It knows no policy but the permit: it does what the sidecar asks, one job at a time, and refuses
 * what could destroy data. */
#pragma once
#include "logpipe.h"
#include "postmaster.h"
#include "worker.h"

enum { MAX_CLIENTS = 8 };

typedef struct Client {
    int fd; /* -1: free */
    StrBuf in, out;
    bool watch, logs, dead;
    uint64_t dropped;
    uint32_t job_id, stop_id; /* requests whose RESULT waits for the job, for the stop */
    bool waits_job, waits_stop;
} Client;

typedef struct Launcher {
    Arena *arena; /* of the process */
    Paths paths;
    Postmaster pm;
    Worker worker;
    LpJob last_job;
    Error last_result;
    LogPipe log;
    Arena *up_arena; /* owns the strings of `up` */
    Upstream up;     /* whom the standby follows; kept for reloads */
    Client clients[MAX_CLIENTS];
    int listen_fd, signal_fd, timer_fd;
    bool terminating, changed, done;
    uint64_t give_up_at; /* terminating: immediate stop from here on */
} Launcher;

/* Serves until SIGTERM; returns the exit status. */
int launcher_run(void);
/* To all who watch, when something changed. Before any RESULT: who is told that a request is done
 * already knows what it changed. */
void launcher_push_state(Launcher *l);

/* server.c */
ErrCode server_open(Launcher *l, Error *err) MUST_USE;
void server_accept(Launcher *l);
void client_read(Launcher *l, Client *c);
void client_write(Client *c);
void client_send(Client *c, const LpMsg *m);
void client_result(Client *c, uint32_t id, const Error *err); /* code ERR_OK: done */
void server_log_line(void *launcher, const char *line);
void server_sweep(Launcher *l); /* close what died */

/* requests.c */
void request_handle(Launcher *l, Client *c, const LpMsg *m);
void state_message(Launcher *l, LpMsg *ret, Arena *a);
