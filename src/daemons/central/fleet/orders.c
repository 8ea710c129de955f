#include "fleet/orders.h"

#include "core/ident.h"
#include "core/log.h"
#include "fleet/fleet_priv.h"
#include "store/store.h"
#include "svc/operations.h"
#include <stdio.h>
#include <stdlib.h>

enum { LOOK_MS = 20, AGAIN_MS = 1000 };

/* A report on its way into the database; the stream's message is gone by then. */
typedef struct Told {
    struct Told *next;
    Session *x;
    Arena *arena;
    OperationReport in;
    OperationProgress p;
    OperationResult r;
    const char *id;
} Told;

static bool due(uint64_t since, uint64_t ms, uint64_t now)
{
    return !since || now - since >= ms;
}

unsigned orders_decide(OrderRow row, OrderSeen seen, uint64_t now_ms)
{
    unsigned out = 0;
    bool answered = seen.heard_ms && seen.heard_ms >= seen.sent_ms;
    if (!seen.sent_ms || (!answered && due(seen.sent_ms, ORDERS_UNANSWERED_MS, now_ms)) ||
        (answered && due(seen.heard_ms, ORDERS_SILENT_MS, now_ms)))
        out |= ORDER_REQUEST;
    if (!due(seen.word_ms, ORDERS_UNANSWERED_MS, now_ms))
        return out;
    if (row.aborting)
        out |= ORDER_ABORT;
    else if (row.waiting && row.continue_step == row.step)
        out |= ORDER_CONTINUE;
    return out;
}

/* ---- one comparison ---- */

enum {
    C_ID,
    C_KIND,
    C_NS,
    C_CLUSTER,
    C_PARAMS,
    C_BY,
    C_ABORTED,
    C_PAST,
    C_STATE,
    C_STEP,
    C_CONTINUE,
};

/* What is marked as sent here is sent by this stream; an abort that came first has ended it, and it
 * is in neither part. */
static const char LOOK_SQL[] =
    "WITH fresh AS (UPDATE operations SET sent_at = now() WHERE satellite_id = $1 AND sent_at IS"
    " NULL AND finished_at IS NULL AND state = 'pending' RETURNING id)"
    " SELECT o.id, o.kind, o.namespace, o.cluster, o.params, o.requested_by, o.aborted_by <> '',"
    " o.point_of_no_return, o.state, o.step, o.continue_step FROM operations o WHERE"
    " o.satellite_id = $1 AND o.finished_at IS NULL AND (o.sent_at IS NOT NULL OR o.id IN (SELECT"
    " id FROM fresh)) ORDER BY o.seq";

static OrderSeen *seen_of(Session *x, const char *id)
{
    OrderSeen *k = map_get(x->orders, id);
    if (!k) {
        k = xnew(OrderSeen);
        map_put(x->orders, id, k);
    }
    return k;
}

static void request_of(Arena *a, const PgResult *r, int i, OperationRequest *ret)
{
    cJSON *params;
    Error ignored;
    if (json_parse(a, sv(pg_get(r, i, C_PARAMS)), 4096, &params, &ignored))
        params = NULL;
    int64_t lag = json_int_at(params, "max_lag_bytes", -1);
    *ret = (OperationRequest){
        .id = pg_get(r, i, C_ID),
        .ns = pg_get(r, i, C_NS),
        .cluster = pg_get(r, i, C_CLUSTER),
        .kind = operation_kind_of(pg_get(r, i, C_KIND)),
        .pod = json_str_at(params, "to", json_str_at(params, "pod", "")),
        .requested_by = pg_get(r, i, C_BY),
        .interactive = json_bool_at(params, "interactive", false),
        .accept_data_loss = json_bool_at(params, "accept_data_loss", false),
        .rolling = json_bool_at(params, "rolling", false),
        /* 0 on the wire is the site's default; a record is longer than one byte, so 1 is none. */
        .max_lag_bytes = lag < 0    ? 0
                         : lag == 0 ? 1
                                    : lag,
        .drain_timeout_seconds = (uint32_t)json_int_at(params, "drain_timeout_seconds", 0),
    };
}

static bool send_request(Session *x, const PgResult *r, int i)
{
    AUTO_ARENA a = arena_new();
    SatelliteDown m = {.id = "", .kind = DOWN_OPERATION};
    request_of(a, r, i, &m.operation);
    log_info("fleet", "operation sent", "satellite=%s operation=%s kind=%s cluster=%s/%s", x->name,
             m.operation.id, operation_kind_name(m.operation.kind), m.operation.ns,
             m.operation.cluster);
    return session_send(x, &m);
}

static bool send_word(Session *x, const PgResult *r, int i, OperationVerb verb)
{
    SatelliteDown m = {.id = "",
                       .kind = DOWN_OPERATION_STEP,
                       .operation_step = {.id = pg_get(r, i, C_ID), .verb = verb}};
    if (verb == VERB_CONTINUE)
        m.operation_step.step = (uint32_t)pg_get_int(r, i, C_CONTINUE);
    log_info("fleet", "word to an operation sent", "satellite=%s operation=%s word=%s", x->name,
             m.operation_step.id, verb == VERB_ABORT ? "abort" : "continue");
    return session_send(x, &m);
}

static bool send_row(Session *x, const PgResult *r, int i)
{
    uint64_t now = loop_now(x->f->app->loop);
    OrderSeen *seen = seen_of(x, pg_get(r, i, C_ID));
    OrderRow row = {.aborting = pg_get_bool(r, i, C_ABORTED) && !pg_get_bool(r, i, C_PAST),
                    .waiting = str_eq(pg_get(r, i, C_STATE), "waiting"),
                    .step = pg_get_int(r, i, C_STEP),
                    .continue_step = pg_get_int(r, i, C_CONTINUE)};
    unsigned what = orders_decide(row, *seen, now);
    if (what & ORDER_REQUEST) {
        if (!send_request(x, r, i))
            return false;
        seen->sent_ms = now;
    }
    if (what & (ORDER_ABORT | ORDER_CONTINUE)) {
        if (!send_word(x, r, i, what & ORDER_ABORT ? VERB_ABORT : VERB_CONTINUE))
            return false;
        seen->word_ms = now;
    }
    return true;
}

static void forget_all(Session *x)
{
    for (MapIter it = {0}; map_next(x->orders, &it);)
        free(it.value);
    map_free(x->orders);
    x->orders = map_new();
}

static void look(void *ctx);

static void arm(Session *x, uint64_t ms)
{
    if (session_live(x) && !x->order_look)
        x->order_look = timer_start(x->f->app->loop, ms, 0, look, x);
}

static void looked(void *ctx, const Error *err, PgResult *r)
{
    Session *x = ctx;
    x->ordering = false;
    if (err)
        log_warn("fleet", "operations not compared", "satellite=%s err=%s", x->name,
                 log_quote(err->msg));
    if (session_live(x)) {
        for (int i = 0; !err && i < pg_rows(r); i++)
            if (!send_row(x, r, i))
                break; /* the next look goes on */
        if (x->order_again)
            arm(x, LOOK_MS);
        else if (err || pg_rows(r))
            arm(x, AGAIN_MS); /* until all of them have ended */
        else
            forget_all(x);
        x->order_again = false;
    }
    session_unref(x);
}

static void look(void *ctx)
{
    Session *x = ctx;
    timer_stop(x->order_look);
    x->order_look = NULL;
    x->ordering = true;
    session_ref(x);
    pg_query(x->f->app->writers, LOOK_SQL, PG_PARAMS(pg_text(x->id)), looked, x);
}

void orders_look(Session *x)
{
    if (!session_live(x))
        return;
    if (x->ordering) {
        x->order_again = true;
        return;
    }
    timer_stop(x->order_look); /* one may be waiting for its second */
    x->order_look = NULL;
    arm(x, LOOK_MS);
}

void orders_done(Session *x)
{
    timer_stop(x->order_look);
    x->order_look = NULL;
}

void orders_free(Session *x)
{
    while (x->told) {
        struct Told *t = x->told;
        x->told = t->next;
        arena_free(t->arena);
    }
    for (MapIter it = {0}; map_next(x->orders, &it);)
        free(it.value);
    map_free(x->orders);
}

/* ---- what comes back, one after the other ---- */

enum { TOLD_MAX = 1000 };

static void tell_next(Session *x);

static void acknowledge(Session *x, const char *id)
{
    SatelliteDown m = {.id = "", .kind = DOWN_OPERATION_ACK, .operation_id = id};
    session_send(x, &m);
}

static void told(void *ctx, const Error *err)
{
    Told *t = ctx;
    Session *x = t->x;
    bool nobodys = err && (err->code == ERR_NOT_FOUND || err->code == ERR_INVALID);
    if (err)
        log_warn("fleet", "report of an operation not stored", "satellite=%s operation=%s err=%s",
                 x->name, log_quote(t->id), log_quote(err->msg));
    /* What central cannot use is not asked for again either: the site may forget it. */
    if (t->in.r && (!err || nobodys))
        acknowledge(x, t->id);
    OrderSeen *seen = map_get(x->orders, t->id);
    if (err && !nobodys && seen)
        seen->heard_ms = 0; /* asked for again */
    arena_free(t->arena);
    x->telling = false;
    tell_next(x);
    session_unref(x);
}

/* In their order: nobody sees an end before the steps that led to it. */
static void tell_next(Session *x)
{
    Told *t = x->told;
    if (x->telling || !t)
        return;
    x->told = t->next;
    x->n_told--;
    if (!x->told)
        x->told_tail = &x->told;
    x->telling = true;
    session_ref(x);
    operation_report(x->f->app, &t->in, told, t);
}

static void report(Session *x, Told *t, const char *id)
{
    t->id = arena_strdup(t->arena, id);
    t->in.satellite_id = arena_strdup(t->arena, x->id);
    OrderSeen *seen = map_get(x->orders, t->id);
    if (seen)
        seen->heard_ms = loop_now(x->f->app->loop);
    if (x->n_told >= TOLD_MAX) { /* it tells all again when it is asked */
        if (seen)
            seen->heard_ms = 0;
        arena_free(t->arena);
        return;
    }
    if (!x->told)
        x->told_tail = &x->told;
    *x->told_tail = t;
    x->told_tail = &t->next;
    x->n_told++;
    tell_next(x);
}

static Told *told_new(Session *x)
{
    Arena *a = arena_new();
    Told *t = arena_new_of(a, Told);
    t->arena = a;
    t->x = x;
    return t;
}

#define KEEP(t, field) (t)->field = arena_strdup((t)->arena, str_or((t)->field, ""))

void orders_progress(Session *x, const OperationProgress *p)
{
    Told *t = told_new(x);
    t->p = *p;
    KEEP(t, p.id);
    KEEP(t, p.step_name);
    KEEP(t, p.pod);
    KEEP(t, p.target);
    KEEP(t, p.detail);
    KEEP(t, p.error);
    t->in.p = &t->p;
    report(x, t, p->id);
}

void orders_result(Session *x, const OperationResult *r)
{
    Told *t = told_new(x);
    t->r = *r;
    KEEP(t, r.id);
    KEEP(t, r.target);
    KEEP(t, r.detail);
    KEEP(t, r.error);
    t->in.r = &t->r;
    report(x, t, r->id);
}
