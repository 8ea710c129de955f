/* central/fleet/ingest.h - from streams into the database, in batches.
 *
 * Health: the newest report per cluster wins, all of them in one statement every 250 ms. Events:
 * per stream, in order; acknowledged when they are stored, and the stream is not read while too
 * many wait. A batch that the database refuses is halved until the bad one is alone; that one is
 * logged and dropped. While the database is away everything waits here, within these limits. */
#pragma once
#include "app.h"
#include "model/health.h"

enum { INGEST_FLUSH_MS = 250, INGEST_BATCH = 500, EVENTS_WAIT_MAX = 1000 };

Ingest *ingest_new(App *app);
void ingest_free(Ingest *in);
void ingest_health(Ingest *in, const char *satellite_id, const ClusterHealth *h);

/* Events of one stream. */
typedef struct EventQueue {
    App *app;
    const char *satellite_id;
    struct EventItem *head, **tail;
    size_t n;
    uint64_t last;            /* highest sequence stored or queued */
    struct EventFlush *flush; /* under way; outlives the queue if it must */
    Timer *timer;
    /* All up to `sequence` are stored: acknowledge, and read on. */
    void (*stored)(void *ctx, uint64_t sequence);
    void *ctx;
} EventQueue;
void events_init(EventQueue *q, App *app, const char *satellite_id, uint64_t last,
                 void (*stored)(void *ctx, uint64_t sequence), void *ctx);
void events_done(EventQueue *q); /* what waits is dropped: the satellite still has it */
void events_add(EventQueue *q, const EventReport *e);
