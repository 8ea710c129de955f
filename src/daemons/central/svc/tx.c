#include "svc/tx.h"

#include <stdlib.h>

typedef struct Begin {
    SvcTx *t;
    void (*step)(void *ctx);
} Begin;

static void begun(void *ctx, const Error *err, PgConn *c)
{
    Begin b = *(Begin *)ctx;
    free(ctx);
    if (err) {
        b.t->done(b.t->ctx, err);
        return;
    }
    b.t->c = c;
    b.step(b.t->ctx);
}

void svc_tx_begin(SvcTx *t, App *app, void (*step)(void *ctx), AppDone done, void *ctx)
{
    Begin *b = xnew(Begin);
    *b = (Begin){t, step};
    *t = (SvcTx){.app = app, .done = done, .ctx = ctx};
    pg_begin(app->pool, begun, b);
}

static void rolled_back(void *ctx, const Error *err, PgResult *r)
{
    SvcTx *t = ctx;
    (void)err;
    (void)r;
    t->done(t->ctx, &t->err);
}

void svc_tx_fail(SvcTx *t, const Error *err)
{
    t->err = *err;
    pg_rollback(t->c, rolled_back, t);
}

static void committed(void *ctx, const Error *err, PgResult *r)
{
    SvcTx *t = ctx;
    (void)r;
    t->done(t->ctx, err);
}

void svc_tx_commit(SvcTx *t)
{
    pg_commit(t->c, committed, t);
}
