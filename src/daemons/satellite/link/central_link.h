/* link/central_link.h - the one stream to central: dialled, kept, dialled again.
 *
 * Backoff 1 s to 30 s with full jitter, reset only after a stream that was healthy for 30 s.
 * Central that answers UNAUTHENTICATED or PERMISSION_DENIED does not know us (any more):
 * on_refused, and it is asked again with patience. Nothing is queued over a break: what must not be
 * lost is kept by its owner and sent again from on_up. */
#pragma once
#include "config.h"
#include "identity.h"
#include "wire/satellite_stream.h"

typedef struct Link Link;
typedef struct LinkEvents {
    void (*on_open)(void *ctx);     /* a stream was opened: Hello goes first, from here */
    void (*on_accepted)(void *ctx); /* central's first word */
    void (*on_message)(void *ctx, const SatelliteDown *m); /* valid inside */
    void (*on_drain)(void *ctx);                           /* there is room again */
    void (*on_down)(void *ctx);
    void (*on_refused)(void *ctx, const char *why);
    void *ctx;
} LinkEvents;

typedef struct LinkStats {
    uint64_t streams, sent, received, bad, dropped;
} LinkStats;

Link *link_new(Loop *l, const SatConfig *cfg, const Identity *id, const LinkEvents *ev);
void link_start(Link *k);
void link_free(Link *k);
bool link_is_open(const Link *k);
bool link_is_accepted(const Link *k);
/* ERR_UNAVAILABLE: no stream; ERR_EXHAUSTED: its queue is full (on_drain tells when not). */
ErrCode link_send(Link *k, const SatelliteUp *m);
size_t link_queued(const Link *k); /* messages */
const LinkStats *link_stats(const Link *k);
