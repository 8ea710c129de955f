#include "api/call.h"
#include "store/cluster_rows.h"
#include "store/events.h"
#include "store/operations.h"

enum { SHOWN = 20 };

typedef struct Answer {
    ApiCall *call;
    ApiStatus s;
} Answer;

static int64_t *cluster_counter(ApiStatusClusters *n, const char *state)
{
    const struct {
        const char *name;
        int64_t *at;
    } rows[] = {
        {"creating", &n->creating}, {"running", &n->running},   {"degraded", &n->degraded},
        {"failed", &n->failed},     {"deleting", &n->deleting}, {"paused", &n->paused},
        {"updating", &n->updating},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_eq(rows[i].name, state))
            return rows[i].at;
    return &n->unknown;
}

static void on_events(void *ctx, const Error *err, const ObjList *items, int64_t total,
                      const char *next)
{
    Answer *w = ctx;
    (void)total, (void)next;
    if (err) {
        call_reply_err(w->call, err);
        return;
    }
    w->s.events = *items;
    call_reply_obj(w->call, 200, &schema_STATUS, &w->s, 0);
}

static void on_operations(void *ctx, const Error *err, const ObjList *items, int64_t total,
                          const char *next)
{
    Answer *w = ctx;
    (void)total, (void)next;
    if (err) {
        call_reply_err(w->call, err);
        return;
    }
    w->s.operations = *items;
    event_list(w->call->app, w->call->a, &(EventFilter){.severity = "warning"},
               &(Page){.limit = SHOWN}, on_events, w);
}

static void on_broken(void *ctx, const Error *err, const ObjList *items)
{
    Answer *w = ctx;
    if (err) {
        call_reply_err(w->call, err);
        return;
    }
    w->s.broken = *items;
    operation_list(w->call->app, w->call->a, &(OperationFilter){.states = "unfinished"},
                   &(Page){.limit = SHOWN}, on_operations, w);
}

static void on_counts(void *ctx, const Error *err, PgResult *r)
{
    Answer *w = ctx;
    if (err) {
        call_reply_err(w->call, err);
        return;
    }
    for (int i = 0; i < pg_rows(r); i++) {
        int64_t n = pg_get_int(r, i, 2);
        if (str_eq(pg_get(r, i, 0), "cluster")) {
            *cluster_counter(&w->s.clusters, pg_get(r, i, 1)) += n;
            w->s.clusters.total += n;
        } else {
            w->s.satellites.total += n;
            w->s.satellites.pending += str_eq(pg_get(r, i, 1), "pending") ? n : 0;
            w->s.satellites.connected += pg_get_int(r, i, 3);
        }
    }
    cluster_broken(w->call->app, w->call->a, SHOWN, on_broken, w);
}

void api_STATUS(ApiCall *c)
{
    Answer *w = arena_new_of(c->a, Answer);
    w->call = c;
    pg_query(c->app->pool,
             "SELECT 'satellite', s.state, count(*), "
             "       count(t.satellite_id) FILTER (WHERE t.seen_at > now() - interval '30 s') "
             "  FROM satellites s LEFT JOIN streams t ON t.satellite_id = s.id GROUP BY 2 "
             "UNION ALL SELECT 'cluster', state, count(*), 0 FROM cluster_list GROUP BY 2",
             PG_NO_PARAMS, on_counts, w);
}
