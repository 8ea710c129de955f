#include "core/clock.h"
#include "core/log.h"
#include "member/member_priv.h"
#include "member/observe.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONTEST_RETRY_MS = 200, STALL_MS = 1500, FROZEN_LOOK_MS = 500 };
enum { QUICK_EXIT_MS = 10 * 1000, IDLE_STEP_MS = 60 * 1000, STATUS_MS = 30 * 1000 };

static void step(void *ctx);

void member_event(Member *m, Severity s, const char *kind, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    link_event(m->mc.link, s, kind, text);
}

void member_kick(void *member)
{
    Member *m = member;
    if (m->deferred)
        return;
    m->deferred = true;
    timer_again(m->timer, 0);
}

static void clone_event(Member *m, const Error *err)
{
    if (err)
        member_event(m, SEV_ERROR, "clone.failed", "%s: %s", m->mc.cfg->pod, err->msg);
    else
        member_event(m, SEV_INFO, "clone.finished", "%s has cloned from %s", m->mc.cfg->pod,
                     lease_info(m->lease)->holder);
}

/* Small and quick: what fails there is tried again at once, somebody is waiting for a primary. */
static bool is_contest(Action a)
{
    return a == ACT_RENEW || a == ACT_CONFIRM || a == ACT_SEAL || a == ACT_PUBLISH ||
           a == ACT_TAKE || a == ACT_PROMOTE || a == ACT_RELEASE || a == ACT_WITHDRAW;
}

/* What would bring a process up must not be tried without pause. */
static bool may_act(const Member *m, Action a, uint64_t now)
{
    if (a == ACT_STOP_NOW || a == ACT_KILL)
        return !m->stop_under_way;
    return a != ACT_NONE && m->under_way == ACT_NONE && (now >= m->retry_at || a == ACT_RELEASE);
}

void member_action_done(Member *m, const Error *err)
{
    Action done = m->under_way;
    m->under_way = ACT_NONE;
    if (done == ACT_CLONE)
        clone_event(m, err);
    if (err) {
        uint32_t wait = 500 + backoff_next(&m->backoff);
        log_warn("member", "the action failed", "action=%s retry_ms=%u err=%s", action_name(done),
                 wait, log_quote(err->msg));
        m->retry_at = clock_boot_ms() + wait;
        /* Nothing was begun: the leader is looked at again soon, and an election never waits long.
         */
        if ((done == ACT_REJOIN || done == ACT_FOLLOW) && err->code == ERR_TIMEOUT) {
            backoff_reset(&m->backoff);
            m->retry_at = clock_boot_ms() + CONTEST_RETRY_MS;
        }
        if (done != ACT_RENEW)
            snprintf(m->problem, sizeof m->problem, "%s failed: %.300s", action_name(done),
                     err->msg);
        if (is_contest(done))
            m->retry_at = clock_boot_ms() + CONTEST_RETRY_MS;
        if (done == ACT_START_PRIMARY)
            m->crashed = m->must_give = true; /* let others, if there are any */
    } else if (done != ACT_START_PRIMARY && done != ACT_REJOIN) {
        *m->problem = 0;
        backoff_reset(&m->backoff); /* a start has only worked when it lasts: see note_exit */
    }
    member_kick(m);
}

static void tell_full_disk(Member *m, const LpMsg *s)
{
    char wal[96] = "";
    if (s->num[LPF_WAL_TOTAL])
        snprintf(wal, sizeof wal, ", of the WAL volume %" PRIu64 " of %" PRIu64,
                 s->num[LPF_WAL_USED], s->num[LPF_WAL_TOTAL]);
    member_event(m, SEV_CRITICAL, "disk.full",
                 "%s ran out of disk: of the data volume %" PRIu64 " of %" PRIu64
                 " bytes are used%s",
                 m->mc.cfg->pod, s->num[LPF_DISK_USED], s->num[LPF_DISK_TOTAL], wal);
}

/* PostgreSQL that ends soon after its start is started again ever more slowly. */
static void note_exit(Member *m, const LpMsg *s)
{
    if (s->num[LPF_EXITS] == m->exits)
        return;
    /* A launcher that was restarted counts from 0 again. */
    bool news = m->exits != UINT64_MAX && s->num[LPF_EXITS] > m->exits;
    m->exits = s->num[LPF_EXITS];
    if (!news)
        return;
    m->crashed |= s->num[LPF_ROLE] == LP_ROLE_PRIMARY;
    member_note_death(m, s);
    uint64_t ran = clock_boot_ms() - s->num[LPF_STARTED];
    if (ran > QUICK_EXIT_MS) {
        backoff_reset(&m->backoff);
    } else {
        m->retry_at = clock_boot_ms() + backoff_next(&m->backoff);
        snprintf(m->problem, sizeof m->problem, "PostgreSQL does not stay up: %s",
                 *m->fatal ? m->fatal : "its log says why");
    }
    member_event(m, SEV_ERROR, "postgres.exit",
                 "PostgreSQL of %s ended by itself after %" PRIu64 " s (status %" PRIu64
                 ", signal %" PRIu64 ")",
                 m->mc.cfg->pod, ran / 1000, s->num[LPF_EXIT_STATUS], s->num[LPF_EXIT_SIGNAL]);
    if (strstr(m->fatal, "No space left on device"))
        tell_full_disk(m, s);
}

/* The connection and the probe live exactly as long as one run of PostgreSQL. */
static void sync_instance(Member *m, const LpMsg *s)
{
    bool up = s && s->num[LPF_PG] == LP_PG_UP;
    bool primary = up && s->num[LPF_ROLE] == LP_ROLE_PRIMARY;
    if (m->instance && (!up || s->num[LPF_STARTED] != m->instance_started)) {
        instance_free(m->instance);
        m->instance = NULL;
        deep_free(m->deep);
        m->deep = NULL;
    }
    if (m->instance && primary && !m->instance_primary && !s->num[LPF_IN_RECOVERY]) {
        instance_promoted(m->instance);
        m->instance_primary = true;
    }
    if (!up || m->instance)
        return;
    m->instance_primary = primary;
    m->deep = deep_new(&(DeepConfig){.loop = m->mc.loop,
                                     .run_dir = m->mc.cfg->run_dir,
                                     .port = m->mc.cfg->pg_port,
                                     .on_frozen = member_kick,
                                     .ctx = m});
    Error err = {0};
    InstanceConfig ic = {.loop = m->mc.loop,
                         .cfg = m->mc.cfg,
                         .primary = primary,
                         .established = lease_info(m->lease)->system_id != 0,
                         .pg_major = (unsigned)s->num[LPF_PG_MAJOR],
                         .on_change = member_kick,
                         .ctx = m};
    m->instance_started = s->num[LPF_STARTED];
    if (instance_new(&ic, &m->instance, &err))
        log_error("member", "cannot look into PostgreSQL", "err=%s", log_quote(err.msg));
}

/* Others wait for the address and the system identifier, so they are published without waiting for
 * the next renewal. */
static void publish_soon(Member *m, const LpMsg *s)
{
    const LeaseInfo *l = lease_info(m->lease);
    if (s && instance_open(m->instance) && str_eq(l->holder, m->mc.cfg->pod) &&
        (l->system_id != s->num[LPF_SYSTEM_ID] || !str_eq(l->primary_addr, m->mc.cfg->my_addr)))
        m->renew_next = 0;
}

static Observation observe(Member *m, uint64_t now)
{
    const LpMsg *s = launcher_state(m->launcher);
    const LeaseInfo *l = lease_info(m->lease);
    unsigned seconds = lease_duration(l, m->mc.cfg->lease_seconds);
    uint64_t age = lease_age_ms(m->lease);
    m->established |= l->system_id != 0;
    Facts f = {.launcher = s,
               .lease = l,
               .lease_known = lease_known(m->lease),
               .confirmed = lease_read_at(m->lease) >= now - age + lease_late_ms(seconds),
               .lease_age_ms = age,
               .lease_seconds = m->mc.cfg->lease_seconds,
               .replicas = m->mc.cfg->replicas,
               .pod = m->mc.cfg->pod,
               .uid = m->mc.cfg->uid,
               .first = m->mc.cfg->ordinal == 0,
               .established = m->established,
               .permit_fresh = permit_fresh(m),
               .may_restart = member_may_restart(m, now),
               .rogue = instance_rogue(m->instance),
               .frozen = member_frozen(m, s, now),
               .held = operate_held(m->operate)};
    Observation o = member_observe(&f);
    rejoin_leader_is(m->rejoin, o.lease == LEASE_OTHER ? l->holder : NULL, l->epoch);
    /* Following is not enough when the WAL it needs is gone. */
    if (rejoin_wanted(m->rejoin))
        o.flags &= ~(unsigned)IF_FOLLOWS;
    CampaignView v = {.view = o.lease, .lease = l, .launcher = s, .now = now};
    if (o.pg == PG_STANDBY && m->instance)
        v.position = position_seen(instance_position(m->instance));
    o.flags |= campaign_look(m->campaign, &v);
    /* The probe's own answer comes a moment after the launcher's. */
    if (o.pg == PG_PRIMARY && m->instance && lease_info(m->lease)->system_id &&
        instance_answered(m->instance) && !instance_open(m->instance))
        o.flags |= IF_RECOVERY;
    if (m->instance)
        position_poll(instance_position(m->instance), campaign_poll_ms(m->campaign));
    m->seen = o.lease;
    m->pg = o.pg;
    return o;
}

static void take_decision(Member *m, const Decision *d)
{
    char why[sizeof m->why] = "";
    const char *holder = str_or(lease_info(m->lease)->holder, "nobody");
    /* The sentences are the table's own; %s is the only thing in them to fill. */
    const char *gap = d->why ? strstr(d->why, "%s") : NULL;
    if (gap)
        snprintf(why, sizeof why, "%.*s%s%s", (int)(gap - d->why), d->why, holder, gap + 2);
    else
        snprintf(why, sizeof why, "%s", str_or(d->why, ""));
    if (!*why && d->state == MEMBER_CONTENDING)
        snprintf(why, sizeof why, "%s", str_or(campaign_why(m->campaign), ""));
    if (!*why && (d->state == MEMBER_REJOINING || d->state == MEMBER_CLONING))
        snprintf(why, sizeof why, "%s", rejoin_doing(m->rejoin));
    if (!*why && d->state != MEMBER_PRIMARY && d->state != MEMBER_REPLICA)
        snprintf(why, sizeof why, "%s", m->problem);
    bool news = d->state != m->decision.state || !str_eq(why, m->why);
    bool waits = str_starts(why, "waiting:"),
         stuck = strstr(why, "not part of") || strstr(why, "not touched");
    if (news)
        log_info("member", "state", "state=%s why=%s", member_state_name(d->state), log_quote(why));
    if (news && waits)
        member_event(m, stuck ? SEV_WARNING : SEV_INFO, "member.waiting", "%s: %s", m->mc.cfg->pod,
                     why);
    m->news |= news;
    m->decision = *d;
    memcpy(m->why, why, sizeof why);
}

static void update_label(Member *m)
{
    switch (m->decision.state) {
    case MEMBER_PRIMARY:
        if (instance_open(m->instance)) {
            member_begin_strip(m);
            if (strip_is_done(m->strip, lease_info(m->lease)->epoch))
                podlabel_set(m->label, "primary");
        }
        break;
    case MEMBER_REPLICA:
    case MEMBER_CLONING:
        podlabel_set(m->label, "replica");
        break;
    case MEMBER_WAITING:
        podlabel_set(m->label, NULL);
        break;
    case MEMBER_REJOINING:
        if (podlabel_is(m->label, "primary"))
            podlabel_set(m->label, NULL);
        break;
    case MEMBER_STARTING:
    case MEMBER_INITIALISING:
    case MEMBER_CONTENDING:
    case MEMBER_PROMOTING:
    case MEMBER_STATE_COUNT:
        break; /* what it was stays until it is known what it is */
    }
}

static InstanceRole role_now(const Member *m)
{
    return m->decision.state == MEMBER_PRIMARY ? ROLE_PRIMARY
           : m->decision.state == MEMBER_REPLICA || m->decision.state == MEMBER_CONTENDING
               ? ROLE_REPLICA
               : ROLE_UNKNOWN;
}

static bool keeps_ready(const Member *m)
{
    return m->instance && m->told_ready &&
           (m->decision.state == MEMBER_CONTENDING || m->decision.state == MEMBER_PROMOTING ||
            (m->pg == PG_STANDBY && m->seen != LEASE_OTHER && m->seen != LEASE_UNKNOWN));
}

/* The primary is perhaps gone: who leaves the Services now is missed by its readers, and until the
 * next probe after the promotion by the writers too. */
static bool in_doubt(const Member *m)
{
    unsigned seconds = lease_duration(lease_info(m->lease), m->mc.cfg->lease_seconds);
    return m->pg == PG_STANDBY && m->streamed_at && instance_serves(m->instance) &&
           !instance_rogue(m->instance) &&
           serves_without_stream(lease_age_ms(m->lease), clock_mono_ms() - m->streamed_at, seconds);
}

static void tell_changes(Member *m)
{
    const char *why;
    InstanceRole role = role_now(m);
    bool good = role != ROLE_UNKNOWN && instance_ready(m->instance, &why);
    bool streams = good && role == ROLE_REPLICA;
    if (streams)
        m->streamed_at = clock_mono_ms();
    /* While nobody leads a standby goes on serving what it has. */
    if (!keeps_ready(m))
        m->ready = good || in_doubt(m);
    if (role != m->told_role && role != ROLE_UNKNOWN)
        member_event(m, SEV_INFO, "instance.role", "%s is %s at epoch %" PRIu64, m->mc.cfg->pod,
                     instance_role_name(role), member_epoch(m));
    /* The first report with all figures does not wait for its turn either. */
    const InstanceHealth *h = probe_health(instance_probe(m->instance));
    bool whole = h && h->databases.n;
    if (m->news || role != m->told_role || m->ready != m->told_ready || whole != m->told_whole)
        member_report(m);
    if (m->ready)
        *m->problem = 0;
    rejoin_tidy(m->rejoin, streams, clock_mono_ms());
    m->news = false;
    m->told_whole = whole;
    m->told_role = role;
    m->told_ready = m->ready;
}

static void sooner(uint64_t *wait, uint64_t ms)
{
    if (ms < *wait)
        *wait = ms;
}

/* Ages at which the view of the lease changes. */
static void arm_lease(const Member *m, uint64_t *wait)
{
    if (!lease_known(m->lease) || m->seen == LEASE_MINE || m->seen == LEASE_MINE_NEW)
        return;
    unsigned seconds = lease_duration(lease_info(m->lease), m->mc.cfg->lease_seconds);
    const uint64_t limits[] = {GAVE_MS, lease_overdue_ms(seconds) + 1, lease_late_ms(seconds) + 1,
                               (uint64_t)seconds * 1000 + 1};
    uint64_t age = lease_age_ms(m->lease);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (age < limits[i])
            sooner(wait, limits[i] - age);
}

/* The next moment at which time alone could change a decision. */
static void arm(Member *m, uint64_t now)
{
    uint64_t wait = IDLE_STEP_MS;
    if (m->retry_at > now && m->retry_at - now < wait)
        wait = m->retry_at - now;
    if (m->decision.hold && !lease_busy(m->lease) && m->renew_next < now + wait)
        wait = m->renew_next > now ? m->renew_next - now : 1;
    sooner(&wait, campaign_again(m->campaign));
    arm_lease(m, &wait);
    const LpMsg *s = launcher_state(m->launcher);
    if (s && s->num[LPF_PG] == LP_PG_UP && (s->num[LPF_STOPPED_AT] || m->restarted_at))
        sooner(&wait, FROZEN_LOOK_MS);
    timer_again(m->timer, wait);
}

/* Frozen and thawed: the renewal is long overdue. Whatever we believe of the lease is old. */
static bool stood_still(const Member *m, uint64_t now)
{
    return m->decision.hold && m->renew_next && now > m->renew_next + STALL_MS &&
           lease_known(m->lease) && !lease_busy(m->lease);
}

static void step(void *ctx)
{
    Member *m = ctx;
    m->deferred = false;
    const LpMsg *s = launcher_state(m->launcher);
    if (s)
        note_exit(m, s);
    sync_instance(m, s);
    operate_step(m->operate);
    publish_soon(m, s);
    uint64_t now = clock_boot_ms();
    if (stood_still(m, now))
        lease_doubt(m->lease);
    Observation o = observe(m, now);
    Decision d = member_decide(&o);
    take_decision(m, &d);
    member_note_primary(m);
    if (may_act(m, d.action, now))
        member_act(m, d.action);
    else if (d.hold && now >= m->renew_next && lease_known(m->lease))
        member_renew(m);
    update_label(m);
    tell_changes(m);
    member_checkpoint_if_due(m, s);
    if (!m->deferred)
        arm(m, clock_boot_ms());
}

/* What a client is told who comes at the wrong time: no reason for an end of the server. */
static bool is_for_a_client(const char *fatal)
{
    static const char *const TOLD[] = {"FATAL:  the database system is ", "FATAL:  sorry, ",
                                       "FATAL:  terminating connection ",
                                       "FATAL:  remaining connection slots "};
    for (size_t i = 0; i < sizeof TOLD / sizeof *TOLD; i++)
        if (str_starts(fatal, TOLD[i]))
            return true;
    return false;
}

static void on_line(void *ctx, const char *line, uint64_t dropped)
{
    Member *m = ctx;
    const char *fatal = strstr(line, "FATAL:");
    if (!fatal)
        fatal = strstr(line, "PANIC:");
    if (fatal && !is_for_a_client(fatal))
        snprintf(m->fatal, sizeof m->fatal, "%s", fatal);
    if (rejoin_log_line(m->rejoin, line))
        member_kick(m);
    if (dropped)
        log_warn("postgres", "log lines were dropped", "lines=%" PRIu64, dropped);
    log_trace("postgres", "line", "text=%s", log_quote(line));
}

static void on_status(void *ctx, const Error *err)
{
    (void)ctx;
    if (err)
        log_debug("member", "the launcher gave no status", "err=%s", log_quote(err->msg));
}

/* The disks fill without a change of state, so ask for them now and then. */
static void on_report_timer(void *ctx)
{
    Member *m = ctx;
    uint64_t now = clock_boot_ms();
    if (now >= m->status_at) {
        m->status_at = now + STATUS_MS;
        launcher_call(m->launcher, &(LpMsg){.type = LP_STATUS}, on_status, m);
    }
    member_report(m);
}

static bool on_decision(void *ctx, const DecisionRecord *d)
{
    Member *m = ctx;
    return link_decision(m->mc.link, d);
}

Member *member_new(const MemberConfig *mc)
{
    static const LauncherEvents EVENTS = {.on_state = member_kick, .on_line = on_line};
    Member *m = xnew(Member);
    m->mc = *mc;
    m->backoff = (Backoff){.base_ms = 1000, .max_ms = 30000};
    m->exits = UINT64_MAX;
    m->timer = timer_start(mc->loop, 0, 0, step, m);
    uint64_t interval = mc->cfg->health_seconds * 1000;
    m->report_timer = timer_start(mc->loop, interval, interval, on_report_timer, m);
    m->operate = operate_new(m);
    m->launcher = launcher_client_new(mc->loop, mc->cfg->run_dir, &EVENTS, m);
    m->record = record_new(&(RecordConfig){.loop = mc->loop,
                                           .dir = mc->cfg->run_dir,
                                           .member = mc->cfg->pod,
                                           .send = on_decision,
                                           .ctx = m});
    m->rejoin = member_rejoin_new(m);
    m->label = podlabel_new(mc->kube, mc->cfg->ns, mc->cfg->pod);
    m->last_streaming = mc->cfg->replicas - 1;
    m->campaign = campaign_new(
        &(CampaignConfig){.cfg = mc->cfg, .kube = mc->kube, .on_change = member_kick, .ctx = m});
    m->strip = strip_new(&(StripConfig){.kube = mc->kube,
                                        .ns = mc->cfg->ns,
                                        .base = mc->cfg->base,
                                        .self = mc->cfg->ordinal,
                                        .on_done = member_kick,
                                        .ctx = m});
    m->lease = lease_new(&(LeaseConfig){.kube = mc->kube,
                                        .ns = mc->cfg->ns,
                                        .name = mc->cfg->lease_name,
                                        .cluster = mc->cfg->cluster,
                                        .pod = mc->cfg->pod,
                                        .seconds = mc->cfg->lease_seconds,
                                        .on_change = member_kick,
                                        .ctx = m});
    m->sync = member_sync_new(m);
    m->slots = member_slots_new(m);
    return m;
}

void member_free(Member *m)
{
    if (!m)
        return;
    operate_free(m->operate);
    instance_free(m->instance);
    rejoin_free(m->rejoin); /* behind the pool it may have asked */
    sync_free(m->sync);
    slots_free(m->slots);
    deep_free(m->deep);
    campaign_free(m->campaign);
    strip_free(m->strip);
    lease_free(m->lease);
    podlabel_free(m->label);
    launcher_client_free(m->launcher);
    record_free(m->record);
    timer_stop(m->timer);
    timer_stop(m->report_timer);
    timer_stop(m->vouch_timer);
    free(m);
}
