#include "model/switchover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static SwSeen seen(SwPhase p, SwStep s, SwOld o, SwTarget t, SwLease l, unsigned flags)
{
    return (SwSeen){p, s, o, t, l, flags};
}

static void goes(SwSeen s, SwAction action, SwNext next)
{
    SwDecision d = switchover_decide(&s);
    if (d.action != action || d.next != next)
        fail_msg("%s/%s old %d target %d lease %d flags %x: got %s -> %d (%s)",
                 switchover_phase_name(s.phase), switchover_step_name(s.step), s.old, s.target,
                 s.lease, s.flags, switchover_action_name(d.action), d.next, str_or(d.why, ""));
}

#define OLD SW_LEASE_OLD
#define TARGET SW_LEASE_TARGET

static void the_nine_steps(void **state)
{
    (void)state;
    unsigned fine = SWF_LAG_OK;
    goes(seen(SW_FORWARD, SW_TARGET, OLD_PRIMARY, TGT_STREAMS, OLD, fine), SWA_WATCH, SWN_ADVANCE);
    goes(seen(SW_FORWARD, SW_PRIMARY, OLD_PRIMARY, TGT_STREAMS, OLD, fine), SWA_WATCH, SWN_ADVANCE);
    goes(seen(SW_FORWARD, SW_PREFLIGHT, OLD_PRIMARY, TGT_STREAMS, OLD, fine), SWA_CHECKPOINT,
         SWN_STAY);
    fine |= SWF_CHECKPOINTED;
    goes(seen(SW_FORWARD, SW_PREFLIGHT, OLD_PRIMARY, TGT_STREAMS, OLD, fine), SWA_WATCH,
         SWN_ADVANCE);
    goes(seen(SW_FORWARD, SW_FENCE, OLD_PRIMARY, TGT_STREAMS, OLD, fine), SWA_FENCE, SWN_STAY);
    goes(seen(SW_FORWARD, SW_FENCE, OLD_FENCED, TGT_STREAMS, OLD, fine), SWA_FENCE, SWN_STAY);
    fine |= SWF_DRAINED;
    goes(seen(SW_FORWARD, SW_FENCE, OLD_FENCED, TGT_STREAMS, OLD, fine), SWA_WATCH, SWN_ADVANCE);
    goes(seen(SW_FORWARD, SW_STOP, OLD_FENCED, TGT_STREAMS, OLD, fine), SWA_STOP, SWN_STAY);
    goes(seen(SW_FORWARD, SW_STOP, OLD_STOPPED, TGT_STANDBY, OLD, fine), SWA_WATCH, SWN_STAY);
    goes(seen(SW_FORWARD, SW_STOP, OLD_STOPPED, TGT_READY, OLD, fine), SWA_WATCH, SWN_ADVANCE);
    goes(seen(SW_FORWARD, SW_TRANSFER, OLD_STOPPED, TGT_READY, OLD, fine), SWA_HANDOVER, SWN_STAY);
    goes(seen(SW_FORWARD, SW_TRANSFER, OLD_STOPPED, TGT_READY, TARGET, fine), SWA_WATCH,
         SWN_PROMOTE);
    goes(seen(SW_FORWARD, SW_PROMOTE, OLD_STOPPED, TGT_READY, TARGET, fine), SWA_PROMOTE, SWN_STAY);
    goes(seen(SW_FORWARD, SW_PROMOTE, OLD_DOWN, TGT_PRIMARY, TARGET, fine), SWA_WATCH, SWN_ADVANCE);
    goes(seen(SW_FORWARD, SW_ROUTE, OLD_DOWN, TGT_PRIMARY, TARGET, fine), SWA_WATCH, SWN_STAY);
    goes(seen(SW_FORWARD, SW_ROUTE, OLD_DOWN, TGT_PRIMARY, TARGET, fine | SWF_ROUTED), SWA_WATCH,
         SWN_ADVANCE);
    goes(seen(SW_FORWARD, SW_FOLLOW, OLD_STANDBY, TGT_PRIMARY, TARGET, fine), SWA_WATCH, SWN_STAY);
    goes(seen(SW_FORWARD, SW_FOLLOW, OLD_FOLLOWS, TGT_PRIMARY, TARGET, fine), SWA_WATCH, SWN_DONE);
}

static void a_person_is_asked(void **state)
{
    (void)state;
    unsigned f = SWF_LAG_OK | SWF_CHECKPOINTED | SWF_INTERACTIVE;
    goes(seen(SW_FORWARD, SW_PREFLIGHT, OLD_PRIMARY, TGT_STREAMS, OLD, f), SWA_WATCH, SWN_WAIT);
    goes(seen(SW_WAITING, SW_FENCE, OLD_PRIMARY, TGT_STREAMS, OLD, f), SWA_WATCH, SWN_STAY);
    goes(seen(SW_WAITING, SW_FENCE, OLD_PRIMARY, TGT_STREAMS, OLD, f | SWF_CONTINUE), SWA_WATCH,
         SWN_ADVANCE);
    goes(seen(SW_WAITING, SW_FENCE, OLD_PRIMARY, TGT_STREAMS, OLD, f | SWF_ABORT), SWA_WATCH,
         SWN_ROLLED_BACK);
    goes(seen(SW_WAITING, SW_FENCE, OLD_PRIMARY, TGT_STREAMS, OLD, f | SWF_LATE), SWA_WATCH,
         SWN_ROLLED_BACK);
    /* What was true when the question was asked is looked at again. */
    goes(seen(SW_WAITING, SW_FENCE, OLD_PRIMARY, TGT_STREAMS, OLD, SWF_CONTINUE), SWA_WATCH,
         SWN_ROLLED_BACK);
    goes(seen(SW_WAITING, SW_FENCE, OLD_PRIMARY, TGT_UNFIT, OLD, f | SWF_CONTINUE), SWA_WATCH,
         SWN_ROLLED_BACK);
    /* A satellite that is new has not heard them yet. */
    goes(seen(SW_WAITING, SW_FENCE, OLD_SILENT, TGT_STREAMS, OLD, SWF_CONTINUE), SWA_WATCH,
         SWN_STAY);
    goes(seen(SW_WAITING, SW_FENCE, OLD_SILENT, TGT_STREAMS, OLD, SWF_CONTINUE | SWF_OLD_QUIET),
         SWA_WATCH, SWN_ROLLED_BACK);
    goes(seen(SW_WAITING, SW_FENCE, OLD_PRIMARY, TGT_STREAMS, SW_LEASE_OTHER, f), SWA_WATCH,
         SWN_ROLLED_BACK);
}

static void every_step_has_a_way_back(void **state)
{
    (void)state;
    for (SwStep s = SW_TARGET; s <= SW_PREFLIGHT; s++) {
        goes(seen(SW_FORWARD, s, OLD_SILENT, TGT_SILENT, SW_LEASE_UNKNOWN, SWF_LATE), SWA_WATCH,
             SWN_ROLLED_BACK);
        goes(seen(SW_FORWARD, s, OLD_PRIMARY, TGT_UNFIT, OLD, SWF_LAG_OK), SWA_WATCH,
             SWN_ROLLED_BACK);
        goes(seen(SW_FORWARD, s, OLD_OTHERS_FENCE, TGT_STREAMS, OLD, SWF_LAG_OK), SWA_WATCH,
             SWN_ROLLED_BACK);
        goes(seen(SW_FORWARD, s, OLD_FOLLOWS, TGT_PRIMARY, TARGET, 0), SWA_WATCH, SWN_ROLLED_BACK);
        goes(seen(SW_FORWARD, s, OLD_PRIMARY, TGT_STREAMS, OLD, SWF_ABORT), SWA_WATCH,
             SWN_ROLLED_BACK);
    }
    for (SwStep s = SW_FENCE; s <= SW_TRANSFER; s++) {
        SwOld o = s == SW_FENCE ? OLD_FENCED : OLD_STOPPED;
        goes(seen(SW_FORWARD, s, o, TGT_SILENT, OLD, SWF_LATE), SWA_WATCH, SWN_BACK);
        goes(seen(SW_FORWARD, s, o, TGT_SILENT, OLD, SWF_TARGET_QUIET), SWA_WATCH, SWN_BACK);
        goes(seen(SW_FORWARD, s, OLD_SILENT, TGT_READY, OLD, SWF_OLD_QUIET), SWA_WATCH, SWN_BACK);
        goes(seen(SW_FORWARD, s, o, TGT_UNFIT, OLD, 0), SWA_WATCH, SWN_BACK);
        goes(seen(SW_FORWARD, s, o, TGT_READY, OLD, SWF_REFUSED), SWA_WATCH, SWN_BACK);
        goes(seen(SW_FORWARD, s, OLD_STANDBY, TGT_READY, SW_LEASE_OTHER, 0), SWA_WATCH, SWN_BACK);
        /* An election made the target the leader while we were at it. */
        goes(seen(SW_FORWARD, s, OLD_SILENT, TGT_PRIMARY, TARGET, SWF_LATE), SWA_WATCH,
             SWN_PROMOTE);
    }
    goes(seen(SW_FORWARD, SW_STOP, OLD_STOPPED, TGT_READY, OLD, SWF_ABORT), SWA_WATCH, SWN_BACK);
    goes(seen(SW_FORWARD, SW_TRANSFER, OLD_FENCED, TGT_READY, OLD, 0), SWA_WATCH, SWN_BACK);
    goes(seen(SW_FORWARD, SW_PROMOTE, OLD_STANDBY, TGT_SILENT, SW_LEASE_OTHER, 0), SWA_WATCH,
         SWN_BACK);
    goes(seen(SW_FORWARD, SW_PROMOTE, OLD_DOWN, TGT_SILENT, TARGET, SWF_LATE), SWA_WATCH,
         SWN_UNKNOWN);
    goes(seen(SW_FORWARD, SW_FOLLOW, OLD_SILENT, TGT_PRIMARY, TARGET, SWF_LATE), SWA_WATCH,
         SWN_PAST_NO_RETURN);
    goes(seen(SW_FORWARD, SW_ROUTE, OLD_DOWN, TGT_SILENT, SW_LEASE_OTHER, 0), SWA_WATCH,
         SWN_PAST_NO_RETURN);

    goes(seen(SW_BACK, SW_STOP, OLD_STOPPED, TGT_SILENT, OLD, 0), SWA_START_AGAIN, SWN_STAY);
    goes(seen(SW_BACK, SW_STOP, OLD_FENCED, TGT_SILENT, OLD, 0), SWA_UNFENCE, SWN_STAY);
    goes(seen(SW_BACK, SW_STOP, OLD_PRIMARY, TGT_SILENT, OLD, SWF_LATE), SWA_WATCH,
         SWN_ROLLED_BACK);
    goes(seen(SW_BACK, SW_STOP, OLD_SILENT, TGT_SILENT, SW_LEASE_UNKNOWN, SWF_LATE), SWA_WATCH,
         SWN_UNKNOWN);
    goes(seen(SW_BACK, SW_TRANSFER, OLD_STOPPED, TGT_READY, TARGET, 0), SWA_WATCH, SWN_PROMOTE);
}

/* Whatever is seen: it is decided by a row that was written for it, orders are only given where
 * they do no harm, and time alone ends every step. */
static void every_combination(void **state)
{
    (void)state;
    unsigned long n = 0;
    SwSeen s;
    for (s.phase = 0; s.phase < SW_PHASE_COUNT; s.phase++)
        for (s.step = SW_TARGET; s.step < SW_STEP_COUNT; s.step++)
            for (s.old = 0; s.old < OLD_COUNT; s.old++)
                for (s.target = 0; s.target < TGT_COUNT; s.target++)
                    for (s.lease = 0; s.lease < SW_LEASE_COUNT; s.lease++)
                        for (s.flags = 0; s.flags < 1u << SWF_COUNT; s.flags++, n++) {
                            SwDecision d = switchover_decide(&s);
                            bool own = !str_eq(str_or(d.why, ""), "no rule for what is seen");
                            assert_true(own);
                            if (d.action == SWA_HANDOVER)
                                assert_true(s.old == OLD_STOPPED && s.target == TGT_READY &&
                                            s.lease == SW_LEASE_OLD && s.phase == SW_FORWARD);
                            if (d.action == SWA_START_AGAIN || d.action == SWA_UNFENCE)
                                assert_true(s.lease == SW_LEASE_OLD && s.phase == SW_BACK &&
                                            s.old != OLD_OTHERS_FENCE);
                            if (d.action == SWA_FENCE || d.action == SWA_STOP)
                                assert_true(s.lease == SW_LEASE_OLD && s.step >= SW_FENCE);
                            if (d.action == SWA_PROMOTE)
                                assert_true(s.lease == SW_LEASE_TARGET);
                            if (s.flags & SWF_LATE)
                                assert_true(d.next != SWN_STAY);
                            if (d.action != SWA_WATCH)
                                assert_int_equal(d.next, SWN_STAY);
                            if (s.phase == SW_FORWARD && s.step >= SW_ROUTE)
                                assert_true(d.next != SWN_BACK && d.next != SWN_ROLLED_BACK);
                            if (switchover_outcome(d.next) == OUTCOME_ROLLED_BACK &&
                                s.phase == SW_BACK)
                                assert_true(s.lease == SW_LEASE_OTHER || s.old == OLD_PRIMARY ||
                                            s.old == OLD_OTHERS_FENCE);
                        }
    assert_true(n > 1000000);
}

/* ---- a world of two members, a lease, a satellite, and everything that can happen to them ---- */

typedef enum WOld { W_OPEN, W_FENCED, W_STOPPED, W_DOWN, W_STANDBY, W_FOLLOWS, W_OLD_COUNT } WOld;
typedef enum WTgt { W_STREAMS, W_BEHIND, W_READY, W_LEADS, W_DEAD, W_TGT_COUNT } WTgt;
typedef enum WLease { W_L_OLD, W_L_TARGET, W_L_OTHER, W_LEASE_COUNT } WLease;

typedef struct World {
    WOld old;
    WTgt target;
    WLease lease;
    bool flying; /* a handover was written, and the answer has not come: it may still take effect */
    bool cut;    /* the old primary's sidecar is gone for good */
    SwPhase phase;
    SwStep step;
    Outcome end;
} World;

enum { WORLDS = W_OLD_COUNT * W_TGT_COUNT * W_LEASE_COUNT * 2 * 2 * SW_PHASE_COUNT * 16 * 8 };
static bool known[WORLDS];
static World queue[WORLDS];
static size_t queued;
static bool forget_to_renew; /* a fault put in on purpose */

static unsigned number(const World *w)
{
    unsigned n = (unsigned)w->old;
    n = n * W_TGT_COUNT + w->target;
    n = n * W_LEASE_COUNT + w->lease;
    n = (n * 2 + w->flying) * 2 + w->cut;
    n = n * SW_PHASE_COUNT + w->phase;
    return (n * 16 + w->step) * 8 + w->end;
}

static void reach(World w)
{
    unsigned n = number(&w);
    if (!known[n]) {
        known[n] = true;
        queue[queued++] = w;
    }
}

/* The old primary starts again, as a fenced one: it renews its lease first, so a handover that is
 * still on its way can no longer be written. */
static World started_again(World w)
{
    w.old = W_FENCED;
    w.flying = w.flying && forget_to_renew;
    return w; /* the target stays ready for what was handed over, though more is written now */
}

static void apply(World w, SwAction a)
{
    bool mine = w.lease == W_L_OLD && !w.cut;
    reach(w); /* the order was lost */
    switch (a) {
    case SWA_FENCE:
        if (mine && w.old == W_OPEN)
            w.old = W_FENCED;
        break;
    case SWA_STOP:
        if (mine && w.old == W_FENCED) {
            w.old = W_STOPPED;
            if (w.target == W_STREAMS || w.target == W_BEHIND) {
                w.target = W_BEHIND;
                reach(w);
                w.target = W_READY;
            }
        }
        break;
    case SWA_HANDOVER:
        if (mine && w.old == W_STOPPED) {
            w.flying = true;
            reach(w);
            w.flying = false;
            w.lease = W_L_TARGET;
        }
        break;
    case SWA_START_AGAIN:
        if (mine && (w.old == W_STOPPED || w.old == W_DOWN))
            w = started_again(w);
        break;
    case SWA_UNFENCE:
        if (mine && w.old == W_FENCED)
            w.old = W_OPEN;
        break;
    case SWA_PROMOTE:
        if (w.lease == W_L_TARGET && w.target == W_READY)
            w.target = W_LEADS;
        break;
    case SWA_WATCH:
    case SWA_CHECKPOINT:
    case SWA_COUNT:
        break;
    }
    reach(w);
}

static void take(World w, SwDecision d)
{
    w.end = switchover_outcome(d.next);
    switch ((int)d.next) {
    case SWN_ADVANCE:
        if (w.phase == SW_WAITING)
            w.phase = SW_FORWARD;
        else
            w.step++;
        break;
    case SWN_WAIT:
        w.step = SW_FENCE;
        w.phase = SW_WAITING;
        break;
    case SWN_BACK:
        w.phase = SW_BACK;
        break;
    case SWN_PROMOTE:
        w.phase = SW_FORWARD;
        w.step = SW_PROMOTE;
        break;
    default:
        break;
    }
    apply(w, d.action);
}

static const SwOld OLD_SEEN[] = {OLD_PRIMARY, OLD_FENCED,  OLD_STOPPED,
                                 OLD_DOWN,    OLD_STANDBY, OLD_FOLLOWS};
static const SwTarget TGT_SEEN[] = {TGT_STREAMS, TGT_STANDBY, TGT_READY, TGT_PRIMARY, TGT_SILENT};
static const SwLease LEASE_SEEN[] = {SW_LEASE_OLD, SW_LEASE_TARGET, SW_LEASE_OTHER};

/* One look of the satellite, with each answer there or not and each flag that could be set. */
static void satellite_looks(World w)
{
    for (unsigned loss = 0; loss < 4; loss++)
        for (unsigned f = 0; f < 8; f++) {
            SwSeen s = {w.phase,
                        w.step,
                        OLD_SEEN[w.old],
                        TGT_SEEN[w.target],
                        LEASE_SEEN[w.lease],
                        SWF_LAG_OK | SWF_CHECKPOINTED};
            if (loss & 1 || w.cut)
                s.old = OLD_SILENT;
            if (loss & 2)
                s.target = TGT_SILENT;
            if (s.old == OLD_SILENT && s.target == TGT_SILENT)
                s.lease = SW_LEASE_UNKNOWN;
            if (s.old == OLD_FENCED)
                s.flags |= SWF_DRAINED;
            if (w.target == W_LEADS)
                s.flags |= SWF_ROUTED;
            s.flags |= f & 1 ? SWF_LATE : 0;
            s.flags |= f & 2 ? SWF_INTERACTIVE | SWF_CONTINUE : 0;
            s.flags |= f & 4 ? SWF_ABORT : 0;
            if (f & 1 && s.old == OLD_SILENT)
                s.flags |= SWF_OLD_QUIET;
            if (f & 1 && s.target == TGT_SILENT)
                s.flags |= SWF_TARGET_QUIET;
            take(w, switchover_decide(&s));
        }
}

static void things_happen(World w)
{
    World n = w;
    bool mine = w.lease == W_L_OLD && !w.cut;
    if (w.flying) { /* the write takes effect, or never does */
        n.flying = false;
        reach(n);
        n.lease = w.lease == W_L_OLD ? W_L_TARGET : w.lease;
        reach(n);
    }
    if (w.lease == W_L_TARGET && w.target == W_READY) {
        n = w;
        n.target = W_LEADS;
        reach(n);
    }
    if (mine && (w.old == W_OPEN || w.old == W_FENCED)) { /* its PostgreSQL dies */
        n = w;
        n.old = W_DOWN;
        reach(n);
    }
    if (mine && (w.old == W_STOPPED || w.old == W_DOWN)) /* nobody drives, or the sidecar is new */
        reach(started_again(w));
    if (mine && w.old == W_FENCED) { /* the same: it takes the fence away by itself */
        n = w;
        n.old = W_OPEN;
        reach(n);
    }
    if (!w.cut) { /* it is gone for good: the dead-man's switch, then an election */
        n = w;
        n.cut = true;
        if (n.old == W_OPEN || n.old == W_FENCED)
            n.old = W_DOWN;
        reach(n);
    }
    if (w.cut && w.lease == W_L_OLD) {
        n = w;
        n.flying = false;
        n.lease = W_L_OTHER;
        reach(n);
        n.lease = W_L_TARGET;
        if (w.target != W_DEAD) {
            n.target = W_LEADS;
            reach(n);
        }
    }
    if (w.target != W_DEAD) {
        n = w;
        n.target = W_DEAD;
        reach(n);
    }
    if (w.lease == W_L_TARGET && w.target == W_DEAD) { /* its lease expires: an election */
        n = w;
        n.lease = W_L_OTHER;
        if (!w.cut)
            n.old = W_STANDBY;
        reach(n);
        if (!w.cut) {
            n.lease = W_L_OLD;
            n.old = W_OPEN;
            reach(n);
        }
    }
    /* A primary whose lease is another's stops, and follows whoever leads. */
    if (!w.cut && w.lease != W_L_OLD && w.old != W_FOLLOWS) {
        n = w;
        n.old = w.old == W_OPEN || w.old == W_FENCED ? W_DOWN
                : w.target == W_LEADS                ? W_FOLLOWS
                                                     : W_STANDBY;
        reach(n);
    }
}

static bool two_writers(const World *w)
{
    return (w->old == W_OPEN || w->old == W_FENCED) && w->target == W_LEADS && !w->cut;
}

static size_t explore(size_t *ret_ends, bool *ret_two)
{
    size_t i;
    memset(known, 0, sizeof known);
    queued = 0;
    *ret_ends = 0;
    *ret_two = false;
    reach((World){.phase = SW_FORWARD, .step = SW_TARGET});
    for (i = 0; i < queued; i++) {
        World w = queue[i];
        *ret_two |= two_writers(&w);
        things_happen(w);
        if (w.end == OUTCOME_NONE)
            satellite_looks(w);
        else
            ++*ret_ends;
        /* Time ends it from anywhere: a look that finds the time over never stays. */
    }
    return i;
}

static void every_interleaving(void **state)
{
    (void)state;
    size_t ends;
    bool two;
    size_t n = explore(&ends, &two);
    if (n < 500 || ends < 200)
        fail_msg("%zu worlds, %zu ends", n, ends);
    assert_false(two);
    for (size_t i = 0; i < queued; i++) {
        const World *w = &queue[i];
        /* What is told to a person was true when it was told, but for what happened since. */
        if (w->end == OUTCOME_DONE)
            assert_true(w->step == SW_FOLLOW);
        if (w->end == OUTCOME_FAILED_PAST_NO_RETURN)
            assert_true(w->step >= SW_ROUTE);
    }
    /* The same world without the renewal before a new start has two writers: the test sees it. */
    forget_to_renew = true;
    explore(&ends, &two);
    forget_to_renew = false;
    assert_true(two);
}

static void the_best_target(void **state)
{
    (void)state;
    SwCandidate c[] = {{"c-0", false, true, 0, 0},
                       {"c-1", true, false, 0, 1},
                       {"c-2", true, true, 500, 2},
                       {"c-3", true, true, 500, 3}};
    assert_int_equal(switchover_best(c, 4), 2);
    c[3].lag_bytes = 400;
    assert_int_equal(switchover_best(c, 4), 3);
    assert_int_equal(switchover_best(c, 2), 1);
    assert_int_equal(switchover_best(c, 1), -1);
    assert_int_equal(switchover_best(c, 0), -1);
}

static void words(void **state)
{
    (void)state;
    for (SwStep s = SW_TARGET; s < SW_STEP_COUNT; s++) {
        assert_int_equal(switchover_step_of(switchover_step_name(s)), s);
        assert_true(switchover_limit_ms(SW_FORWARD, s) >= 10000);
    }
    for (SwPhase p = 0; p < SW_PHASE_COUNT; p++)
        assert_int_equal(switchover_phase_of(switchover_phase_name(p)), p);
    assert_int_equal(switchover_step_of("dance"), SW_NONE);
    assert_true(switchover_limit_ms(SW_WAITING, SW_FENCE) > switchover_limit_ms(SW_BACK, SW_FENCE));
    assert_int_equal(switchover_outcome(SWN_BACK), OUTCOME_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nine_steps),
        cmocka_unit_test(a_person_is_asked),
        cmocka_unit_test(every_step_has_a_way_back),
        cmocka_unit_test(every_combination),
        cmocka_unit_test(every_interleaving),
        cmocka_unit_test(the_best_target),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
