/* central/api/call_priv.h - inside of the dispatch: what a call carries besides its public part. */
#pragma once
#include "api/api.h"
#include "api/call.h"
#include "http/router.h"

enum { API_BUCKETS = 10 };

typedef struct RouteStats {
    uint64_t by_class[6]; /* [2]: 2xx */
    double seconds;
} RouteStats;

/* The pack made last: clones of an unchanged history ask for the same one. */
typedef struct PackCache {
    char history[33]; /* of which history: MD5 over the versions */
    StrBuf request, answer;
} PackCache;

struct Api {
    App *app;
    Router *router;
    RouteStats routes[API_ROUTE_COUNT];
    uint64_t buckets[API_BUCKETS + 1]; /* the last: slower than all */
    uint64_t unrouted, audit_failed;
    PackCache pack;
};

typedef struct CallPriv {
    Api *api;
    RouterMatch match;
    uint64_t started_ms;
    const char *object, *before, *after;
    bool audited, answered;
    /* the answer while its audit row is written */
    int status;
    const char *content_type;
    StrBuf body; /* freed with the arena */
} CallPriv;

/* authn.c: who is calling. done exactly once, never from inside; NULL `id` never with err NULL. */
typedef void (*AuthnDone)(ApiCall *c, const Error *err, const Identity *id);
void authn_call(ApiCall *c, AuthnDone done);
/* 401 with the challenge that fits the route. */
void authn_refuse(ApiCall *c, const Error *err);

/* reply.c */
void call_done(ApiCall *c, int status); /* metrics and the access line */
void call_reply_method(ApiCall *c, const Error *err, const char *allow);

/* metrics.c */
void metrics_note(Api *api, const ApiRouteInfo *route, int status, uint64_t ms);
