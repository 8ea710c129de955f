#include "member/member_priv.h"

MemberState member_state(const Member *m)
{
    return m->decision.state;
}

const char *member_why(const Member *m)
{
    const char *why = "";
    if (*m->why)
        return m->why;
    if (m->decision.state == MEMBER_PRIMARY || m->decision.state == MEMBER_REPLICA)
        instance_ready(m->instance, &why);
    return str_or(why, "");
}

bool member_pod_ends(const Member *m)
{
    const LpMsg *s = launcher_state(m->launcher);
    return s && s->num[LPF_TERMINATING];
}

bool member_is_ending(const Member *m)
{
    const LpMsg *s = launcher_state(m->launcher);
    const LeaseInfo *l = lease_info(m->lease);
    return member_pod_ends(m) &&
           (s->num[LPF_PG] != LP_PG_DOWN ||
            (lease_known(m->lease) && str_eq(l->holder, m->mc.cfg->pod) && l->system_id));
}

bool member_ready(const Member *m)
{
    return m->ready;
}

uint64_t member_epoch(const Member *m)
{
    const LpMsg *s = launcher_state(m->launcher);
    return s && s->num[LPF_PG] == LP_PG_UP ? s->num[LPF_EPOCH] : 0;
}

static void fill_from_launcher(const LpMsg *s, InstanceHealth *h)
{
    if (!s)
        return;
    h->disk_total_bytes = (int64_t)s->num[LPF_DISK_TOTAL];
    h->disk_used_bytes = (int64_t)s->num[LPF_DISK_USED];
    if (!h->timeline_id)
        h->timeline_id = (uint32_t)s->num[LPF_TIMELINE];
}

InstanceHealth member_health(Member *m, Arena *a)
{
    InstanceHealth h = {
        .error = "", .lsn = "", .received_lsn = "", .system_identifier = "", .server_version = ""};
    const InstanceHealth *seen = probe_health(instance_probe(m->instance));
    if (seen)
        h = *seen;
    h.pod_name = m->mc.cfg->pod;
    h.role = m->decision.state == MEMBER_PRIMARY   ? ROLE_PRIMARY
             : m->decision.state == MEMBER_REPLICA ? ROLE_REPLICA
                                                   : ROLE_UNKNOWN;
    h.ready = m->ready;
    h.epoch = member_epoch(m);
    const char *why = member_why(m);
    h.error = *why      ? arena_strdup(a, why)
              : h.ready ? ""
                        : arena_strdup(a, member_state_name(m->decision.state));
    fill_from_launcher(launcher_state(m->launcher), &h);
    h.ha = member_ha(m, a);
    return h;
}

void member_report(Member *m)
{
    AUTO_ARENA a = arena_new_sized(1024);
    if (!link_up(m->mc.link))
        return;
    InstanceHealth h = member_health(m, a);
    link_health(m->mc.link, &h);
}

LauncherClient *member_launcher(Member *m)
{
    return m->launcher;
}

Operate *member_operate(Member *m)
{
    return m->operate;
}

Record *member_record(Member *m)
{
    return m->record;
}

PgPool *member_pool(Member *m)
{
    return instance_pool(m->instance);
}
