#include "core/clock.h"
#include "core/ident.h"
#include "store/events.h"
#include "svc/operation_merge.h"
#include "svc/operations.h"
#include "svc/tx.h"
#include <stdio.h>

/* One report on its way into its row: found and locked, merged, stored; its end is an event too. */
typedef struct Reporting {
    SvcTx tx;
    App *app;
    Arena *a; /* its own: the stream's message is gone by then */
    char satellite_id[UUID_TEXT];
    const char *id;
    OperationProgress p;
    OperationResult r;
    bool is_result;
    ApiOperation o;
    AppDone done;
    void *ctx;
} Reporting;

static void finished(void *ctx, const Error *err)
{
    Reporting *g = ctx;
    Error copy = err ? *err : (Error){0};
    AppDone done = g->done;
    void *to = g->ctx;
    arena_free(g->a);
    done(to, err ? &copy : NULL);
}

static void noted(void *ctx, const Error *err)
{
    Reporting *g = ctx;
    if (err)
        svc_tx_fail(&g->tx, err);
    else
        svc_tx_commit(&g->tx);
}

static void tell_end(Reporting *g)
{
    static const struct {
        const char *state, *severity, *text;
    } ENDS[] = {{"done", "info", "is done"},
                {"rolled_back", "warning", "was rolled back"},
                {"failed", "error", "failed past the point of no return"},
                {"unknown", "error", "ended, and how is not known"}};
    const ApiOperation *o = &g->o;
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
        if (!str_eq(ENDS[i].state, o->state))
            continue;
        StrMap data = {0};
        strmap_put(g->a, &data, "operation", o->id);
        EventNew e = {.severity = ENDS[i].severity,
                      .kind = arena_printf(g->a, "operation.%s", o->state),
                      .cluster = o->cluster,
                      .ns = o->ns,
                      .satellite = o->satellite,
                      .pod = o->target,
                      .message =
                          arena_printf(g->a, "%s of %s/%s %s%s%s", o->kind, o->ns, o->cluster,
                                       ENDS[i].text, *o->error ? ": " : "", o->error),
                      .data = data};
        event_add(g->app, g->tx.c, &e, noted, g);
        return;
    }
    noted(g, NULL);
}

static void stored(void *ctx, const Error *err)
{
    Reporting *g = ctx;
    if (err || !g->is_result)
        noted(g, err);
    else
        tell_end(g);
}

static void found(void *ctx, const Error *err, const OperationRow *row)
{
    Reporting *g = ctx;
    Error why;
    if (!err &&
        (!str_eq(row->satellite_id, g->satellite_id) || str_eq(row->api.state, "scheduled"))) {
        err_set(&why, ERR_NOT_FOUND, "operation '%s': it is not of this satellite", g->id);
        err = &why;
    }
    if (err) {
        svc_tx_fail(&g->tx, err);
        return;
    }
    g->o = row->api;
    MergeVerdict v = g->is_result ? operation_merge_result(&g->o, &g->r, clock_wall_us())
                                  : operation_merge_progress(g->a, &g->o, &g->p);
    if (v == MERGE_CHANGED) {
        operation_store(g->app, g->tx.c, &g->o, stored, g);
    } else if (v == MERGE_NOTHING) {
        operation_heard(g->app, g->tx.c, g->id, noted, g);
    } else {
        err_set(&why, ERR_INVALID, "operation '%s': a report that says nothing", g->id);
        svc_tx_fail(&g->tx, &why);
    }
}

static void begin(void *ctx)
{
    Reporting *g = ctx;
    operation_find(g->app, g->tx.c, g->a, &(OperationFind){g->id, true}, found, g);
}

static void refused(void *ctx, const Error *err)
{
    finished(ctx, err);
}

static void copy_in(Reporting *g, const OperationReport *in)
{
    Arena *a = g->a;
#define COPY(f) f = arena_strdup(a, str_or(f, ""))
    g->is_result = in->r != NULL;
    if (in->r) {
        g->r = *in->r;
        COPY(g->r.id);
        COPY(g->r.target);
        COPY(g->r.detail);
        COPY(g->r.error);
        g->id = g->r.id;
        return;
    }
    g->p = *in->p;
    COPY(g->p.id);
    COPY(g->p.step_name);
    COPY(g->p.pod);
    COPY(g->p.target);
    COPY(g->p.detail);
    COPY(g->p.error);
    g->id = g->p.id;
#undef COPY
}

void operation_report(App *app, const OperationReport *in, AppDone done, void *ctx)
{
    Error err;
    Arena *a = arena_new();
    Reporting *g = arena_new_of(a, Reporting);
    g->app = app;
    g->a = a;
    g->done = done;
    g->ctx = ctx;
    snprintf(g->satellite_id, sizeof g->satellite_id, "%s", in->satellite_id);
    copy_in(g, in);
    if (!uuid_valid(g->id)) {
        err_set(&err, ERR_NOT_FOUND, "operation '%s': there is none", g->id);
        store_fail(app, &err, refused, g);
        return;
    }
    svc_tx_begin(&g->tx, app, begin, finished, g);
}
