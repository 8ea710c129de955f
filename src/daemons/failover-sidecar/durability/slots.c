#include "durability/slots.h"

#include "core/clock.h"
#include "core/log.h"
#include <stdlib.h>

enum { TICK_MS = 2000, EVERY_MS = 15 * 1000 };

#define MEMBER_SLOT "slot_type = 'physical' AND slot_name ~ '^member_[0-9]{1,4}$'"

static const char SQL_DROP[] =
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE " MEMBER_SLOT
    " AND NOT active AND (substr(slot_name, 8)::int >= $1 OR substr(slot_name, 8)::int = $2"
    " OR wal_status = 'lost')";

/* A standby's begins at its last restartpoint; a primary's when its follower comes. */
static const char SQL_ADD[] =
    "SELECT pg_create_physical_replication_slot('member_' || i, pg_is_in_recovery()) "
    "FROM generate_series(0, $1::int - 1) AS i WHERE i <> $2 AND NOT EXISTS "
    "(SELECT FROM pg_replication_slots WHERE slot_name = 'member_' || i)";

static const char SQL_ADVANCE[] =
    "SELECT pg_replication_slot_advance(s.slot_name, c.redo_lsn) FROM pg_replication_slots AS s, "
    "pg_control_checkpoint() AS c WHERE pg_is_in_recovery() AND " MEMBER_SLOT
    " AND NOT s.active AND s.restart_lsn < c.redo_lsn";

struct Slots {
    SlotsConfig cfg;
    Timer *timer;
    bool busy;
    unsigned step;
    unsigned replicas; /* as of the last time */
    uint64_t next_at;
};

static void next(Slots *s);

static void on_step(void *ctx, const Error *err, PgResult *r)
{
    (void)r;
    Slots *s = ctx;
    s->step++;
    if (err) {
        if (err->code != ERR_CANCELLED)
            log_warn("slots", "not looked after; again soon", "step=%u err=%s", s->step,
                     log_quote(err->msg));
        s->busy = false;
        s->next_at = 0;
        return;
    }
    next(s);
}

static void next(Slots *s)
{
    static const char *const STEPS[] = {SQL_DROP, SQL_ADD, SQL_ADVANCE};
    SlotsSituation now = s->cfg.situation(s->cfg.ctx);
    unsigned steps = now.standby ? 3 : 2;
    if (!now.pool || s->step >= steps) {
        s->busy = false;
        if (!now.pool)
            s->next_at = 0; /* as soon as it runs */
        return;
    }
    const Config *c = s->cfg.cfg;
    if (STEPS[s->step] == SQL_ADVANCE)
        pg_query(now.pool, SQL_ADVANCE, PG_NO_PARAMS, on_step, s);
    else
        pg_query(now.pool, STEPS[s->step], PG_PARAMS(pg_int(c->replicas), pg_int(c->ordinal)),
                 on_step, s);
}

static void on_timer(void *ctx)
{
    Slots *s = ctx;
    uint64_t now = clock_boot_ms();
    if (s->busy || (now < s->next_at && s->replicas == s->cfg.cfg->replicas))
        return;
    s->next_at = now + EVERY_MS;
    s->replicas = s->cfg.cfg->replicas;
    s->busy = true;
    s->step = 0;
    next(s);
}

Slots *slots_new(const SlotsConfig *cfg)
{
    Slots *s = xnew(Slots);
    s->cfg = *cfg;
    s->timer = timer_start(cfg->loop, TICK_MS, TICK_MS, on_timer, s);
    return s;
}

void slots_free(Slots *s)
{
    if (!s)
        return;
    timer_stop(s->timer);
    free(s);
}
