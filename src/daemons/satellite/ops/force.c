/* A failover that somebody asked for: written into the lease, done by the members' election. */
#include "ops/op.h"

enum { ASK_MS = 30 * 1000, ELECT_MS = 90 * 1000, ROUTE_MS = 30 * 1000, LOOK_MS = 150 };
enum { S_VERIFY = 1, S_ASK, S_ELECT, S_ROUTE };

static void plan(Op *op)
{
    op->r.target = op->r.pod;
    op_add_step(op, "verify", op->r.pod);
    op_add_step(op, "ask", "");
    op_add_step(op, "elect", op->r.pod);
    op_add_step(op, "route", "");
}

static size_t look(Op *op, const char **there)
{
    size_t n = op_members(op, there, 64);
    for (size_t i = 0; i < n; i++)
        op_look(op, there[i], LOOK_MS);
    return n;
}

static void fail(Op *op, Outcome o, const char *detail, const char *why)
{
    op_step_status(op, STEP_FAILED, NULL, why);
    op_finish(op, o, detail, why);
}

static void next(Op *op, const char *detail, const char *pod)
{
    op_step_status(op, STEP_DONE, detail, NULL);
    op_begin_step(op, op->r.step + 1, pod);
}

static void verify(Op *op, const char **there, size_t n)
{
    const Sight *lease = op_lease(op);
    if (op->word == VERB_ABORT) {
        fail(op, OUTCOME_ROLLED_BACK, "nothing was changed", "aborted");
        return;
    }
    if (!lease || !n) {
        if (op_late(op, ASK_MS))
            fail(op, OUTCOME_ROLLED_BACK, "nothing was changed",
                 "no member of the cluster is connected to its satellite");
        return;
    }
    const char *holder = lease->r.lease_holder;
    if (*op->r.target && str_eq(op->r.target, holder) && lease->r.lease_epoch) {
        fail(op, OUTCOME_ROLLED_BACK, "nothing was changed",
             op_text(op, "%s leads already", holder));
        return;
    }
    op->r.old = arena_strdup(op->a, holder);
    op->r.mark = (int64_t)lease->r.lease_epoch;
    bool to_target = *op->r.target && op_sight(op, op->r.target)->ok;
    next(op,
         op_text(op, "%s holds the lease at epoch %llu; %zu members are connected",
                 *holder ? holder : "nobody", (unsigned long long)lease->r.lease_epoch, n),
         to_target ? op->r.target : there[0]);
}

static void ask(Op *op)
{
    const OpStep *s = op_record_step(&op->r, S_ASK);
    if (op->order_ended && op->order_ok)
        next(op,
             op_text(op, "the lease says that %s is to lead%s",
                     *op->r.target ? op->r.target : "the best member",
                     op->r.accept_data_loss ? ", whatever is lost" : ""),
             op->r.target);
    else if (op->order_ended && op_refusal(&op->order_err))
        fail(op, OUTCOME_ROLLED_BACK, "nothing was changed", op->order_err.msg);
    else if (op_late(op, ASK_MS))
        fail(op, OUTCOME_UNKNOWN, "it may have been written into the lease",
             op->order_ended ? op->order_err.msg : "the sidecar did not answer");
    else if (!op->unsaved)
        op_order(op, s->pod, SIDECAR_DOWN_FAILOVER,
                 &(SidecarOrder){.to = op->r.target, .accept_data_loss = op->r.accept_data_loss},
                 OP_ORDER_MS);
}

/* Nobody was elected: the wish is taken back, so that it does not come true at some later time. */
static void withdraw(Op *op, const char **there, size_t n)
{
    const Sight *lease = op_lease(op);
    if (!str_eq(op->r.phase, "back")) {
        op->r.phase = "back";
        op->began = loop_now(op->ops->spec.loop);
        op_order_forget(op);
        op_step_status(op, STEP_ROLLING_BACK, NULL, NULL);
        op_save(op);
    }
    const char *why = "nobody took the lease";
    for (size_t i = 0; i < n; i++) {
        const Sight *s = op_sight(op, there[i]);
        if (s->ok && s->r.in_recovery && (!*op->r.target || str_eq(op->r.target, s->pod)))
            why = op_text(op, "nobody took the lease; %s: %s", s->pod, s->r.output);
    }
    if (op->order_ended && op->order_ok)
        fail(op, OUTCOME_ROLLED_BACK,
             op_text(op, "%s leads",
                     lease && *lease->r.lease_holder ? lease->r.lease_holder : "nobody"),
             why);
    else if (op_late(op, ASK_MS))
        fail(op, OUTCOME_UNKNOWN, "the wish still stands in the lease", why);
    else if (n)
        op_order(op, there[0], SIDECAR_DOWN_FAILOVER, &(SidecarOrder){.to = "", .cancel = true},
                 OP_ORDER_MS);
}

static void elect(Op *op, const char **there, size_t n)
{
    const Sight *lease = op_lease(op);
    bool moved = lease && lease->r.lease_epoch > (uint64_t)op->r.mark && *lease->r.lease_holder;
    const Sight *leader = moved ? op_sight(op, lease->r.lease_holder) : NULL;
    if (leader && leader->ok && leader->r.running && !leader->r.in_recovery) {
        op->r.target = arena_strdup(op->a, leader->pod);
        op->r.past = true;
        next(op,
             op_text(op, "%s leads at epoch %llu, timeline %u", leader->pod,
                     (unsigned long long)lease->r.lease_epoch, leader->r.timeline_id),
             leader->pod);
    } else if (str_eq(op->r.phase, "back") && !moved) {
        withdraw(op, there, n);
    } else if (op->word == VERB_ABORT && !moved) {
        withdraw(op, there, n);
    } else if (op_late(op, ELECT_MS)) {
        if (moved)
            fail(op, OUTCOME_UNKNOWN, op_text(op, "%s holds the lease", lease->r.lease_holder),
                 "the new holder of the lease was not seen to lead in time");
        else
            withdraw(op, there, n);
    }
}

static void route(Op *op)
{
    if (op_routed(op, op->r.target)) {
        op_step_status(op, STEP_DONE, op_text(op, "the Services point to %s", op->r.target), NULL);
        op_finish(op, OUTCOME_DONE,
                  op_text(op, "%s leads, %s did", op->r.target, *op->r.old ? op->r.old : "nobody"),
                  "");
    } else if (op_late(op, ROUTE_MS)) {
        fail(op, OUTCOME_FAILED_PAST_NO_RETURN, op_text(op, "%s leads", op->r.target),
             "the Services were not seen to point to it in time");
    }
}

static void tick(Op *op)
{
    const char *there[64];
    size_t n = look(op, there);
    op_soon(op, op->r.step == S_ROUTE ? 50 : LOOK_MS);
    if (op->r.step == S_VERIFY)
        verify(op, there, n);
    else if (op->r.step == S_ASK)
        ask(op);
    else if (op->r.step == S_ELECT)
        elect(op, there, n);
    else
        route(op);
}

const OpDriver DRIVER_FAILOVER = {OP_FAILOVER, plan, tick};
