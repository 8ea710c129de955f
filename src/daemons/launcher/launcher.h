/* launcher/launcher.h - the launcher: one loop over signals, the permit's timer, the log pipe, the
 * socket.
 *
 * It knows no policy but the permit: it does what the sidecar asks, one job at a time, and refuses
 * what could destroy data. */
#pragma once
#include "logpipe.h"
#include "postmaster.h"
#include "recover.h"
#include "worker.h"

enum { MAX_CLIENTS = 8, SYNC_MAX = 2048 };

typedef struct Client {
    int fd; /* -1: free */
    StrBuf in, out;
    bool watch, logs, dead;
    uint64_t dropped;
    uint32_t job_id, stop_id, promote_id; /* requests whose RESULT waits for the job, for the
                                             stop, for the promotion */
    bool waits_job, waits_stop, waits_promotion;
} Client;

typedef struct Launcher {
    Arena *arena; /* of the process */
    Paths paths;
    Postmaster pm;
    Worker worker;
    LpJob last_job;
    Error last_result;
    LogPipe log;
    Arena *up_arena;     /* owns the strings of `up` */
    Upstream up;         /* whom the standby follows; kept for reloads */
    char sync[SYNC_MAX]; /* synchronous_standby_names, when has_sync */
    bool has_sync;
    uint64_t promoted_epoch; /* shown by the running primary */
    uint32_t promoting_from; /* the timeline; 0: no promotion is under way */
    uint64_t look_at;        /* when to look whether it is through */
    uint64_t old_data;       /* bytes in directories put aside */
    Client clients[MAX_CLIENTS];
    int listen_fd, signal_fd, timer_fd, watch_fd;
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
void client_answer(Client *c, uint32_t id, const Error *err, LpMsg *m);
void server_log_line(void *launcher, const char *line);
void server_sweep(Launcher *l); /* close what died */

/* state.c */
void state_message(Launcher *l, LpMsg *ret, Arena *a);

/* What a request gets. ERR_OK is answered at once with `m`, unless `later`. */
typedef struct Answer {
    bool later;
    LpMsg m;
    Arena *arena; /* for texts of `m` */
} Answer;
typedef ErrCode (*Handler)(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err);

/* requests.c */
void request_handle(Launcher *l, Client *c, const LpMsg *m);
ErrCode need_idle(const Launcher *l, Error *err) MUST_USE;

/* roles.c: what PostgreSQL runs as */
ErrCode on_start(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err);
ErrCode on_follow(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err);
ErrCode on_seal(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err);
ErrCode on_permit(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err);
ErrCode on_sync(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err);
ErrCode roles_write_conf(Launcher *l, Error *err) MUST_USE;
ErrCode roles_take_sync(Launcher *l, const LpMsg *m, Error *err) MUST_USE;
void roles_set_upstream(Launcher *l, const LpMsg *m);
ErrCode roles_restamp(Launcher *l, const Stamp *s, Error *err) MUST_USE;

/* promote.c */
ErrCode on_promote(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err);
void promote_tick(Launcher *l, uint64_t now); /* is it through? */
void promote_ended(Launcher *l);              /* PostgreSQL is down */

/* fence.c */
ErrCode on_fence(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err);
ErrCode on_unfence(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err);
const char *fence_operation(const Paths *p, Arena *a); /* NULL: there is no fence */

/* watch.c: PGDATA is looked at while PostgreSQL runs in it */
ErrCode watch_open(Launcher *l, Error *err) MUST_USE;
void watch_start(Launcher *l);
void watch_read(Launcher *l);
