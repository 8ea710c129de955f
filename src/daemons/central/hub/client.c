#include "hub/hub_priv.h"
#include "store/cluster_rows.h"
#include "store/events.h"
#include "store/operations.h"
#include "store/satellites.h"
#include <stdio.h>
#include <stdlib.h>

enum { WS_INTERNAL = 1011 };

/* Bringing a client to the present: its log topics are found, then each topic is sent in pages,
 * then what was published meanwhile is replayed from the ring. */
typedef struct Join {
    HubClient *client; /* holds a reference */
    Arena *a;
    HubWish wish; /* log topics not found yet */
    size_t logs_at;
    HubTopic topic;
    int part;
    const char *after;
    int64_t cursor; /* the snapshot is at least as new as this */
    Timer *pause;
} Join;

static void step(Join *j);
static void begin_join(HubClient *c, const HubWish *logs);
static void join_end(Join *j);

/* ---- one client ---- */

static void maybe_free(HubClient *c)
{
    if (c->ws || c->join)
        return;
    for (size_t i = 0; i < c->n_logs; i++)
        free(c->logs[i].name);
    hub_unref(c->hub);
    free(c);
}

static void on_message(void *ctx, const char *text, size_t n, bool binary)
{
    (void)ctx, (void)text, (void)n, (void)binary; /* clients only listen */
}

static void on_close(void *ctx)
{
    HubClient *c = ctx;
    c->ws = NULL;
    c->hub->stats.clients--;
    if ((*c->link = c->next))
        c->next->link = c->link;
    if (c->join && c->join->pause)
        join_end(c->join);
    else
        maybe_free(c);
}

void hub_client_send(HubClient *c, const char *text, size_t n)
{
    if (!c->ws)
        return;
    if (http_ws_unsent(c->ws) > HUB_SLOW) {
        c->stale = true;
        hub_retry_later(c->hub);
        return;
    }
    c->hub->stats.messages++;
    http_ws_send(c->ws, text, n, false);
}

static void tell(HubClient *c, const HubFrame *f, const Schema *s, const ObjList *items)
{
    AUTO_STRBUF b = {0};
    hub_frame(&b, f, s, items);
    hub_client_send(c, b.p, b.n);
}

void hub_client_resync(HubClient *c)
{
    HubFrame f = {"resync", "", c->hub->cursor, false};
    c->stale = false;
    c->cursor = 0;
    c->hub->stats.resyncs++;
    tell(c, &f, &schema_EVENT, &(ObjList){0});
    if (c->join)
        c->join->cursor = -1; /* it begins anew by itself */
    else
        begin_join(c, NULL);
}

void hub_client_retry(HubClient *c)
{
    if (!c->ws || !c->stale)
        return;
    if (http_ws_unsent(c->ws) > HUB_RESUME)
        hub_retry_later(c->hub);
    else if (!c->join)
        hub_client_resync(c);
    else
        c->stale = false; /* a snapshot that waited goes on */
}

/* ---- joining ---- */

static void join_end(Join *j)
{
    HubClient *c = j->client;
    c->join = NULL;
    c->joining = false;
    timer_stop(j->pause);
    arena_free(j->a);
    maybe_free(c);
}

static bool lost(const Join *j)
{
    return !j->client->ws || j->client->hub->freed;
}

static void replay(HubClient *c, int64_t from)
{
    const Hub *h = c->hub;
    size_t oldest = h->ring_n > HUB_RING ? h->ring_n - HUB_RING : 0;
    for (size_t i = oldest; i < h->ring_n; i++) {
        const HubMsg *m = &h->ring[i % HUB_RING];
        if (m->cursor > from && c->topics & 1u << m->topic)
            hub_client_send(c, m->text, m->n);
    }
    c->cursor = h->cursor;
}

static void try_again(void *ctx);

static bool passes_by_itself(ErrCode code)
{
    return code == ERR_UNAVAILABLE || code == ERR_TIMEOUT || code == ERR_EXHAUSTED;
}

/* Nothing to go on with; what to do about it is done here. */
static bool stopped(Join *j, const Error *err)
{
    if (!err && !lost(j))
        return false;
    if (!lost(j) && passes_by_itself(err->code)) {
        j->pause = timer_start(j->client->hub->app->loop, HUB_DATABASE_MS, 0, try_again, j);
        return true;
    }
    if (!lost(j))
        http_ws_close(j->client->ws, WS_INTERNAL, err->msg);
    join_end(j);
    return true;
}

static void next_topic(Join *j)
{
    j->topic++;
    j->part = 0;
    j->after = "";
    step(j);
}

static void send_page(Join *j, const Schema *s, const ObjList *items, bool last)
{
    const char *type = j->part++ ? "upsert" : "snapshot"; /* a snapshot replaces all there was */
    HubFrame f = {type, hub_topic_name(j->topic), j->cursor, !last};
    tell(j->client, &f, s, items);
}

static void on_cluster_page(void *ctx, const Error *err, const ObjList *items)
{
    Join *j = ctx;
    if (stopped(j, err))
        return;
    bool last = items->n < HUB_PAGE;
    const ApiCluster *at = items->at;
    send_page(j, &schema_CLUSTER, items, last);
    if (last) {
        next_topic(j);
        return;
    }
    j->after = at[items->n - 1].id;
    step(j);
}

static void on_satellite_page(void *ctx, const Error *err, const ObjList *items, int64_t total,
                              const char *next)
{
    Join *j = ctx;
    (void)total;
    if (stopped(j, err))
        return;
    send_page(j, &schema_SATELLITE, items, !next);
    if (!next) {
        next_topic(j);
        return;
    }
    j->after = arena_strdup(j->a, next);
    step(j);
}

static void on_event_page(void *ctx, const Error *err, const ObjList *items, int64_t total,
                          const char *next)
{
    Join *j = ctx;
    (void)total, (void)next;
    if (stopped(j, err))
        return;
    send_page(j, &schema_EVENT, items, true);
    next_topic(j);
}

static void on_operation_page(void *ctx, const Error *err, const ObjList *items, int64_t total,
                              const char *next)
{
    Join *j = ctx;
    (void)total;
    if (stopped(j, err))
        return;
    send_page(j, &schema_OPERATION, items, !next);
    if (!next) {
        next_topic(j);
        return;
    }
    j->after = arena_strdup(j->a, next);
    step(j);
}

static void send_logs(HubClient *c)
{
    AUTO_ARENA a = arena_new();
    for (size_t i = 0; i < c->n_logs; i++) {
        ObjList lines = {0};
        HubFrame f = {"snapshot", arena_printf(a, "logs/%s", c->logs[i].name), c->hub->cursor,
                      false};
        fleet_logs(c->hub->app->fleet, a, c->logs[i].id, "trace", HUB_LOG_LINES, &lines);
        tell(c, &f, &schema_LOG_ENTRY, &lines);
    }
}

static void finish(Join *j)
{
    HubClient *c = j->client;
    if (!hub_ring_reaches(c->hub, j->cursor)) { /* too much happened meanwhile */
        j->topic = 0;
        j->part = 0;
        j->after = "";
        j->cursor = c->hub->cursor;
        step(j);
        return;
    }
    replay(c, j->cursor);
    send_logs(c);
    join_end(j);
}

static void on_log_satellite(void *ctx, const Error *err, const SatelliteRow *s)
{
    Join *j = ctx;
    HubClient *c = j->client;
    if (stopped(j, err))
        return;
    snprintf(c->logs[c->n_logs].id, UUID_TEXT, "%s", s->api.id);
    c->logs[c->n_logs++].name = xstrdup(j->wish.logs[j->logs_at++]);
    step(j);
}

static void try_again(void *ctx)
{
    Join *j = ctx;
    timer_stop(j->pause);
    j->pause = NULL;
    step(j);
}

static void step(Join *j)
{
    HubClient *c = j->client;
    App *app = c->hub->app;
    if (lost(j)) {
        join_end(j);
    } else if (j->logs_at < j->wish.n_logs) {
        satellite_find(app, NULL, j->a, j->wish.logs[j->logs_at], on_log_satellite, j);
    } else if (http_ws_unsent(c->ws) > HUB_SLOW / 2) {
        j->pause = timer_start(app->loop, HUB_RETRY_MS, 0, try_again, j);
    } else if (j->topic == HUB_TOPIC_COUNT) {
        finish(j);
    } else if (!(c->topics & 1u << j->topic)) {
        next_topic(j);
    } else if (j->topic == HUB_CLUSTERS) {
        cluster_page(app, j->a, j->after, HUB_PAGE, on_cluster_page, j);
    } else if (j->topic == HUB_SATELLITES) {
        satellite_list(app, j->a, &(SatelliteFilter){0},
                       &(Page){.limit = HUB_PAGE, .after = *j->after ? j->after : NULL},
                       on_satellite_page, j);
    } else if (j->topic == HUB_OPERATIONS) {
        operation_list(app, j->a, &(OperationFilter){.recent = true},
                       &(Page){.limit = HUB_PAGE, .after = *j->after ? j->after : NULL},
                       on_operation_page, j);
    } else {
        event_list(app, j->a, &(EventFilter){0}, &(Page){.limit = HUB_EVENTS}, on_event_page, j);
    }
}

static void begin_join(HubClient *c, const HubWish *logs)
{
    Arena *a = arena_new();
    Join *j = arena_new_of(a, Join);
    j->client = c;
    j->a = a;
    j->after = "";
    j->cursor = c->hub->cursor;
    c->join = j;
    c->joining = true;
    for (size_t i = 0; logs && i < logs->n_logs; i++) {
        if (!j->wish.logs)
            j->wish.logs = arena_array(a, const char *, HUB_MAX_LOGS);
        j->wish.logs[j->wish.n_logs++] = arena_strdup(a, logs->logs[i]);
    }
    if (c->cursor && hub_ring_reaches(c->hub, c->cursor)) {
        j->cursor = c->cursor; /* a resume: only what was missed */
        j->topic = HUB_TOPIC_COUNT;
    }
    c->cursor = 0;
    step(j);
}

void hub_client_start(Hub *h, HttpReq *r, const HubWish *wish, int64_t cursor)
{
    static const HttpWsEvents EVENTS = {.on_message = on_message, .on_close = on_close};
    HubClient *c = xnew(HubClient);
    c->hub = h;
    c->topics = wish->topics;
    c->cursor = cursor;
    c->ws = http_ws_accept(r, NULL, &EVENTS, c);
    if (!c->ws) {
        free(c);
        return;
    }
    hub_ref(h);
    h->stats.clients++;
    c->link = &h->clients;
    if ((c->next = h->clients))
        c->next->link = &c->next;
    h->clients = c;
    begin_join(c, wish);
}
