#include "durability/sync.h"

#include "core/clock.h"
#include "core/log.h"
#include "durability/look.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EVERY_MS = 1000,
    RARELY_MS = 5000, /* nothing to keep: only for people to see */
    SOON_MS = 200,
    FAILED_MS = 1000,
    OVERRIDDEN = 5, /* applied so often in vain: somebody else sets it */
};

struct Sync {
    SyncConfig cfg;
    Arena *arena; /* base */
    const char *base;
    Timer *timer;
    Look look;
    bool leading, asking, busy; /* busy: a write or the launcher is under way */
    uint64_t epoch;             /* of this leadership, and of what is under way */
    SyncSet writing, was;       /* what the edit under way records, and what stood there */
    SyncStep step;
    const char *why;
    unsigned in_vain;
};

static Durability mode_of(const Sync *s)
{
    return durability_of(s->cfg.cfg->durability);
}

static void look_in(Sync *s, uint64_t ms)
{
    timer_again(s->timer, ms);
}

void sync_wake(Sync *s)
{
    if (s && !s->asking && !s->busy)
        look_in(s, 0);
}

static bool record_of(const Sync *s, SyncSet *ret)
{
    return sync_json_parse(lease_info(s->cfg.lease)->sync, s->base, ret);
}

/* ---- telling ---- */

static void tell(Sync *s, Severity severity, const char *event, const DecisionNote *n)
{
    DecisionNote note = *n;
    note.epoch = s->epoch;
    decision_note(s->cfg.record, &note);
    if (event) {
        AUTO_ARENA a = arena_new_sized(256);
        link_event(s->cfg.link, severity, event,
                   arena_printf(a, "%s: %s", s->cfg.cfg->pod, note.did));
    }
}

static const char *names_of(Arena *a, uint32_t bits, const char *base)
{
    AUTO_STRBUF b = {0};
    for (unsigned i = 0; i < SYNC_MEMBERS; i++)
        if (bits & 1u << i)
            strbuf_addf(&b, "%s%s-%u", b.n ? ", " : "", base, i);
    return b.n ? arena_strdup(a, b.p) : "nobody";
}

static const char *seen_text(Sync *s, Arena *a)
{
    return arena_printf(a, "streaming now: %s", names_of(a, s->look.streaming, s->base));
}

static void tell_recorded(Sync *s)
{
    const SyncSet *now = &s->writing, *was = &s->was;
    AUTO_ARENA a = arena_new_sized(512);
    const char *saw = seen_text(s, a);
    if (now->degraded && !was->degraded && was->k)
        tell(s, SEV_WARNING, "durability.degraded",
             &(DecisionNote){.kind = "sync.degraded",
                             .saw = saw,
                             .did = "writes do not wait for a follower any more",
                             .why = "no follower streams, and the profile asks to stay available"});
    else if (was->degraded && !now->degraded)
        tell(s, SEV_INFO, "durability.restored",
             &(DecisionNote){.kind = "sync.upgraded",
                             .saw = saw,
                             .did = arena_printf(a, "writes wait for %u of %s again", now->k,
                                                 names_of(a, now->members, s->base)),
                             .why = "they have everything that was written before"});
    else
        tell(s, SEV_INFO, NULL,
             &(DecisionNote){.kind = "sync.recorded",
                             .saw = saw,
                             .did = now->k
                                        ? arena_printf(a, "recorded: %u of %s must have a row",
                                                       now->k, names_of(a, now->members, s->base))
                                        : "recorded: writes wait for nobody",
                             .why = s->why});
}

/* ---- doing ---- */

static void on_recorded(void *ctx, const Error *err)
{
    Sync *s = ctx;
    s->busy = false;
    if (err)
        log_warn("durability", "the record was not written", "err=%s", log_quote(err->msg));
    else
        tell_recorded(s);
    s->cfg.on_news(s->cfg.ctx);
    look_in(s, err ? FAILED_MS : 0);
}

/* Still the lease under which this was decided. */
static bool still_ours(void *ctx, const LeaseInfo *now)
{
    Sync *s = ctx;
    return str_eq(now->holder, s->cfg.cfg->pod) && now->epoch == s->epoch;
}

static void record(Sync *s, const SyncSet *set, const SyncSet *was)
{
    AUTO_ARENA a = arena_new_sized(1024);
    s->writing = *set;
    s->was = *was;
    s->busy = true;
    lease_edit(s->cfg.lease, &(LeaseEdit){.notes = {{LEASE_A_SYNC, sync_json(a, set, s->base)}},
                                          .n = 1,
                                          .still = still_ours,
                                          .done = on_recorded,
                                          .ctx = s});
}

static void on_applied(void *ctx, const Error *err)
{
    Sync *s = ctx;
    s->busy = false;
    if (err)
        log_warn("durability", "the launcher did not take the names", "err=%s",
                 log_quote(err->msg));
    look_in(s, err ? FAILED_MS : SOON_MS / 4);
}

static void on_reset(void *ctx, const Error *err, PgResult *r)
{
    (void)err, (void)r;
    Sync *s = ctx;
    s->busy = false;
    s->in_vain = 0;
    look_in(s, SOON_MS);
}

static void apply(Sync *s, PgPool *pool, const SyncSet *set)
{
    char text[SYNC_TEXT_MAX];
    s->busy = true;
    if (++s->in_vain > OVERRIDDEN) {
        tell(s, SEV_WARNING, "durability.overridden",
             &(DecisionNote){.kind = "sync.overridden",
                             .saw = "synchronous_standby_names is not what was set",
                             .did = "took back ALTER SYSTEM SET synchronous_standby_names",
                             .why = "the profile's durability rules"});
        pg_query(pool, "ALTER SYSTEM RESET synchronous_standby_names", PG_NO_PARAMS, on_reset, s);
        return;
    }
    LpMsg m = {.type = LP_SYNC};
    m.text[LPF_SYNC] = sync_text(text, set, s->base, s->epoch);
    log_info("durability", "names", "epoch=%" PRIu64 " names=%s", s->epoch,
             log_quote(m.text[LPF_SYNC]));
    launcher_call(s->cfg.launcher, &m, on_applied, s);
}

static void hold(Sync *s)
{
    AUTO_ARENA a = arena_new_sized(256);
    tell(s, SEV_WARNING, NULL,
         &(DecisionNote){.kind = "sync.held",
                         .saw = seen_text(s, a),
                         .did = "writes wait",
                         .why = "the lease cannot be written now, or this member is fenced: "
                                "what is not recorded does not take effect"});
}

static void act(Sync *s, const SyncSituation *now, uint64_t at)
{
    SyncSet none = {.mode = mode_of(s)};
    SyncView v = {.mode = mode_of(s),
                  .replicas = s->cfg.cfg->replicas,
                  .self = s->cfg.cfg->ordinal,
                  .record = none,
                  .in_force = s->look.set,
                  .streaming = s->look.streaming,
                  .recent = look_recent(&s->look, at),
                  .alone = look_alone(&s->look, at),
                  .confirmed = s->look.confirmed,
                  .may_write = now->may_write};
    v.has_record = record_of(s, &v.record);
    SyncPlan p = sync_plan(&v);
    bool held = s->step == SYNC_HOLD;
    s->step = p.step;
    s->why = p.why;
    if (p.step != SYNC_APPLY)
        s->in_vain = 0;
    if (p.step == SYNC_RECORD)
        record(s, &p.set, &v.record);
    else if (p.step == SYNC_APPLY)
        apply(s, now->pool, &p.set);
    else if (p.step == SYNC_HOLD && !held)
        hold(s);
}

/* ---- looking ---- */

static uint64_t next_look(const Sync *s)
{
    if (mode_of(s) == DURABILITY_PERFORMANCE && s->step == SYNC_STAY)
        return RARELY_MS;
    bool restless = s->step != SYNC_STAY || (!s->look.streaming && s->look.set.k);
    return restless ? SOON_MS : EVERY_MS;
}

/* What people should hear of at once; whatever else moves waits for the next report. */
static void tell_news(Sync *s, const Look *before)
{
    if (before->streaming != s->look.streaming || before->set.k != s->look.set.k ||
        before->set.members != s->look.set.members || before->confirmed != s->look.confirmed)
        s->cfg.on_news(s->cfg.ctx);
}

static void on_look(void *ctx, const Error *err, PgResult *r)
{
    Sync *s = ctx;
    s->asking = false;
    SyncSituation now = s->cfg.situation(s->cfg.ctx);
    if (err || !now.pool || now.epoch != s->epoch) {
        look_in(s, EVERY_MS);
        return;
    }
    uint64_t at = clock_boot_ms();
    Look before = s->look;
    look_take(&s->look, r, s->base, s->epoch, at);
    tell_news(s, &before);
    if (!s->busy)
        act(s, &now, at);
    if (!s->busy)
        look_in(s, next_look(s));
}

static void on_timer(void *ctx)
{
    Sync *s = ctx;
    if (s->asking || s->busy)
        return;
    SyncSituation now = s->cfg.situation(s->cfg.ctx);
    bool leading = now.pool != NULL;
    if (leading != s->leading || now.epoch != s->epoch) {
        look_reset(&s->look);
        s->leading = leading;
        s->epoch = now.epoch;
        s->step = SYNC_STAY;
        s->in_vain = 0;
    }
    if (!leading) {
        look_in(s, EVERY_MS); /* costs nothing, and a new leader is looked after at once */
        return;
    }
    s->asking = true;
    pg_query(now.pool, SQL_LOOK, PG_NO_PARAMS, on_look, s);
}

Sync *sync_new(const SyncConfig *cfg)
{
    Sync *s = xnew(Sync);
    s->cfg = *cfg;
    s->arena = arena_new_sized(128);
    s->base = sync_base(s->arena, cfg->cfg);
    s->look.a = arena_new_sized(1024);
    s->timer = timer_start(cfg->loop, EVERY_MS, 0, on_timer, s);
    return s;
}

void sync_free(Sync *s)
{
    if (!s)
        return;
    timer_stop(s->timer);
    arena_free(s->look.a);
    arena_free(s->arena);
    free(s);
}

/* ---- for people, and for starts ---- */

static const char *step_name(SyncStep step)
{
    static const char *const NAMES[] = {"stay", "record", "apply", "confirm", "hold"};
    return NAMES[step];
}

void sync_facts(const Sync *s, Arena *a, HaFacts *ret)
{
    SyncSet set = {0};
    ret->durability = durability_name(mode_of(s));
    ret->replicas = s->cfg.cfg->replicas;
    ret->sync_recorded = record_of(s, &set);
    ret->sync_k = set.k;
    ret->sync_degraded = set.degraded;
    for (unsigned i = 0; set.k && i < SYNC_MEMBERS; i++)
        if (set.members & 1u << i)
            strlist_add(a, &ret->sync_names, arena_printf(a, "%s-%u", s->base, i));
    if (!s->leading)
        return;
    ret->sync_in_force = arena_strdup(a, s->look.in_force);
    ret->sync_step = step_name(s->step);
    ret->followers = s->look.followers;
}

const char *sync_base(Arena *a, const Config *cfg)
{
    return arena_strndup(a, cfg->pod, (size_t)(strrchr(cfg->pod, '-') - cfg->pod));
}

const char *sync_standby_text(Arena *a, const Config *cfg, uint64_t epoch)
{
    char text[SYNC_TEXT_MAX];
    SyncSet set =
        sync_at_takeover(durability_of(cfg->durability), cfg->replicas, cfg->ordinal, true);
    return arena_strdup(a, sync_text(text, &set, sync_base(a, cfg), epoch));
}

const char *sync_primary_text(Arena *a, const Config *cfg, const LeaseInfo *l)
{
    char text[SYNC_TEXT_MAX];
    SyncSet set;
    if (!sync_json_parse(l->sync, sync_base(a, cfg), &set))
        return sync_standby_text(a, cfg, l->epoch);
    return arena_strdup(a, sync_text(text, &set, sync_base(a, cfg), l->epoch));
}
