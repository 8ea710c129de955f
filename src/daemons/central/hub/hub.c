#include "hub/hub.h"

#include "core/clock.h"
#include "core/log.h"
#include "hub/hub_priv.h"
#include "store/cluster_rows.h"
#include "store/events.h"
#include "store/operations.h"
#include "store/satellites.h"
#include <stdlib.h>

/* ---- lifetime ---- */

void hub_ref(Hub *h)
{
    h->refs++;
}

void hub_unref(Hub *h)
{
    if (--h->refs)
        return;
    for (size_t i = 0; i < HUB_RING; i++)
        free(h->ring[i].text);
    for (int t = 0; t < HUB_TOPIC_COUNT; t++)
        map_free(h->dirty[t]);
    free(h);
}

/* ---- publishing ---- */

bool hub_ring_reaches(const Hub *h, int64_t cursor)
{
    if (cursor < h->base || cursor > h->cursor)
        return false;
    if (h->ring_n == 0)
        return cursor == h->cursor;
    size_t oldest = h->ring_n > HUB_RING ? h->ring_n - HUB_RING : 0;
    return cursor + 1 >= h->ring[oldest % HUB_RING].cursor;
}

static void publish(Hub *h, HubTopic t, StrBuf *text)
{
    HubMsg *m = &h->ring[h->ring_n++ % HUB_RING];
    free(m->text);
    *m = (HubMsg){h->cursor, t, text->p, text->n};
    *text = (StrBuf){0};
    for (HubClient *c = h->clients; c; c = c->next)
        if (c->topics & 1u << t && !c->joining && !c->stale) {
            hub_client_send(c, m->text, m->n);
            c->cursor = m->cursor;
        }
}

static HubFrame next_frame(Hub *h, HubTopic t, const char *type)
{
    return (HubFrame){type, hub_topic_name(t), ++h->cursor, false};
}

static void publish_items(Hub *h, HubTopic t, const char *type, const ObjList *items)
{
    StrBuf b = {0};
    if (items->n == 0)
        return;
    HubFrame f = next_frame(h, t, type);
    hub_frame(&b, &f, hub_schema(t), items);
    publish(h, t, &b);
}

static void publish_deleted(Hub *h, HubTopic t, const char *const *ids, size_t n)
{
    StrBuf b = {0};
    if (n == 0)
        return;
    HubFrame f = next_frame(h, t, "delete");
    hub_frame_ids(&b, &f, ids, n);
    publish(h, t, &b);
}

/* Something was missed (the link to the database was down): everybody begins anew. */
static void start_over(Hub *h)
{
    h->cursor++;
    for (size_t i = 0; h->ring_n && i < HUB_RING; i++) {
        free(h->ring[i].text);
        h->ring[i] = (HubMsg){0};
    }
    h->ring_n = 0;
    h->base = h->cursor;
    for (HubClient *c = h->clients, *next; c; c = next) {
        next = c->next;
        hub_client_resync(c);
    }
}

/* ---- one refresh of one topic: what is dirty is read once, for all clients ---- */

typedef struct Refresh {
    Hub *hub;
    HubTopic topic;
    Arena *a;
    const char **ids;
    size_t n, at;
    ApiSatellite *found; /* satellites come one by one */
    size_t n_found;
    const char **gone;
    size_t n_gone;
} Refresh;

static void flush_later(Hub *h);

static void refresh_end(Refresh *r, const Error *err)
{
    Hub *h = r->hub;
    h->refreshing[r->topic] = false;
    h->stats.refreshes++;
    arena_free(r->a);
    if (err) {
        log_warn("hub", "news are lost, clients begin anew", "error=%s", log_quote(err->msg));
        if (!h->freed)
            start_over(h);
    }
    if (!h->freed)
        flush_later(h); /* what became dirty meanwhile */
    hub_unref(h);
}

static Refresh *refresh_new(Hub *h, HubTopic t)
{
    Arena *a = arena_new();
    Refresh *r = arena_new_of(a, Refresh);
    r->hub = h;
    r->topic = t;
    r->a = a;
    h->refreshing[t] = true;
    hub_ref(h);
    return r;
}

/* Move at most a page of ids from the dirty set. */
static void take_ids(Refresh *r)
{
    Map *dirty = r->hub->dirty[r->topic];
    r->ids = arena_array(r->a, const char *, HUB_PAGE);
    r->gone = arena_array(r->a, const char *, HUB_PAGE);
    for (MapIter it = {0}; r->n < HUB_PAGE && map_next(dirty, &it);) {
        r->ids[r->n++] = arena_strdup(r->a, it.key);
        map_remove(dirty, r->ids[r->n - 1]);
    }
}

static bool has_cluster(const ObjList *items, const char *id)
{
    const ApiCluster *at = items->at;
    for (size_t i = 0; i < items->n; i++)
        if (str_eq(at[i].id, id))
            return true;
    return false;
}

static void on_clusters(void *ctx, const Error *err, const ObjList *items)
{
    Refresh *r = ctx;
    if (err || r->hub->freed) {
        refresh_end(r, err);
        return;
    }
    for (size_t i = 0; i < r->n; i++)
        if (!has_cluster(items, r->ids[i]))
            r->gone[r->n_gone++] = r->ids[i];
    publish_items(r->hub, HUB_CLUSTERS, "upsert", items);
    publish_deleted(r->hub, HUB_CLUSTERS, r->gone, r->n_gone);
    refresh_end(r, NULL);
}

static void refresh_clusters(Refresh *r)
{
    StrBuf ids = {0};
    for (size_t i = 0; i < r->n; i++)
        strbuf_addf(&ids, "%s%s", i ? "," : "", r->ids[i]);
    cluster_by_ids(r->hub->app, r->a, strbuf_str(&ids), on_clusters, r);
    strbuf_done(&ids);
}

static void on_operations(void *ctx, const Error *err, const ObjList *items)
{
    Refresh *r = ctx;
    if (!err && !r->hub->freed)
        publish_items(r->hub, HUB_OPERATIONS, "upsert", items);
    refresh_end(r, r->hub->freed ? NULL : err);
}

static void refresh_operations(Refresh *r)
{
    AUTO_STRBUF ids = {0};
    for (size_t i = 0; i < r->n; i++)
        strbuf_addf(&ids, "%s%s", i ? "," : "", r->ids[i]);
    operation_by_ids(r->hub->app, r->a, strbuf_str(&ids), on_operations, r);
}

static void next_satellite(Refresh *r);

static void on_satellite(void *ctx, const Error *err, const SatelliteRow *s)
{
    Refresh *r = ctx;
    if (r->hub->freed || (err && err->code != ERR_NOT_FOUND)) {
        refresh_end(r, err);
        return;
    }
    if (err)
        r->gone[r->n_gone++] = r->ids[r->at];
    else
        r->found[r->n_found++] = s->api;
    r->at++;
    next_satellite(r);
}

static void next_satellite(Refresh *r)
{
    if (r->at < r->n) {
        satellite_find(r->hub->app, NULL, r->a, r->ids[r->at], on_satellite, r);
        return;
    }
    ObjList items = {r->found, r->n_found};
    publish_items(r->hub, HUB_SATELLITES, "upsert", &items);
    publish_deleted(r->hub, HUB_SATELLITES, r->gone, r->n_gone);
    refresh_end(r, NULL);
}

static void on_events(void *ctx, const Error *err, const ObjList *items, int64_t total,
                      const char *next)
{
    Refresh *r = ctx;
    (void)total, (void)next;
    if (err || r->hub->freed) {
        refresh_end(r, err);
        return;
    }
    /* Lists are newest first; news are told in order. */
    ApiEvent *at = items->at;
    for (size_t i = 0; i < items->n / 2; i++) {
        ApiEvent swap = at[i];
        at[i] = at[items->n - 1 - i];
        at[items->n - 1 - i] = swap;
    }
    publish_items(r->hub, HUB_EVENT, "event", items);
    refresh_end(r, NULL);
}

static void refresh_events(Refresh *r)
{
    Hub *h = r->hub;
    EventFilter f = {.first_id = h->first_event, .last_id = h->last_event};
    if (f.last_id - f.first_id >= HUB_PAGE)
        f.last_id = f.first_id + HUB_PAGE - 1;
    h->first_event = f.last_id < h->last_event ? f.last_id + 1 : 0;
    event_list(h->app, r->a, &f, &(Page){.limit = HUB_PAGE}, on_events, r);
}

static void refresh(Hub *h, HubTopic t)
{
    if (h->refreshing[t])
        return;
    if (t == HUB_EVENT) {
        if (h->first_event)
            refresh_events(refresh_new(h, t));
        return;
    }
    if (map_count(h->dirty[t]) == 0)
        return;
    Refresh *r = refresh_new(h, t);
    take_ids(r);
    if (t == HUB_CLUSTERS) {
        refresh_clusters(r);
    } else if (t == HUB_OPERATIONS) {
        refresh_operations(r);
    } else {
        r->found = arena_array(r->a, ApiSatellite, HUB_PAGE);
        next_satellite(r);
    }
}

static void on_flush(void *ctx)
{
    Hub *h = ctx;
    timer_stop(h->flush);
    h->flush = NULL;
    for (int t = 0; t < HUB_TOPIC_COUNT; t++)
        refresh(h, (HubTopic)t);
}

static bool anything_dirty(const Hub *h)
{
    return map_count(h->dirty[HUB_CLUSTERS]) || map_count(h->dirty[HUB_SATELLITES]) ||
           map_count(h->dirty[HUB_OPERATIONS]) || h->first_event;
}

static void flush_later(Hub *h)
{
    if (!h->flush && anything_dirty(h))
        h->flush = timer_start(h->app->loop, HUB_FLUSH_MS, 0, on_flush, h);
}

/* ---- what changed ---- */

static void mark(Hub *h, HubTopic t, const char *id)
{
    static char here;
    if (!str_empty(id))
        map_put(h->dirty[t], id, &here);
}

static void mark_events(Hub *h, const Change *c)
{
    if (!h->first_event || c->first < h->first_event)
        h->first_event = c->first;
    if (c->last > h->last_event)
        h->last_event = c->last;
}

static void on_change(void *ctx, const Change *c)
{
    Hub *h = ctx;
    if (c->kind == CHANGE_RESYNC || !h->clients) {
        /* Nobody listens: nothing is read, and a cursor from before cannot be resumed. */
        start_over(h);
        return;
    }
    switch (c->kind) {
    case CHANGE_SATELLITE:
        mark(h, HUB_SATELLITES, c->id);
        break;
    case CHANGE_STREAM:
        mark(h, HUB_SATELLITES, c->satellite_id);
        break;
    case CHANGE_CLUSTER:
        mark(h, HUB_CLUSTERS, c->id);
        break;
    case CHANGE_HEALTH:
        for (const char *const *id = c->ids; id && *id; id++)
            mark(h, HUB_CLUSTERS, *id);
        break;
    case CHANGE_EVENTS:
        mark_events(h, c);
        break;
    case CHANGE_OPERATION:
        mark(h, HUB_OPERATIONS, c->id);
        break;
    case CHANGE_RESYNC:
    case CHANGE_PROFILE:
    case CHANGE_RULE:
    case CHANGE_KIND_COUNT:
        break;
    }
    flush_later(h);
}

static void on_log(void *ctx, const char *satellite_id, const LogEntry *e)
{
    Hub *h = ctx;
    ApiLogEntry line = hub_log_entry(e);
    ObjList items = {&line, 1};
    for (HubClient *c = h->clients, *next; c; c = next) {
        next = c->next;
        for (size_t i = 0; i < c->n_logs && !c->joining && !c->stale; i++) {
            if (!str_eq(c->logs[i].id, satellite_id))
                continue;
            AUTO_STRBUF b = {0};
            AUTO_STRBUF topic = {0};
            strbuf_addf(&topic, "logs/%s", c->logs[i].name);
            HubFrame f = {"log", topic.p, h->cursor, false};
            hub_frame(&b, &f, &schema_LOG_ENTRY, &items);
            hub_client_send(c, b.p, b.n);
        }
    }
}

/* ---- slow clients ---- */

static void on_retry(void *ctx)
{
    Hub *h = ctx;
    timer_stop(h->retry);
    h->retry = NULL;
    for (HubClient *c = h->clients, *next; c; c = next) {
        next = c->next;
        hub_client_retry(c);
    }
}

void hub_retry_later(Hub *h)
{
    if (!h->retry && !h->freed)
        h->retry = timer_start(h->app->loop, HUB_RETRY_MS, 0, on_retry, h);
}

/* ---- the face ---- */

Hub *hub_new(App *app)
{
    Hub *h = xnew(Hub);
    h->app = app;
    h->refs = 1;
    h->base = h->cursor = clock_wall_us();
    for (int t = 0; t < HUB_TOPIC_COUNT; t++)
        h->dirty[t] = map_new();
    changes_subscribe(app->changes, on_change, h);
    fleet_on_log(app->fleet, on_log, h);
    return h;
}

void hub_free(Hub *h)
{
    if (!h)
        return;
    h->freed = true;
    timer_stop(h->flush);
    timer_stop(h->retry);
    h->flush = h->retry = NULL;
    hub_unref(h);
}

const HubStats *hub_stats(const Hub *h)
{
    return &h->stats;
}

void hub_join(Hub *h, HttpReq *r, const HubJoin *join)
{
    Error err;
    HubWish wish;
    if (hub_wish_parse(http_arena(r), join->topics, &wish, &err))
        http_reply_err(r, &err);
    else
        hub_client_start(h, r, &wish, join->cursor);
}
