/* PostgreSQL anew: restart of one member or of all in turn, a new copy of a replica.
 *
 * Steps: "restart POD" or "clone POD" for each member, and in a rolling restart "switchover" before
 * the old primary's turn. `mark` of the record is when PostgreSQL had started before its turn, so
 * an order whose answer was lost is not given twice. */
#include "ops/op.h"

enum {
    VERIFY_MS = 30 * 1000,
    RESTART_MS = 300 * 1000,
    CLONE_MS = 6 * 3600 * 1000,
    LOOK_MS = 200,
};

static const char VERIFY[] = "verify", SWITCH[] = "switchover";

static bool is_clone(const Op *op)
{
    return op->driver->kind == OP_REINIT;
}

static bool is_rolling(const Op *op)
{
    return !is_clone(op) && str_empty(op->r.pod);
}

static void plan(Op *op)
{
    op_add_step(op, VERIFY, op->r.pod);
    if (!is_rolling(op))
        op_add_step(op, is_clone(op) ? "clone" : "restart", op->r.pod);
}

static void fail(Op *op, const char *why)
{
    bool refused = op->order_ended && !op->order_ok && op_refusal(&op->order_err);
    bool begun = op->r.step > 2 || (op->r.step == 2 && !refused);
    op_step_status(op, STEP_FAILED, NULL, why);
    op_finish(op, begun ? OUTCOME_UNKNOWN : OUTCOME_ROLLED_BACK,
              begun ? "what was done stays done" : "nothing was changed", why);
}

static const char *as_it_is(Op *op, const Sight *s)
{
    if (!s->r.in_recovery)
        return op_text(op, "%s leads", s->pod);
    return op_text(op, "%s streams from %s", s->pod, s->r.upstream);
}

/* PostgreSQL's start of whoever is next, and its step. */
static void next(Op *op, const char *detail)
{
    op_step_status(op, STEP_DONE, detail, NULL);
    if (op->r.step == op->r.steps.n) {
        op_finish(op, OUTCOME_DONE,
                  is_clone(op) ? op_text(op, "%s has a new copy", op->r.pod)
                               : "PostgreSQL was restarted",
                  "");
        return;
    }
    const OpStep *s = op_record_step(&op->r, op->r.step + 1);
    op->r.mark = 0;
    if (str_eq(s->name, SWITCH)) {
        op->r.step++;
        op->r.target = "";
        op_record_step(&op->r, op->r.step)->started_us = clock_wall_us();
        switch_begin(op, true);
        return;
    }
    const Sight *sight = op_sight(op, s->pod);
    if (sight->ok && sight->r.running)
        op->r.mark = sight->r.started_at_us;
    op_begin_step(op, op->r.step + 1, s->pod);
}

/* Replicas first, then a switchover, then the old primary. */
static bool plan_rolling(Op *op, const char *leader)
{
    const char *there[64];
    size_t n = op_members(op, there, 64);
    const Cluster *c = op_cluster(op);
    if (!c || n < c->spec.replicas)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(there[i], leader))
            op_add_step(op, op_text(op, "restart %s", there[i]), there[i]);
    if (n > 1)
        op_add_step(op, SWITCH, "");
    op_add_step(op, op_text(op, "restart %s", leader), leader);
    return true;
}

static bool all_well(Op *op, const char **ret_who)
{
    const char *there[64];
    size_t n = op_members(op, there, 64);
    const Cluster *c = op_cluster(op);
    *ret_who = "a member is not connected";
    if (!c || n < c->spec.replicas)
        return false;
    for (size_t i = 0; i < n; i++) {
        op_look(op, there[i], LOOK_MS);
        const Sight *s = op_sight(op, there[i]);
        *ret_who = op_text(op, "%s is %s", there[i], s->has ? s->r.output : "not known yet");
        if (!s->ok || !s->r.running || s->r.is_fenced || (s->r.in_recovery && !s->r.streaming))
            return false;
    }
    return true;
}

static void verify(Op *op)
{
    const char *there[64], *who = "";
    size_t n = op_members(op, there, 64);
    for (size_t i = 0; i < n; i++)
        op_look(op, there[i], LOOK_MS);
    const Sight *lease = op_lease(op);
    const char *leader = lease ? lease->r.lease_holder : "";
    bool late = op_late(op, VERIFY_MS);
    const Sight *s = str_empty(op->r.pod) ? NULL : op_sight(op, op->r.pod);
    if (op->word == VERB_ABORT)
        fail(op, "aborted");
    else if (is_clone(op) && *leader && str_eq(leader, op->r.pod))
        fail(op, op_text(op, "%s leads: its data is the one that others are copies of", leader));
    else if (is_clone(op) && str_empty(op->r.pod))
        fail(op, "pod: empty, the replica that is to be cloned anew is right");
    else if (s && s->ok && (*leader || !is_clone(op)))
        next(op, op_text(op, "%s is %s", s->pod, s->r.output));
    else if (!s && *leader && all_well(op, &who) && plan_rolling(op, leader))
        next(op, op_text(op, "%zu members, %s leads", n, leader));
    else if (late)
        fail(op, s      ? op_text(op, "%s: %s", s->pod, s->ok ? "nobody leads" : s->error)
                 : *who ? who
                        : "nobody leads, or a member is not connected");
}

/* Up again since `mark`, and well. */
static bool is_new(const Op *op, const Sight *s)
{
    return s->ok && s->r.running && op->r.mark && s->r.started_at_us > op->r.mark &&
           (!s->r.in_recovery || s->r.streaming);
}

static void one(Op *op, const OpStep *step)
{
    Sight *s = op_sight(op, step->pod);
    SidecarDownKind order = is_clone(op) ? SIDECAR_DOWN_REINIT : SIDECAR_DOWN_RESTART;
    uint64_t limit = is_clone(op) ? CLONE_MS : RESTART_MS;
    op_look(op, step->pod, LOOK_MS);
    /* A clone is only told by the answer to its order: PostgreSQL may have been restarted by
     * anything. Without a satellite that heard it, the start since then must do. */
    bool told = op->order_ended && op->order_ok;
    if ((told || (!op->order_out && is_new(op, s))) && s->ok && s->r.running &&
        (!s->r.in_recovery || s->r.streaming))
        next(op, as_it_is(op, s));
    else if (op->order_ended && !op->order_ok && op_refusal(&op->order_err))
        fail(op, op->order_err.msg);
    else if (op_late(op, limit))
        fail(op, op_text(op, "%s: %s", s->pod, s->ok ? s->r.output : s->error));
    else if (!op->unsaved && !told && s->ok && s->r.running && !is_new(op, s))
        op_order(op, step->pod, order, &(SidecarOrder){.to = ""}, limit);
    else if (!op->unsaved && !told && is_clone(op) && s->ok && !s->r.running)
        op_order(op, step->pod, order, &(SidecarOrder){.to = ""}, limit);
}

static void sub_switch(Op *op)
{
    SwNext n = switch_tick(op, true);
    Outcome o = switchover_outcome(n);
    if (o == OUTCOME_NONE)
        return;
    if (o != OUTCOME_DONE) {
        fail(op, op->r.error);
        return;
    }
    op->r.past = false;
    next(op, op_text(op, "%s leads, %s follows", op->r.target, op->r.old));
}

static void tick(Op *op)
{
    const OpStep *s = op_record_step(&op->r, op->r.step);
    const char *who = "";
    op_soon(op, LOOK_MS);
    if (op->r.step == 1)
        verify(op);
    else if (str_eq(s->name, SWITCH))
        sub_switch(op);
    else if (!is_rolling(op) || op->order_out || op->order_ended || all_well(op, &who))
        one(op, s);
    else if (op_late(op, RESTART_MS))
        fail(op, who);
}

const OpDriver DRIVER_REINIT = {OP_REINIT, plan, tick};
const OpDriver DRIVER_RESTART = {OP_RESTART, plan, tick};
