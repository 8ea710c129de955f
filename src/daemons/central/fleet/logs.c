#include "api/schemas_fleet.h"
#include "core/log.h"
#include "fleet/fleet_priv.h"
#include <stdlib.h>

enum { RING_BYTES = 256 * 1024 };

typedef struct Line {
    struct Line *next;
    size_t bytes;
    int64_t at_us;
    const char *level, *logger, *message, *fields; /* behind the struct */
} Line;

/* Oldest first; bounded by lines and by bytes. */
typedef struct LogRing {
    Line *head, **tail;
    size_t n, bytes;
} LogRing;

static void drop_oldest(LogRing *r)
{
    Line *l = r->head;
    r->head = l->next;
    if (!r->head)
        r->tail = &r->head;
    r->n--;
    r->bytes -= l->bytes;
    free(l);
}

static const char *put(char **at, const char *s)
{
    size_t n = strlen(s) + 1;
    char *out = memcpy(*at, s, n);
    *at += n;
    return out;
}

static Line *line_new(const LogEntry *e)
{
    size_t bytes = sizeof(Line) + strlen(e->level) + strlen(e->logger) + strlen(e->message) +
                   strlen(e->fields) + 4;
    Line *l = xmalloc(bytes);
    char *at = (char *)(l + 1);
    l->next = NULL;
    l->bytes = bytes;
    l->at_us = e->at_us;
    l->level = put(&at, e->level);
    l->logger = put(&at, e->logger);
    l->message = put(&at, e->message);
    l->fields = put(&at, e->fields);
    return l;
}

void logs_add(Fleet *f, const char *satellite_id, const LogEntry *e)
{
    LogRing *r = map_get(f->logs, satellite_id);
    if (!r) {
        r = xnew(LogRing);
        r->tail = &r->head;
        map_put(f->logs, satellite_id, r);
    }
    Line *l = line_new(e);
    *r->tail = l;
    r->tail = &l->next;
    r->n++;
    r->bytes += l->bytes;
    while (r->n > FLEET_LOG_RING || (r->bytes > RING_BYTES && r->n > 1))
        drop_oldest(r);
    if (f->on_log)
        f->on_log(f->on_log_ctx, satellite_id, e);
}

static bool wanted(const Line *l, LogLevel least)
{
    LogLevel level;
    return !log_level_from_name(l->level, &level) || level >= least;
}

void fleet_logs(Fleet *f, Arena *a, const char *satellite_id, const char *level, uint32_t limit,
                ObjList *ret)
{
    LogLevel least = LOG_TRACE;
    const LogRing *r = map_get(f->logs, satellite_id);
    size_t n = 0, skip;
    *ret = (ObjList){0};
    if (level)
        log_level_from_name(level, &least);
    for (const Line *l = r ? r->head : NULL; l; l = l->next)
        n += wanted(l, least);
    skip = n > limit ? n - limit : 0;
    ApiLogEntry *out = arena_array(a, ApiLogEntry, n - skip);
    ret->at = out;
    for (const Line *l = r ? r->head : NULL; l; l = l->next) {
        if (!wanted(l, least) || (skip && skip--))
            continue;
        out[ret->n++] =
            (ApiLogEntry){l->at_us, arena_strdup(a, l->level), arena_strdup(a, l->logger),
                          arena_strdup(a, l->message), arena_strdup(a, l->fields)};
    }
}

void fleet_on_log(Fleet *f, FleetLogFn fn, void *ctx)
{
    f->on_log = fn;
    f->on_log_ctx = ctx;
}

void logs_free(Fleet *f)
{
    for (MapIter it = {0}; map_next(f->logs, &it);) {
        LogRing *r = it.value;
        while (r->head)
            drop_oldest(r);
        free(r);
    }
    map_free(f->logs);
}
