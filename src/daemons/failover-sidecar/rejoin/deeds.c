#include "rejoin/rejoin_priv.h"

#include "core/log.h"
#include <inttypes.h>
#include <stdio.h>

static void on_deed(void *ctx, const Error *err)
{
    Rejoin *r = ctx;
    if (err)
        rejoin_end(r, err);
    else
        rejoin_later(r, 0, rejoin_look);
}

static void on_last_deed(void *ctx, const Error *err)
{
    rejoin_end(ctx, err);
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
    rejoin_note(r, "rejoin.stream", run->local.running ? "follows it" : "starts behind it");
    launcher_call(r->rc.launcher, &m, on_last_deed, r);
}

static void start_sealed(Rejoin *r)
{
    LpMsg m = {.type = LP_START};
    m.num[LPF_ROLE] = LP_ROLE_STANDBY;
    m.num[LPF_EPOCH] = r->run->local.epoch;
    m.num[LPF_SEALED] = r->run->to.epoch;
    m.text[LPF_SYNC] = r->run->to.sync;
    rejoin_note(r, "rejoin.wait", "starts without a leader, to see how far its WAL goes");
    launcher_call(r->rc.launcher, &m, on_last_deed, r);
}

static void on_cloned(void *ctx, const Error *err)
{
    Rejoin *r = ctx;
    if (err) {
        rejoin_event(r, SEV_ERROR, "clone.failed", "%s: %s", r->rc.member, err->msg);
        rejoin_note(r, "rejoin.failed", "the clone failed");
        rejoin_end(r, err);
        return;
    }
    r->wal_gone = false;
    r->gone_times = 0;
    *r->clone_next = 0;
    *r->run->clone_why = 0;
    rejoin_event(r, SEV_INFO, "clone.finished", "%s has cloned from %s", r->rc.member,
                 r->run->to.leader);
    rejoin_later(r, 0, rejoin_look);
}

static void clone_now(Rejoin *r)
{
    LpMsg m = {.type = LP_BASEBACKUP};
    put_target(&m, &r->run->to);
    snprintf(r->doing, sizeof r->doing, "cloning from %s: %.200s", r->run->to.leader,
             r->run->clone_why);
    rejoin_event(r, SEV_WARNING, "clone.started", "%s clones from %s: %s", r->rc.member,
                 r->run->to.leader, r->run->clone_why);
    rejoin_note(r, "rejoin.clone", r->run->clone_why);
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

void rejoin_clone_anew(Rejoin *r)
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
        rejoin_event(r, SEV_WARNING, "rewind.failed", "%s: %s", r->rc.member, err->msg);
        rejoin_note(r, "rejoin.failed", "the rewind failed");
        snprintf(r->run->clone_why, sizeof r->run->clone_why, "the rewind failed: %.250s",
                 err->msg);
    } else {
        rejoin_event(r, SEV_INFO, "rewind.finished", "%s was rewound behind %s", r->rc.member,
                     r->run->to.leader);
    }
    rejoin_later(r, 0, rejoin_look);
}

/* A rewind and a copy both begin with WAL to write. */
bool rejoin_no_room(const LpMsg *s, char *why, size_t n)
{
    const struct {
        const char *what;
        uint64_t total, used;
    } volumes[] = {{"data", s->num[LPF_DISK_TOTAL], s->num[LPF_DISK_USED]},
                   {"WAL", s->num[LPF_WAL_TOTAL], s->num[LPF_WAL_USED]}};
    for (size_t i = 0; i < 2; i++)
        if (volumes[i].total && volumes[i].total - volumes[i].used < ROOM_NEEDED) {
            snprintf(why, n,
                     "waiting: the %s volume is full (%" PRIu64 " of %" PRIu64
                     " bytes used); nothing can be rewound or copied",
                     volumes[i].what, volumes[i].used, volumes[i].total);
            return true;
        }
    return false;
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
        rejoin_clone_anew(r);
        return;
    }
    LpMsg m = {.type = LP_REWIND};
    put_target(&m, &run->to);
    snprintf(r->doing, sizeof r->doing, "rewinding behind %s: %.200s", run->to.leader,
             run->decision.why);
    rejoin_event(r, SEV_INFO, "rewind.started", "%s is rewound behind %s: %s", r->rc.member,
                 run->to.leader, run->decision.why);
    rejoin_note(r, "rejoin.rewind", "is rewound");
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

bool rejoin_would_change_data(const Run *run)
{
    return *run->clone_why || run->decision.verdict == REJOIN_REWIND ||
           run->decision.verdict == REJOIN_CLONE;
}

void rejoin_act(Rejoin *r)
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
        rejoin_not_yet(r, run->decision.why);
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
        rejoin_clone_anew(r);
        break;
    case REJOIN_REFUSE:
    case REJOIN_VERDICT_COUNT:
        rejoin_fail(r, ERR_PRECONDITION, run->decision.why);
        break;
    }
}
