/* link/satellite.h - the stream to the satellite: identity first, then heartbeats, health, events;
 * commands come down and are answered.
 *
 * Reconnects for ever (1 to 5 s, full jitter; up to 30 s when it was refused; reset after 30 s of
 * health). A satellite that is silent, also while the stream is being opened, gets another
 * connection. Events are kept, in a bounded queue, until the satellite has answered a heartbeat
 * sent behind them, and sent again on the next stream when it did not; the oldest is dropped first
 * and the loss is logged. Nothing here is needed for the cluster to live. */
#pragma once
#include "config.h"
#include "loop/loop.h"
#include "model/decision.h"
#include "model/health.h"
#include "wire/sidecar_stream.h"

typedef struct Link Link;
typedef struct LinkEvents {
    /* Answer with link_answer, now or later. */
    void (*on_command)(void *ctx, const SidecarDown *cmd);
    void (*on_up)(void *ctx); /* the stream stands: send health */
} LinkEvents;

/* No satellite address: everything is accepted and dropped. ERR when the CA file is no good. */
ErrCode link_new(Loop *l, const Config *cfg, const LinkEvents *ev, void *ctx, Link **ret,
                 Error *err) MUST_USE;
void link_free(Link *k);
bool link_up(const Link *k);
void link_health(Link *k, const InstanceHealth *h);
void link_answer(Link *k, const char *id, const CommandResult *r);
/* kind: dotted. message: one sentence without secrets. */
void link_event(Link *k, Severity severity, const char *kind, const char *message);
/* One decision of this member, as an event of its own kind. False: the stream is not up; it is not
 * queued here, the record keeps it. */
bool link_decision(Link *k, const DecisionRecord *d);
