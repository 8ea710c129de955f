/* The nine steps: what is seen of the members becomes the views of model/switchover.h, what it
 * decides becomes orders. */
#include "ops/op.h"

#include "model/lsn.h"

enum {
    HOT_MS = 12, /* clients wait */
    CALM_MS = 250,
    WAIT_MS = 1000,               /* for a person */
    RESUMED_QUIET_MS = 20 * 1000, /* sidecars come back to a new satellite within this */
    MAX_LAG = 16 * 1024 * 1024,
};

/* ---- views ---- */

static const Sight *sight_of(Op *op, const char *pod)
{
    return str_empty(pod) ? NULL : op_sight(op, pod);
}

static uint64_t want_lsn(const Op *op)
{
    uint64_t lsn = 0;
    return lsn_parse(op->r.lsn, &lsn) ? lsn : 0;
}

static SwOld view_old(const Op *op, const Sight *s)
{
    if (!s || !s->ok)
        return OLD_SILENT;
    const CommandResult *r = &s->r;
    bool ours = str_eq(r->fence_operation, op->r.id);
    if (!r->running)
        return r->clean && ours && !r->in_recovery ? OLD_STOPPED : OLD_DOWN;
    if (!r->in_recovery)
        return !*r->fence_operation ? OLD_PRIMARY : ours ? OLD_FENCED : OLD_OTHERS_FENCE;
    return r->streaming && str_eq(r->upstream, op->r.target) && r->epoch == r->lease_epoch
               ? OLD_FOLLOWS
               : OLD_STANDBY;
}

static SwTarget view_target(const Op *op, const Sight *s)
{
    uint64_t lsn, want = want_lsn(op);
    if (!s || !s->ok)
        return TGT_SILENT;
    const CommandResult *r = &s->r;
    if (!r->running || r->is_fenced)
        return TGT_UNFIT;
    if (!r->in_recovery)
        return TGT_PRIMARY;
    if (op->r.timeline && r->timeline_id && r->timeline_id != op->r.timeline && !op->r.past)
        return TGT_UNFIT;
    if (want && lsn_parse(r->lsn, &lsn) && lsn >= want)
        return TGT_READY;
    return r->streaming && str_eq(r->upstream, op->r.old) ? TGT_STREAMS : TGT_STANDBY;
}

static SwLease view_lease(const Op *op)
{
    const Sight *s = op_lease(op);
    if (!s)
        return SW_LEASE_UNKNOWN;
    const char *holder = s->r.lease_holder;
    return !*holder                       ? SW_LEASE_FREE
           : str_eq(holder, op->r.target) ? SW_LEASE_TARGET
           : str_eq(holder, op->r.old)    ? SW_LEASE_OLD
                                          : SW_LEASE_OTHER;
}

static const Follower *follower_of(const Sight *old, const char *pod)
{
    for (size_t i = 0; old && old->has && i < old->r.followers.n; i++) {
        const Follower *f = &((const Follower *)old->r.followers.at)[i];
        if (str_eq(f->pod, pod))
            return f;
    }
    return NULL;
}

/* How far it is behind in replaying; -1: not known. */
static int64_t lag_of(const Sight *old, const Follower *f)
{
    uint64_t written, replayed;
    if (!f || !lsn_parse(old->r.lsn, &written) || !lsn_parse(f->replayed_lsn, &replayed) ||
        !str_eq(f->state, "streaming"))
        return -1;
    return written > replayed ? (int64_t)(written - replayed) : 0;
}

static int64_t max_lag(const Op *op)
{
    return op->r.max_lag_bytes > 0 ? op->r.max_lag_bytes : MAX_LAG;
}

static bool quiet(const Op *op, const Sight *s)
{
    uint64_t now = loop_now(op->ops->spec.loop);
    uint64_t since = op->began;
    if (s && s->heard_at > since)
        since = s->heard_at;
    bool new_life = op->resumed && now < op->resumed_at + RESUMED_QUIET_MS;
    return !new_life && (!s || !s->ok) && now > since + SW_QUIET_MS;
}

static SwSeen look_at(Op *op)
{
    const Sight *old = sight_of(op, op->r.old), *target = sight_of(op, op->r.target);
    SwSeen s = {.phase = switchover_phase_of(op->r.phase),
                .step = switchover_step_of(op->r.sw_step),
                .old = view_old(op, old),
                .target = view_target(op, target),
                .lease = view_lease(op)};
    uint64_t limit = switchover_limit_ms(s.phase, s.step);
    int64_t lag = old && old->ok ? lag_of(old, follower_of(old, op->r.target)) : -1;
    if (s.step == SW_FENCE)
        limit += (uint64_t)op->r.drain_timeout_seconds * 1000;
    unsigned f = 0;
    f |= op_late(op, limit) ? SWF_LATE : 0;
    f |= quiet(op, old) ? SWF_OLD_QUIET : 0;
    f |= quiet(op, target) ? SWF_TARGET_QUIET : 0;
    f |= lag >= 0 && lag <= max_lag(op) ? SWF_LAG_OK : 0;
    f |= op->r.interactive && s.phase == SW_FORWARD ? SWF_INTERACTIVE : 0;
    f |= op->word == VERB_CONTINUE ? SWF_CONTINUE : 0;
    f |= op->word == VERB_ABORT ? SWF_ABORT : 0;
    f |= s.step == SW_ROUTE && op_routed(op, op->r.target) ? SWF_ROUTED : 0;
    if (op->order_ended && op->order_ok) {
        f |= op->order_kind == SIDECAR_DOWN_CHECKPOINT ? SWF_CHECKPOINTED : 0;
        f |= op->order_kind == SIDECAR_DOWN_FENCE ? SWF_DRAINED : 0;
    } else if (op->order_ended && s.phase == SW_FORWARD && op_refusal(&op->order_err)) {
        f |= SWF_REFUSED;
    }
    s.flags = f;
    return s;
}

/* ---- who ---- */

static bool is_sync(const Follower *f)
{
    return str_eq(f->sync_state, "sync") || str_eq(f->sync_state, "quorum");
}

/* Fit is who is so by the primary's word and by its own: right after a failover the primary may
 * still list somebody who has just gone. Whoever has not said anything yet is waited for. */
static void choose_target(Op *op, const Sight *old)
{
    SwCandidate c[64];
    const char *there[64];
    size_t n = 0, members = op_members(op, there, 64);
    for (size_t i = 0; i < members; i++) {
        const Sight *s = op_sight(op, there[i]);
        const Follower *f = follower_of(old, there[i]);
        if (!s->ok && !*s->error)
            return;
        if (!f || s == old)
            continue;
        int64_t lag = lag_of(old, f);
        bool fit = lag >= 0 && view_target(op, s) == TGT_STREAMS;
        c[n] = (SwCandidate){.pod = there[i], .fit = fit, .sync = is_sync(f)};
        c[n].lag_bytes = lag;
        c[n].ordinal = (unsigned)i;
        n++;
    }
    int best = switchover_best(c, n);
    if (best >= 0)
        op->r.target = arena_strdup(op->a, c[best].pod);
}

/* False until it is known who leads and who is to lead. */
static bool know_both(Op *op)
{
    const char *there[64];
    if (*op->r.old && *op->r.target)
        return true;
    size_t n = op_members(op, there, 64);
    for (size_t i = 0; i < n; i++)
        op_look(op, there[i], 200);
    const Sight *lease = op_lease(op);
    if (!lease || !*lease->r.lease_holder)
        return false;
    const Sight *old = op_sight(op, lease->r.lease_holder);
    if (!old->ok || !old->r.running)
        return false;
    /* Asked to make the leader the leader: the table says that it leads already. */
    if (!str_eq(op->r.old, old->pod))
        op->r.old = arena_strdup(op->a, old->pod);
    op->r.timeline = old->r.timeline_id;
    if (!*op->r.target)
        choose_target(op, old);
    return *op->r.target;
}

/* ---- words ---- */

static const char *detail_of(Op *op, SwStep step)
{
    const Sight *old = sight_of(op, op->r.old), *target = sight_of(op, op->r.target);
    const Follower *f = follower_of(old, op->r.target);
    const Sight *lease = op_lease(op);
    switch (step) {
    case SW_TARGET:
        return op_text(op, "%s streams from %s", op->r.target, op->r.old);
    case SW_PRIMARY:
        return op_text(op, "%s leads at epoch %llu, timeline %u", op->r.old,
                       (unsigned long long)old->r.lease_epoch, old->r.timeline_id);
    case SW_PREFLIGHT:
        return op_text(op, "%s is %lld B behind (%s); %u sessions will be cut off", op->r.target,
                       (long long)lag_of(old, f), f ? f->sync_state : "?", old->r.sessions);
    case SW_FENCE:
        return op_text(op, "%s lets no client in; no session is left", op->r.old);
    case SW_STOP:
        return op_text(op, "%s is shut down; %s has replayed it all (%s)", op->r.old, op->r.target,
                       op->r.lsn);
    case SW_TRANSFER:
        return op_text(op, "%s holds the lease at epoch %llu", op->r.target,
                       (unsigned long long)(lease ? lease->r.lease_epoch : 0));
    case SW_PROMOTE:
        return op_text(op, "%s accepts writes, timeline %u", op->r.target,
                       target ? target->r.timeline_id : 0);
    case SW_ROUTE:
        return op_text(op, "the Services point to %s", op->r.target);
    case SW_FOLLOW:
        return op_text(op, "%s streams from %s", op->r.old, op->r.target);
    case SW_NONE:
    case SW_STEP_COUNT:
        break;
    }
    return "";
}

static const char *trouble_of(Op *op, const Sight *t)
{
    if (!t->ok)
        return op_text(op, "%s: %s", t->pod, *t->error ? t->error : "no answer yet");
    if (t->r.is_fenced)
        return op_text(op, "%s is fenced by operation %s", t->pod, t->r.fence_operation);
    if (t->r.running && op->r.timeline && t->r.timeline_id && t->r.timeline_id != op->r.timeline)
        return op_text(op, "%s is on timeline %u, not %u", t->pod, t->r.timeline_id,
                       op->r.timeline);
    if (t->r.in_recovery && !t->r.streaming)
        return op_text(op, "%s does not stream (%s)", t->pod, t->r.output);
    if (t->r.in_recovery && !str_eq(t->r.upstream, op->r.old))
        return op_text(op, "%s follows %s", t->pod, str_or(t->r.upstream, "nobody"));
    return op_text(op, "%s is %s", t->pod, t->r.output);
}

static const char *target_trouble(Op *op)
{
    const char *there[64], *text = "nobody is fit to lead";
    if (*op->r.target)
        return trouble_of(op, op_sight(op, op->r.target));
    for (size_t i = 0, n = op_members(op, there, 64); i < n; i++)
        if (!str_eq(there[i], op->r.old))
            text = op_text(op, "%s; %s", text, trouble_of(op, op_sight(op, there[i])));
    return text;
}

/* The table's clause, with the names and figures that belong to it. */
static const char *error_of(Op *op, const SwSeen *s, const char *why)
{
    const Sight *old = sight_of(op, op->r.old), *lease = op_lease(op);
    const char *what = str_or(why, "rolled back");
    if (s->flags & SWF_ABORT)
        return op_text(op, "%s", what);
    if (op->order_ended && !op->order_ok)
        return op_text(op, "%s: %s", what, op->order_err.msg);
    if (!*op->r.old)
        return op_text(op, "%s: it is not known who leads%s%s", what, lease ? ", lease of " : "",
                       lease ? lease->r.lease_holder : "");
    if (s->step <= SW_PREFLIGHT && s->old == OLD_OTHERS_FENCE)
        return op_text(op, "%s (operation %s)", what, old->r.fence_operation);
    if (s->step == SW_PREFLIGHT && s->target == TGT_STREAMS && !(s->flags & SWF_LAG_OK))
        return op_text(op, "%s: %s is %lld B behind %s, at most %lld B is right", what,
                       op->r.target, (long long)lag_of(old, follower_of(old, op->r.target)),
                       op->r.old, (long long)max_lag(op));
    if (s->lease == SW_LEASE_OTHER || s->lease == SW_LEASE_FREE)
        return op_text(op, "%s: the lease is held by %s", what,
                       str_empty(lease->r.lease_holder) ? "nobody" : lease->r.lease_holder);
    if (s->lease == SW_LEASE_TARGET && s->step <= SW_PREFLIGHT)
        return op_text(op, "%s: %s", what, op->r.target);
    if (s->target != TGT_STREAMS && s->target != TGT_READY && s->step < SW_PROMOTE)
        return op_text(op, "%s: %s", what, target_trouble(op));
    if (s->old == OLD_SILENT && old)
        return op_text(op, "%s: %s: %s", what, op->r.old, old->error);
    if (old && old->has && s->step == SW_FOLLOW)
        return op_text(op, "%s: %s is %s", what, op->r.old, old->r.output);
    return what;
}

/* ---- acting ---- */

static void act(Op *op, SwAction action, bool back)
{
    static const struct {
        SidecarDownKind kind;
        unsigned ms;
    } ROWS[SWA_COUNT] = {
        [SWA_CHECKPOINT] = {SIDECAR_DOWN_CHECKPOINT, 600 * 1000},
        [SWA_FENCE] = {SIDECAR_DOWN_FENCE, 15 * 1000},
        [SWA_STOP] = {SIDECAR_DOWN_STOP_CLEAN, 20 * 1000},
        [SWA_HANDOVER] = {SIDECAR_DOWN_HANDOVER, OP_ORDER_MS},
        [SWA_PROMOTE] = {SIDECAR_DOWN_PROMOTE, OP_ORDER_MS},
        [SWA_START_AGAIN] = {SIDECAR_DOWN_START_AGAIN, 60 * 1000},
        [SWA_UNFENCE] = {SIDECAR_DOWN_UNFENCE, OP_ORDER_MS},
    };
    if (action == SWA_WATCH || op->order_out || (op->unsaved && !back))
        return;
    /* A promotion that was nudged is watched, not nudged in a circle. */
    if (action == SWA_PROMOTE && op->order_ended && op->order_ok &&
        op->order_kind == SIDECAR_DOWN_PROMOTE)
        return;
    SidecarOrder o = {.to = op->r.target,
                      .lsn = op->r.lsn,
                      .timeline_id = op->r.timeline,
                      .hold_seconds = OP_HOLD_SECONDS};
    uint64_t ms = ROWS[action].ms;
    if (action == SWA_FENCE) {
        o.drain_seconds = op->r.drain_timeout_seconds;
        ms += o.drain_seconds * 1000;
    }
    op_order(op, action == SWA_PROMOTE ? op->r.target : op->r.old, ROWS[action].kind, &o, ms);
}

/* Where the old primary has stopped is what the target must have replayed: one byte more than where
 * the shutdown checkpoint begins, so the whole of it. */
static void note_stop(Op *op)
{
    char text[LSN_TEXT_MAX];
    uint64_t lsn;
    const Sight *old = sight_of(op, op->r.old);
    if (!str_eq(op->r.sw_step, switchover_step_name(SW_STOP)) || !old || !old->ok ||
        view_old(op, old) != OLD_STOPPED || !lsn_parse(old->r.lsn, &lsn) || !lsn ||
        want_lsn(op) == lsn + 1)
        return;
    op->r.lsn = arena_strdup(op->a, lsn_text(text, lsn + 1));
    op->r.timeline = old->r.timeline_id;
}

/* ---- going ---- */

static const char *pod_of_step(const Op *op, SwStep s)
{
    static const bool OF_TARGET[SW_STEP_COUNT] = {
        [SW_TARGET] = true, [SW_PROMOTE] = true, [SW_ROUTE] = true};
    return OF_TARGET[s] ? op->r.target : op->r.old;
}

static void enter(Op *op, SwStep s, bool nested)
{
    op->r.phase = switchover_phase_name(SW_FORWARD);
    op->r.sw_step = switchover_step_name(s);
    if (s >= SW_ROUTE)
        op->r.past = true;
    if (!nested) {
        op_begin_step(op, s, pod_of_step(op, s));
        return;
    }
    op->began = loop_now(op->ops->spec.loop);
    op_order_forget(op);
    op_step_status(op, STEP_RUNNING,
                   op_text(op, "switchover to %s: %s", op->r.target, switchover_step_name(s)),
                   NULL);
    op->unsaved = true;
    op_save(op);
}

void switch_begin(Op *op, bool nested)
{
    op->r.old = op->r.lsn = "";
    op->r.timeline = 0;
    op->r.past = false;
    enter(op, SW_TARGET, nested);
}

/* Steps that were jumped over (the lease came by an election) are done as well. */
static void close_to(Op *op, SwStep from, SwStep to)
{
    for (SwStep s = from; s < to; s++) {
        op->r.step = s;
        op_step_status(op, STEP_DONE, s == from ? detail_of(op, s) : "", NULL);
    }
}

static void go(Op *op, const SwSeen *s, const SwDecision *d, bool nested)
{
    SwStep next = d->next == SWN_PROMOTE ? SW_PROMOTE : s->step + 1;
    switch ((int)d->next) {
    case SWN_ADVANCE:
    case SWN_PROMOTE:
        if (s->phase == SW_WAITING)
            next = SW_FENCE;
        else if (!nested && next > s->step)
            close_to(op, s->step, next);
        op->word = VERB_NONE;
        enter(op, next, nested);
        break;
    case SWN_WAIT:
        if (!nested)
            close_to(op, s->step, SW_FENCE);
        enter(op, SW_FENCE, nested);
        op->r.phase = switchover_phase_name(SW_WAITING);
        op_step_status(op, STEP_WAITING,
                       op_text(op, "%s waits for continue or abort", op->r.target), NULL);
        op_save(op);
        break;
    case SWN_BACK:
        op->r.phase = switchover_phase_name(SW_BACK);
        op->began = loop_now(op->ops->spec.loop);
        op->r.error = error_of(op, s, d->why);
        op_order_forget(op);
        op_step_status(op, STEP_ROLLING_BACK, NULL, op->r.error);
        op_save(op);
        op_soon(op, 0);
        break;
    default:
        break;
    }
}

static uint64_t interval(const SwSeen *s)
{
    if (s->phase == SW_WAITING)
        return WAIT_MS;
    if (s->phase == SW_BACK || (s->step >= SW_FENCE && s->step <= SW_ROUTE))
        return HOT_MS;
    return s->step <= SW_PREFLIGHT ? 50 : CALM_MS;
}

/* Whoever has an order tells by its answer; and until the old primary has stopped, the target only
 * has to be there. */
static void look_at_both(Op *op, const SwSeen *s, uint64_t ms)
{
    bool before = s->phase == SW_FORWARD && s->old != OLD_STOPPED &&
                  (s->step == SW_FENCE || s->step == SW_STOP);
    const char *busy = op->order_out ? op->order_to->pod : "";
    op_look(op, op->r.old, str_eq(busy, op->r.old) ? CALM_MS : ms);
    op_look(op, op->r.target, before || str_eq(busy, op->r.target) ? CALM_MS : ms);
}

SwNext switch_tick(Op *op, bool nested)
{
    bool known = know_both(op);
    SwSeen s = look_at(op);
    uint64_t ms = interval(&s);
    look_at_both(op, &s, ms);
    op_soon(op, ms);
    note_stop(op);
    if (!known && !(s.flags & (SWF_LATE | SWF_ABORT)))
        return SWN_STAY;
    s = look_at(op);
    SwDecision d = switchover_decide(&s);
    if (switchover_outcome(d.next) != OUTCOME_NONE) {
        if (d.next != SWN_DONE && !*op->r.error)
            op->r.error = error_of(op, &s, d.why);
        return d.next;
    }
    if (d.next == SWN_STAY)
        act(op, d.action, s.phase == SW_BACK);
    else if (!op->unsaved || d.next == SWN_BACK)
        go(op, &s, &d, nested);
    return d.next;
}

/* ---- as an operation of its own ---- */

static void plan(Op *op)
{
    op->r.target = op->r.pod;
    for (SwStep s = SW_TARGET; s < SW_STEP_COUNT; s++)
        op_add_step(op, switchover_step_name(s), s == SW_TARGET ? op->r.pod : "");
    op->r.phase = switchover_phase_name(SW_FORWARD);
    op->r.sw_step = switchover_step_name(SW_TARGET);
}

static void tick(Op *op)
{
    SwNext n = switch_tick(op, false);
    Outcome o = switchover_outcome(n);
    if (o == OUTCOME_NONE)
        return;
    SwStep step = switchover_step_of(op->r.sw_step);
    bool fine = o == OUTCOME_DONE;
    op_step_status(op, fine ? STEP_DONE : STEP_FAILED, fine ? detail_of(op, step) : NULL,
                   fine ? NULL : op->r.error);
    const Sight *lease = op_lease(op);
    const char *leader = lease && *lease->r.lease_holder ? lease->r.lease_holder : "nobody";
    op_finish(op, o,
              fine ? op_text(op, "%s leads, %s follows", op->r.target, op->r.old)
                   : op_text(op, "%s leads", leader),
              op->r.error);
}

const OpDriver DRIVER_SWITCHOVER = {OP_SWITCHOVER, plan, tick};
