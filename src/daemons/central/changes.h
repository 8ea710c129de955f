/* central/changes.h - one LISTEN connection, many who want to know.
 *
 * Writers (triggers, the ingest) NOTIFY channel pgswarm; every central hears every change, its own
 * too, so there is one path for news whoever made them. After a lost connection CHANGE_RESYNC is
 * told: anything may have been missed, re-read what matters. */
#pragma once
#include "core/str.h"
#include "loop/loop.h"

enum { UUID_TEXT = 37 };

typedef enum ChangeKind {
    CHANGE_RESYNC,
    CHANGE_SATELLITE, /* id */
    CHANGE_CLUSTER,   /* id, satellite_id: what should be */
    CHANGE_PROFILE,   /* id */
    CHANGE_RULE,      /* id */
    CHANGE_STREAM,    /* satellite_id, epoch: a stream came (op U) or went (op D) */
    CHANGE_HEALTH,    /* ids: clusters whose observed state changed */
    CHANGE_EVENTS,    /* first, last: ids of new events */
    CHANGE_OPERATION, /* id, satellite_id */
    CHANGE_KIND_COUNT
} ChangeKind;

typedef struct Change {
    ChangeKind kind;
    char op; /* I U D */
    const char *id, *satellite_id;
    const char *const *ids; /* ends with NULL */
    int64_t first, last, epoch;
} Change;

typedef struct Changes Changes;
typedef void (*ChangeFn)(void *ctx, const Change *c);

Changes *changes_new(Loop *l, const char *conninfo);
void changes_free(Changes *c);
/* For the life of the process. Subscribe before the loop runs. */
void changes_subscribe(Changes *c, ChangeFn fn, void *ctx);
/* False while the LISTEN connection is down. */
bool changes_up(const Changes *c);
/* One payload of the channel; false when it is none of ours. For tests. */
bool change_parse(Arena *a, const char *payload, Change *ret);
