#include "fleet/ingest.h"

#include "core/log.h"
#include "core/map.h"
#include "core/vec.h"
#include "store/events.h"
#include "store/health.h"
#include <stdio.h>
#include <stdlib.h>

enum { RETRY_MS = 1000 };

/* The database is away or busy: the same batch may succeed later. */
static bool is_passing(ErrCode c)
{
    return c == ERR_UNAVAILABLE || c == ERR_TIMEOUT || c == ERR_CONFLICT || c == ERR_EXHAUSTED ||
           c == ERR_CANCELLED;
}

/* ---- health ---- */

typedef struct Report {
    Arena *arena;
    char satellite_id[UUID_TEXT];
    ClusterHealth health;
} Report;

typedef struct Flush {
    Ingest *in;
    VEC(Report *) left; /* still to be stored */
    size_t n;           /* of them, in the statement under way */
} Flush;

struct Ingest {
    App *app;
    Map *waiting; /* cluster id -> Report */
    Timer *timer;
    Flush *flush; /* one at a time */
};

static void report_free(Report *r)
{
    if (r)
        arena_free(r->arena);
}

static void on_flush_timer(void *ctx);

static void arm(Ingest *in, uint64_t ms)
{
    if (!in->timer && !in->flush && map_count(in->waiting))
        in->timer = timer_start(in->app->loop, ms, 0, on_flush_timer, in);
}

void ingest_health(Ingest *in, const char *satellite_id, const ClusterHealth *h)
{
    Arena *a = arena_new();
    Report *r = arena_new_of(a, Report);
    r->arena = a;
    snprintf(r->satellite_id, sizeof r->satellite_id, "%s", satellite_id);
    r->health = cluster_health_dup(a, h);
    report_free(map_put(in->waiting, r->health.cluster_id, r));
    arm(in, INGEST_FLUSH_MS);
}

static void flush_free(Flush *f)
{
    for (size_t i = 0; i < f->left.n; i++)
        report_free(f->left.at[i]);
    vec_done(&f->left);
    free(f);
}

static void flush_next(Flush *f);

/* Back to the waiting ones, unless a newer report of the cluster came meanwhile. */
static void put_back(Flush *f)
{
    for (size_t i = 0; i < f->left.n; i++) {
        Report *r = f->left.at[i];
        if (map_get(f->in->waiting, r->health.cluster_id))
            report_free(r);
        else
            map_put(f->in->waiting, r->health.cluster_id, r);
    }
    f->left.n = 0;
}

static void flush_end(Flush *f, uint64_t next_ms)
{
    Ingest *in = f->in;
    in->flush = NULL;
    flush_free(f);
    arm(in, next_ms);
}

static void flushed(void *ctx, const Error *err)
{
    Flush *f = ctx;
    if (!f->in) { /* the ingest is gone */
        flush_free(f);
        return;
    }
    if (err && is_passing(err->code)) {
        log_debug("ingest", "health waits for the database", "err=%s", log_quote(err->msg));
        put_back(f);
        flush_end(f, RETRY_MS);
        return;
    }
    if (err && f->n > 1) {
        f->n /= 2;
        flush_next(f);
        return;
    }
    if (err)
        log_warn("ingest", "health report refused by the database", "cluster=%s err=%s",
                 log_quote(f->left.at[0]->health.name), log_quote(err->msg));
    for (size_t i = 0; i < f->n; i++)
        report_free(f->left.at[i]);
    memmove(f->left.at, f->left.at + f->n, (f->left.n - f->n) * sizeof *f->left.at);
    f->left.n -= f->n;
    f->n = f->left.n;
    if (f->left.n)
        flush_next(f);
    else
        flush_end(f, INGEST_FLUSH_MS);
}

static void flush_next(Flush *f)
{
    HealthItem *items = xcalloc(f->n, sizeof *items);
    for (size_t i = 0; i < f->n; i++)
        items[i] = (HealthItem){f->left.at[i]->satellite_id, &f->left.at[i]->health};
    health_ingest(f->in->app, items, f->n, flushed, f);
    free(items);
}

static void on_flush_timer(void *ctx)
{
    Ingest *in = ctx;
    timer_stop(in->timer);
    in->timer = NULL;
    Flush *f = xnew(Flush);
    f->in = in;
    for (MapIter it = {0}; f->left.n < INGEST_BATCH && map_next(in->waiting, &it);) {
        vec_push(&f->left, (Report *)it.value);
        map_remove(in->waiting, it.key);
    }
    in->flush = f;
    f->n = f->left.n;
    flush_next(f);
}

Ingest *ingest_new(App *app)
{
    Ingest *in = xnew(Ingest);
    in->app = app;
    in->waiting = map_new();
    return in;
}

void ingest_free(Ingest *in)
{
    if (!in)
        return;
    timer_stop(in->timer);
    for (MapIter it = {0}; map_next(in->waiting, &it);)
        report_free(it.value);
    map_free(in->waiting);
    if (in->flush)
        in->flush->in = NULL; /* its answer frees it */
    free(in);
}

/* ---- events ---- */

typedef struct EventItem {
    struct EventItem *next;
    Arena *arena;
    EventReport e;
} EventItem;

typedef struct EventFlush {
    EventQueue *q; /* NULL: the stream is gone */
    App *app;
    char satellite_id[UUID_TEXT];
    EventItem **at;
    size_t n, from, len; /* the statement under way: len items from `from` */
} EventFlush;

static void events_flush(void *ctx);

static void events_arm(EventQueue *q, uint64_t ms)
{
    if (!q->timer && !q->flush && q->n)
        q->timer = timer_start(q->app->loop, ms, 0, events_flush, q);
}

void events_init(EventQueue *q, App *app, const char *satellite_id, uint64_t last,
                 void (*stored)(void *ctx, uint64_t sequence), void *ctx)
{
    *q = (EventQueue){
        .app = app, .satellite_id = satellite_id, .last = last, .stored = stored, .ctx = ctx};
    q->tail = &q->head;
}

void events_add(EventQueue *q, const EventReport *e)
{
    if (e->sequence <= q->last)
        return; /* sent again before it was acknowledged */
    if (e->sequence > q->last + 1 && q->last)
        log_warn("ingest", "gap in the events of a satellite",
                 "satellite_id=%s after=%llu got=%llu", q->satellite_id,
                 (unsigned long long)q->last, (unsigned long long)e->sequence);
    Arena *a = arena_new();
    EventItem *item = arena_new_of(a, EventItem);
    item->arena = a;
    item->e = event_report_dup(a, e);
    *q->tail = item;
    q->tail = &item->next;
    q->n++;
    q->last = e->sequence;
    events_arm(q, q->n >= INGEST_BATCH ? 0 : 20);
}

static void event_flush_free(EventFlush *f)
{
    for (size_t i = 0; i < f->n; i++)
        arena_free(f->at[i]->arena);
    free(f->at);
    free(f);
}

static void event_flush_next(EventFlush *f);

/* The items of a flush that failed for now go back to the head, in order. */
static void events_put_back(EventFlush *f, EventQueue *q)
{
    EventItem *rest = q->head, **tail = &q->head;
    for (size_t i = f->from; i < f->n; i++) {
        *tail = f->at[i];
        tail = &f->at[i]->next;
    }
    *tail = rest;
    if (!rest)
        q->tail = tail;
    q->n += f->n - f->from;
    f->n = f->from;
}

static void event_flush_end(EventFlush *f, uint64_t next_ms)
{
    EventQueue *q = f->q;
    q->flush = NULL;
    event_flush_free(f);
    events_arm(q, next_ms);
}

static void events_stored(void *ctx, const Error *err)
{
    EventFlush *f = ctx;
    EventQueue *q = f->q;
    if (!q) {
        event_flush_free(f);
        return;
    }
    if (err && is_passing(err->code)) {
        log_warn("ingest", "events wait for the database", "satellite_id=%s n=%zu err=%s",
                 f->satellite_id, f->n - f->from, log_quote(err->msg));
        events_put_back(f, q);
        event_flush_end(f, RETRY_MS);
        return;
    }
    if (err && f->len > 1) {
        f->len /= 2;
        event_flush_next(f);
        return;
    }
    uint64_t upto = f->at[f->from + f->len - 1]->e.sequence;
    if (err)
        log_warn("ingest", "event refused by the database", "satellite_id=%s sequence=%llu err=%s",
                 f->satellite_id, (unsigned long long)upto, log_quote(err->msg));
    f->from += f->len;
    f->len = f->n - f->from;
    if (f->len)
        event_flush_next(f);
    else
        event_flush_end(f, 20);
    q->stored(q->ctx, upto);
}

static void event_flush_next(EventFlush *f)
{
    EventReport *batch = xcalloc(f->len, sizeof *batch);
    for (size_t i = 0; i < f->len; i++)
        batch[i] = f->at[f->from + i]->e;
    event_ingest(f->app, &(EventBatch){f->satellite_id, batch, f->len}, events_stored, f);
    free(batch);
}

static void events_flush(void *ctx)
{
    EventQueue *q = ctx;
    timer_stop(q->timer);
    q->timer = NULL;
    EventFlush *f = xnew(EventFlush);
    size_t n = q->n < INGEST_BATCH ? q->n : INGEST_BATCH;
    f->q = q;
    f->app = q->app;
    snprintf(f->satellite_id, sizeof f->satellite_id, "%s", q->satellite_id);
    f->at = xcalloc(n, sizeof(EventItem *));
    for (; f->n < n; f->n++) {
        f->at[f->n] = q->head;
        q->head = q->head->next;
    }
    if (!q->head)
        q->tail = &q->head;
    q->n -= n;
    f->len = n;
    q->flush = f;
    event_flush_next(f);
}

void events_done(EventQueue *q)
{
    timer_stop(q->timer);
    q->timer = NULL;
    if (q->flush)
        q->flush->q = NULL;
    q->flush = NULL;
    while (q->head) {
        EventItem *item = q->head;
        q->head = item->next;
        arena_free(item->arena);
    }
    q->n = 0;
}
