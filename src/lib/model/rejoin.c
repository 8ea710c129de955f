#include "model/rejoin.h"

#include "model/lsn.h"
#include <inttypes.h>
#include <stdio.h>

/* ---- histories ---- */

static bool parse_line(StrView line, TimelineFork *ret)
{
    char tli[12], lsn[LSN_TEXT_MAX + 1];
    StrView first = {line.p, 0};
    while (first.n < line.n && line.p[first.n] != ' ' && line.p[first.n] != '\t')
        first.n++;
    StrView rest = sv_trim((StrView){line.p + first.n, line.n - first.n});
    StrView second = {rest.p, 0};
    while (second.n < rest.n && rest.p[second.n] != ' ' && rest.p[second.n] != '\t')
        second.n++;
    if (first.n >= sizeof tli || second.n >= sizeof lsn)
        return false;
    snprintf(tli, sizeof tli, SV_FMT, SV_ARG(first));
    snprintf(lsn, sizeof lsn, SV_FMT, SV_ARG(second));
    uint64_t n;
    if (!str_to_u64(tli, &n) || n == 0 || n > UINT32_MAX || !lsn_parse(lsn, &ret->lsn) || !ret->lsn)
        return false;
    ret->timeline = (uint32_t)n;
    return true;
}

bool timeline_history_parse(const char *text, TimelineHistory *ret)
{
    ret->n = 0;
    StrView rest = sv(text);
    while (rest.n) {
        StrView line = sv_trim(sv_cut(&rest, '\n'));
        TimelineFork f;
        if (!line.n || *line.p == '#')
            continue;
        bool grows = true;
        if (!parse_line(line, &f))
            return false;
        if (ret->n)
            grows = f.timeline > ret->at[ret->n - 1].timeline && f.lsn >= ret->at[ret->n - 1].lsn;
        if (!grows || ret->n == REJOIN_HISTORY_MAX)
            return false;
        ret->at[ret->n++] = f;
    }
    return true;
}

uint64_t timeline_leaves(const TimelineHistory *h, uint32_t timeline, uint32_t of)
{
    if (of == timeline)
        return UINT64_MAX;
    for (size_t i = 0; i < h->n; i++)
        if (h->at[i].timeline == of)
            return h->at[i].lsn;
    return 0;
}

/* The last timeline that both lines were on from the same start, and where the first of them left
 * it. False: they have nothing in common. */
static bool common(const RejoinLocal *l, const RejoinLeader *p, TimelineFork *ret)
{
    size_t i = 0;
    while (i < l->history.n && i < p->history.n &&
           l->history.at[i].timeline == p->history.at[i].timeline &&
           l->history.at[i].lsn == p->history.at[i].lsn)
        i++;
    uint32_t a = i < l->history.n ? l->history.at[i].timeline : l->timeline;
    uint32_t b = i < p->history.n ? p->history.at[i].timeline : p->timeline;
    if (a != b)
        return false;
    uint64_t left_a = timeline_leaves(&l->history, l->timeline, a);
    uint64_t left_b = timeline_leaves(&p->history, p->timeline, a);
    *ret = (TimelineFork){.timeline = a, .lsn = left_a < left_b ? left_a : left_b};
    return true;
}

/* ---- the decision ---- */

static RejoinDecision say(RejoinVerdict v, const char *fmt, ...) PRINTF_LIKE(2, 3);
static RejoinDecision say(RejoinVerdict v, const char *fmt, ...)
{
    RejoinDecision d = {.verdict = v};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d.why, sizeof d.why, fmt, ap);
    va_end(ap);
    return d;
}

/* Two promotions may have taken the same number. */
static bool same_number_only(const RejoinLocal *l, const RejoinLeader *p)
{
    bool unheard = l->promoting_from && l->timeline > l->promoting_from;
    if (l->timeline != p->timeline)
        return unheard && timeline_leaves(&p->history, p->timeline, l->timeline);
    /* Whoever leads now was promoted to a timeline of its own. */
    if (l->role == LP_ROLE_PRIMARY || l->promoted_epoch || unheard)
        return true;
    return p->promoted_epoch && l->epoch < p->promoted_epoch;
}

static RejoinDecision forked(const RejoinLeader *p, const TimelineFork *f, const char *what)
{
    char at[LSN_TEXT_MAX], from[LSN_TEXT_MAX];
    RejoinDecision d;
    if (p->control_timeline < p->timeline)
        d = say(REJOIN_WAIT,
                "the leader has not checkpointed on its timeline %" PRIu32
                " yet; a rewind now would see the one before",
                p->timeline);
    else if (p->oldest_wal > f->lsn) /* what is older may still lie here */
        d = say(REJOIN_CLONE,
                "%s, and the leader no longer has the WAL from %s on that a rewind needs", what,
                lsn_text(from, f->lsn));
    else
        d = say(REJOIN_REWIND, "%s; the leader left timeline %" PRIu32 " at %s", what, f->timeline,
                lsn_text(at, f->lsn));
    d.fork_lsn = f->lsn;
    d.fork_timeline = f->timeline;
    return d;
}

/* The leader went on from a timeline that we are on, at `f`. */
static RejoinDecision behind_a_fork(const RejoinLocal *l, const RejoinLeader *p,
                                    const TimelineFork *f)
{
    char at[LSN_TEXT_MAX];
    bool ahead = l->end_lsn > f->lsn;
    if (l->running)
        return ahead ? forked(p, f, "this standby has WAL beyond the fork")
                     : say(REJOIN_START_STANDBY,
                           "on the leader's line, which left timeline %" PRIu32 " at %s",
                           f->timeline, lsn_text(at, f->lsn));
    if (l->role == LP_ROLE_PRIMARY) {
        /* The checkpoint at the end of a clean shutdown is the last record there is. */
        if (l->db == LP_DB_SHUTDOWNED && l->end_lsn < f->lsn)
            return say(REJOIN_START_STANDBY,
                       "shut down cleanly, and the leader has all of it up to %s",
                       lsn_text(at, f->lsn));
        return forked(p, f, "this was the primary, and may have WAL that the leader never got");
    }
    if (ahead && l->db == LP_DB_SHUTDOWNED_IN_RECOVERY)
        return forked(p, f, "this standby has WAL beyond the fork");
    return say(REJOIN_START_SEALED, "how far its WAL goes is known once it has been replayed");
}

static RejoinDecision compare_lines(const RejoinLocal *l, const RejoinLeader *p)
{
    TimelineFork f;
    if (!common(l, p, &f))
        return say(REJOIN_CLONE,
                   "timeline %" PRIu32 " here and %" PRIu32
                   " at the leader have no ancestor in common",
                   l->timeline, p->timeline);
    if (l->timeline == p->timeline && f.timeline == l->timeline) {
        if (p->oldest_wal && l->running && l->end_lsn < p->oldest_wal)
            return say(REJOIN_CLONE, "the leader no longer has the WAL that follows ours");
        return say(REJOIN_START_STANDBY, "on the leader's timeline %" PRIu32, p->timeline);
    }
    if (f.timeline == l->timeline)
        return behind_a_fork(l, p, &f);
    /* We left first: what we have from there on, the leader never had. A standby that was killed
     * must be stopped in order before a rewind. */
    if (l->role == LP_ROLE_STANDBY && !l->running && l->db != LP_DB_SHUTDOWNED_IN_RECOVERY &&
        l->data == LP_DATA_READY)
        return say(REJOIN_START_SEALED,
                   "on timeline %" PRIu32 ", which the leader never was; a rewind wants it stopped "
                   "in order",
                   l->timeline);
    return forked(p, &f, "this data is on a timeline that the leader never was on");
}

static RejoinDecision decide_marked(const RejoinLocal *l, const RejoinLeader *p)
{
    if (p->control_timeline < p->timeline)
        return say(REJOIN_WAIT, "the leader has not checkpointed on its timeline %" PRIu32 " yet",
                   p->timeline);
    bool produced = l->db != LP_DB_IN_ARCHIVE_RECOVERY && l->db != LP_DB_SHUTDOWNED_IN_RECOVERY;
    if (!l->backup_label && produced && l->timeline == p->timeline)
        return say(REJOIN_CLONE,
                   "this data was promoted unasked, to the leader's timeline number %" PRIu32,
                   p->timeline);
    return say(REJOIN_REWIND, "a rewind was under way, or it was promoted unasked; rewind it");
}

RejoinDecision rejoin_decide(const RejoinLocal *l, const RejoinLeader *p)
{
    if (l->data == LP_DATA_FOREIGN)
        return say(REJOIN_REFUSE, "the data was not made by PG-Swarm; it is not touched");
    if (!p->reached)
        return say(REJOIN_WAIT, "the leader does not answer");
    if (p->in_recovery)
        return say(REJOIN_WAIT, "the leader is still in recovery");
    if (l->data == LP_DATA_EMPTY || l->data == LP_DATA_LOST)
        return say(REJOIN_CLONE, "there is no data here");
    if (l->system_id && l->system_id != p->system_id)
        return say(REJOIN_REFUSE,
                   "the data is of cluster %" PRIu64 ", the leader of %" PRIu64
                   "; it is not touched",
                   l->system_id, p->system_id);
    if (l->wal_gone)
        return say(REJOIN_CLONE, "the leader no longer has the WAL that this standby needs");
    if (l->data == LP_DATA_MARKED)
        return decide_marked(l, p);
    if (l->backup_label && !l->running)
        return l->epoch == p->epoch
                   ? say(REJOIN_START_STANDBY, "copied from this leader, not recovered yet")
                   : say(REJOIN_CLONE, "copied from an earlier leader and never recovered");
    if (same_number_only(l, p))
        return say(REJOIN_CLONE,
                   "timeline %" PRIu32 " began here and there at different promotions",
                   l->timeline);
    return compare_lines(l, p);
}

const char *rejoin_verdict_name(RejoinVerdict v)
{
    static const char *const NAMES[] = {"wait",   "start-standby", "start-sealed",
                                        "rewind", "clone",         "refuse"};
    return v < REJOIN_VERDICT_COUNT ? NAMES[v] : "?";
}
