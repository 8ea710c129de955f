#include "svc/satellites.h"

#include "model/kname.h"
#include "store/audit.h"
#include "store/enrol_tokens.h"
#include "store/events.h"
#include "svc/tx.h"

/* One change of one satellite: find it, change it, let the rules follow, note it as an event. */
typedef struct Op {
    SvcTx tx;
    App *app;
    Arena *arena;
    const char *ref;
    SatelliteChange change;
    StrMap labels; /* approve: added to what it has; set_labels: instead */
    bool add_labels, fan_out, set_labels;
    const char *event_kind, *event_text;
    const SatelliteEnrol *enrol; /* by a token; NULL: by a person */
    const ApiEnrolmentInfo *token;
    SatelliteRow row;
    SatelliteDone done;
    void *ctx;
} Op;

static Op *op_new(App *app, Arena *a, const char *ref, SatelliteDone done, void *ctx)
{
    Op *op = arena_new_of(a, Op);
    op->app = app;
    op->arena = a;
    op->ref = arena_strdup(a, ref);
    op->done = done;
    op->ctx = ctx;
    return op;
}

static void finished(void *ctx, const Error *err)
{
    Op *op = ctx;
    op->done(op->ctx, err, err ? NULL : &op->row);
}

static void noted(void *ctx, const Error *err)
{
    Op *op = ctx;
    if (err)
        svc_tx_fail(&op->tx, err);
    else
        svc_tx_commit(&op->tx);
}

/* Nobody asked over REST, so the row is written here. */
static void audited(void *ctx, const Error *err)
{
    Op *op = ctx;
    if (err || !op->token) {
        noted(op, err);
        return;
    }
    AuditNew r = {
        .user = op->token->created_by,
        .action = "satellite.enrol",
        .object = arena_printf(op->arena, "satellite/%s", op->row.api.name),
        .peer = op->enrol->peer,
        .status = 200,
        .after = arena_printf(op->arena, "{\"enrolment_token\":\"%s\"}", op->token->id),
    };
    audit_add(op->app, op->tx.c, &r, noted, op);
}

static void followed(void *ctx, const Error *err)
{
    Op *op = ctx;
    if (err || !op->event_kind) {
        noted(op, err);
        return;
    }
    EventNew e = {
        .severity = "info",
        .kind = op->event_kind,
        .satellite = op->row.api.name,
        .message = arena_printf(op->arena, "satellite '%s' %s", op->row.api.name, op->event_text)};
    event_add(op->app, op->tx.c, &e, audited, op);
}

static void changed(void *ctx, const Error *err, const SatelliteRow *s)
{
    Op *op = ctx;
    if (err) {
        svc_tx_fail(&op->tx, err);
        return;
    }
    op->row = *s;
    if (op->fan_out && op->app->fan_out && str_eq(s->api.state, "approved"))
        op->app->fan_out(op->app, op->tx.c, s->api.id, followed, op);
    else
        followed(op, NULL);
}

static void change(Op *op)
{
    if (op->add_labels) {
        StrMap all = strmap_dup(op->arena, op->row.api.labels);
        for (size_t i = 0; i < op->labels.n; i++)
            strmap_put(op->arena, &all, op->labels.at[i].key, op->labels.at[i].value);
        op->labels = all;
    }
    if (op->add_labels || op->set_labels)
        op->change.labels = &op->labels;
    satellite_change(op->app, op->tx.c, op->arena, &op->change, changed, op);
}

static void token_used(void *ctx, const Error *err, const ApiEnrolmentInfo *t)
{
    Op *op = ctx;
    if (err) {
        svc_tx_fail(&op->tx, err);
        return;
    }
    ApiEnrolmentInfo *kept = arena_new_of(op->arena, ApiEnrolmentInfo);
    *kept = *t;
    op->token = kept;
    op->labels = t->labels;
    change(op);
}

static void use_token(Op *op)
{
    Error err;
    EnrolTokenUse use = {op->enrol->token_sha256, op->enrol->name, op->change.id};
    if (str_eq(op->row.api.state, "approved")) {
        svc_tx_commit(&op->tx);
    } else if (!str_eq(op->row.api.state, "pending")) {
        err_set(&err, ERR_PRECONDITION,
                "satellite '%s' is %s, which an enrolment token cannot lift", op->row.api.name,
                op->row.api.state);
        svc_tx_fail(&op->tx, &err);
    } else {
        enrol_token_use(op->app, op->tx.c, op->arena, &use, token_used, op);
    }
}

static void found(void *ctx, const Error *err, const SatelliteRow *s)
{
    Op *op = ctx;
    if (err) {
        svc_tx_fail(&op->tx, err);
        return;
    }
    op->change.id = s->api.id;
    op->row = *s;
    if (op->enrol)
        use_token(op);
    else
        change(op);
}

static void start(void *ctx)
{
    Op *op = ctx;
    satellite_find(op->app, op->tx.c, op->arena, op->ref, found, op);
}
static void run(Op *op)
{
    svc_tx_begin(&op->tx, op->app, start, finished, op);
}

void satellite_approve(App *app, Arena *a, const char *ref, const ApiSatelliteApprove *in,
                       SatelliteDone done, void *ctx)
{
    Op *op = op_new(app, a, ref, done, ctx);
    if (!str_empty(in->name) && !kname_label(in->name)) {
        err_set(&op->tx.err, ERR_INVALID,
                "name: '%s' is not a name: 1 to 63 of a-z, 0-9 and '-' are right", in->name);
        store_fail(app, &op->tx.err, finished, op);
        return;
    }
    op->change = (SatelliteChange){
        .from = "pending", .state = "approved", .name = str_empty(in->name) ? NULL : in->name};
    op->labels = in->labels;
    op->add_labels = op->fan_out = true;
    op->event_kind = "satellite.approved";
    op->event_text = "was approved";
    run(op);
}

void satellite_enrol(App *app, Arena *a, const SatelliteEnrol *in, SatelliteDone done, void *ctx)
{
    Op *op = op_new(app, a, in->id, done, ctx);
    op->enrol = in;
    op->change = (SatelliteChange){.from = "pending", .state = "approved"};
    op->add_labels = op->fan_out = true;
    op->event_kind = "satellite.approved";
    op->event_text = "was admitted by its enrolment token";
    run(op);
}

void satellite_reject(App *app, Arena *a, const char *ref, SatelliteDone done, void *ctx)
{
    Op *op = op_new(app, a, ref, done, ctx);
    op->change = (SatelliteChange){.from = "pending", .state = "rejected"};
    op->event_kind = "satellite.rejected";
    op->event_text = "was rejected";
    run(op);
}

void satellite_set_labels(App *app, Arena *a, const char *ref, const SatelliteLabels *in,
                          SatelliteDone done, void *ctx)
{
    Op *op = op_new(app, a, ref, done, ctx);
    op->change = (SatelliteChange){.if_match = in->if_match};
    op->labels = in->labels;
    op->set_labels = op->fan_out = true;
    run(op);
}

void satellite_revoke(App *app, Arena *a, const char *ref, SatelliteDone done, void *ctx)
{
    Op *op = op_new(app, a, ref, done, ctx);
    op->change = (SatelliteChange){.from = "approved", .state = "revoked"};
    op->event_kind = "satellite.revoked";
    op->event_text = "was revoked; its certificate and token are worth nothing now";
    run(op);
}

/* ---- forgetting ---- */

typedef struct Forget {
    App *app;
    AppDone done;
    void *ctx;
} Forget;

static void forgotten(void *ctx, const Error *err)
{
    Forget *f = ctx;
    f->done(f->ctx, err);
}

static void may_forget(void *ctx, const Error *err, const SatelliteRow *s)
{
    Forget *f = ctx;
    Error why;
    if (!err && s->api.clusters) {
        err_set(&why, ERR_PRECONDITION, "satellite '%s' still has %lld clusters: delete them first",
                s->api.name, (long long)s->api.clusters);
        err = &why;
    } else if (!err && str_eq(s->api.state, "approved")) {
        err_set(&why, ERR_PRECONDITION, "satellite '%s' is approved: revoke it first", s->api.name);
        err = &why;
    }
    if (err)
        f->done(f->ctx, err);
    else
        satellite_delete(f->app, NULL, s->api.id, forgotten, f);
}

void satellite_forget(App *app, Arena *a, const char *ref, AppDone done, void *ctx)
{
    Forget *f = arena_new_of(a, Forget);
    *f = (Forget){app, done, ctx};
    satellite_find(app, NULL, a, ref, may_forget, f);
}
