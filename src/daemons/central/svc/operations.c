#include "svc/operations.h"

#include "core/clock.h"
#include "core/limits.h"
#include "svc/operation_check.h"
#include "svc/tx.h"

typedef struct Start {
    SvcTx tx;
    App *app;
    Arena *a;
    OperationStart in;
    OperationRow row;
    OperationDone done;
    void *ctx;
} Start;

static void finished(void *ctx, const Error *err)
{
    Start *s = ctx;
    s->done(s->ctx, err, err ? NULL : &s->row);
}

static void audited(void *ctx, const Error *err)
{
    Start *s = ctx;
    if (err)
        svc_tx_fail(&s->tx, err);
    else
        svc_tx_commit(&s->tx);
}

static void inserted(void *ctx, const Error *err, const OperationRow *o)
{
    Start *s = ctx;
    Error why;
    if (err && err->code == ERR_EXISTS) { /* a planned one whose time came in this moment */
        err_set(&why, ERR_CONFLICT, "cluster '%s': another operation has just begun there",
                s->in.cluster->api.name);
        err = &why;
    }
    if (err) {
        svc_tx_fail(&s->tx, err);
        return;
    }
    s->row = *o;
    s->in.audit.after = fields_to_text(s->a, &schema_OPERATION, &o->api, 0);
    audit_add(s->app, s->tx.c, &s->in.audit, audited, s);
}

static ObjList instances_of(Arena *a, const char *json)
{
    ObjList out = {0};
    cJSON *root;
    if (json_parse(a, sv(json), LIMIT_JSON_BODY, &root, NULL) || !cJSON_IsArray(root))
        return out;
    FieldErrors ignored = field_errors(a);
    ApiInstance *at = arena_array(a, ApiInstance, (size_t)cJSON_GetArraySize(root) + 1);
    for (const cJSON *i = root->child; i; i = i->next)
        fields_decode(a, &schema_INSTANCE, i, &at[out.n++], "", &ignored);
    out.at = at;
    return out;
}

/* What was asked for, without what is not said. */
static const char *params_of(Arena *a, OperationKind kind, const ApiOperationInput *in)
{
    AUTO_STRBUF b = {0};
    JsonOut j = json_out(&b);
    json_obj(&j);
    if (!str_empty(in->to))
        json_put_str(&j, "to", in->to);
    if (!str_empty(in->pod))
        json_put_str(&j, "pod", in->pod);
    if (kind == OP_SWITCHOVER && in->max_lag_bytes >= 0)
        json_put_int(&j, "max_lag_bytes", in->max_lag_bytes);
    if (in->interactive)
        json_put_bool(&j, "interactive", true);
    if (in->accept_data_loss)
        json_put_bool(&j, "accept_data_loss", true);
    if (in->rolling)
        json_put_bool(&j, "rolling", true);
    if (in->drain_timeout_seconds)
        json_put_int(&j, "drain_timeout_seconds", in->drain_timeout_seconds);
    json_obj_end(&j);
    return arena_strdup(a, strbuf_str(&b));
}

static void at_gate(void *ctx, const Error *err, const OperationGate *g)
{
    Start *s = ctx;
    Error why;
    const ApiOperationInput *in = s->in.in;
    const ApiCluster *cl = &s->in.cluster->api;
    if (err) {
        svc_tx_fail(&s->tx, err);
        return;
    }
    OperationFacts f = {.cluster = cl->name,
                        .satellite = cl->satellite,
                        .primary = cl->primary,
                        .replicas = cl->replicas,
                        .instances = instances_of(s->a, g->instances),
                        .approved = g->approved,
                        .connected = g->connected,
                        .deleting = g->deleting,
                        .blocker = g->blocker,
                        .now_us = clock_wall_us()};
    if (operation_check(s->a, s->in.kind, in, &f, s->in.errs, &why)) {
        svc_tx_fail(&s->tx, &why);
        return;
    }
    OperationNew n = {.kind = operation_kind_name(s->in.kind),
                      .cluster_id = cl->id,
                      .params = params_of(s->a, s->in.kind, in),
                      .target = str_empty(in->to) ? str_or(in->pod, "") : in->to,
                      .primary = cl->primary,
                      .requested_by = s->in.user,
                      .scheduled_us = in->at};
    operation_insert(s->app, s->tx.c, s->a, &n, inserted, s);
}

static void begin(void *ctx)
{
    Start *s = ctx;
    OperationAsk ask = {s->in.cluster->api.id, s->in.in->at != 0};
    operation_gate(s->app, s->tx.c, s->a, &ask, at_gate, s);
}

void operation_start(App *app, Arena *a, const OperationStart *in, OperationDone done, void *ctx)
{
    Start *s = arena_new_of(a, Start);
    s->app = app;
    s->a = a;
    s->in = *in;
    s->in.cluster = arena_memdup(a, in->cluster, sizeof *in->cluster);
    s->done = done;
    s->ctx = ctx;
    svc_tx_begin(&s->tx, app, begin, finished, s);
}

/* ---- a word to one that is there ---- */

typedef struct Say {
    SvcTx tx;
    App *app;
    Arena *a;
    OperationSay in;
    OperationRow row;
    OperationDone done;
    void *ctx;
} Say;

static void said(void *ctx, const Error *err)
{
    Say *s = ctx;
    s->done(s->ctx, err, err ? NULL : &s->row);
}

static void say_audited(void *ctx, const Error *err)
{
    Say *s = ctx;
    if (err)
        svc_tx_fail(&s->tx, err);
    else
        svc_tx_commit(&s->tx);
}

static void say_read_back(void *ctx, const Error *err, const OperationRow *o)
{
    Say *s = ctx;
    if (err) {
        svc_tx_fail(&s->tx, err);
        return;
    }
    s->row = *o;
    s->in.audit.after = fields_to_text(s->a, &schema_OPERATION, &o->api, 0);
    audit_add(s->app, s->tx.c, &s->in.audit, say_audited, s);
}

static void say_written(void *ctx, const Error *err)
{
    Say *s = ctx;
    if (err)
        svc_tx_fail(&s->tx, err);
    else
        operation_find(s->app, s->tx.c, s->a, &(OperationFind){s->in.id, false}, say_read_back, s);
}

/* What the word comes to, as things stand; ERR_CONFLICT when it comes to nothing. */
static ErrCode decide(const Say *s, const OperationRow *o, OperationWord *w, Error *err)
{
    const ApiOperation *op = &o->api;
    if (op->finished_at)
        return err_set(err, ERR_CONFLICT, "operation %s: it has ended (%s)", op->id, op->state);
    switch (s->in.wish) {
    case WISH_CONTINUE:
        if (!str_eq(op->state, "waiting"))
            return err_set(err, ERR_CONFLICT, "operation %s: it does not wait, it is %s", op->id,
                           op->state);
        if (s->in.step && s->in.step != op->step)
            return err_set(err, ERR_CONFLICT, "operation %s: it waits at step %lld, not at %lld",
                           op->id, (long long)op->step, (long long)s->in.step);
        w->step = op->step;
        return ERR_OK;
    case WISH_ABORT:
        if (op->point_of_no_return)
            return err_set(err, ERR_CONFLICT,
                           "operation %s: it is past the point of no return, it can only go "
                           "forward",
                           op->id);
        if (o->sent)
            return ERR_OK;
        w->wish = WISH_END;
        w->state = "rolled_back";
        w->text = arena_printf(s->a, "aborted by %s before it began", s->in.user);
        return ERR_OK;
    case WISH_END:
        if (!str_eq(op->state, "unknown"))
            return err_set(err, ERR_CONFLICT,
                           "operation %s: it is %s; only an unknown one can be forgotten", op->id,
                           op->state);
        w->state = "unknown";
        w->text = arena_printf(s->a, "forgotten by %s; how it ended at the site is not known",
                               s->in.user);
        return ERR_OK;
    }
    return ERR_OK;
}

static void say_found(void *ctx, const Error *err, const OperationRow *o)
{
    Say *s = ctx;
    Error why;
    OperationWord w = {.id = s->in.id, .user = s->in.user, .wish = s->in.wish};
    if (err || decide(s, o, &w, &why)) {
        svc_tx_fail(&s->tx, err ? err : &why);
        return;
    }
    s->in.audit.before = fields_to_text(s->a, &schema_OPERATION, &o->api, 0);
    operation_word(s->app, s->tx.c, &w, say_written, s);
}

static void say_begin(void *ctx)
{
    Say *s = ctx;
    operation_find(s->app, s->tx.c, s->a, &(OperationFind){s->in.id, true}, say_found, s);
}

void operation_say(App *app, Arena *a, const OperationSay *in, OperationDone done, void *ctx)
{
    Say *s = arena_new_of(a, Say);
    s->app = app;
    s->a = a;
    s->in = *in;
    s->done = done;
    s->ctx = ctx;
    svc_tx_begin(&s->tx, app, say_begin, said, s);
}
