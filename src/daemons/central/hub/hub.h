/* central/hub/hub.h - news for screens: WebSocket topics, each a snapshot and then its changes.
 *
 * Topics: clusters, satellites, events, logs/SATELLITE. What changed within 250 ms goes out
 * together, and is read from the database once for all clients. Every message has a cursor; a
 * client that comes back with the cursor it saw last gets what it missed, or a snapshot when that
 * is too long ago. One that does not keep up gets {"type":"resync"} and then a fresh snapshot. */
#pragma once
#include "app.h"

typedef struct Hub Hub;

Hub *hub_new(App *app); /* subscribes to app->changes and app->fleet's log lines */
void hub_free(Hub *h);  /* after http_server_free */

typedef struct HubJoin {
    const char *topics; /* "clusters,events"; NULL: all but logs */
    int64_t cursor;     /* 0: from the beginning */
} HubJoin;
/* Check the topics first: ERR_INVALID names the wrong one. */
ErrCode hub_check(const char *topics, Error *err) MUST_USE;
/* Accepts the upgrade and owns the socket from here on. */
void hub_join(Hub *h, HttpReq *r, const HubJoin *join);

typedef struct HubStats {
    uint64_t clients, messages, resyncs, refreshes;
} HubStats;
const HubStats *hub_stats(const Hub *h);
