#include "pg/pg_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SIZE = 6, DEFAULT_QUEUE = 1000, DEFAULT_TIMEOUT_MS = 10000, SHORT_LIFE_MS = 1000 };

typedef enum SlotState { SLOT_DOWN, SLOT_CONNECTING, SLOT_IDLE, SLOT_QUERY, SLOT_TX } SlotState;

/* One request; lives in its own arena from the call until its answer. */
typedef struct Op {
    struct Op *next;
    Arena *arena;
    PgStmt st;
    PgDone done;
    PgTxFn tx; /* set: this op asks for a transaction */
    void *ctx;
    uint64_t deadline;
    bool ends_tx;
    Error err;
} Op;

typedef struct OpList {
    Op *head, **tail;
    size_t n;
} OpList;

typedef struct Slot {
    PgPool *pool;
    PgRaw *raw;
    SlotState state;
    Op *op; /* SLOT_QUERY, and SLOT_TX while BEGIN is under way */
    PgConn *tx;
    uint64_t up_at;
} Slot;

struct PgPool {
    Loop *l;
    char *conninfo, *application_name;
    unsigned size, queue_limit;
    uint64_t timeout_ms;
    OpList queue, failed; /* failed: refused at once, told in the next turn */
    Timer *queue_timer, *fail_timer, *retry_timer;
    Backoff backoff;
    Error last_err;
    unsigned refs; /* callbacks under way + 1 */
    bool freed;
    Slot slots[];
};

struct PgConn {
    Loop *l;
    Slot *slot; /* NULL: the link broke or the pool went away */
    OpList steps;
    Op *cur;
    Error broken;
    Timer *fail_timer;
};

/* ---- ops ---- */

static Op *op_new(const char *sql, const PgParam *params, size_t n, PgDone done, void *ctx)
{
    Arena *a = arena_new_sized(512 + strlen(sql));
    Op *op = arena_new_of(a, Op);
    op->arena = a;
    op->done = done;
    op->ctx = ctx;
    pg_stmt_copy(a, sql, params, n, &op->st);
    return op;
}

static void list_push(OpList *q, Op *op)
{
    if (!q->head)
        q->tail = &q->head;
    op->next = NULL;
    *q->tail = op;
    q->tail = &op->next;
    q->n++;
}

static Op *list_pop(OpList *q)
{
    Op *op = q->head;
    if (op) {
        q->head = op->next;
        q->n--;
    }
    return op;
}

/* The op's answer when it has none from the server. Frees the op. */
static void op_fail(Op *op, const Error *why)
{
    Error err = *why;
    PgDone done = op->done;
    PgTxFn tx = op->tx;
    void *ctx = op->ctx;
    arena_free(op->arena);
    if (tx)
        tx(ctx, &err, NULL);
    else if (done)
        done(ctx, &err, NULL);
}

static void list_fail(OpList *q, const Error *why)
{
    OpList all = *q;
    *q = (OpList){0};
    for (Op *op; (op = list_pop(&all));)
        op_fail(op, op->err.code ? &op->err : why);
}

/* ---- the pool's life ---- */

static void pool_unref(PgPool *p)
{
    if (--p->refs == 0) {
        free(p->conninfo);
        free(p->application_name);
        free(p);
    }
}

static void dispatch(PgPool *p);
static void tx_broke(PgConn *c, const Error *why);
static void tx_opened(void *ctx, const Error *err, PgResult *r);

static bool any(const PgPool *p, SlotState a, SlotState b)
{
    for (unsigned i = 0; i < p->size; i++)
        if (p->slots[i].state >= a && p->slots[i].state <= b)
            return true;
    return false;
}

bool pg_pool_up(const PgPool *p)
{
    return any(p, SLOT_IDLE, SLOT_TX);
}

static void on_up(void *ctx)
{
    Slot *s = ctx;
    s->state = SLOT_IDLE;
    s->up_at = loop_now(s->pool->l);
    dispatch(s->pool);
}

static void on_retry(void *ctx)
{
    PgPool *p = ctx;
    timer_stop(p->retry_timer);
    p->retry_timer = NULL;
    dispatch(p);
}

/* A connection that could not be made, or that fell at once, is retried with a growing delay; one
 * that had served is replaced without any. */
static void plan_retry(PgPool *p, bool served, const Error *err)
{
    if (served) {
        backoff_reset(&p->backoff);
        return;
    }
    if (!p->retry_timer)
        p->retry_timer = timer_start(p->l, backoff_next(&p->backoff) + 20, 0, on_retry, p);
    /* Nobody is left to serve what waits, so say so now instead of at its deadline. */
    if (!any(p, SLOT_CONNECTING, SLOT_TX))
        list_fail(&p->queue, err);
}

static void on_down(void *ctx, const Error *err)
{
    Slot *s = ctx;
    PgPool *p = s->pool;
    PgConn *tx = s->tx;
    bool was_up = s->state >= SLOT_IDLE;
    bool served = was_up && loop_now(p->l) - s->up_at >= SHORT_LIFE_MS;
    pg_raw_free(s->raw);
    s->raw = NULL;
    s->state = SLOT_DOWN;
    s->tx = NULL;
    p->refs++;
    p->last_err = *err;
    if (was_up)
        p->last_err.code = ERR_UNAVAILABLE; /* what ended one request is not the fault of others */
    if (tx)
        tx_broke(tx, err);
    if (!p->freed)
        plan_retry(p, served, &p->last_err);
    if (!p->freed)
        dispatch(p);
    pool_unref(p);
}

static const PgRawEvents EVENTS = {.on_up = on_up, .on_down = on_down};

static void slot_connect(Slot *s)
{
    PgPool *p = s->pool;
    PgRawConfig cfg = {.conninfo = p->conninfo,
                       .application_name = p->application_name,
                       .statement_timeout_ms = p->timeout_ms};
    s->state = SLOT_CONNECTING;
    s->raw = pg_raw_open(p->l, &cfg, &EVENTS, s);
}

PgPool *pg_pool_new(Loop *l, const PgPoolConfig *cfg)
{
    unsigned size = cfg->size ? cfg->size : DEFAULT_SIZE;
    PgPool *p = xcalloc(1, sizeof *p + size * sizeof(Slot));
    p->l = l;
    p->conninfo = xstrdup(str_or(cfg->conninfo, ""));
    p->application_name = xstrdup(cfg->application_name);
    p->size = size;
    p->queue_limit = cfg->queue_limit ? cfg->queue_limit : DEFAULT_QUEUE;
    p->timeout_ms = cfg->statement_timeout_ms ? cfg->statement_timeout_ms : DEFAULT_TIMEOUT_MS;
    p->backoff = (Backoff){.base_ms = 100, .max_ms = 2000};
    p->refs = 1;
    for (unsigned i = 0; i < size; i++)
        p->slots[i].pool = p;
    slot_connect(&p->slots[0]);
    return p;
}

void pg_pool_free(PgPool *p)
{
    if (!p || p->freed)
        return;
    Error why;
    err_set(&why, ERR_CANCELLED, "the database pool is closing");
    p->freed = true;
    timer_stop(p->queue_timer);
    timer_stop(p->fail_timer);
    timer_stop(p->retry_timer);
    p->queue_timer = p->fail_timer = p->retry_timer = NULL;
    for (unsigned i = 0; i < p->size; i++) {
        Slot *s = &p->slots[i];
        pg_raw_free(s->raw);
        s->raw = NULL;
        s->state = SLOT_DOWN;
        Op *op = s->op;
        PgConn *tx = s->tx;
        s->op = NULL;
        s->tx = NULL;
        if (tx)
            tx_broke(tx, &why);
        if (op)
            op_fail(op, &why);
    }
    list_fail(&p->failed, &why);
    list_fail(&p->queue, &why);
    pool_unref(p);
}

/* ---- queue and dispatch ---- */

static void on_queue_deadline(void *ctx)
{
    PgPool *p = ctx;
    uint64_t now = loop_now(p->l);
    Error err;
    timer_stop(p->queue_timer);
    p->queue_timer = NULL;
    p->refs++;
    while (p->queue.head && p->queue.head->deadline <= now) {
        err_set(&err, ERR_TIMEOUT, "database: no connection became free within %llu ms",
                (unsigned long long)p->timeout_ms);
        op_fail(list_pop(&p->queue), &err);
    }
    if (!p->freed)
        dispatch(p);
    pool_unref(p);
}

static void on_failed(void *ctx)
{
    PgPool *p = ctx;
    timer_stop(p->fail_timer);
    p->fail_timer = NULL;
    p->refs++;
    list_fail(&p->failed, &p->last_err);
    pool_unref(p);
}

static void query_done(void *ctx, const Error *err, PgResult *r)
{
    Slot *s = ctx;
    PgPool *p = s->pool;
    Op *op = s->op;
    s->op = NULL;
    s->state = SLOT_IDLE; /* on_down follows when the link broke */
    p->refs++;
    if (op->done)
        op->done(op->ctx, err, r);
    arena_free(op->arena);
    if (!p->freed)
        dispatch(p);
    pool_unref(p);
}

static void start_op(Slot *s, Op *op)
{
    s->op = op;
    s->state = op->tx ? SLOT_TX : SLOT_QUERY;
    pg_raw_exec(s->raw, &op->st, op->tx ? tx_opened : query_done, s);
}

static void dispatch(PgPool *p)
{
    if (p->freed)
        return;
    for (unsigned i = 0; i < p->size && p->queue.head; i++)
        if (p->slots[i].state == SLOT_IDLE && pg_raw_idle(p->slots[i].raw))
            start_op(&p->slots[i], list_pop(&p->queue));
    size_t connecting = 0;
    for (unsigned i = 0; i < p->size; i++)
        connecting += p->slots[i].state == SLOT_CONNECTING;
    bool need_first = !any(p, SLOT_CONNECTING, SLOT_TX);
    for (unsigned i = 0; i < p->size && !p->retry_timer; i++)
        if (p->slots[i].state == SLOT_DOWN && (need_first || connecting < p->queue.n)) {
            slot_connect(&p->slots[i]);
            connecting++;
            need_first = false;
        }
    if (p->queue.head && !p->queue_timer) {
        uint64_t now = loop_now(p->l), at = p->queue.head->deadline;
        p->queue_timer = timer_start(p->l, at > now ? at - now : 1, 0, on_queue_deadline, p);
    }
}

static void submit(PgPool *p, Op *op)
{
    bool down = p->retry_timer && !any(p, SLOT_CONNECTING, SLOT_TX);
    op->deadline = loop_now(p->l) + p->timeout_ms;
    if (down)
        op->err = p->last_err;
    else if (p->queue.n >= p->queue_limit)
        err_set(&op->err, ERR_EXHAUSTED, "database: %zu requests wait already", p->queue.n);
    if (op->err.code) {
        list_push(&p->failed, op);
        if (!p->fail_timer)
            p->fail_timer = timer_start(p->l, 0, 0, on_failed, p);
        return;
    }
    list_push(&p->queue, op);
    dispatch(p);
}

void pg_query(PgPool *p, const char *sql, const PgParam *params, size_t n, PgDone done, void *ctx)
{
    submit(p, op_new(sql, params, n, done, ctx));
}

void pg_begin(PgPool *p, PgTxFn fn, void *ctx)
{
    Op *op = op_new("BEGIN", PG_NO_PARAMS, NULL, ctx);
    op->tx = fn;
    submit(p, op);
}

/* ---- transactions ---- */

static void tx_opened(void *ctx, const Error *err, PgResult *r)
{
    Slot *s = ctx;
    PgPool *p = s->pool;
    Op *op = s->op;
    (void)r;
    s->op = NULL;
    p->refs++;
    if (err) {
        s->state = SLOT_IDLE;
        op_fail(op, err);
    } else {
        PgConn *c = xnew(PgConn);
        c->l = p->l;
        c->slot = s;
        s->tx = c;
        op->tx(op->ctx, NULL, c);
        arena_free(op->arena);
    }
    if (!p->freed)
        dispatch(p);
    pool_unref(p);
}

static void tx_free(PgConn *c)
{
    timer_stop(c->fail_timer);
    free(c);
}

/* Answers everything that waits on a broken transaction; the end of it frees the PgConn. */
static void tx_fail_steps(void *ctx)
{
    PgConn *c = ctx;
    timer_stop(c->fail_timer);
    c->fail_timer = NULL;
    Error why = c->broken;
    for (Op *op; (op = list_pop(&c->steps));) {
        bool ends = op->ends_tx;
        if (ends)
            tx_free(c);
        op_fail(op, &why);
        if (ends)
            return;
    }
}

static void tx_broke(PgConn *c, const Error *why)
{
    Op *cur = c->cur;
    c->broken = *why;
    c->slot = NULL;
    c->cur = NULL;
    if (c->steps.head && !c->fail_timer)
        c->fail_timer = timer_start(c->l, 0, 0, tx_fail_steps, c);
    if (cur) {
        bool ends = cur->ends_tx;
        op_fail(cur, why);
        if (ends)
            tx_free(c);
    }
}

static void tx_next(PgConn *c);

/* COMMIT of a transaction that had failed answers ROLLBACK, and that is no success. */
static const Error *commit_error(const Op *op, const Error *err, const PgResult *r, Error *room)
{
    if (err || strcmp(op->st.sql, "COMMIT") != 0 || strcmp(PQcmdStatus(r->res), "COMMIT") == 0)
        return err;
    err_set(room, ERR_CONFLICT, "the transaction had failed and was rolled back");
    return room;
}

static void step_done(void *ctx, const Error *err, PgResult *r)
{
    PgConn *c = ctx;
    Op *op = c->cur;
    Error room;
    c->cur = NULL;
    if (op->ends_tx) {
        Slot *s = c->slot;
        PgPool *p = s->pool;
        err = commit_error(op, err, r, &room);
        s->tx = NULL;
        s->state = SLOT_IDLE;
        tx_free(c);
        p->refs++;
        if (op->done)
            op->done(op->ctx, err, err ? NULL : r);
        arena_free(op->arena);
        if (!p->freed)
            dispatch(p);
        pool_unref(p);
        return;
    }
    PgPool *p = c->slot->pool;
    p->refs++;
    PgConn **back = &c->slot->tx;
    if (op->done)
        op->done(op->ctx, err, r);
    arena_free(op->arena);
    if (!p->freed && *back == c)
        tx_next(c);
    pool_unref(p);
}

static void tx_next(PgConn *c)
{
    if (c->cur || !c->steps.head || c->fail_timer)
        return;
    if (!c->slot) {
        c->fail_timer = timer_start(c->l, 0, 0, tx_fail_steps, c);
        return;
    }
    if (!pg_raw_idle(c->slot->raw))
        return; /* the link just broke; on_down is next and answers what waits */
    c->cur = list_pop(&c->steps);
    pg_raw_exec(c->slot->raw, &c->cur->st, step_done, c);
}

static void tx_push(PgConn *c, Op *op, bool ends)
{
    op->ends_tx = ends;
    list_push(&c->steps, op);
    tx_next(c);
}

void pg_conn_query(PgConn *c, const char *sql, const PgParam *params, size_t n, PgDone done,
                   void *ctx)
{
    tx_push(c, op_new(sql, params, n, done, ctx), false);
}

void pg_commit(PgConn *c, PgDone done, void *ctx)
{
    tx_push(c, op_new("COMMIT", PG_NO_PARAMS, done, ctx), true);
}

void pg_rollback(PgConn *c, PgDone done, void *ctx)
{
    tx_push(c, op_new("ROLLBACK", PG_NO_PARAMS, done, ctx), true);
}
