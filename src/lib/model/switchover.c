#include "model/switchover.h"

/* Sets of views, as bits. */
#define S(v) (1u << SW_##v)
#define O(v) (1u << OLD_##v)
#define T(v) (1u << TGT_##v)
#define L(v) (1u << SW_LEASE_##v)
#define F(v) SWF_##v
#define ANY ~0u
#define S_BEFORE (S(TARGET) | S(PRIMARY) | S(PREFLIGHT))
#define S_CUT (S(FENCE) | S(STOP) | S(TRANSFER)) /* clients wait, and there is a way back */
#define S_AFTER (S(ROUTE) | S(FOLLOW))
#define L_ELSEWHERE (L(FREE) | L(OTHER))
#define O_DOWN (O(DOWN) | O(STOPPED))
#define O_STANDBY (O(STANDBY) | O(FOLLOWS))

typedef struct Row {
    unsigned phase, step, old, target, lease, with, without;
    SwDecision d;
} Row;

/* clang-format off */
#define ROW(phase, step, old, target, lease, with, without, action, next, why) \
    {1u << SW_##phase, step, old, target, lease, with, without, {SWA_##action, SWN_##next, why}}
static const Row ROWS[] = {
    /* ---- before anything is touched: look, and leave when it does not fit ---- */
    ROW(FORWARD, S_BEFORE, ANY, ANY, ANY, F(ABORT), 0, WATCH, ROLLED_BACK, "aborted; nothing was changed"),
    ROW(FORWARD, S_BEFORE, ANY, T(PRIMARY), L(TARGET), 0, 0, WATCH, ROLLED_BACK, "the target leads already"),
    ROW(FORWARD, S_BEFORE, ANY, ANY, L_ELSEWHERE | L(TARGET), 0, 0, WATCH, ROLLED_BACK,
        "the lease is not the primary's; nothing was changed"),
    ROW(FORWARD, S_BEFORE, O(OTHERS_FENCE), ANY, ANY, 0, 0, WATCH, ROLLED_BACK,
        "the primary is fenced; nothing was changed"),
    ROW(FORWARD, S_BEFORE, ANY, T(UNFIT) | T(PRIMARY), ANY, 0, 0, WATCH, ROLLED_BACK,
        "the target cannot lead; nothing was changed"),
    ROW(FORWARD, S(TARGET), ANY, T(STREAMS), ANY, 0, 0, WATCH, ADVANCE, NULL),
    ROW(FORWARD, S(PRIMARY), O(PRIMARY), ANY, L(OLD), 0, 0, WATCH, ADVANCE, NULL),
    ROW(FORWARD, S(PREFLIGHT), ANY, ANY, ANY, F(REFUSED), 0, WATCH, ROLLED_BACK,
        "the checkpoint failed; nothing was changed"),
    ROW(FORWARD, S(PREFLIGHT), O(PRIMARY), T(STREAMS), L(OLD), 0, F(LAG_OK), WATCH, ROLLED_BACK,
        "the target is too far behind; nothing was changed"),
    ROW(FORWARD, S(PREFLIGHT), O(PRIMARY), T(STREAMS), L(OLD), F(LAG_OK) | F(CHECKPOINTED) | F(INTERACTIVE), 0,
        WATCH, WAIT, NULL),
    ROW(FORWARD, S(PREFLIGHT), O(PRIMARY), T(STREAMS), L(OLD), F(LAG_OK) | F(CHECKPOINTED), 0, WATCH, ADVANCE, NULL),
    ROW(FORWARD, S_BEFORE, ANY, ANY, ANY, F(LATE), 0, WATCH, ROLLED_BACK, "not seen in time; nothing was changed"),
    ROW(FORWARD, S(PREFLIGHT), O(PRIMARY), T(STREAMS), L(OLD), F(LAG_OK), F(CHECKPOINTED), CHECKPOINT, STAY, NULL),
    ROW(FORWARD, S_BEFORE, ANY, ANY, ANY, 0, 0, WATCH, STAY, NULL),

    /* ---- a person thinks ---- */
    ROW(WAITING, ANY, ANY, ANY, ANY, F(ABORT), 0, WATCH, ROLLED_BACK, "aborted; nothing was changed"),
    ROW(WAITING, ANY, ANY, ANY, ANY, F(LATE), 0, WATCH, ROLLED_BACK,
        "nobody said continue in time; nothing was changed"),
    ROW(WAITING, ANY, ANY, ANY, L_ELSEWHERE | L(TARGET), 0, 0, WATCH, ROLLED_BACK,
        "the lease moved while a person was waited for; nothing was changed"),
    ROW(WAITING, ANY, O(PRIMARY), T(STREAMS), L(OLD), F(CONTINUE) | F(LAG_OK), 0, WATCH, ADVANCE, NULL),
    ROW(WAITING, ANY, O(SILENT), ANY, ANY, F(CONTINUE), F(OLD_QUIET), WATCH, STAY, NULL),
    ROW(WAITING, ANY, ANY, T(SILENT), ANY, F(CONTINUE), F(TARGET_QUIET), WATCH, STAY, NULL),
    ROW(WAITING, ANY, ANY, ANY, ANY, F(CONTINUE), 0, WATCH, ROLLED_BACK,
        "the members are no longer as they were looked at; nothing was changed"),
    ROW(WAITING, ANY, ANY, ANY, ANY, 0, 0, WATCH, STAY, NULL),

    /* ---- clients wait: forward quickly, or back ---- */
    ROW(FORWARD, S_CUT, ANY, ANY, L(TARGET), 0, 0, WATCH, PROMOTE, NULL),
    ROW(FORWARD, S_CUT, ANY, ANY, L_ELSEWHERE, 0, 0, WATCH, BACK, "the lease was lost meanwhile"),
    ROW(FORWARD, S(FENCE) | S(STOP), ANY, ANY, ANY, F(ABORT), 0, WATCH, BACK, "aborted"),
    ROW(FORWARD, S_CUT, ANY, ANY, ANY, F(LATE), 0, WATCH, BACK, "not done in time"),
    ROW(FORWARD, S_CUT, ANY, ANY, ANY, F(REFUSED), 0, WATCH, BACK, "the primary refused"),
    ROW(FORWARD, S_CUT, ANY, ANY, ANY, F(OLD_QUIET), 0, WATCH, BACK, "the primary's sidecar does not answer"),
    ROW(FORWARD, S_CUT, ANY, ANY, ANY, F(TARGET_QUIET), 0, WATCH, BACK, "the target does not answer"),
    ROW(FORWARD, S_CUT, ANY, T(UNFIT) | T(PRIMARY), ANY, 0, 0, WATCH, BACK, "the target can no longer lead"),
    ROW(FORWARD, S_CUT, O(OTHERS_FENCE) | O_STANDBY, ANY, ANY, 0, 0, WATCH, BACK, "the primary is no longer as it was"),

    ROW(FORWARD, S(FENCE), O(FENCED), ANY, L(OLD), F(DRAINED), 0, WATCH, ADVANCE, NULL),
    ROW(FORWARD, S(FENCE), O(PRIMARY) | O(FENCED), ANY, L(OLD), 0, 0, FENCE, STAY, NULL),
    ROW(FORWARD, S(FENCE), O_DOWN, ANY, ANY, 0, 0, WATCH, BACK, "the primary went down"),

    ROW(FORWARD, S(STOP), O(FENCED), ANY, L(OLD), 0, 0, STOP, STAY, NULL),
    ROW(FORWARD, S(STOP), O(STOPPED), T(READY), L(OLD), 0, 0, WATCH, ADVANCE, NULL),
    ROW(FORWARD, S(STOP), O(PRIMARY), ANY, ANY, 0, 0, WATCH, BACK, "the fence was lost"),

    ROW(FORWARD, S(TRANSFER), O(STOPPED), T(READY), L(OLD), 0, 0, HANDOVER, STAY, NULL),
    ROW(FORWARD, S(TRANSFER), O(PRIMARY) | O(FENCED), ANY, L(OLD), 0, 0, WATCH, BACK, "the primary is up again"),
    ROW(FORWARD, S_CUT, ANY, ANY, ANY, 0, 0, WATCH, STAY, NULL),

    /* ---- the lease is the target's: it promotes itself, or an election replaces it ---- */
    ROW(FORWARD, S(PROMOTE), ANY, T(PRIMARY), L(TARGET), 0, 0, WATCH, ADVANCE, NULL),
    ROW(FORWARD, S(PROMOTE), ANY, ANY, L(OLD) | L(OTHER), 0, 0, WATCH, BACK,
        "the target did not lead; an election chose somebody else"),
    ROW(FORWARD, S(PROMOTE), ANY, T(STREAMS) | T(STANDBY) | T(READY), L(TARGET), 0, F(LATE), PROMOTE, STAY, NULL),
    ROW(FORWARD, S(PROMOTE), ANY, ANY, ANY, F(LATE), 0, WATCH, UNKNOWN, "the target was not seen to lead in time"),
    ROW(FORWARD, S(PROMOTE), ANY, ANY, ANY, 0, 0, WATCH, STAY, NULL),

    /* ---- no way back: finish ---- */
    ROW(FORWARD, S_AFTER, ANY, ANY, L(OLD) | L(OTHER), 0, 0, WATCH, PAST_NO_RETURN,
        "the target led, and somebody else leads now"),
    ROW(FORWARD, S(ROUTE), ANY, T(PRIMARY), L(TARGET), F(ROUTED), 0, WATCH, ADVANCE, NULL),
    ROW(FORWARD, S(FOLLOW), O(FOLLOWS), T(PRIMARY), L(TARGET), 0, 0, WATCH, DONE, NULL),
    ROW(FORWARD, S(ROUTE), ANY, ANY, ANY, F(LATE), 0, WATCH, PAST_NO_RETURN,
        "the target leads, but its Service was not seen to point to it"),
    ROW(FORWARD, S(FOLLOW), ANY, ANY, ANY, F(LATE), 0, WATCH, PAST_NO_RETURN,
        "the target leads, but the old primary was not seen to stream from it"),
    ROW(FORWARD, S_AFTER, ANY, ANY, ANY, 0, 0, WATCH, STAY, NULL),

    /* ---- the way back ---- */
    ROW(BACK, ANY, ANY, ANY, L(TARGET), 0, 0, WATCH, PROMOTE, NULL),
    ROW(BACK, ANY, ANY, ANY, L(OTHER), 0, 0, WATCH, ROLLED_BACK, "somebody else leads"),
    ROW(BACK, ANY, O(PRIMARY) | O(OTHERS_FENCE), ANY, L(OLD), 0, 0, WATCH, ROLLED_BACK, NULL),
    ROW(BACK, ANY, ANY, ANY, ANY, F(LATE), 0, WATCH, UNKNOWN, "the old primary was not seen to serve again in time"),
    ROW(BACK, ANY, O(FENCED), ANY, L(OLD), 0, 0, UNFENCE, STAY, NULL),
    ROW(BACK, ANY, O_DOWN, ANY, L(OLD), 0, 0, START_AGAIN, STAY, NULL),
    ROW(BACK, ANY, ANY, ANY, ANY, 0, 0, WATCH, STAY, NULL),

    {ANY, ANY, ANY, ANY, ANY, 0, 0, {SWA_WATCH, SWN_UNKNOWN, "no rule for what is seen"}},
};
/* clang-format on */

static bool matches(const Row *r, const SwSeen *s)
{
    return (r->phase & 1u << s->phase) && (r->step & 1u << s->step) && (r->old & 1u << s->old) &&
           (r->target & 1u << s->target) && (r->lease & 1u << s->lease) &&
           (s->flags & r->with) == r->with && !(s->flags & r->without);
}

SwDecision switchover_decide(const SwSeen *s)
{
    size_t i = 0;
    while (!matches(&ROWS[i], s))
        i++;
    return ROWS[i].d;
}

uint64_t switchover_limit_ms(SwPhase phase, SwStep step)
{
    static const uint32_t SECONDS[SW_STEP_COUNT] = {
        [SW_NONE] = 10,  [SW_TARGET] = 10,  [SW_PRIMARY] = 10,  [SW_PREFLIGHT] = 300,
        [SW_FENCE] = 10, [SW_STOP] = 20,    [SW_TRANSFER] = 10, [SW_PROMOTE] = 90,
        [SW_ROUTE] = 30, [SW_FOLLOW] = 300,
    };
    if (phase == SW_WAITING)
        return 3600u * 1000;
    if (phase == SW_BACK)
        return 120u * 1000;
    return SECONDS[(unsigned)step < SW_STEP_COUNT ? step : 0] * 1000;
}

static const char *const STEP_NAMES[SW_STEP_COUNT] = {
    "none", "verify target", "verify primary", "pre-flight", "fence",
    "stop", "transfer",      "promote",        "route",      "follow"};
static const char *const PHASE_NAMES[SW_PHASE_COUNT] = {"forward", "waiting", "back"};

const char *switchover_step_name(SwStep s)
{
    return STEP_NAMES[(unsigned)s < SW_STEP_COUNT ? s : SW_NONE];
}

SwStep switchover_step_of(const char *name)
{
    for (unsigned i = 1; i < SW_STEP_COUNT; i++)
        if (str_eq(STEP_NAMES[i], str_or(name, "")))
            return (SwStep)i;
    return SW_NONE;
}

const char *switchover_phase_name(SwPhase p)
{
    return PHASE_NAMES[(unsigned)p < SW_PHASE_COUNT ? p : SW_FORWARD];
}

SwPhase switchover_phase_of(const char *name)
{
    for (unsigned i = 0; i < SW_PHASE_COUNT; i++)
        if (str_eq(PHASE_NAMES[i], str_or(name, "")))
            return (SwPhase)i;
    return SW_FORWARD;
}

Outcome switchover_outcome(SwNext n)
{
    static const Outcome OUTCOMES[SWN_COUNT] = {[SWN_DONE] = OUTCOME_DONE,
                                                [SWN_ROLLED_BACK] = OUTCOME_ROLLED_BACK,
                                                [SWN_PAST_NO_RETURN] =
                                                    OUTCOME_FAILED_PAST_NO_RETURN,
                                                [SWN_UNKNOWN] = OUTCOME_UNKNOWN};
    return (unsigned)n < SWN_COUNT ? OUTCOMES[n] : OUTCOME_NONE;
}

const char *switchover_action_name(SwAction a)
{
    static const char *const NAMES[SWA_COUNT] = {
        "watch", "checkpoint", "fence", "stop", "handover", "promote", "start_again", "unfence"};
    return NAMES[(unsigned)a < SWA_COUNT ? a : SWA_WATCH];
}

static bool better(const SwCandidate *a, const SwCandidate *b)
{
    if (a->sync != b->sync)
        return a->sync;
    if (a->lag_bytes != b->lag_bytes)
        return a->lag_bytes < b->lag_bytes;
    return a->ordinal < b->ordinal;
}

int switchover_best(const SwCandidate *c, size_t n)
{
    int best = -1;
    for (size_t i = 0; i < n; i++)
        if (c[i].fit && (best < 0 || better(&c[i], &c[best])))
            best = (int)i;
    return best;
}
