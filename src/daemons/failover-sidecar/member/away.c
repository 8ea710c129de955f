/* The API server is away: go on as primary as long as every standby vouches for us. */
#include "core/clock.h"
#include "core/log.h"
#include "member/member_priv.h"
#include <inttypes.h>

static const char SQL_STANDBYS[] = "SELECT application_name, reply_time FROM pg_stat_replication "
                                   "WHERE state = 'streaming' AND reply_time IS NOT NULL";

static void on_standbys(void *ctx, const Error *err, PgResult *r)
{
    Member *m = ctx;
    if (err)
        return; /* no proof, no permit */
    const Config *c = m->mc.cfg;
    AUTO_ARENA a = arena_new_sized(256);
    const char *base = arena_strndup(a, c->pod, (size_t)(strrchr(c->pod, '-') - c->pod));
    unsigned present = 0;
    for (int i = 0; i < pg_rows(r); i++) {
        int ordinal = vouch_ordinal(pg_get(r, i, 0), base, member_epoch(m));
        if (ordinal < 0)
            continue;
        present |= 1u << ordinal;
        vouch_note(&m->vouch, ordinal, pg_get(r, i, 1), m->vouch_asked_at);
    }
    vouch_keep(&m->vouch, present);
    uint64_t deadline = m->vouch_asked_at + VOUCH_GRANT_MS;
    if (!m->away || deadline <= m->renewed_at + lease_permit_ms(c->lease_seconds) ||
        !vouch_holds(&m->vouch, c->replicas, c->ordinal, m->vouch_asked_at))
        return;
    if (!m->vouched)
        log_warn("lease", "the API server is away; the standbys vouch for this primary",
                 "standbys=%u", c->replicas - 1);
    m->vouched = true;
    member_permit(m, deadline);
}

static void ask_standbys(void *ctx)
{
    Member *m = ctx;
    if (!m->away || m->decision.state != MEMBER_PRIMARY || !m->instance) {
        timer_stop(m->vouch_timer);
        m->vouch_timer = NULL;
        return;
    }
    m->vouch_asked_at = clock_boot_ms();
    pg_query(instance_pool(m->instance), SQL_STANDBYS, PG_NO_PARAMS, on_standbys, m);
}

void member_api_away(Member *m, bool away)
{
    if (m->away == away)
        return;
    m->away = away;
    if (m->vouched && !away)
        log_info("lease", "the API server is back", "epoch=%" PRIu64, member_epoch(m));
    m->vouched = false;
    if (!away)
        return;
    m->vouch = (Vouch){0};
    if (!m->vouch_timer)
        m->vouch_timer = timer_start(m->mc.loop, 0, VOUCH_EVERY_MS, ask_standbys, m);
}
