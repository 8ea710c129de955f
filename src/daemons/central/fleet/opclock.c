#include "fleet/opclock.h"

#include "core/log.h"
#include <stdlib.h>

/* Satellites get the time to come back before anything of theirs is called unknown. */
enum { FIRST_SILENT_MS = 40000, SILENT_MS = 5000, DUE_MAX_MS = 30000, DUE_MIN_MS = 20 };

struct OpClock {
    App *app;
    Timer *due, *silent;
    bool looking_due, look_again, looking_silent;
};

/* A planned one begins unless another one is under way; an hour later nobody expects it any more.
 * The answer: milliseconds until the next is due, NULL: none is planned. */
static const char DUE_SQL[] =
    "WITH late AS (UPDATE operations SET state = 'rolled_back', finished_at = now(), error = 'it"
    " could not begin at its time, nor within an hour; nothing was changed' WHERE sent_at IS NULL"
    " AND finished_at IS NULL AND scheduled_at < now() - interval '1 hour' RETURNING id),"
    " due AS (UPDATE operations o SET state = 'pending' WHERE state = 'scheduled' AND"
    " scheduled_at <= now() AND scheduled_at >= now() - interval '1 hour' AND NOT EXISTS (SELECT"
    " FROM operations b WHERE b.cluster_id = o.cluster_id AND b.finished_at IS NULL AND b.state <>"
    " 'scheduled') RETURNING id)"
    " SELECT (extract(epoch FROM min(scheduled_at) - now()) * 1000)::bigint, (SELECT count(*) FROM"
    " late), (SELECT count(*) FROM due) FROM operations WHERE state = 'scheduled' AND scheduled_at"
    " > now()";

static const char SILENT_SQL[] =
    "WITH gone AS (UPDATE operations SET state = 'unknown' WHERE finished_at IS NULL AND state IN"
    " ('pending', 'running', 'waiting') AND coalesce(heard_at, sent_at) < now() - interval '60 s'"
    " RETURNING id, kind, namespace, cluster, satellite),"
    " e AS (INSERT INTO events (at, severity, kind, cluster, namespace, satellite, message, source,"
    " operation_id) SELECT now(), 'warning', 'operation.silent', cluster, namespace, satellite,"
    " kind || ' ' || id || ': nothing was heard of it for 60 s; it may go on', 'central', id FROM"
    " gone RETURNING id)"
    " SELECT pg_notify('pgswarm', 'events I ' || min(id) || '-' || max(id)), count(*) FROM e"
    " HAVING count(*) > 0";

static void look_due(void *ctx);

static void due_known(void *ctx, const Error *err, PgResult *r)
{
    OpClock *k = ctx;
    int64_t next = err ? 1000 : DUE_MAX_MS;
    k->looking_due = false;
    if (k->look_again)
        next = 0;
    else if (err)
        log_debug("opclock", "planned operations not looked for", "err=%s", log_quote(err->msg));
    else if (!pg_is_null(r, 0, 0) && pg_get_int(r, 0, 0) < next)
        next = pg_get_int(r, 0, 0);
    k->look_again = false;
    timer_again(k->due, (uint64_t)next + DUE_MIN_MS);
}

static void look_due(void *ctx)
{
    OpClock *k = ctx;
    k->looking_due = true;
    pg_query(k->app->writers, DUE_SQL, PG_NO_PARAMS, due_known, k);
}

static void silent_known(void *ctx, const Error *err, PgResult *r)
{
    OpClock *k = ctx;
    k->looking_silent = false;
    if (err)
        log_debug("opclock", "silent operations not looked for", "err=%s", log_quote(err->msg));
    else if (pg_rows(r))
        log_warn("opclock", "nothing is heard of operations", "n=%s", pg_get(r, 0, 1));
}

static void look_silent(void *ctx)
{
    OpClock *k = ctx;
    if (k->looking_silent)
        return;
    k->looking_silent = true;
    pg_query(k->app->writers, SILENT_SQL, PG_NO_PARAMS, silent_known, k);
}

static void on_change(void *ctx, const Change *c)
{
    OpClock *k = ctx;
    if (c->kind != CHANGE_OPERATION && c->kind != CHANGE_RESYNC)
        return;
    if (k->looking_due)
        k->look_again = true;
    else
        timer_again(k->due, DUE_MIN_MS);
}

OpClock *opclock_new(App *app)
{
    OpClock *k = xnew(OpClock);
    k->app = app;
    k->due = timer_start(app->loop, DUE_MIN_MS, 0, look_due, k);
    k->silent = timer_start(app->loop, FIRST_SILENT_MS, SILENT_MS, look_silent, k);
    changes_subscribe(app->changes, on_change, k);
    return k;
}

void opclock_free(OpClock *k)
{
    if (!k)
        return;
    timer_stop(k->due);
    timer_stop(k->silent);
    free(k);
}
