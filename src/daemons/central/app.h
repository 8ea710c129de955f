/* central/app.h - everything that one central is made of, and who owns it.
 *
 * app.c is the one place that wires these together; nothing below calls back upward except through
 * what is registered here (changes_subscribe, app->fan_out, fleet_on_log). All of it lives on the
 * loop's thread; blocking libraries (libgit2, argon2) run on loop_work. */
#pragma once
#include "ca.h"
#include "changes.h"
#include "config.h"
#include "grpc/server.h"
#include "http/server.h"
#include "loop/loop.h"
#include "pg/pool.h"
#include "seal.h"

typedef struct Fleet Fleet;
typedef struct Ingest Ingest;
typedef struct App App;

typedef void (*AppDone)(void *ctx, const Error *err);
/* Runs inside the transaction that admits a satellite or changes its labels, so that the clusters
 * that rules ask for come with the same commit. done exactly once, never from inside. */
typedef void (*FanOutFn)(App *app, PgConn *c, const char *satellite_id, AppDone done, void *ctx);

struct App {
    const Config *cfg;
    Loop *loop;
    PgPool *pool; /* requests and services */
    PgPool *
        writers; /* what satellites report: its own connections, so that neither stalls the other */
    Changes *changes; /* who wants to know what changed in the database, by whichever central */
    Sealer *sealer;   /* the key file; seals what goes to table secrets */
    Ca *ca;
    Fleet *fleet; /* streams to satellites */
    struct Housekeeping *housekeeping;
    struct OpClock *opclock;
    Ingest *ingest;  /* health and events on their way into the database */
    struct Hub *hub; /* WebSocket topics */
    struct Api *api; /* REST dispatch */
    HttpServer *http;
    GrpcServer *grpc, *grpc_plain; /* grpc_plain NULL: no such listener */
    FanOutFn fan_out;              /* NULL: no rules */
    char central_id[UUID_TEXT];
    int64_t started_at_us;
    int schema_version;
    bool draining;
    SigWatch *signals[2];
};

/* Key file, database at its newest version, CA: what every verb needs. Runs the loop while it
 * waits. create_key: make the key file when there is none. wait_ms: for a database that is not
 * there yet; 0: for ever. */
ErrCode app_open(const Config *cfg, bool create_key, uint64_t wait_ms, App **ret,
                 Error *err) MUST_USE;
/* Listeners and all behind them. */
ErrCode app_serve(App *app, Error *err) MUST_USE;
/* Until SIGTERM or SIGINT, then drain. */
void app_run(App *app);
void app_free(App *app);
