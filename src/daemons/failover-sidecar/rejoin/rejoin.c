#include "rejoin/rejoin.h"

#include "core/clock.h"
#include "core/log.h"
#include "model/lsn.h"
#include "rejoin/ask.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ROUNDS_MAX = 12,    /* looks and deeds of one run; it ends earlier when nothing is wrong */
    ASK_AGAIN_MS = 200, /* a leader that has not checkpointed yet, WAL that is still replayed */
    PATIENCE_MS = 5000, /* then the caller decides anew */
    KEEP_MS = 10 * 60 * 1000,
    DISK_TIGHT_PERCENT = 90,
    GONE_TIMES = 3,
};

typedef struct Run {
    Arena *arena; /* owns the target's strings */
    RejoinTarget to;
    void (*done)(void *ctx, const Error *err);
    void *ctx;
    uint64_t began;
    unsigned rounds;
    uint64_t started;  /* LPF_STARTED of the PostgreSQL that `to.local` is of */
    bool checkpointed; /* a restartpoint was made, so that the control file has the timeline */
    bool asked;        /* a person asked for a new copy */
    bool given_up;     /* somebody else leads by now, or nobody */
    bool rewound;      /* in this run; a second one would find the same */
    uint32_t newest;   /* newest history file in pg_wal */
    RejoinLocal local;
    RejoinLeader leader;
    RejoinDecision decision;
    char clone_why[300]; /* set: nothing else helps */
} Run;

struct Rejoin {
    RejoinConfig rc;
    Run *run;
    LeaderAsk *ask;
    Timer *timer;
    Error result;
    char clone_next[200]; /* asked for; "" when not */
    bool wal_gone;
    char gone_segment[WAL_NAME_LEN + 1];
    unsigned gone_times;
    char doing[320];
    uint64_t streaming_since;
    bool forgetting;
};

static void look(void *rejoin);

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

static void later(Rejoin *r, uint64_t ms, TimerFn fn)
{
    timer_stop(r->timer);
    r->timer = timer_start(r->rc.loop, ms, 0, fn, r);
}

static void end(Rejoin *r, const Error *err)
{
    r->result = err ? *err : (Error){0};
    later(r, 0, end_now);
}

static void fail(Rejoin *r, ErrCode code, const char *why)
{
    Error err = {0};
    err_set(&err, code, "%s", why);
    end(r, &err);
}

/* Not yet: look again soon, and let the caller decide anew when it takes long. */
static void not_yet(Rejoin *r, const char *why)
{
    snprintf(r->doing, sizeof r->doing, "waiting: %s", why);
    if (clock_mono_ms() - r->run->began < PATIENCE_MS)
        later(r, ASK_AGAIN_MS, look);
    else
        fail(r, ERR_TIMEOUT, why);
}

static void event(Rejoin *r, Severity s, const char *kind, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void event(Rejoin *r, Severity s, const char *kind, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->rc.on_event(r->rc.ctx, s, kind, text);
}

static void note(Rejoin *r, const char *kind, const char *did)
{
    const Run *run = r->run;
    char saw[400], mine[LSN_TEXT_MAX], fork[LSN_TEXT_MAX];
    snprintf(saw, sizeof saw,
             "here: timeline %" PRIu32 " to %s%s; %s: timeline %" PRIu32 ", left ours at %s",
             run->local.timeline, run->local.running ? "" : "at least ",
             lsn_text(mine, run->local.end_lsn), run->to.leader, run->leader.timeline,
             run->decision.fork_lsn ? lsn_text(fork, run->decision.fork_lsn) : "no point of ours");
    decision_note(r->rc.record, &(DecisionNote){.kind = kind,
                                                .epoch = run->to.epoch,
                                                .saw = saw,
                                                .did = did,
                                                .why = run->decision.why});
}

/* ---- deeds ---- */

static void on_deed(void *ctx, const Error *err)
{
    Rejoin *r = ctx;
    if (err)
        end(r, err);
    else
        later(r, 0, look);
}

static void on_last_deed(void *ctx, const Error *err)
{
    end(ctx, err);
}

static void put_target(LpMsg *m, const RejoinTarget *to)
{
    m->text[LPF_HOST] = to->host;
    m->text[LPF_LEADER] = to->leader;
    m->text[LPF_USER] = to->user;
    m->text[LPF_PASSWORD] = to->password;
    m->text[LPF_SLOT] = to->slot;
    m->text[LPF_SYNC] = to->sync;
    m->num[LPF_PORT] = to->port;
    m->num[LPF_EPOCH] = to->epoch;
    m->num[LPF_SYSTEM_ID] = to->system_id;
}

static void stop_first(Rejoin *r)
{
    LpMsg m = {.type = LP_STOP};
    m.num[LPF_MODE] = LP_STOP_FAST;
    launcher_call(r->rc.launcher, &m, on_deed, r);
}

static void follow(Rejoin *r)
{
    const Run *run = r->run;
    LpMsg m = {.type = run->local.running ? LP_FOLLOW : LP_START};
    put_target(&m, &run->to);
    m.num[LPF_ROLE] = LP_ROLE_STANDBY;
    note(r, "rejoin.stream", run->local.running ? "follows it" : "starts behind it");
    launcher_call(r->rc.launcher, &m, on_last_deed, r);
}

static void start_sealed(Rejoin *r)
{
    LpMsg m = {.type = LP_START};
    m.num[LPF_ROLE] = LP_ROLE_STANDBY;
    m.num[LPF_EPOCH] = r->run->local.epoch;
    m.num[LPF_SEALED] = r->run->to.epoch;
    m.text[LPF_SYNC] = r->run->to.sync;
    note(r, "rejoin.wait", "starts without a leader, to see how far its WAL goes");
    launcher_call(r->rc.launcher, &m, on_last_deed, r);
}

static void on_cloned(void *ctx, const Error *err)
{
    Rejoin *r = ctx;
    if (err) {
        event(r, SEV_ERROR, "clone.failed", "%s: %s", r->rc.member, err->msg);
        note(r, "rejoin.failed", "the clone failed");
        end(r, err);
        return;
    }
    r->wal_gone = false;
    r->gone_times = 0;
    *r->clone_next = 0;
    *r->run->clone_why = 0;
    event(r, SEV_INFO, "clone.finished", "%s has cloned from %s", r->rc.member, r->run->to.leader);
    later(r, 0, look);
}

static void clone_now(Rejoin *r)
{
    LpMsg m = {.type = LP_BASEBACKUP};
    put_target(&m, &r->run->to);
    snprintf(r->doing, sizeof r->doing, "cloning from %s: %.200s", r->run->to.leader,
             r->run->clone_why);
    event(r, SEV_WARNING, "clone.started", "%s clones from %s: %s", r->rc.member, r->run->to.leader,
          r->run->clone_why);
    note(r, "rejoin.clone", r->run->clone_why);
    launcher_call(r->rc.launcher, &m, on_cloned, r);
}

/* Room for the new one: what an earlier clone put aside goes first. The launcher refuses when that
 * may be all there is, and then the disk decides. */
static void on_forgot_before(void *ctx, const Error *err)
{
    if (err)
        log_info("rejoin", "what was put aside stays", "err=%s", log_quote(err->msg));
    clone_now(ctx);
}

static void clone_anew(Rejoin *r)
{
    const LpMsg *s = launcher_state(r->rc.launcher);
    if (!*r->run->clone_why)
        snprintf(r->run->clone_why, sizeof r->run->clone_why, "%s", r->run->decision.why);
    if (r->run->local.running)
        stop_first(r);
    else if (s && s->num[LPF_OLD_DATA])
        launcher_call(r->rc.launcher, &(LpMsg){.type = LP_FORGET}, on_forgot_before, r);
    else
        clone_now(r);
}

/* One that cannot work is not tried for ever: the next look at the leader ends in a clone, when the
 * leader is there. */
static void on_rewound(void *ctx, const Error *err)
{
    Rejoin *r = ctx;
    r->run->rewound = true;
    if (err) {
        event(r, SEV_WARNING, "rewind.failed", "%s: %s", r->rc.member, err->msg);
        note(r, "rejoin.failed", "the rewind failed");
        snprintf(r->run->clone_why, sizeof r->run->clone_why, "the rewind failed: %.250s",
                 err->msg);
    } else {
        event(r, SEV_INFO, "rewind.finished", "%s was rewound behind %s", r->rc.member,
              r->run->to.leader);
    }
    later(r, 0, look);
}

static void rewind_now(Rejoin *r)
{
    Run *run = r->run;
    if (run->local.running) {
        stop_first(r);
        return;
    }
    if (run->rewound) {
        snprintf(run->clone_why, sizeof run->clone_why, "a rewind did not help: %.250s",
                 run->decision.why);
        clone_anew(r);
        return;
    }
    LpMsg m = {.type = LP_REWIND};
    put_target(&m, &run->to);
    snprintf(r->doing, sizeof r->doing, "rewinding behind %s: %.200s", run->to.leader,
             run->decision.why);
    event(r, SEV_INFO, "rewind.started", "%s is rewound behind %s: %s", r->rc.member,
          run->to.leader, run->decision.why);
    note(r, "rejoin.rewind", "is rewound");
    launcher_call(r->rc.launcher, &m, on_rewound, r);
}

static void on_restartpoint(void *ctx, const Error *err, PgResult *res)
{
    (void)res;
    on_deed(ctx, err);
}

/* The control file of a running standby learns of a new timeline late. */
static bool control_may_be_behind(const Run *run)
{
    return run->local.running && !run->checkpointed && run->newest > run->local.timeline &&
           run->decision.verdict != REJOIN_WAIT;
}

static bool would_change_data(const Run *run)
{
    return *run->clone_why || run->decision.verdict == REJOIN_REWIND ||
           run->decision.verdict == REJOIN_CLONE;
}

static void act(Rejoin *r)
{
    Run *run = r->run;
    log_info("rejoin", "decided", "verdict=%s why=%s", rejoin_verdict_name(run->decision.verdict),
             log_quote(run->decision.why));
    if (control_may_be_behind(run)) {
        run->checkpointed = true;
        pg_query(run->to.local, "CHECKPOINT", PG_NO_PARAMS, on_restartpoint, r);
        return;
    }
    switch (run->decision.verdict) {
    case REJOIN_WAIT:
        not_yet(r, run->decision.why);
        break;
    case REJOIN_START_STANDBY:
        follow(r);
        break;
    case REJOIN_START_SEALED:
        start_sealed(r);
        break;
    case REJOIN_REWIND:
        rewind_now(r);
        break;
    case REJOIN_CLONE:
        clone_anew(r);
        break;
    case REJOIN_REFUSE:
    case REJOIN_VERDICT_COUNT:
        fail(r, ERR_PRECONDITION, run->decision.why);
        break;
    }
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
        not_yet(r, e.msg);
        return;
    }
    run->leader = *leader;
    run->leader.epoch = run->to.epoch;
    run->decision = rejoin_decide(&run->local, &run->leader);
    bool decided = run->decision.verdict != REJOIN_WAIT && run->decision.verdict != REJOIN_REFUSE;
    if (decided && run->to.as_it_is && !run->asked && would_change_data(run))
        fail(r, ERR_PRECONDITION, "paused: coming back would rewind or clone this member");
    else if (decided && *run->clone_why)
        clone_anew(r);
    else
        act(r);
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
        not_yet(r, err ? err->msg : "PostgreSQL here does not say how far it is");
        return;
    }
    LocalPosition p = local_position(res);
    r->run->local.end_lsn = p.end_lsn;
    if (!p.in_recovery)
        fail(r, ERR_PRECONDITION, "PostgreSQL here is no standby any more");
    else if (!p.at_the_end)
        not_yet(r, "its own WAL is still being replayed");
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
        fail(r, ERR_TIMEOUT, err ? err->msg : "the launcher does not answer");
        return;
    }
    read_local(s, r->wal_gone, &run->local);
    if (!run->started)
        run->started = s->num[LPF_STARTED];
    if (s->num[LPF_PG] == LP_PG_STOPPING) {
        not_yet(r, "PostgreSQL is stopping");
    } else if (run->local.running && s->num[LPF_ROLE] != LP_ROLE_STANDBY) {
        fail(r, ERR_PRECONDITION, "PostgreSQL runs as a primary");
    } else if (run->local.running && s->num[LPF_STARTED] != run->started) {
        fail(r, ERR_TIMEOUT, "PostgreSQL was started by somebody else meanwhile");
    } else if (run->local.running && !run->to.local) {
        fail(r, ERR_TIMEOUT, "PostgreSQL does not take connections yet");
    } else {
        LpMsg ask = {.type = LP_HISTORY};
        launcher_ask(r->rc.launcher, &ask, on_newest, r);
    }
}

static void look(void *rejoin)
{
    Rejoin *r = rejoin;
    if (r->run->given_up) {
        fail(r, ERR_TIMEOUT, "the lease went on meanwhile");
        return;
    }
    if (++r->run->rounds > ROUNDS_MAX + PATIENCE_MS / ASK_AGAIN_MS) {
        fail(r, ERR_INTERNAL, "coming back does not get anywhere");
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
    later(r, 0, look);
}

void rejoin_leader_is(Rejoin *r, const char *leader, uint64_t epoch)
{
    if (!r->run || (str_eq(leader, r->run->to.leader) && epoch == r->run->to.epoch))
        return;
    r->run->given_up = true;
    if (r->ask) {
        leader_ask_cancel(r->ask);
        r->ask = NULL;
        look(r);
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
        event(r, SEV_INFO, "clone.tidied", "%s has removed the data directory it had put aside",
              r->rc.member);
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
