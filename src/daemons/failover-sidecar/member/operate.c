#include "member/operate_priv.h"

#include "core/log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ORDER_MS = 60 * 1000 };

typedef struct OrderRow {
    SidecarDownKind kind;
    JobRun run;
    unsigned limit_ms; /* unless the order names one */
} OrderRow;

static const OrderRow ORDERS[] = {
    {SIDECAR_DOWN_FENCE, fence_run, 15 * 1000},
    {SIDECAR_DOWN_UNFENCE, unfence_run, 10 * 1000},
    {SIDECAR_DOWN_STOP_CLEAN, stop_run, 30 * 1000},
    {SIDECAR_DOWN_START_AGAIN, start_again_run, ORDER_MS},
    {SIDECAR_DOWN_HANDOVER, handover_run, 10 * 1000},
    {SIDECAR_DOWN_PROMOTE, promote_run, 10 * 1000},
    {SIDECAR_DOWN_REINIT, reinit_run, 6u * 3600 * 1000},
    {SIDECAR_DOWN_RESTART, restart_run, 300 * 1000},
    {SIDECAR_DOWN_PAUSE, note_run, 20 * 1000},
    {SIDECAR_DOWN_RESUME, note_run, 20 * 1000},
    {SIDECAR_DOWN_FAILOVER, note_run, 20 * 1000},
};

static const OrderRow *order_row(SidecarDownKind k)
{
    for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++)
        if (ORDERS[i].kind == k)
            return &ORDERS[i];
    return NULL;
}

bool operate_leads(const Operate *o)
{
    const Member *m = o->m;
    return lease_known(m->lease) && lease_info(m->lease)->exists &&
           str_eq(lease_info(m->lease)->holder, m->mc.cfg->pod);
}

/* On the volume a temporary fence carries a mark behind its operation. */
bool fence_is_temporary(const LpMsg *s)
{
    return s && s->num[LPF_FENCED] && str_ends(str_or(s->text[LPF_OPERATION], ""), "~");
}

const char *fence_text(const LpMsg *s)
{
    return s && s->num[LPF_FENCED] ? str_or(s->text[LPF_OPERATION], "") : "";
}

const char *operate_fence(const Operate *o)
{
    return o ? o->fence : "";
}

bool operate_held(const Operate *o)
{
    return o && *o->held;
}

void operate_hold(Operate *o, uint32_t seconds)
{
    o->hold_ms = (uint64_t)seconds * 1000;
    o->hold_until = seconds ? clock_boot_ms() + o->hold_ms : 0;
}

void operate_heard(Operate *o, const char *operation_id)
{
    if (o->hold_until && !str_empty(operation_id) &&
        (str_eq(o->held, operation_id) || str_eq(o->fence, operation_id)))
        o->hold_until = clock_boot_ms() + o->hold_ms;
}

/* ---- the order under way ---- */

static void job_run(Operate *o);

static void job_end(Operate *o, const Error *err)
{
    Job j = o->job;
    o->job = (Job){.kind = SIDECAR_DOWN_OTHER};
    if (err)
        log_warn("operate", "an order failed", "order=%s operation=%s err=%s",
                 sidecar_down_name(j.kind), log_quote(j.order.operation_id), log_quote(err->msg));
    else
        log_info("operate", "an order is done", "order=%s operation=%s took_ms=%" PRIu64,
                 sidecar_down_name(j.kind), log_quote(j.order.operation_id),
                 clock_boot_ms() - j.began);
    if (j.done)
        j.done(j.ctx, err);
    arena_free(j.arena);
    member_report(o->m); /* fenced, paused: shown at once */
    member_kick(o->m);
}

static void take_next(Operate *o)
{
    Error err;
    if (o->job.kind != SIDECAR_DOWN_OTHER) {
        err_set(&err, ERR_CANCELLED, "another order of this operation came");
        job_end(o, &err);
    }
    o->job = o->next;
    o->next = (Job){.kind = SIDECAR_DOWN_OTHER};
    o->job.began = clock_boot_ms();
    timer_again(o->poll, 0);
}

static void job_run(Operate *o)
{
    Job *j = &o->job;
    if (j->waiting)
        return;
    if (o->next.kind != SIDECAR_DOWN_OTHER) {
        take_next(o);
        return;
    }
    if (j->kind == SIDECAR_DOWN_OTHER)
        return;
    Error err = {0};
    const LpMsg *s = launcher_state(o->m->launcher);
    JobStep step = JOB_AGAIN;
    if (clock_boot_ms() > j->began + j->limit) {
        step = JOB_FAILED;
        err_set(&err, ERR_TIMEOUT, "%s was not done within %" PRIu64 " s",
                sidecar_down_name(j->kind), j->limit / 1000);
    } else if (s) {
        step = order_row(j->kind)->run(o, j, s, &err);
    }
    if (step == JOB_AGAIN)
        timer_again(o->poll, POLL_MS);
    else if (step == JOB_DONE || step == JOB_FAILED)
        job_end(o, step == JOB_FAILED ? &err : NULL);
    else if (!j->waiting)
        timer_again(o->poll, 200); /* something must change; a change is seen at once */
}

static void on_poll(void *ctx)
{
    job_run(ctx);
}

void job_answered(Operate *o, const Error *err)
{
    o->job.waiting = false;
    if (err && err->code != ERR_CANCELLED)
        job_end(o, err);
    timer_again(o->poll, 0);
}

static void on_launcher(void *ctx, const Error *err)
{
    job_answered(ctx, err);
}

void operate_launcher(Operate *o, LpMsg *msg)
{
    o->job.waiting = true;
    launcher_call(o->m->launcher, msg, on_launcher, o);
}

static void copy_order(Job *j, const SidecarOrder *order)
{
    Arena *a = j->arena = arena_new_sized(512);
    j->order = *order;
    j->order.operation_id = arena_strdup(a, str_or(order->operation_id, ""));
    j->order.requested_by = arena_strdup(a, str_or(order->requested_by, ""));
    j->order.to = arena_strdup(a, str_or(order->to, ""));
    j->order.lsn = arena_strdup(a, str_or(order->lsn, ""));
}

static void put_next(Operate *o, SidecarDownKind kind, const SidecarOrder *order, OperateDone done,
                     void *ctx)
{
    Error err;
    if (o->next.kind != SIDECAR_DOWN_OTHER) {
        Job old = o->next;
        err_set(&err, ERR_CANCELLED, "another order of this operation came");
        if (old.done)
            old.done(old.ctx, &err);
        arena_free(old.arena);
    }
    o->next = (Job){.kind = kind, .done = done, .ctx = ctx};
    copy_order(&o->next, order);
    uint64_t limit = order_row(kind)->limit_ms;
    if (order->timeout_seconds)
        limit = (uint64_t)order->timeout_seconds * 1000;
    o->next.limit = limit + (uint64_t)order->drain_seconds * 1000;
    timer_again(o->poll, 0);
}

/* A refusal comes from the loop, too, as every answer. */
typedef struct Refusal {
    Timer *timer;
    Error err;
    OperateDone done;
    void *ctx;
} Refusal;

static void on_refusal(void *ctx)
{
    Refusal *r = ctx;
    timer_stop(r->timer);
    r->done(r->ctx, &r->err);
    free(r);
}

static bool order_ok(const Operate *o, const SidecarDown *cmd, Error *err)
{
    const char *id = str_or(cmd->order.operation_id, "");
    if (!order_row(cmd->kind))
        err_set(err, ERR_UNIMPLEMENTED, "%s is no order for a member",
                sidecar_down_name(cmd->kind));
    else if (strlen(id) >= OPERATION_ID - 1 || strchr(id, '~'))
        err_set(err, ERR_INVALID, "operation_id: '%.80s' is too long or has a ~", id);
    else if (str_empty(id) && !(cmd->kind == SIDECAR_DOWN_UNFENCE && cmd->order.force))
        err_set(err, ERR_INVALID, "operation_id: empty, the id of an operation is right");
    else if (o->job.kind != SIDECAR_DOWN_OTHER && !o->job.by_itself &&
             !str_eq(o->job.order.operation_id, id))
        err_set(err, ERR_CONFLICT, "%s of operation %s is under way",
                sidecar_down_name(o->job.kind), o->job.order.operation_id);
    else
        return true;
    return false;
}

void operate_order(Operate *o, const SidecarDown *cmd, OperateDone done, void *ctx)
{
    Error err;
    if (order_ok(o, cmd, &err)) {
        operate_heard(o, cmd->order.operation_id);
        put_next(o, cmd->kind, &cmd->order, done, ctx);
        return;
    }
    Refusal *r = xnew(Refusal);
    *r = (Refusal){.err = err, .done = done, .ctx = ctx};
    r->timer = timer_start(o->m->mc.loop, 0, 0, on_refusal, r);
}

/* ---- by itself ---- */

static void on_unfenced(void *ctx, const Error *err)
{
    (void)ctx;
    if (err)
        log_warn("operate", "the fence was not taken away", "err=%s", log_quote(err->msg));
}

static void on_started_again(void *ctx, const Error *err)
{
    Operate *o = ctx;
    if (err || !*o->fence)
        return; /* it is tried again when the time is over once more */
    put_next(o, SIDECAR_DOWN_UNFENCE, &(SidecarOrder){.operation_id = o->fence}, on_unfenced, o);
    o->next.by_itself = true;
}

/* Nothing was heard of the operation for so long: whoever drove it is gone. */
static void give_back(Operate *o)
{
    const char *op = *o->held ? o->held : o->fence;
    uint64_t epoch = lease_info(o->m->lease)->epoch;
    char did[160];
    o->hold_until = clock_boot_ms() + HOLD_NEW_MS; /* and again, if this fails */
    o->hold_ms = HOLD_NEW_MS;
    snprintf(did, sizeof did, "%s; takes the fence of operation %.60s away",
             *o->held ? "starts PostgreSQL again" : "PostgreSQL runs", op);
    decision_note(o->m->record,
                  &(DecisionNote){.kind = "fence.lifted",
                                  .epoch = epoch,
                                  .saw = "nothing was heard of the operation for as "
                                         "long as its fence may last; the lease is "
                                         "still held here",
                                  .did = did,
                                  .why = "a fence of an operation never outlives it"});
    member_event(o->m, SEV_WARNING, "operation.given_back",
                 "%s: nothing more was heard of operation %s: its fence is taken away",
                 o->m->mc.cfg->pod, op);
    put_next(o, SIDECAR_DOWN_START_AGAIN, &(SidecarOrder){.operation_id = op}, on_started_again, o);
    o->next.by_itself = true;
}

static void on_lifted(void *ctx, const Error *err)
{
    Operate *o = ctx;
    o->lifting = false;
    on_unfenced(o, err);
}

/* The lease is another's: an operation's fence has done what it was for. */
static void lift(Operate *o, const LpMsg *s)
{
    AUTO_ARENA a = arena_new_sized(128);
    LpMsg msg = {.type = LP_UNFENCE};
    msg.text[LPF_OPERATION] = arena_strdup(a, fence_text(s));
    o->lifting = true;
    launcher_call(o->m->launcher, &msg, on_lifted, o);
}

static void note_fence(Operate *o, const LpMsg *s)
{
    snprintf(o->fence, sizeof o->fence, "%s", fence_text(s));
    size_t n = strlen(o->fence);
    bool temporary = n && o->fence[n - 1] == '~';
    if (temporary)
        o->fence[n - 1] = 0;
    if (temporary && !o->hold_until)
        operate_hold(o, HOLD_NEW_MS / 1000);
    if (!temporary && !*o->held)
        o->hold_until = 0;
}

/* The connection lives as long as one run of PostgreSQL. */
static void sync_pool(Operate *o, const LpMsg *s)
{
    bool up = s && s->num[LPF_PG] == LP_PG_UP;
    if (o->pool && (!up || s->num[LPF_STARTED] != o->pool_of)) {
        PgPool *old = o->pool;
        o->pool = NULL;
        pg_pool_free(old);
    }
    if (!up || o->pool)
        return;
    AUTO_ARENA a = arena_new_sized(1024);
    Error err = {0};
    const char *conninfo;
    if (instance_conninfo(a, o->m->mc.cfg, &conninfo, &err)) {
        log_error("operate", "cannot look into PostgreSQL", "err=%s", log_quote(err.msg));
        return;
    }
    o->pool_of = s->num[LPF_STARTED];
    o->pool = pg_pool_new(o->m->mc.loop, &(PgPoolConfig){.conninfo = conninfo,
                                                         .size = 1,
                                                         .queue_limit = 16,
                                                         .statement_timeout_ms = 5000,
                                                         .application_name = "pg-swarm"});
}

static void arm(Operate *o, uint64_t now)
{
    uint64_t next = o->hold_until ? o->hold_until : UINT64_MAX;
    if (*o->fence && o->pool && o->sweep_at < next)
        next = o->sweep_at;
    if (next != UINT64_MAX)
        timer_again(o->tick, next > now ? next - now : 1);
}

void operate_step(Operate *o)
{
    const LpMsg *s = launcher_state(o->m->launcher);
    uint64_t now = clock_boot_ms();
    sync_pool(o, s);
    if (!s)
        return;
    note_fence(o, s);
    bool writer = s->num[LPF_PG] != LP_PG_DOWN && s->num[LPF_ROLE] == LP_ROLE_PRIMARY;
    if (lease_known(o->m->lease) && !operate_leads(o)) {
        *o->held = 0;
        o->hold_until = 0;
        if (fence_is_temporary(s) && !writer && !o->lifting)
            lift(o, s);
    } else if (o->hold_until && now >= o->hold_until && operate_leads(o)) {
        give_back(o);
    }
    if (*o->fence && o->pool && now >= o->sweep_at && !o->sweeping &&
        o->job.kind == SIDECAR_DOWN_OTHER)
        sweep_now(o);
    if (o->job.kind != SIDECAR_DOWN_OTHER || o->next.kind != SIDECAR_DOWN_OTHER)
        job_run(o);
    arm(o, now);
}

static void on_tick(void *ctx)
{
    operate_step(ctx);
}

Operate *operate_new(struct Member *m)
{
    Operate *o = xnew(Operate);
    o->m = m;
    o->tick = timer_start(m->mc.loop, UINT32_MAX, 0, on_tick, o);
    o->poll = timer_start(m->mc.loop, UINT32_MAX, 0, on_poll, o);
    return o;
}

void operate_free(Operate *o)
{
    if (!o)
        return;
    o->job.done = o->next.done = NULL;
    pg_pool_free(o->pool);
    timer_stop(o->tick);
    timer_stop(o->poll);
    arena_free(o->job.arena);
    arena_free(o->next.arena);
    free(o);
}
