#include "member/observe.h"

static LeaseView lease_view(const Facts *f)
{
    const LeaseInfo *l = f->lease;
    if (!f->lease_known)
        return LEASE_UNKNOWN;
    if (!l->exists)
        return LEASE_NONE;
    if (!*l->holder)
        return LEASE_FREE;
    if (str_eq(l->holder, f->pod))
        return l->system_id ? LEASE_MINE : LEASE_MINE_NEW;
    if (f->lease_expired)
        return LEASE_EXPIRED;
    return l->system_id ? LEASE_OTHER : LEASE_OTHER_NEW;
}

static DataView data_view(const Facts *f)
{
    const LpMsg *m = f->launcher;
    if (!m)
        return DATA_UNKNOWN;
    uint64_t want = f->lease_known && f->lease->exists ? f->lease->system_id : 0;
    switch (m->num[LPF_DATA]) {
    case LP_DATA_EMPTY:
        return DATA_EMPTY;
    case LP_DATA_LOST:
        return DATA_LOST;
    case LP_DATA_READY:
        if (want && m->num[LPF_SYSTEM_ID] != want)
            return DATA_ALIEN;
        return m->num[LPF_STAMP_ROLE] == LP_ROLE_PRIMARY ? DATA_PRIMARY : DATA_STANDBY;
    default:
        return DATA_FOREIGN;
    }
}

static PgView pg_view(const LpMsg *m)
{
    if (!m || m->num[LPF_PG] == LP_PG_DOWN)
        return PG_DOWN;
    if (m->num[LPF_PG] == LP_PG_STOPPING)
        return PG_STOPPING;
    return m->num[LPF_ROLE] == LP_ROLE_PRIMARY ? PG_PRIMARY : PG_STANDBY;
}

static bool follows(const Facts *f)
{
    const LpMsg *m = f->launcher;
    char host[LEASE_TEXT];
    uint16_t port;
    return m && f->lease->exists && m->num[LPF_EPOCH] == f->lease->epoch &&
           str_eq(m->text[LPF_LEADER], f->lease->holder) &&
           addr_split(f->lease->primary_addr, host, sizeof host, &port) &&
           m->num[LPF_PORT] == port && str_eq(m->text[LPF_HOST], host);
}

Observation member_observe(const Facts *f)
{
    Observation o = {.lease = lease_view(f),
                     .data = data_view(f),
                     .pg = pg_view(f->launcher),
                     .job = f->launcher && f->launcher->num[LPF_JOB] != LP_JOB_NONE};
    if (f->first)
        o.flags |= IF_FIRST;
    if (f->permit_fresh)
        o.flags |= IF_PERMIT;
    if (f->launcher && f->lease_known && f->lease->exists &&
        f->launcher->num[LPF_STAMP_EPOCH] == f->lease->epoch)
        o.flags |= IF_EPOCH;
    if (o.pg == PG_STANDBY && f->lease_known && follows(f))
        o.flags |= IF_FOLLOWS;
    return o;
}
