/* link/events.h - events on their way to central: numbered, kept at the site until central has
 * them, sent in order.
 *
 * They are kept in ConfigMap pg-swarm-satellite-events beside the satellite, written in batches. An
 * event is sent only after it was written there: so a number never stands for two events, whatever
 * crashes when. The ring is bounded; when central is away for too long the oldest go first and the
 * next event says how many went. */
#pragma once
#include "kube/kube.h"
#include "model/health.h"

#define EVENTS_CONFIGMAP "pg-swarm-satellite-events"
enum { EVENTS_MAX = 256, EVENTS_BYTES = 256 * 1024 };

typedef struct Events Events;
typedef struct EventsSpec {
    Loop *loop;
    Kube *kube;
    const char *ns;
    void (*on_loaded)(void *ctx); /* once: numbering goes on where it was */
    /* False: no room, or no stream; events_resume goes on. */
    bool (*send)(void *ctx, const EventReport *e);
    void (*on_kept)(void *ctx, uint64_t sequence); /* written up to here; may be NULL */
    void *ctx;
} EventsSpec;

Events *events_new(const EventsSpec *spec);
void events_free(Events *e);
/* Copies; sequence is given here. Before on_loaded too. */
void events_add(Events *e, const EventReport *r);
void events_acked(Events *e, uint64_t sequence);
void events_restart(Events *e); /* a new stream: everything that is not acknowledged again */
void events_resume(Events *e);  /* there is room again */
uint64_t events_next_sequence(const Events *e);
typedef struct EventsStats {
    uint64_t kept, dropped, written;
} EventsStats;
EventsStats events_stats(const Events *e);

/* ---- the text in the ConfigMap (pure) ---- */
char *events_encode(Arena *a, const EventReport *at, size_t n);
/* What cannot be read is left out. ret holds EventReport. */
void events_decode(Arena *a, const char *text, ObjList *ret);
