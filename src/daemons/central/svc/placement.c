#include "svc/placement.h"

#include "store/store.h"
#include <stdio.h>
#include <stdlib.h>

void placement_lock(App *app, PgConn *tx, AppDone done, void *ctx)
{
    store_query(app, tx, "SELECT pg_advisory_xact_lock(hashtextextended('pgswarm.placement', 0))",
                PG_NO_PARAMS, store_acked, store_ack(done, ctx));
}

/* Oldest rule first: of two rules that want one place, it always is the same that gets it. */
static const char run_sql[] =
    "WITH r AS (SELECT r.id, r.created_at, r.namespace, r.cluster_name, r.selector, r.profile_id, "
    "    v.version, v.doc, postgres_image(v.doc) AS image FROM deployment_rules r "
    "    JOIN profiles p ON p.id = r.profile_id "
    "    JOIN profile_versions v ON v.profile_id = p.id AND v.version = p.version "
    "    WHERE $1::uuid IS NULL OR r.id = $1::uuid), "
    "t AS (SELECT r.*, s.id AS satellite_id FROM r "
    "    JOIN satellites s ON s.state = 'approved' AND s.labels @> r.selector "
    "    WHERE $2::uuid IS NULL OR s.id = $2::uuid), "
    "adopted AS (UPDATE clusters c SET rule_id = t.id, updated_at = now() FROM t "
    "    WHERE c.satellite_id = t.satellite_id AND c.namespace = t.namespace "
    "    AND c.name = t.cluster_name AND c.rule_id IS NULL AND c.profile_id = t.profile_id "
    "    AND c.deleted_at IS NULL RETURNING 1), "
    "made AS (INSERT INTO clusters (name, namespace, satellite_id, rule_id, profile_id, "
    "    profile_version, config, deletion_protection) "
    "    SELECT t.cluster_name, t.namespace, t.satellite_id, t.id, t.profile_id, t.version, "
    "    jsonb_set(t.doc, '{postgres,image}', to_jsonb(t.image)), "
    "    coalesce((t.doc ->> 'deletion_protection')::boolean, false) FROM t "
    "    WHERE t.image IS NOT NULL ORDER BY t.created_at, t.id, t.satellite_id "
    "    ON CONFLICT (satellite_id, namespace, name) DO NOTHING RETURNING 1) "
    "SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM adopted)";

void placement_run(App *app, PgConn *tx, const Placement *p, AppDone done, void *ctx)
{
    store_query(app, tx, run_sql, PG_PARAMS(pg_text(p->rule_id), pg_text(p->satellite_id)),
                store_acked, store_ack(done, ctx));
}

typedef struct FanOut {
    App *app;
    PgConn *tx;
    char satellite_id[UUID_TEXT];
    AppDone done;
    void *ctx;
} FanOut;

static void locked(void *ctx, const Error *err)
{
    FanOut f = *(FanOut *)ctx;
    free(ctx);
    if (err)
        f.done(f.ctx, err);
    else
        placement_run(f.app, f.tx, &(Placement){.satellite_id = f.satellite_id}, f.done, f.ctx);
}

void placement_fan_out(App *app, PgConn *tx, const char *satellite_id, AppDone done, void *ctx)
{
    FanOut *f = xnew(FanOut);
    *f = (FanOut){.app = app, .tx = tx, .done = done, .ctx = ctx};
    snprintf(f->satellite_id, sizeof f->satellite_id, "%s", satellite_id);
    placement_lock(app, tx, locked, f);
}
