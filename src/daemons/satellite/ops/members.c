/* Operations of one order: fence, unfence, pause, resume. */
#include "ops/op.h"

enum { ONE_ORDER_MS = 60 * 1000, LOOK_MS = 200 };

typedef struct OneOrder {
    OperationKind kind;
    SidecarDownKind order;
    const char *step;
    bool to_primary;  /* when no pod was named: to whoever leads; else to anybody */
    const char *done; /* behind the pod's name */
} OneOrder;

static const OneOrder ROWS[] = {
    {OP_FENCE, SIDECAR_DOWN_FENCE, "fence", true, "lets no client in until unfence"},
    {OP_UNFENCE, SIDECAR_DOWN_UNFENCE, "unfence", true, "lets clients in"},
    {OP_PAUSE, SIDECAR_DOWN_PAUSE, "pause", false,
     "has written it down: nobody fails over by itself until resume"},
    {OP_RESUME, SIDECAR_DOWN_RESUME, "resume", false, "has written it down: automation is on"},
};

static const OneOrder *row_of(const Op *op)
{
    size_t i = 0;
    while (ROWS[i].kind != op->driver->kind)
        i++;
    return &ROWS[i];
}

static void plan(Op *op)
{
    op_add_step(op, row_of(op)->step, op->r.pod);
}

/* NULL: not known yet. */
static const char *to_whom(Op *op, const OneOrder *row)
{
    const char *there[64];
    if (!str_empty(op->r.pod))
        return op->r.pod;
    size_t n = op_members(op, there, 64);
    for (size_t i = 0; i < n; i++)
        op_look(op, there[i], LOOK_MS);
    const Sight *lease = op_lease(op);
    const char *holder = lease ? lease->r.lease_holder : "";
    if (*holder && op_sight(op, holder)->ok)
        return holder;
    return row->to_primary || !n ? NULL : there[0];
}

static void fail(Op *op, const char *why)
{
    op_step_status(op, STEP_FAILED, NULL, why);
    /* An order that was not answered may have been done. */
    bool unknown = op->order_out || (op->order_ended && !op_refusal(&op->order_err));
    op_finish(op, unknown ? OUTCOME_UNKNOWN : OUTCOME_ROLLED_BACK,
              unknown ? "whether it was done is not known" : "nothing was changed", why);
}

static void tick(Op *op)
{
    const OneOrder *row = row_of(op);
    const char *pod = to_whom(op, row);
    uint64_t limit = ONE_ORDER_MS + (uint64_t)op->r.drain_timeout_seconds * 1000;
    op_soon(op, LOOK_MS);
    if (op->order_ended && op->order_ok) {
        const char *text = op_text(op, "%s %s", op->order_to->pod, row->done);
        op_step_status(op, STEP_DONE, text, NULL);
        op_finish(op, OUTCOME_DONE, text, "");
    } else if (op->word == VERB_ABORT && !op->order_out && !op->order_ended) {
        fail(op, "aborted");
    } else if (op->order_ended && op_refusal(&op->order_err)) {
        fail(op, op->order_err.msg);
    } else if (op_late(op, limit)) {
        fail(op, op->order_ended ? op_text(op, "%s", op->order_err.msg)
                 : pod           ? op_text(op, "%s: %s", pod, op_sight(op, pod)->error)
                                 : "no member that leads is connected");
    } else if (pod && !op->unsaved) {
        SidecarOrder o = {.drain_seconds = op->r.drain_timeout_seconds,
                          .force = row->kind == OP_UNFENCE};
        op_order(op, pod, row->order, &o, limit);
    }
}

const OpDriver DRIVER_FENCE = {OP_FENCE, plan, tick};
const OpDriver DRIVER_UNFENCE = {OP_UNFENCE, plan, tick};
const OpDriver DRIVER_PAUSE = {OP_PAUSE, plan, tick};
const OpDriver DRIVER_RESUME = {OP_RESUME, plan, tick};
