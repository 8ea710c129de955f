/* central/store/events.h - events: batches from satellites, single ones of central's own, lists. */
#pragma once
#include "store/store.h"

typedef struct EventFilter {
    const char *cluster, *ns, *satellite; /* names; each NULL: any */
    const char *severity;                 /* this one and worse */
    const char *kind;                     /* exact, or a prefix that ends with '.' */
    int64_t since_us;
    int64_t first_id, last_id; /* 0: any; for what changes.h tells */
} EventFilter;
/* Items: ApiEvent, newest first. */
void event_list(App *app, Arena *a, const EventFilter *f, const Page *p, ListDone done, void *ctx);

typedef struct EventNew {
    const char *severity, *kind, *cluster, *ns, *satellite, *pod, *message;
    StrMap data; /* never a secret */
} EventNew;
/* An event of central's own (source "central"); done may be NULL. */
void event_add(App *app, PgConn *tx, const EventNew *e, AppDone done, void *ctx);

/* Events of one satellite, in order, exactly once: what is there already is left out, and the
 * satellite's last_event_seq moves along in the same transaction. */
typedef struct EventBatch {
    const char *satellite_id;
    const EventReport *at;
    size_t n;
} EventBatch;
void event_ingest(App *app, const EventBatch *b, AppDone done, void *ctx);
