#include "ops/op.h"

#include <stdio.h>
#include <stdlib.h>

Sight *op_sight(Op *op, const char *pod)
{
    for (size_t i = 0; i < op->sights.n; i++)
        if (str_eq(op->sights.at[i]->pod, pod))
            return op->sights.at[i];
    Sight *s = xnew(Sight);
    s->op = op;
    s->pod = xstrdup(pod);
    s->heard_at = loop_now(op->ops->spec.loop);
    vec_push(&op->sights, s);
    return s;
}

static CommandResult copy_result(Arena *a, const CommandResult *r)
{
    CommandResult c = *r;
    const char **texts[] = {&c.error,        &c.code,
                            &c.output,       &c.state,
                            &c.lsn,          &c.received_lsn,
                            &c.upstream,     &c.fence_operation,
                            &c.lease_holder, &c.handover_operation,
                            &c.sync_names,   &c.system_identifier,
                            &c.pod,          &c.durability};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_strdup(a, str_or(*texts[i], ""));
    Follower *f = arena_array(a, Follower, r->followers.n + 1);
    for (size_t i = 0; i < r->followers.n; i++) {
        const Follower *from = &((const Follower *)r->followers.at)[i];
        f[i] = (Follower){arena_strdup(a, from->pod), arena_strdup(a, from->state),
                          arena_strdup(a, from->sync_state), arena_strdup(a, from->flushed_lsn),
                          arena_strdup(a, from->replayed_lsn)};
    }
    c.followers.at = f;
    return c;
}

static void heard(Sight *s, const Error *err, const CommandResult *r)
{
    s->ok = r != NULL;
    if (!r) {
        snprintf(s->error, sizeof s->error, "%.199s", err->msg);
        return;
    }
    Arena *a = arena_new_sized(1024);
    s->r = copy_result(a, r);
    arena_free(s->a);
    s->a = a;
    s->has = true;
    s->heard_at = loop_now(s->op->ops->spec.loop);
}

static void on_status(void *ctx, const Error *err, const CommandResult *r)
{
    Sight *s = ctx;
    s->asked = false;
    heard(s, err, r);
    op_soon(s->op, 0);
}

void op_look(Op *op, const char *pod, uint64_t ms)
{
    if (str_empty(pod))
        return;
    Sight *s = op_sight(op, pod);
    uint64_t now = loop_now(op->ops->spec.loop);
    /* Whoever is not connected is not asked in a circle. */
    uint64_t wait = s->ok || !s->asked_at ? ms : ms < 200 ? 200 : ms;
    if (s->asked || (s->asked_at && now < s->asked_at + wait))
        return;
    s->asked = true;
    s->asked_at = now;
    SidecarDown cmd = {.kind = SIDECAR_DOWN_STATUS, .order = {.operation_id = op->r.id}};
    sidecars_order(op->ops->spec.sidecars, &(OrderTo){op->r.ns, pod, OP_STATUS_MS}, &cmd, on_status,
                   s);
}

/* ---- orders ---- */

static void on_order(void *ctx, const Error *err, const CommandResult *r)
{
    Sight *s = ctx;
    Op *op = s->op;
    op->order_out = false;
    op->order_ended = true;
    op->order_ok = !err;
    if (err) {
        op->order_err = *err;
        op->order_again = loop_now(op->ops->spec.loop) + 200;
        log_info("ops", "an order failed", "operation=%s pod=%s order=%s err=%s",
                 log_quote(op->r.id), s->pod, sidecar_down_name(op->order_kind),
                 log_quote(err->msg));
    }
    heard(s, err, r);
    op_soon(op, 0);
}

void op_order(Op *op, const char *pod, SidecarDownKind kind, const SidecarOrder *order,
              uint64_t timeout_ms)
{
    if (op->order_out || loop_now(op->ops->spec.loop) < op->order_again)
        return;
    op->order_out = true;
    op->order_ended = false;
    op->order_kind = kind;
    op->order_to = op_sight(op, pod);
    SidecarDown cmd = {.kind = kind, .order = *order};
    cmd.order.operation_id = op->r.id;
    cmd.order.requested_by = op->r.requested_by;
    sidecars_order(op->ops->spec.sidecars, &(OrderTo){op->r.ns, pod, timeout_ms}, &cmd, on_order,
                   op->order_to);
}

void op_order_forget(Op *op)
{
    if (op->order_out) {
        sidecars_forget(op->ops->spec.sidecars, op->order_to);
        op->order_to->asked = op->order_out = false;
    }
    op->order_ended = op->order_ok = false;
    op->order_err = (Error){0};
    op->order_again = 0;
}

bool op_refusal(const Error *err)
{
    return err->code == ERR_PRECONDITION || err->code == ERR_CONFLICT || err->code == ERR_INVALID ||
           err->code == ERR_UNIMPLEMENTED || err->code == ERR_DATA_LOSS ||
           err->code == ERR_NOT_FOUND;
}

/* ---- who is there ---- */

static unsigned ordinal_of(const char *pod)
{
    const char *dash = strrchr(pod, '-');
    uint64_t n;
    return dash && str_to_u64(dash + 1, &n) ? (unsigned)n : 0;
}

size_t op_members(const Op *op, const char **ret, size_t max)
{
    const Registry *reg = sidecars_registry(op->ops->spec.sidecars);
    size_t n = 0;
    for (MapIter it = {0}; reg && n < max && map_next(reg->members, &it);) {
        const Member *m = it.value;
        if (m->stream && str_eq(m->ns, op->r.ns) && str_eq(m->cluster, op->r.cluster))
            ret[n++] = m->pod;
    }
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && ordinal_of(ret[k]) < ordinal_of(ret[k - 1]); k--) {
            const char *t = ret[k];
            ret[k] = ret[k - 1];
            ret[k - 1] = t;
        }
    return n;
}

const Sight *op_lease(const Op *op)
{
    const Sight *best = NULL;
    for (size_t i = 0; i < op->sights.n; i++) {
        const Sight *s = op->sights.at[i];
        if (!s->has || !s->r.lease_epoch)
            continue;
        if (!best || s->r.lease_epoch > best->r.lease_epoch ||
            (s->r.lease_epoch == best->r.lease_epoch && s->heard_at > best->heard_at))
            best = s;
    }
    return best;
}

bool op_routed(const Op *op, const char *pod)
{
    const Cluster *c = op_cluster(op);
    bool found = false;
    if (!c)
        return false;
    for (MapIter it = {0}; map_next(c->pods, &it);) {
        const Pod *p = it.value;
        bool labelled = str_eq(p->role, "primary");
        if (labelled && !str_eq(p->name, pod))
            return false;
        found |= labelled;
    }
    return found;
}
