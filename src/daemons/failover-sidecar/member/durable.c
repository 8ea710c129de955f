/* What durability and people need to know of this member. */
#include "member/member_priv.h"

static SyncSituation situation(void *ctx)
{
    const Member *m = ctx;
    const LpMsg *s = launcher_state(m->launcher);
    const LeaseInfo *l = lease_info(m->lease);
    SyncSituation now = {0};
    if (!s || s->num[LPF_PG] != LP_PG_UP || s->num[LPF_ROLE] != LP_ROLE_PRIMARY ||
        s->num[LPF_IN_RECOVERY] || !m->instance)
        return now;
    now.pool = instance_pool(m->instance);
    now.epoch = s->num[LPF_EPOCH];
    now.may_write = lease_known(m->lease) && str_eq(l->holder, m->mc.cfg->pod) &&
                    l->epoch == now.epoch && !m->away && m->renewed_at &&
                    clock_boot_ms() < m->renewed_at + permit_ms(m) && !s->num[LPF_FENCED] &&
                    !s->num[LPF_TERMINATING];
    return now;
}

/* How many follow decides what is done when this primary dies, also right after its promotion. */
static void on_news(void *ctx)
{
    Member *m = ctx;
    instance_probe_now(m->instance);
    member_report(m);
}

Sync *member_sync_new(Member *m)
{
    return sync_new(&(SyncConfig){.loop = m->mc.loop,
                                  .cfg = m->mc.cfg,
                                  .lease = m->lease,
                                  .launcher = m->launcher,
                                  .record = m->record,
                                  .link = m->mc.link,
                                  .situation = situation,
                                  .on_news = on_news,
                                  .ctx = m});
}

static SlotsSituation slots_situation(void *ctx)
{
    const Member *m = ctx;
    const LpMsg *s = launcher_state(m->launcher);
    if (!s || s->num[LPF_PG] != LP_PG_UP || !m->instance ||
        !probe_answered(instance_probe(m->instance)))
        return (SlotsSituation){0};
    return (SlotsSituation){instance_pool(m->instance),
                            probe_in_recovery(instance_probe(m->instance))};
}

Slots *member_slots_new(Member *m)
{
    return slots_new(&(SlotsConfig){
        .loop = m->mc.loop, .cfg = m->mc.cfg, .situation = slots_situation, .ctx = m});
}

HaFacts member_ha(const Member *m, Arena *a)
{
    const LpMsg *s = launcher_state(m->launcher);
    const LeaseInfo *l = lease_info(m->lease);
    HaFacts h = {.lease_age_ms = -1, .api_away = m->away};
    if (lease_known(m->lease) && l->exists) {
        h.lease_holder = arena_strdup(a, l->holder);
        h.lease_epoch = (int64_t)l->epoch;
        h.lease_age_ms = (int64_t)lease_age_ms(m->lease);
        h.lease_seconds = l->seconds;
        h.paused = l->paused.is;
        h.paused_by = arena_strdup(a, l->paused.by);
    }
    if (s) {
        h.fenced = s->num[LPF_FENCED];
        h.fence_operation = arena_strdup(a, str_or(s->text[LPF_OPERATION], ""));
        h.sealed = s->num[LPF_SEALED];
    }
    sync_facts(m->sync, a, &h);
    return h;
}
