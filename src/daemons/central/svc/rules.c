#include "svc/rules.h"

#include "svc/placement.h"
#include "svc/tx.h"

typedef struct Save {
    SvcTx tx;
    App *app;
    Arena *a;
    RuleSave in;
    RuleRow row;
    RuleDone done;
    void *ctx;
} Save;

static void finished(void *ctx, const Error *err)
{
    Save *s = ctx;
    s->done(s->ctx, err, err ? NULL : &s->row);
}

static void audited(void *ctx, const Error *err)
{
    Save *s = ctx;
    if (err)
        svc_tx_fail(&s->tx, err);
    else
        svc_tx_commit(&s->tx);
}

static void read_back(void *ctx, const Error *err, const RuleRow *r)
{
    Save *s = ctx;
    if (err) {
        svc_tx_fail(&s->tx, err);
        return;
    }
    s->row = *r;
    audit_add(s->app, s->tx.c, &s->in.audit, audited, s);
}

static void placed(void *ctx, const Error *err)
{
    Save *s = ctx;
    if (err)
        svc_tx_fail(&s->tx, err);
    else
        rule_find(s->app, s->tx.c, s->a, s->in.write.rule->name, read_back, s);
}

static void written(void *ctx, const Error *err, const char *id)
{
    Save *s = ctx;
    if (err)
        svc_tx_fail(&s->tx, err);
    else
        placement_run(s->app, s->tx.c, &(Placement){.rule_id = id}, placed, s);
}

static void locked(void *ctx, const Error *err)
{
    Save *s = ctx;
    if (err)
        svc_tx_fail(&s->tx, err);
    else
        rule_write(s->app, s->tx.c, s->a, &s->in.write, written, s);
}

static void begin(void *ctx)
{
    Save *s = ctx;
    placement_lock(s->app, s->tx.c, locked, s);
}

void rule_save(App *app, Arena *a, const RuleSave *in, RuleDone done, void *ctx)
{
    Save *s = arena_new_of(a, Save);
    s->app = app;
    s->a = a;
    s->in = *in;
    s->done = done;
    s->ctx = ctx;
    svc_tx_begin(&s->tx, app, begin, finished, s);
}
