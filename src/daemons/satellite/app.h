/* app.h - the process: who knows whom. */
#pragma once
#include "config.h"
#include "health/reporter.h"
#include "http/server.h"
#include "identity.h"
#include "link/central_link.h"
#include "link/decisions.h"
#include "link/events.h"
#include "link/logstream.h"
#include "link/podlogs.h"
#include "operator/state.h"
#include "ops/ops.h"
#include "sidecars/server.h"

typedef struct App {
    Loop *loop;
    SatConfig *cfg;
    Kube *kube;
    Identity *identity;
    Link *link;
    Events *events;
    Decisions *decisions;
    PodLogs *podlogs;
    LogStream *logstream;
    Site *site;
    SidecarServer *sidecars;
    Ops *ops;
    Reporter *reporter;
    HttpServer *http;
    SigWatch *sigterm, *sigint;
    KubeCall *service_call;
    Timer *retry, *settle;
    Backoff backoff;
    int64_t started_us;
    char *own_ns; /* when the settings name none */
    bool events_loaded, ops_loaded, approved, link_started;
    bool failed; /* ends the process with a status */
} App;

ErrCode app_start(App *app, Loop *loop, SatConfig *cfg, Error *err) MUST_USE;
void app_stop(App *app);

/* dispatch.c: what central sends. */
void dispatch(App *app, const SatelliteDown *m);
void send_hello(App *app);
/* health_http.c: /healthz, /readyz, /metrics. */
ErrCode health_http_start(App *app, Error *err) MUST_USE;
