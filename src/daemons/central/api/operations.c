#include "svc/operations.h"

#include "api/call.h"

/* ---- asking for one ---- */

typedef struct Ask {
    ApiCall *call;
    OperationKind kind;
    FieldErrors errs;
} Ask;

static void on_started(void *ctx, const Error *err, const OperationRow *o)
{
    Ask *k = ctx;
    if (err && k->errs.n)
        call_reply_fields(k->call, &k->errs, err);
    else if (err)
        call_reply_err(k->call, err);
    else
        call_reply_obj(k->call, 202, &schema_OPERATION, &o->api, 0);
}

static void on_cluster(void *ctx, const Error *err, const ClusterRow *row)
{
    Ask *k = ctx;
    ApiCall *c = k->call;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_object(c, "cluster/%s/%s@%s", row->api.ns, row->api.name, row->api.satellite);
    OperationStart in = {.kind = k->kind,
                         .cluster = row,
                         .in = c->body,
                         .user = c->who.user,
                         .errs = &k->errs,
                         .audit = call_audit_row(c, 202)};
    operation_start(c->app, c->a, &in, on_started, k);
}

static void ask(ApiCall *c, OperationKind kind)
{
    Ask *k = arena_new_of(c->a, Ask);
    *k = (Ask){c, kind, field_errors(c->a)};
    cluster_find(c->app, NULL, c->a, call_param(c, "id"), on_cluster, k);
}

void api_CLUSTER_SWITCHOVER(ApiCall *c)
{
    ask(c, OP_SWITCHOVER);
}

void api_CLUSTER_FAILOVER(ApiCall *c)
{
    ask(c, OP_FAILOVER);
}

void api_CLUSTER_FENCE(ApiCall *c)
{
    ask(c, OP_FENCE);
}

void api_CLUSTER_UNFENCE(ApiCall *c)
{
    ask(c, OP_UNFENCE);
}

void api_CLUSTER_REINIT(ApiCall *c)
{
    ask(c, OP_REINIT);
}

void api_CLUSTER_RESTART(ApiCall *c)
{
    ask(c, OP_RESTART);
}

void api_CLUSTER_PAUSE(ApiCall *c)
{
    ask(c, OP_PAUSE);
}

void api_CLUSTER_RESUME(ApiCall *c)
{
    ask(c, OP_RESUME);
}

/* ---- looking ---- */

static void on_list(void *ctx, const Error *err, const ObjList *items, int64_t total,
                    const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_OPERATION, items, total, next);
}

void api_OPERATION_LIST(ApiCall *c)
{
    Page page;
    OperationFilter f = {.cluster = call_query(c, "cluster"),
                         .satellite = call_query(c, "satellite"),
                         .states = call_query(c, "state"),
                         .kind = call_query(c, "kind")};
    if (f.kind && operation_kind_of(f.kind) == OP_NONE)
        call_reply_bad(c, "kind", f.kind,
                       "switchover, failover, fence, unfence, reinit, restart, pause or resume");
    else if (call_page(c, &page))
        operation_list(c->app, c->a, &f, &page, on_list, c);
}

static void on_shown(void *ctx, const Error *err, const OperationRow *o)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_obj(ctx, 200, &schema_OPERATION, &o->api, 0);
}

void api_OPERATION_SHOW(ApiCall *c)
{
    operation_find(c->app, NULL, c->a, &(OperationFind){call_param(c, "id"), false}, on_shown, c);
}

/* ---- a word to one ---- */

typedef struct Word {
    ApiCall *call;
    OperationWish wish;
    int64_t step;
} Word;

static void on_said(void *ctx, const Error *err, const OperationRow *o)
{
    const Word *w = ctx;
    if (err)
        call_reply_err(w->call, err);
    else
        call_reply_obj(w->call, 202, &schema_OPERATION, &o->api, 0);
}

static void on_found(void *ctx, const Error *err, const OperationRow *o)
{
    Word *w = ctx;
    ApiCall *c = w->call;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_object(c, "operation/%s", o->api.id);
    OperationSay in = {.id = o->api.id,
                       .wish = w->wish,
                       .user = c->who.user,
                       .step = w->step,
                       .audit = call_audit_row(c, 202)};
    operation_say(c->app, c->a, &in, on_said, w);
}

static void say(ApiCall *c, OperationWish wish, int64_t step)
{
    Word *w = arena_new_of(c->a, Word);
    *w = (Word){c, wish, step};
    operation_find(c->app, NULL, c->a, &(OperationFind){call_param(c, "id"), false}, on_found, w);
}

void api_OPERATION_CONTINUE(ApiCall *c)
{
    const ApiOperationContinue *in = c->body;
    say(c, WISH_CONTINUE, in->step);
}

void api_OPERATION_ABORT(ApiCall *c)
{
    const ApiOperationAbort *in = c->body;
    say(c, in->forget ? WISH_END : WISH_ABORT, 0);
}
