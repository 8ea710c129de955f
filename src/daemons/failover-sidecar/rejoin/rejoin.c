#include "rejoin/rejoin_priv.h"

#include "core/clock.h"
#include "core/log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- ends ---- */

static void end_now(void *ctx)
{
    Rejoin *r = ctx;
    Run *run = r->run;
    timer_stop(r->timer);
    r->timer = NULL;
    r->run = NULL;
    *r->doing = 0;
    Error err = r->result;
    void (*done)(void *, const Error *) = run->done;
    void *done_ctx = run->ctx;
    arena_free(run->arena);
    done(done_ctx, err.code ? &err : NULL);
}

void rejoin_later(Rejoin *r, uint64_t ms, TimerFn fn)
{
    timer_stop(r->timer);
    r->timer = timer_start(r->rc.loop, ms, 0, fn, r);
}

void rejoin_end(Rejoin *r, const Error *err)
{
    r->result = err ? *err : (Error){0};
    rejoin_later(r, 0, end_now);
}

void rejoin_fail(Rejoin *r, ErrCode code, const char *why)
{
    Error err = {0};
    err_set(&err, code, "%s", why);
    rejoin_end(r, &err);
}

/* Not yet: look again soon, and let the caller decide anew when it takes long. */
void rejoin_not_yet(Rejoin *r, const char *why)
{
    snprintf(r->doing, sizeof r->doing, "waiting: %s", why);
    if (clock_mono_ms() - r->run->began < PATIENCE_MS)
        rejoin_later(r, ASK_AGAIN_MS, rejoin_look);
    else
        rejoin_fail(r, ERR_TIMEOUT, why);
}

void rejoin_event(Rejoin *r, Severity s, const char *kind, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->rc.on_event(r->rc.ctx, s, kind, text);
}

void rejoin_note(Rejoin *r, const char *kind, const char *did)
{
    const Run *run = r->run;
    char saw[400], mine[LSN_TEXT_MAX], fork[LSN_TEXT_MAX];
    snprintf(saw, sizeof saw, "here: timeline %" PRIu32 " to %s%s; %s: timeline %" PRIu32 "%s%s",
             run->local.timeline, run->local.running ? "" : "at least ",
             lsn_text(mine, run->local.end_lsn), run->to.leader, run->leader.timeline,
             run->decision.fork_lsn ? ", left ours at " : "",
             run->decision.fork_lsn ? lsn_text(fork, run->decision.fork_lsn) : "");
    decision_note(r->rc.record, &(DecisionNote){.kind = kind,
                                                .epoch = run->to.epoch,
                                                .saw = saw,
                                                .did = did,
                                                .why = run->decision.why});
}

/* ---- looks ---- */

static void on_leader(void *ctx, const Error *err, const RejoinLeader *leader)
{
    Rejoin *r = ctx;
    Run *run = r->run;
    r->ask = NULL;
    if (err) {
        Error e = *err;
        err_wrap(&e, "ask %s", run->to.leader);
        rejoin_not_yet(r, e.msg);
        return;
    }
    run->leader = *leader;
    run->leader.epoch = run->to.epoch;
    run->decision = rejoin_decide(&run->local, &run->leader);
    bool decided = run->decision.verdict != REJOIN_WAIT && run->decision.verdict != REJOIN_REFUSE;
    const LpMsg *s = launcher_state(r->rc.launcher);
    bool full = decided && rejoin_would_change_data(run) && s && !s->num[LPF_OLD_DATA] &&
                rejoin_no_room(s, r->doing, sizeof r->doing);
    if (full)
        rejoin_fail(r, ERR_EXHAUSTED, r->doing);
    else if (decided && run->to.as_it_is && !run->asked && rejoin_would_change_data(run))
        rejoin_fail(r, ERR_PRECONDITION, "paused: coming back would rewind or clone this member");
    else if (decided && *run->clone_why)
        rejoin_clone_anew(r);
    else
        rejoin_act(r);
}

static void ask_leader(Rejoin *r)
{
    const RejoinTarget *to = &r->run->to;
    LeaderAddr at = {
        .host = to->host, .port = to->port, .user = to->user, .password = to->password};
    r->ask = leader_ask(r->rc.loop, &at, on_leader, r);
}

static void on_local(void *ctx, const Error *err, PgResult *res)
{
    Rejoin *r = ctx;
    if (err || pg_rows(res) != 1) {
        rejoin_not_yet(r, err ? err->msg : "PostgreSQL here does not say how far it is");
        return;
    }
    LocalPosition p = local_position(res);
    r->run->local.end_lsn = p.end_lsn;
    if (!p.in_recovery)
        rejoin_fail(r, ERR_PRECONDITION, "PostgreSQL here is no standby any more");
    else if (!p.at_the_end)
        rejoin_not_yet(r, "its own WAL is still being replayed");
    else
        ask_leader(r);
}

static void on_history(void *ctx, const Error *err, const LpMsg *m)
{
    Rejoin *r = ctx;
    Run *run = r->run;
    run->local.history.n = 0;
    if (!err && !timeline_history_parse(str_or(m->text[LPF_TEXT], ""), &run->local.history))
        run->local.history.n = 0;
    if (err)
        log_warn("rejoin", "no history of our own timeline", "err=%s", log_quote(err->msg));
    if (run->local.running)
        pg_query(run->to.local, SQL_LOCAL_POSITION, PG_NO_PARAMS, on_local, r);
    else
        ask_leader(r);
}

static void on_newest(void *ctx, const Error *err, const LpMsg *m)
{
    Rejoin *r = ctx;
    r->run->newest = err ? 0 : (uint32_t)m->num[LPF_TIMELINE];
    LpMsg ask = {.type = LP_HISTORY};
    ask.num[LPF_TIMELINE] = r->run->local.timeline;
    launcher_ask(r->rc.launcher, &ask, on_history, r);
}

static void read_local(const LpMsg *s, bool wal_gone, RejoinLocal *ret)
{
    uint64_t ckpt = s->num[LPF_CKPT_LSN], min = s->num[LPF_MIN_RECOVERY_LSN];
    ret->data = (LpData)s->num[LPF_DATA];
    ret->role = (LpRole)s->num[LPF_STAMP_ROLE];
    ret->db = (LpDb)s->num[LPF_DB_STATE];
    ret->running = s->num[LPF_PG] == LP_PG_UP;
    ret->backup_label = s->num[LPF_BACKUP_LABEL];
    ret->wal_gone = wal_gone;
    ret->system_id = s->num[LPF_SYSTEM_ID];
    ret->epoch = s->num[LPF_STAMP_EPOCH];
    ret->promoted_epoch = s->num[LPF_PROMOTED_EPOCH];
    ret->promoting_from = (uint32_t)s->num[LPF_PROMOTING];
    ret->timeline = (uint32_t)s->num[LPF_TIMELINE];
    ret->end_lsn = ckpt > min ? ckpt : min;
}

static void on_state(void *ctx, const Error *err)
{
    Rejoin *r = ctx;
    Run *run = r->run;
    const LpMsg *s = launcher_state(r->rc.launcher);
    if (err || !s) {
        rejoin_fail(r, ERR_TIMEOUT, err ? err->msg : "the launcher does not answer");
        return;
    }
    read_local(s, r->wal_gone, &run->local);
    if (!run->started)
        run->started = s->num[LPF_STARTED];
    if (s->num[LPF_PG] == LP_PG_STOPPING) {
        rejoin_not_yet(r, "PostgreSQL is stopping");
    } else if (run->local.running && s->num[LPF_ROLE] != LP_ROLE_STANDBY) {
        rejoin_fail(r, ERR_PRECONDITION, "PostgreSQL runs as a primary");
    } else if (run->local.running && s->num[LPF_STARTED] != run->started) {
        rejoin_fail(r, ERR_TIMEOUT, "PostgreSQL was started by somebody else meanwhile");
    } else if (run->local.running && !run->to.local) {
        rejoin_fail(r, ERR_TIMEOUT, "PostgreSQL does not take connections yet");
    } else {
        LpMsg ask = {.type = LP_HISTORY};
        launcher_ask(r->rc.launcher, &ask, on_newest, r);
    }
}

void rejoin_look(void *rejoin)
{
    Rejoin *r = rejoin;
    if (r->run->given_up) {
        rejoin_fail(r, ERR_TIMEOUT, "the lease went on meanwhile");
        return;
    }
    if (++r->run->rounds > ROUNDS_MAX + PATIENCE_MS / ASK_AGAIN_MS) {
        rejoin_fail(r, ERR_INTERNAL, "coming back does not get anywhere");
        return;
    }
    LpMsg m = {.type = LP_STATUS};
    launcher_call(r->rc.launcher, &m, on_state, r);
}

/* ---- outside ---- */

Rejoin *rejoin_new(const RejoinConfig *rc)
{
    Rejoin *r = xnew(Rejoin);
    r->rc = *rc;
    return r;
}

void rejoin_free(Rejoin *r)
{
    if (!r)
        return;
    timer_stop(r->timer);
    leader_ask_cancel(r->ask);
    if (r->run)
        arena_free(r->run->arena);
    free(r);
}

typedef struct Refusal {
    Timer *timer;
    void (*done)(void *ctx, const Error *err);
    void *ctx;
} Refusal;

static void refuse(void *ctx)
{
    Refusal f = *(Refusal *)ctx;
    free(ctx);
    timer_stop(f.timer);
    Error err = {0};
    err_set(&err, ERR_CONFLICT, "coming back is under way already");
    f.done(f.ctx, &err);
}

void rejoin_start(Rejoin *r, const RejoinTarget *t, void (*done)(void *ctx, const Error *err),
                  void *ctx)
{
    if (r->run) {
        Refusal *f = xnew(Refusal);
        *f = (Refusal){.done = done, .ctx = ctx};
        f->timer = timer_start(r->rc.loop, 0, 0, refuse, f);
        return;
    }
    Arena *a = arena_new();
    Run *run = arena_array(a, Run, 1);
    run->arena = a;
    run->to = *t;
    run->to.leader = arena_strdup(a, t->leader);
    run->to.host = arena_strdup(a, t->host);
    run->to.user = arena_strdup(a, t->user);
    run->to.password = arena_strdup(a, t->password);
    run->to.slot = arena_strdup(a, t->slot);
    run->to.sync = arena_strdup(a, t->sync);
    run->done = done;
    run->ctx = ctx;
    run->began = clock_mono_ms();
    snprintf(run->clone_why, sizeof run->clone_why, "%s", r->clone_next);
    run->asked = *r->clone_next;
    r->run = run;
    snprintf(r->doing, sizeof r->doing, "comparing with %s", run->to.leader);
    rejoin_later(r, 0, rejoin_look);
}

void rejoin_leader_is(Rejoin *r, const char *leader, uint64_t epoch)
{
    if (!r->run || (str_eq(leader, r->run->to.leader) && epoch == r->run->to.epoch))
        return;
    r->run->given_up = true;
    if (r->ask) {
        leader_ask_cancel(r->ask);
        r->ask = NULL;
        rejoin_look(r);
    }
}

bool rejoin_log_line(Rejoin *r, const char *line)
{
    /* The receiver's line, not that of a walsender about somebody else. */
    const char *segment = strstr(line, "requested WAL segment ");
    if (!segment || !strstr(line, "could not receive data from WAL stream") ||
        !strstr(segment, "has already been removed"))
        return false;
    segment += strlen("requested WAL segment ");
    /* Once may be a moment before the archive gives it. */
    bool same = strncmp(r->gone_segment, segment, WAL_NAME_LEN) == 0;
    r->gone_times = same ? r->gone_times + 1 : 1;
    snprintf(r->gone_segment, sizeof r->gone_segment, "%.24s", segment);
    if (r->gone_times < GONE_TIMES)
        return false;
    if (!r->wal_gone)
        log_warn("rejoin", "the leader no longer has the WAL that this standby needs", "segment=%s",
                 log_quote(r->gone_segment));
    r->wal_gone = true;
    return true;
}

bool rejoin_wanted(const Rejoin *r)
{
    return r->wal_gone && !r->run;
}

static void on_forgot(void *ctx, const Error *err)
{
    Rejoin *r = ctx;
    r->forgetting = false;
    if (err)
        log_warn("rejoin", "the directory put aside stays", "err=%s", log_quote(err->msg));
    else
        rejoin_event(r, SEV_INFO, "clone.tidied",
                     "%s has removed the data directory it had put aside", r->rc.member);
}

static bool disk_tight(const LpMsg *s)
{
    uint64_t total = s->num[LPF_DISK_TOTAL], used = s->num[LPF_DISK_USED];
    return total && used / (total / 100 + 1) >= DISK_TIGHT_PERCENT;
}

void rejoin_tidy(Rejoin *r, bool streaming, uint64_t now)
{
    const LpMsg *s = launcher_state(r->rc.launcher);
    if (!streaming)
        r->streaming_since = 0;
    else if (!r->streaming_since)
        r->streaming_since = now;
    if (!s || !s->num[LPF_OLD_DATA] || !streaming || r->run || r->forgetting)
        return;
    if (now - r->streaming_since < KEEP_MS && !disk_tight(s))
        return;
    r->forgetting = true;
    launcher_call(r->rc.launcher, &(LpMsg){.type = LP_FORGET}, on_forgot, r);
}

void rejoin_clone_next(Rejoin *r, const char *why)
{
    snprintf(r->clone_next, sizeof r->clone_next, "%s", why);
}

const char *rejoin_doing(const Rejoin *r)
{
    return r->doing;
}
