/* When PostgreSQL dies or stands still: again in place, or let go? */
#include "member/member_priv.h"
#include "model/durability.h"
#include "model/lsn.h"
#include <inttypes.h>

enum {
    QUICK_WAL = 64 * 1024 * 1024,  /* to be replayed */
    FULL_BYTES = 16 * 1024 * 1024, /* no room for another segment */
    AGAIN_MS = 60 * 1000,          /* not a second time within */
    YOUNG_MS = 30 * 1000,
    SLOW_START_MS = 15 * 1000,
    STOPPED_MS = 1500, /* by a signal: a debugger may look for a moment */
};

void member_note_primary(Member *m)
{
    const InstanceHealth *h = probe_health(instance_probe(m->instance));
    if (!h || m->decision.state != MEMBER_PRIMARY)
        return;
    uint64_t lsn;
    if (lsn_parse(h->lsn, &lsn))
        m->last_lsn = lsn;
    /* A primary that was just started has none yet: that says nothing. */
    bool young = clock_boot_ms() - m->instance_started < YOUNG_MS;
    m->last_streaming =
        young && !h->streaming_replicas ? m->mc.cfg->replicas - 1 : h->streaming_replicas;
}

/* A failover loses nothing then, and is over in a fraction of a second. A start in place is not:
 * PostgreSQL syncs its whole data folder before it replays after a crash (SyncDataDirectory in
 * src/backend/storage/file/fd.c), and waits for the followers to come back. */
static bool others_have_it_all(const Member *m)
{
    SyncSet rec;
    if (!sync_json_parse(lease_info(m->lease)->sync, m->mc.cfg->base, &rec) || rec.degraded)
        return false;
    unsigned need = sync_votes(&rec, m->mc.cfg->ordinal, 0).need;
    return need && m->last_streaming >= need;
}

bool member_may_restart(const Member *m, uint64_t now)
{
    const LpMsg *s = launcher_state(m->launcher);
    if (m->mc.cfg->replicas == 1 || !m->crashed || !m->last_streaming)
        return true;
    if (m->must_give || others_have_it_all(m) ||
        (m->restarted_at && now - m->restarted_at < AGAIN_MS))
        return false;
    uint64_t redo = s ? s->num[LPF_CKPT_REDO] : 0;
    return m->last_lsn < redo || m->last_lsn - redo <= QUICK_WAL;
}

/* Started again in place, and it does not come: somebody else could lead meanwhile. */
static bool starts_slowly(const Member *m, const LpMsg *s, uint64_t now)
{
    return m->restarted_at && m->restarted_at <= s->num[LPF_STARTED] + 1000 &&
           s->num[LPF_ROLE] == LP_ROLE_PRIMARY && m->instance && !instance_answered(m->instance) &&
           now - s->num[LPF_STARTED] > SLOW_START_MS && m->mc.cfg->replicas > 1 &&
           m->last_streaming;
}

bool member_frozen(const Member *m, const LpMsg *s, uint64_t now)
{
    if (!s || s->num[LPF_PG] != LP_PG_UP)
        return false;
    uint64_t since = s->num[LPF_STOPPED_AT];
    return (since && now > since + STOPPED_MS) || starts_slowly(m, s, now) || deep_frozen(m->deep);
}

static void tell_full(Member *m, const char *what, uint64_t total, uint64_t used)
{
    if (total && total - used < FULL_BYTES)
        member_event(m, SEV_CRITICAL, "disk.full",
                     "the %s volume of %s is full: %" PRIu64 " of %" PRIu64 " bytes used", what,
                     m->mc.cfg->pod, used, total);
}

void member_note_death(Member *m, const LpMsg *s)
{
    tell_full(m, "data", s->num[LPF_DISK_TOTAL], s->num[LPF_DISK_USED]);
    tell_full(m, "WAL", s->num[LPF_WAL_TOTAL], s->num[LPF_WAL_USED]);
    AUTO_ARENA a = arena_new_sized(512);
    const char *end = s->num[LPF_EXIT_SIGNAL]
                          ? arena_printf(a, "signal %" PRIu64, s->num[LPF_EXIT_SIGNAL])
                          : arena_printf(a, "status %" PRIu64, s->num[LPF_EXIT_STATUS]);
    decision_note(
        m->record,
        &(DecisionNote){.kind = "postgres.died",
                        .epoch = lease_info(m->lease)->epoch,
                        .saw = arena_printf(a,
                                            "PostgreSQL ended by itself with %s after "
                                            "%" PRIu64 " s",
                                            end, (clock_boot_ms() - s->num[LPF_STARTED]) / 1000),
                        .did = "noted it",
                        .why = *m->fatal ? m->fatal : "nobody asked it to end"});
}

void member_note_restart(Member *m, const LpMsg *s)
{
    AUTO_ARENA a = arena_new_sized(512);
    uint64_t redo = s ? s->num[LPF_CKPT_REDO] : 0;
    uint64_t kib = m->last_lsn > redo ? (m->last_lsn - redo) / 1024 : 0;
    decision_note(
        m->record,
        &(DecisionNote){.kind = "postgres.restarted",
                        .epoch = lease_info(m->lease)->epoch,
                        .saw = arena_printf(a, "about %" PRIu64 " KiB of WAL to recover", kib),
                        .did = "starts PostgreSQL again in place",
                        .why = "that is quicker than a failover, and not tried within a minute"});
}
