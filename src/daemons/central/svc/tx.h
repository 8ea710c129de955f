/* central/svc/tx.h - a service call in one transaction: begin, steps, commit, one answer.
 *
 * A step that fails calls svc_tx_fail; the last one calls svc_tx_commit. The result that the
 * answer needs stays in the caller's own struct. */
#pragma once
#include "app.h"

typedef struct SvcTx {
    App *app;
    PgConn *c;
    AppDone done; /* exactly once, after COMMIT or ROLLBACK */
    void *ctx;
    Error err;
} SvcTx;

/* `t` must live until done. step is called with the transaction open. */
void svc_tx_begin(SvcTx *t, App *app, void (*step)(void *ctx), AppDone done, void *ctx);
void svc_tx_fail(SvcTx *t, const Error *err);
void svc_tx_commit(SvcTx *t);
