#include "link/events.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/vec.h"
#include "render/tpl.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WRITE_DELAY_MS = 200,
    ACK_WRITE_DELAY_MS = 5000,
    RETRY_MAX_MS = 5000,
    NEWS_WAIT_MS = 2000, /* what a new event waits at most after a failed write */
    CALL_MS = 3000,      /* patience with one request; doubled while it was too little, up to: */
    CALL_MAX_MS = 30000,
    VERSION_LEN = 64,
};

typedef struct Kept {
    Arena *a;
    EventReport r;
    size_t bytes;
} Kept;

struct Events {
    EventsSpec spec;
    VEC(Kept) ring; /* oldest first, sequences without gaps */
    size_t bytes;
    uint64_t next;      /* sequence of the next event */
    uint64_t persisted; /* up to here written */
    uint64_t writing;   /* the same, once the write under way is answered */
    uint64_t sent, acked;
    uint64_t dropped, dropped_untold, written;
    bool loaded, changed;
    bool full_told; /* that events are dropped was logged */
    /* The resourceVersion that our next write replaces. Empty: there is no ConfigMap yet. Not known
     * after a write that did not succeed, for that one may still land. */
    char version[VERSION_LEN];
    bool version_known;
    KubeCall *call;
    KubeDone awaited;  /* of the call */
    Timer *deadline;   /* of the call */
    uint64_t patience; /* ms */
    Timer *timer;
    uint64_t due;        /* when the timer fires */
    uint64_t not_before; /* no write sooner, whatever happens: the last one failed */
    Backoff backoff;
};

static void write_soon(Events *e, uint64_t ms);
static void load(Events *e);

/* ---- sending ---- */

void events_resume(Events *e)
{
    for (size_t i = 0; i < e->ring.n; i++) {
        const EventReport *r = &e->ring.at[i].r;
        if (r->sequence <= e->sent)
            continue;
        if (r->sequence > e->persisted || !e->spec.send(e->spec.ctx, r))
            return;
        e->sent = r->sequence;
    }
}

void events_restart(Events *e)
{
    e->sent = e->acked;
    events_resume(e);
}

/* ---- the ring ---- */

static void drop_first(Events *e)
{
    e->bytes -= e->ring.at[0].bytes;
    arena_free(e->ring.at[0].a);
    vec_remove(&e->ring, 0);
}

static bool is_full(const Events *e, size_t parts)
{
    return e->ring.n > EVENTS_MAX / parts || e->bytes > EVENTS_BYTES / parts;
}

/* Said once, until there was room again. */
static void drop_oldest(Events *e)
{
    if (!e->full_told)
        log_warn("events", "too many events wait for central; the oldest are dropped",
                 "kept=%zu next=%" PRIu64 " persisted=%" PRIu64 " acked=%" PRIu64, e->ring.n,
                 e->next, e->persisted, e->acked);
    e->full_told = true;
    drop_first(e);
    e->dropped++;
    e->dropped_untold++;
}

static void push(Events *e, const EventReport *r, uint64_t sequence)
{
    Kept k = {.a = arena_new_sized(512)};
    k.r = event_report_dup(k.a, r);
    k.r.sequence = sequence;
    if (e->dropped_untold) {
        strmap_put(k.a, &k.r.data, "events_dropped",
                   arena_printf(k.a, "%" PRIu64, e->dropped_untold));
        e->dropped_untold = 0;
    }
    k.bytes = arena_used(k.a) + 128;
    vec_push(&e->ring, k);
    e->bytes += k.bytes;
    while (is_full(e, 1) && e->ring.n > 1)
        drop_oldest(e);
}

void events_add(Events *e, const EventReport *r)
{
    push(e, r, e->next++);
    e->changed = true;
    write_soon(e, WRITE_DELAY_MS);
}

/* Central knows higher numbers than we do (our ConfigMap was lost): go on behind them. */
static void renumber(Events *e, uint64_t from)
{
    for (size_t i = 0; i < e->ring.n; i++)
        e->ring.at[i].r.sequence = ++from;
    e->next = from + 1;
    e->persisted = e->sent = 0;
    e->changed = true;
    write_soon(e, 0);
}

void events_acked(Events *e, uint64_t sequence)
{
    if (sequence >= e->next) {
        log_warn("events", "central has more events of ours than we do; numbering goes on there",
                 "next=%" PRIu64 " central=%" PRIu64, e->next, sequence);
        e->acked = sequence;
        renumber(e, sequence);
        return;
    }
    if (sequence <= e->acked)
        return;
    e->acked = sequence;
    while (e->ring.n && e->ring.at[0].r.sequence <= sequence)
        drop_first(e);
    e->full_told = e->full_told && is_full(e, 2);
    e->changed = true;
    write_soon(e, ACK_WRITE_DELAY_MS);
}

uint64_t events_next_sequence(const Events *e)
{
    return e->next;
}

EventsStats events_stats(const Events *e)
{
    return (EventsStats){e->ring.n, e->dropped, e->written};
}

/* ---- the ConfigMap ---- */

/* How long to wait after a failure. */
static uint64_t retry_ms(Events *e)
{
    uint64_t ms = 200 + backoff_next(&e->backoff);
    e->not_before = loop_now(e->spec.loop) + (ms < NEWS_WAIT_MS ? ms : NEWS_WAIT_MS);
    return ms;
}

static void call_over(Events *e, const Error *err, const cJSON *obj)
{
    e->call = NULL;
    timer_stop(e->deadline);
    e->deadline = NULL;
    if (!err)
        e->patience = CALL_MS;
    e->version_known = !err || err->code == ERR_NOT_FOUND;
    snprintf(e->version, sizeof e->version, "%s",
             str_or(kube_str(obj, "metadata.resourceVersion"), ""));
}

/* A server that does not answer must not hold up all events of the site for as long as HTTP would.
 * One that is merely slow gets longer each time, else no answer of it would ever be heard. */
static void on_deadline(void *ctx)
{
    Events *e = ctx;
    Error err;
    err_set(&err, ERR_TIMEOUT, "no answer of the API server within %" PRIu64 " ms", e->patience);
    kube_cancel(e->call);
    e->patience = e->patience * 2 < CALL_MAX_MS ? e->patience * 2 : CALL_MAX_MS;
    e->awaited(e, &err, NULL);
}

static void await(Events *e, KubeCall *call, KubeDone done)
{
    e->call = call;
    e->awaited = done;
    e->deadline = timer_start(e->spec.loop, e->patience, 0, on_deadline, e);
}

static void on_written(void *ctx, const Error *err, const cJSON *obj)
{
    Events *e = ctx;
    call_over(e, err, obj);
    if (err && (err->code == ERR_CONFLICT || err->code == ERR_EXISTS)) {
        log_info("events", "an earlier write landed after all; again", "err=%s",
                 log_quote(err->msg));
        e->changed = true;
        e->version_known = false;
        write_soon(e, WRITE_DELAY_MS);
        return;
    }
    if (err) {
        uint64_t ms = retry_ms(e);
        e->version_known = false;
        log_warn("events", "events cannot be kept at the site; they wait",
                 "err=%s again_ms=%" PRIu64, log_quote(err->msg), ms);
        e->changed = true;
        write_soon(e, ms);
        return;
    }
    backoff_reset(&e->backoff);
    e->written++;
    if (e->writing > e->persisted)
        e->persisted = e->writing;
    if (e->changed)
        write_soon(e, WRITE_DELAY_MS);
    if (e->spec.on_kept)
        e->spec.on_kept(e->spec.ctx, e->persisted);
    events_resume(e);
}

/* Compare-and-swap: a write given up that lands late finds another version than it replaces, so it
 * never undoes a newer one, and no number is given twice. */
static void write_now(Events *e)
{
    AUTO_ARENA a = arena_new();
    EventReport *all = arena_array(a, EventReport, e->ring.n + 1);
    for (size_t i = 0; i < e->ring.n; i++)
        all[i] = e->ring.at[i].r;
    cJSON *cm = tpl("{'metadata': {'name': '" EVENTS_CONFIGMAP "', 'namespace': %s,"
                    " 'labels': {'app.kubernetes.io/managed-by': 'pg-swarm'}},"
                    " 'data': {'next': %s, 'acked': %s, 'events.json': %s}}",
                    e->spec.ns, arena_printf(a, "%" PRIu64, e->next),
                    arena_printf(a, "%" PRIu64, e->acked), events_encode(a, all, e->ring.n));
    e->changed = false;
    e->writing = e->next - 1;
    Kube *k = e->spec.kube;
    if (*e->version)
        cJSON_AddStringToObject(cJSON_GetObjectItem(cm, "metadata"), "resourceVersion", e->version);
    await(e,
          *e->version ? kube_apply(k, &KUBE_CONFIGMAP, cm, true, on_written, e)
                      : kube_create(k, &KUBE_CONFIGMAP, e->spec.ns, cm, on_written, e),
          on_written);
    cJSON_Delete(cm);
}

static void on_version(void *ctx, const Error *err, const cJSON *obj)
{
    Events *e = ctx;
    if (err && err->code != ERR_NOT_FOUND) {
        on_written(e, err, NULL);
        return;
    }
    call_over(e, err, obj);
    write_now(e);
}

static void read_map(Events *e, KubeDone done)
{
    await(e, kube_get(e->spec.kube, &KUBE_CONFIGMAP, e->spec.ns, EVENTS_CONFIGMAP, done, e), done);
}

static void on_timer(void *ctx)
{
    Events *e = ctx;
    timer_stop(e->timer);
    e->timer = NULL;
    if (!e->loaded)
        load(e);
    else if (e->changed && !e->call && !e->version_known)
        read_map(e, on_version);
    else if (e->changed && !e->call)
        write_now(e);
}

static void arm(Events *e, uint64_t at)
{
    uint64_t now = loop_now(e->spec.loop);
    timer_stop(e->timer);
    e->due = at;
    e->timer = timer_start(e->spec.loop, at > now ? at - now : 0, 0, on_timer, e);
}

/* The sooner of this and the planned one: more events never put a write off. */
static void write_soon(Events *e, uint64_t ms)
{
    uint64_t at = loop_now(e->spec.loop) + ms;
    if (at < e->not_before)
        at = e->not_before;
    if (!e->loaded || e->call || (e->timer && e->due <= at))
        return;
    arm(e, at);
}

/* What an earlier life left comes before what was added meanwhile. */
static void take_over(Events *e, const cJSON *cm)
{
    AUTO_ARENA a = arena_new();
    ObjList old;
    uint64_t next = 1, acked = 0;
    str_to_u64(str_or(kube_str(cm, "data.next"), "1"), &next);
    str_to_u64(str_or(kube_str(cm, "data.acked"), "0"), &acked);
    events_decode(a, kube_str(cm, "data['events.json']"), &old);
    const EventReport *r = old.at;
    if (old.n && r[old.n - 1].sequence >= next)
        next = r[old.n - 1].sequence + 1;
    size_t early = e->ring.n;
    for (size_t i = 0; i < old.n; i++)
        if (r[i].sequence > acked)
            push(e, &r[i], r[i].sequence);
    e->persisted = next - 1;
    e->acked = e->sent = acked;
    e->next = next ? next : 1;
    for (size_t i = 0; i < early; i++) {
        push(e, &e->ring.at[0].r, e->next++);
        drop_first(e);
        e->changed = true;
    }
}

static void on_loaded(void *ctx, const Error *err, const cJSON *obj)
{
    Events *e = ctx;
    call_over(e, err, obj);
    if (err && err->code != ERR_NOT_FOUND) {
        log_warn("events", "kept events cannot be read", "err=%s", log_quote(err->msg));
        arm(e, loop_now(e->spec.loop) + retry_ms(e));
        return;
    }
    take_over(e, obj);
    e->loaded = true;
    if (e->changed)
        write_soon(e, 0);
    e->spec.on_loaded(e->spec.ctx);
}

static void load(Events *e)
{
    read_map(e, on_loaded);
}

Events *events_new(const EventsSpec *spec)
{
    Events *e = xnew(Events);
    e->spec = *spec;
    e->next = 1;
    e->patience = CALL_MS;
    e->backoff = (Backoff){.base_ms = 500, .max_ms = RETRY_MAX_MS};
    load(e);
    return e;
}

void events_free(Events *e)
{
    if (!e)
        return;
    kube_cancel(e->call);
    timer_stop(e->deadline);
    timer_stop(e->timer);
    while (e->ring.n)
        drop_first(e);
    vec_done(&e->ring);
    free(e);
}
