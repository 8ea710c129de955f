/* central/hub/hub_priv.h - inside: topics, clients, the ring of recent messages.
 *
 * hub.c gathers what changed and publishes it; client.c brings one client from nothing (or from its
 * cursor) to the present and keeps it there; topics.c knows names and shapes. A client that is
 * joining or stale gets nothing published: it reads the ring, or a snapshot, when it is its turn.
 */
#pragma once
#include "api/schemas.h"
#include "core/map.h"
#include "core/vec.h"
#include "fleet/fleet.h"
#include "hub/hub.h"

enum {
    HUB_FLUSH_MS = 250,
    HUB_RING = 1024,
    HUB_PAGE = 500,
    HUB_EVENTS = 100, /* in a snapshot */
    HUB_LOG_LINES = 200,
    HUB_MAX_LOGS = 8, /* log topics of one client */
    HUB_SLOW = 1024 * 1024,
    HUB_RESUME = 64 * 1024,
    HUB_RETRY_MS = 100,
    HUB_DATABASE_MS = 1000, /* between two tries while the database is away */
};

typedef enum HubTopic {
    HUB_CLUSTERS,
    HUB_SATELLITES,
    HUB_EVENT,
    HUB_OPERATIONS, /* unfinished ones, and those that ended within an hour */
    HUB_TOPIC_COUNT
} HubTopic;
enum { HUB_ALL = (1 << HUB_TOPIC_COUNT) - 1 };

/* What a client asked for. */
typedef struct HubWish {
    unsigned topics;   /* bits by HubTopic */
    const char **logs; /* satellites, names or ids */
    size_t n_logs;
} HubWish;

typedef struct HubMsg {
    int64_t cursor;
    HubTopic topic;
    char *text;
    size_t n;
} HubMsg;

typedef struct HubClient {
    Hub *hub;
    struct HubClient *next, **link;
    HttpWs *ws; /* NULL: gone; the struct waits for its last query */
    unsigned topics;
    size_t n_logs;
    struct {
        char id[UUID_TEXT];
        char *name;
    } logs[HUB_MAX_LOGS];
    int64_t cursor; /* of what it has */
    bool joining, stale;
    struct Join *join; /* under way */
} HubClient;

struct Hub {
    App *app;
    HubStats stats;
    int64_t base, cursor; /* the first cursor of this process, the last one given */
    HubMsg ring[HUB_RING];
    size_t ring_n; /* ever pushed */
    HubClient *clients;
    Map *dirty[HUB_TOPIC_COUNT]; /* ids; none for events */
    int64_t first_event, last_event;
    bool refreshing[HUB_TOPIC_COUNT];
    Timer *flush, *retry;
    bool freed;
    unsigned refs; /* ours, and of each refresh and client under way */
};

/* topics.c */
const char *hub_topic_name(HubTopic t);
ErrCode hub_wish_parse(Arena *a, const char *topics, HubWish *ret, Error *err) MUST_USE;
/* {"type":..,"topic":..,"cursor":..,"items":[..]}, and "more":true when the rest of a snapshot
 * follows as upserts. */
typedef struct HubFrame {
    const char *type, *topic;
    int64_t cursor;
    bool more;
} HubFrame;
void hub_frame(StrBuf *out, const HubFrame *f, const Schema *s, const ObjList *items);
void hub_frame_ids(StrBuf *out, const HubFrame *f, const char *const *ids, size_t n);
const Schema *hub_schema(HubTopic t);
/* Log lines of the wire as those of the interface. */
ApiLogEntry hub_log_entry(const LogEntry *e);

/* hub.c */
void hub_ref(Hub *h);
void hub_unref(Hub *h);
void hub_retry_later(Hub *h);
/* The messages after `cursor`; false when the ring does not reach back so far. */
bool hub_ring_reaches(const Hub *h, int64_t cursor);

/* client.c */
void hub_client_start(Hub *h, HttpReq *r, const HubWish *wish, int64_t cursor);
void hub_client_send(HubClient *c, const char *text, size_t n);
void hub_client_resync(HubClient *c); /* from the beginning, after telling so */
void hub_client_retry(HubClient *c);  /* a stale one may have caught up */
