/* launcher/client.h - the sidecar's end of launcher.sock: requests with one answer each, the
 * launcher's state as it changes, PostgreSQL's log lines. Reconnects by itself. */
#pragma once
#include "core/launcher_proto.h"
#include "loop/loop.h"

typedef struct LauncherClient LauncherClient;
typedef struct LauncherEvents {
    void (*on_state)(void *ctx); /* launcher_state changed, or the connection came or went */
    void (*on_line)(void *ctx, const char *line, uint64_t dropped); /* may be NULL */
} LauncherEvents;

/* err NULL: done. Once; never from inside launcher_call. */
typedef void (*LauncherDone)(void *ctx, const Error *err);
/* The same with what was answered, for requests that ask for something; m NULL with an error. */
typedef void (*LauncherAnswer)(void *ctx, const Error *err, const LpMsg *m);

LauncherClient *launcher_client_new(Loop *l, const char *run_dir, const LauncherEvents *ev,
                                    void *ctx);
void launcher_client_free(LauncherClient *c); /* pending calls are not answered */
/* NULL while there is no connection, or no state was told yet. A launcher that ended with
 * PostgreSQL down keeps its last word until another one is there. */
const LpMsg *launcher_state(const LauncherClient *c);
/* m->id is set here. Without a connection, or when it breaks, the answer is UNAVAILABLE. */
void launcher_call(LauncherClient *c, LpMsg *m, LauncherDone done, void *ctx);
void launcher_ask(LauncherClient *c, LpMsg *m, LauncherAnswer done, void *ctx);
