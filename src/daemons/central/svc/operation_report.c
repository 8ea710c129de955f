#include "core/clock.h"
#include "core/ident.h"
#include "svc/operation_merge.h"
#include "svc/operations.h"
#include "svc/tx.h"

/* One report on its way into its row: found and locked, merged, stored. Its end is an event of the
 * site's, which comes by its own way. */
typedef struct Reporting {
    SvcTx tx;
    App *app;
    Arena *a;
    const OperationReport *in;
    const char *id;
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

static void found(void *ctx, const Error *err, const OperationRow *row)
{
    Reporting *g = ctx;
    Error why;
    if (!err &&
        (!str_eq(row->satellite_id, g->in->satellite_id) || str_eq(row->api.state, "scheduled"))) {
        err_set(&why, ERR_NOT_FOUND, "operation '%s': it is not of this satellite", g->id);
        err = &why;
    }
    if (err) {
        svc_tx_fail(&g->tx, err);
        return;
    }
    g->o = row->api;
    MergeVerdict v = g->in->r ? operation_merge_result(&g->o, g->in->r, clock_wall_us())
                              : operation_merge_progress(g->a, &g->o, g->in->p);
    if (v == MERGE_CHANGED) {
        operation_store(g->app, g->tx.c, &g->o, noted, g);
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

void operation_report(App *app, const OperationReport *in, AppDone done, void *ctx)
{
    Error err;
    Arena *a = arena_new();
    Reporting *g = arena_new_of(a, Reporting);
    g->app = app;
    g->a = a;
    g->done = done;
    g->ctx = ctx;
    g->in = in;
    g->id = in->r ? in->r->id : in->p->id;
    if (!uuid_valid(g->id)) {
        err_set(&err, ERR_NOT_FOUND, "operation '%s': there is none", g->id);
        store_fail(app, &err, refused, g);
        return;
    }
    svc_tx_begin(&g->tx, app, begin, finished, g);
}
