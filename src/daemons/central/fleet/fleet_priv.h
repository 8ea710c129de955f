/* central/fleet/fleet_priv.h - inside of the fleet: sessions and what they share.
 *
 * A Session is one Connect stream. It lives from on_open until its last callback (on_end of the
 * stream, and the answers of SQL under way: refs). `s` is NULL once the stream has ended. */
#pragma once
#include "core/map.h"
#include "core/vec.h"
#include "fleet/fleet.h"
#include "fleet/ingest.h"

typedef enum SessionState {
    SESSION_ADMITTING, /* who is it? paused until known */
    SESSION_HELLO,     /* admitted, says hello first */
    SESSION_LIVE,
    SESSION_ENDING, /* finish was called */
} SessionState;

typedef struct Session {
    Fleet *f;
    GrpcStream *s;
    bool plaintext;
    SessionState state;
    unsigned refs;
    char id[UUID_TEXT], name[64];
    char peer[64];
    int64_t epoch;
    uint64_t opened_ms, heard_ms;
    bool heard; /* since the last beat to the database */
    /* outbox */
    Map *sent;    /* cluster id -> version sent on this stream, as Sent */
    Timer *look;  /* a comparison is due */
    bool looking; /* one is under way */
    bool look_again;
    bool note;                        /* what the site has is not stored yet */
    bool note_due, storing;           /* it is the next to be stored; something is being stored */
    struct Acking *acks, **acks_tail; /* acknowledgements that wait for what is being stored */
    size_t n_acks;
    /* storage classes of the site, as JSON: not stored yet, or NULL */
    char *classes;
    bool classes_storing;
    EventQueue events;
    /* operations of this site */
    Map *orders; /* operation id -> OrderSeen, what went down and came back on this stream */
    Timer *order_look;
    bool ordering, order_again;
    struct Told *told, **told_tail; /* reports that wait for the one being stored */
    size_t n_told;
    bool telling;
    /* questions by id -> Question */
    Map *questions;
    uint64_t next_question;
} Session;

struct Fleet {
    App *app;
    Map *by_satellite; /* id -> Session, admitted ones */
    VEC(Session *) all;
    GrpcMethod tls[4], plain[4];
    struct RateLimit *registrations;
    FleetStats stats;
    Timer *beat, *sweep;
    bool beating;
    Map *logs; /* satellite id -> LogRing */
    FleetLogFn on_log;
    void *on_log_ctx;
};

/* ---- fleet.c ---- */
/* Ask for the state of one satellite whose stream is here, or of all (NULL). */
void fleet_check_states(Fleet *f, const char *satellite_id);

/* ---- session.c ---- */
extern const GrpcHandler session_tls, session_plain;
/* End the call with this status, once. */
void session_end(Session *x, GrpcCode code, const char *why);
void session_ref(Session *x);
void session_unref(Session *x);
bool session_live(const Session *x);
/* Encode and queue; a full queue ends the session (it will compare again when it returns). */
bool session_send(Session *x, const SatelliteDown *m);

/* ---- inbox.c ---- */
void inbox_message(Session *x, StrView msg);

/* ---- outbox.c ---- */
/* Say what the site has (from Hello), then send what differs. */
void outbox_hello(Session *x, const Hello *h);
/* Something may have changed: compare soon. */
void outbox_look(Session *x);
void outbox_ack(Session *x, const ConfigAck *a);
void outbox_done(Session *x); /* the stream has ended */
void outbox_free(Session *x); /* the session ends */

/* ---- orders.c ---- */
/* Compare the operations of this site with what it was told, soon, and again until all have ended.
 */
void orders_look(Session *x);
void orders_progress(Session *x, const OperationProgress *p);
void orders_result(Session *x, const OperationResult *r);
void orders_done(Session *x); /* the stream has ended */
void orders_free(Session *x); /* the session ends */

/* ---- ask.c ---- */
void ask_answer(Session *x, const SatelliteUp *m);
void ask_end_all(Session *x); /* the link is gone */

/* ---- logs.c ---- */
void logs_add(Fleet *f, const char *satellite_id, const LogEntry *e);
void logs_free(Fleet *f);
