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
#include "pg/pool.h"

typedef struct Rejoin Rejoin;

typedef struct RejoinConfig {
    Loop *loop;
    LauncherClient *launcher;
    const char *member; /* for events */
    void (*on_event)(void *ctx, int severity, const char *kind, const char *text);
    void *ctx;
} RejoinConfig;

/* Whom to come back to. Copied. */
typedef struct RejoinTarget {
    const char *leader, *host, *user, *password, *slot;
    uint16_t port;
    uint64_t epoch, system_id;
    const char *sync; /* synchronous_standby_names to start with; NULL: none */
    PgPool *local;    /* of a running standby, else NULL; must outlive the call */
} RejoinTarget;

Rejoin *rejoin_new(const RejoinConfig *rc);
void rejoin_free(Rejoin *r); /* a run under way is not answered */
/* err NULL: PostgreSQL runs as a standby that follows the target (or was told to). ERR_CONFLICT
 * when a run is under way. ERR_UNAVAILABLE: not now (the leader does not answer, its checkpoint is
 * not there yet): ask again. Once; never from inside. */
void rejoin_start(Rejoin *r, const RejoinTarget *t, void (*done)(void *ctx, const Error *err),
                  void *ctx);
/* The replica's WAL receiver said that the leader no longer has the WAL it asks for: the next run
 * clones. */
void rejoin_note_wal_gone(Rejoin *r);
/* Call now and then (each probe): forgets the directory put aside once this member has streamed for
 * ten minutes since it came back, or when the disk is nearly full. */
void rejoin_tidy(Rejoin *r, bool streaming, uint64_t now);
/* What it does just now, for a person; "" when nothing. */
const char *rejoin_doing(const Rejoin *r);
