#include "fleet/housekeeping.h"

#include "core/log.h"
#include <stdlib.h>

/* After our own start satellites get the time to come back before anybody calls them silent. */
enum { OFFLINE_FIRST_MS = 40000, OFFLINE_MS = 5000, PRUNE_MS = 600 * 1000 };

struct Housekeeping {
    App *app;
    Timer *offline, *prune;
    bool looking, pruning;
};

/* One central's UPDATE takes the row, so one event is told however many look. */
static const char OFFLINE_SQL[] =
    "WITH off AS (UPDATE satellites s SET offline_since = x.seen, row_version = s.row_version + 1"
    " FROM (SELECT s.id, greatest(s.last_seen, st.seen_at) AS seen, c.id AS central"
    " FROM satellites s LEFT JOIN streams st ON st.satellite_id = s.id LEFT JOIN centrals c ON"
    " c.id = st.central_id AND c.seen_at > now() - interval '30 s') x WHERE x.id = s.id AND"
    " s.state = 'approved' AND s.offline_since IS NULL AND x.central IS NULL AND"
    " x.seen < now() - interval '30 s' RETURNING s.name),"
    " e AS (INSERT INTO events (at, severity, kind, satellite, message, source)"
    " SELECT now(), 'warning', 'satellite.offline', name, 'satellite ' || quote_literal(name) ||"
    " ' is silent; its clusters go on by themselves', 'central' FROM off RETURNING id)"
    " SELECT pg_notify('pgswarm', 'events I ' || min(id) || '-' || max(id)) FROM e"
    " HAVING count(*) > 0";

/* In pieces, so that no statement holds the table for long. */
static const char PRUNE_SQL[] =
    "WITH t AS (DELETE FROM tokens WHERE expires_at < now() - interval '1 day'),"
    " o AS (DELETE FROM operations WHERE finished_at < now() - $1 * interval '1 day'),"
    " e AS (DELETE FROM enrolment_tokens WHERE expires_at < now() - interval '30 days'),"
    " d AS (DELETE FROM decisions WHERE id IN (SELECT id FROM decisions WHERE received_at <"
    " now() - $1 * interval '1 day' ORDER BY received_at LIMIT 5000))"
    " DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < now() - $1 * interval"
    " '1 day' ORDER BY at LIMIT 5000)";

static void looked(void *ctx, const Error *err, PgResult *r)
{
    Housekeeping *h = ctx;
    (void)r;
    h->looking = false;
    if (err)
        log_debug("housekeeping", "silent satellites not looked for", "err=%s",
                  log_quote(err->msg));
}

static void look(void *ctx)
{
    Housekeeping *h = ctx;
    if (h->looking)
        return;
    h->looking = true;
    pg_query(h->app->writers, OFFLINE_SQL, PG_NO_PARAMS, looked, h);
}

static void prune(void *ctx);

static void pruned(void *ctx, const Error *err, PgResult *r)
{
    Housekeeping *h = ctx;
    h->pruning = false;
    if (err) {
        log_warn("housekeeping", "old events not removed", "err=%s", log_quote(err->msg));
        return;
    }
    if (pg_affected(r))
        log_info("housekeeping", "old events removed", "n=%d", pg_affected(r));
    if (pg_affected(r) >= 5000)
        timer_again(h->prune, 1000);
}

static void prune(void *ctx)
{
    Housekeeping *h = ctx;
    if (h->pruning)
        return;
    h->pruning = true;
    pg_query(h->app->writers, PRUNE_SQL, PG_PARAMS(pg_int(h->app->cfg->event_days)), pruned, h);
}

Housekeeping *housekeeping_new(App *app)
{
    Housekeeping *h = xnew(Housekeeping);
    h->app = app;
    h->offline = timer_start(app->loop, OFFLINE_FIRST_MS, OFFLINE_MS, look, h);
    h->prune = timer_start(app->loop, PRUNE_MS, PRUNE_MS, prune, h);
    return h;
}

void housekeeping_free(Housekeeping *h)
{
    if (!h)
        return;
    timer_stop(h->offline);
    timer_stop(h->prune);
    free(h);
}
