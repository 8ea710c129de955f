/* rejoin/rejoin.h - brings this member back behind the leader that the lease names: asks the leader
 * for its timeline and history, decides by model/rejoin, and does it through the launcher.
 *
 * For a member that is down with data (started, rewound, cloned) and for a running standby that is
 * to follow another leader (checked first; stopped and rewound when it is ahead of the fork). One
 * at a time; nothing of it is kept in memory that would be missed: after a restart of the sidecar
 * the same call goes on from what is on disk. */
#pragma once
#include "launcher/client.h"
#include "loop/loop.h"
#include "model/health.h"
#include "pg/pool.h"
#include "record/record.h"

typedef struct Rejoin Rejoin;

typedef struct RejoinConfig {
    Loop *loop;
    LauncherClient *launcher;
    Record *record;     /* of decisions; NULL: none */
    const char *member; /* this pod, for events */
    void (*on_event)(void *ctx, Severity severity, const char *kind, const char *text);
    void *ctx;
} RejoinConfig;

/* Whom to come back to. Copied. */
typedef struct RejoinTarget {
    const char *leader, *host, *user, *password, *slot;
    uint16_t port;
    uint64_t epoch, system_id;
    const char *sync; /* synchronous_standby_names to start with; NULL: as they are */
    PgPool *local;    /* of a running standby, else NULL; must outlive the run while it runs */
    bool as_it_is;    /* nothing is rewound or cloned now, because somebody has paused it */
} RejoinTarget;

Rejoin *rejoin_new(const RejoinConfig *rc);
void rejoin_free(Rejoin *r); /* a run under way is not answered */
/* err NULL: what could be done was done: PostgreSQL follows the target, or runs sealed
 * (START_SEALED) and is to be asked about again with its pool. ERR_CONFLICT when a run is under
 * way. ERR_TIMEOUT: not now (the leader does not answer, its checkpoint is not there yet): ask
 * again. Once; never from inside. */
void rejoin_start(Rejoin *r, const RejoinTarget *t, void (*done)(void *ctx, const Error *err),
                  void *ctx);
/* Whom the lease names now. A run for somebody else ends with ERR_TIMEOUT, unless the launcher is
 * at work for it; NULL: nobody leads. */
void rejoin_leader_is(Rejoin *r, const char *leader, uint64_t epoch);
/* A line of PostgreSQL's log: a WAL receiver that is told again and again that its WAL is gone is
 * the sign for a clone. True when it is. */
bool rejoin_log_line(Rejoin *r, const char *line);
/* A running standby cannot go on as it is: call rejoin_start. */
bool rejoin_wanted(const Rejoin *r);
/* Call now and then (each probe): forgets the directory put aside once this member has streamed for
 * ten minutes since, or when the disk is nearly full. `now` is clock_mono_ms. */
void rejoin_tidy(Rejoin *r, bool streaming, uint64_t now);
/* The next run clones, whatever the comparison says. */
void rejoin_clone_next(Rejoin *r, const char *why);
/* What it does just now, for a person; "" when nothing. */
const char *rejoin_doing(const Rejoin *r);
