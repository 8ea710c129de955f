#include "store/health.h"

#include "core/ident.h"

enum {
    C_ID,
    C_SATELLITE,
    C_STATE,
    C_REASON,
    C_REPLICAS,
    C_READY,
    C_PRIMARY,
    C_LAG_BYTES,
    C_LAG_SECONDS,
    C_APPLIED,
    C_RW_HOST,
    C_RW_PORT,
    C_RO_HOST,
    C_RO_PORT,
    C_AT,
    C_HA,
    I_CLUSTER,
    I_POD,
    I_ROLE,
    I_READY,
    I_DOC,
    H_N
};

/* Losing the last quarter second of observations in a crash costs nothing, so these commits do not
 * wait for the disk. */
static const char INGEST[] =
    "WITH x AS (SELECT t.* FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int[],"
    " $6::int[], $7::text[], $8::bigint[], $9::float8[], $10::bigint[], $11::text[], $12::int[],"
    " $13::text[], $14::int[], $15::bigint[], $16::text[]) AS t (id, satellite, state, reason,"
    " replicas, ready, prim, lag_bytes, lag_seconds, applied, rw_host, rw_port, ro_host, ro_port,"
    " at, ha)"
    " JOIN clusters c ON c.id = t.id AND c.satellite_id = t.satellite),"
    " up AS (INSERT INTO cluster_health AS h (cluster_id, state, reason, replicas, ready,"
    " primary_pod, lag_bytes, lag_seconds, applied_version, rw_host, rw_port, ro_host, ro_port, at,"
    " ha) SELECT id, state, reason, replicas, ready, prim, lag_bytes, lag_seconds, applied, "
    "rw_host,"
    " rw_port, ro_host, ro_port, to_timestamp(at / 1000000.0), ha::jsonb FROM x ORDER BY id"
    " ON CONFLICT (cluster_id) DO UPDATE SET state = excluded.state, reason = excluded.reason,"
    " replicas = excluded.replicas, ready = excluded.ready, primary_pod = excluded.primary_pod,"
    " lag_bytes = excluded.lag_bytes, lag_seconds = excluded.lag_seconds,"
    " applied_version = excluded.applied_version, rw_host = excluded.rw_host,"
    " rw_port = excluded.rw_port, ro_host = excluded.ro_host, ro_port = excluded.ro_port,"
    " at = excluded.at, ha = excluded.ha, received_at = now() WHERE excluded.at >= h.at RETURNING "
    "cluster_id, at),"
    " i AS (SELECT * FROM unnest($17::uuid[], $18::text[], $19::text[], $20::bool[], $21::text[])"
    " AS t (id, pod, role, ready, doc)),"
    " gone AS (DELETE FROM instances n USING up WHERE n.cluster_id = up.cluster_id AND NOT EXISTS"
    " (SELECT FROM i WHERE i.id = n.cluster_id AND i.pod = n.pod)),"
    " ins AS (INSERT INTO instances (cluster_id, pod, role, ready, doc, at)"
    " SELECT up.cluster_id, i.pod, i.role, i.ready, i.doc::jsonb, up.at FROM i JOIN up ON"
    " up.cluster_id = i.id ORDER BY 1, 2 ON CONFLICT (cluster_id, pod) DO UPDATE SET"
    " role = excluded.role, ready = excluded.ready, doc = excluded.doc, at = excluded.at)"
    " SELECT set_config('synchronous_commit', 'off', true),"
    " pg_notify('pgswarm', 'health U ' || string_agg(cluster_id::text, ','))"
    " FROM (SELECT cluster_id, row_number() OVER () / 200 AS part FROM up) q GROUP BY part";

static void add_instance(PgArray *arr, const char *cluster_id, const InstanceHealth *h)
{
    AUTO_STRBUF doc = {0};
    JsonOut j = json_out(&doc);
    instance_health_json(&j, h);
    pgarray_text(&arr[I_CLUSTER], cluster_id);
    pgarray_text(&arr[I_POD], h->pod_name);
    pgarray_text(&arr[I_ROLE], instance_role_name(h->role));
    pgarray_text(&arr[I_READY], h->ready ? "t" : "f");
    pgarray_text(&arr[I_DOC], strbuf_str(&doc));
}

static bool seen_before(const InstanceHealth *in, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(in[k].pod_name, in[i].pod_name))
            return true;
    return false;
}

static void add_cluster(Arena *a, PgArray *arr, const HealthItem *item)
{
    const ClusterHealth *h = item->health;
    const InstanceHealth *in = h->instances.at;
    int64_t ready = 0, lag_bytes = 0;
    double lag_seconds = 0;
    for (size_t i = 0; i < h->instances.n; i++) {
        if (seen_before(in, i))
            continue; /* one statement must not touch a row twice */
        ready += in[i].ready;
        lag_bytes = in[i].lag_bytes > lag_bytes ? in[i].lag_bytes : lag_bytes;
        lag_seconds = in[i].lag_seconds > lag_seconds ? in[i].lag_seconds : lag_seconds;
        add_instance(arr, h->cluster_id, &in[i]);
    }
    pgarray_text(&arr[C_ID], h->cluster_id);
    pgarray_text(&arr[C_SATELLITE], item->satellite_id);
    pgarray_text(&arr[C_STATE], cluster_state_name(h->state));
    pgarray_text(&arr[C_REASON], h->reason);
    pgarray_int(&arr[C_REPLICAS], h->replicas_wanted);
    pgarray_int(&arr[C_READY], ready);
    pgarray_text(&arr[C_PRIMARY], h->primary_pod);
    pgarray_int(&arr[C_LAG_BYTES], lag_bytes);
    pgarray_f64(&arr[C_LAG_SECONDS], lag_seconds);
    pgarray_int(&arr[C_APPLIED], h->applied_version);
    pgarray_text(&arr[C_RW_HOST], h->rw.host);
    pgarray_int(&arr[C_RW_PORT], h->rw.port);
    pgarray_text(&arr[C_RO_HOST], h->ro.host);
    pgarray_int(&arr[C_RO_PORT], h->ro.port);
    pgarray_int(&arr[C_AT], h->at_us);
    HaSummary ha = h->ha;
    ha.at_us = h->at_us;
    pgarray_text(&arr[C_HA], fields_to_text(a, &schema_HA_SUMMARY, &ha, 0));
}

void health_ingest(App *app, const HealthItem *at, size_t n, AppDone done, void *ctx)
{
    AUTO_ARENA a = arena_new();
    PgArray arr[H_N] = {0};
    PgParam params[H_N];
    for (size_t i = 0; i < n; i++)
        if (uuid_valid(at[i].health->cluster_id))
            add_cluster(a, arr, &at[i]);
    for (int i = 0; i < H_N; i++)
        params[i] = pgarray_param(&arr[i]);
    pg_query(app->writers, INGEST, params, H_N, store_acked, store_ack(done, ctx));
    pgarrays_done(arr, H_N);
}

/* ---- reading ---- */

typedef struct Ask {
    Arena *arena;
    HealthShown done;
    void *ctx;
} Ask;

static void got(void *ctx, const Error *err, PgResult *r)
{
    Ask *k = ctx;
    if (err)
        k->done(k->ctx, err, NULL, NULL);
    else
        k->done(k->ctx, NULL, arena_strdup(k->arena, pg_get(r, 0, 0)),
                arena_strdup(k->arena, pg_get(r, 0, 1)));
}

void health_show(App *app, Arena *a, const char *cluster_id, HealthShown done, void *ctx)
{
    Ask *k = arena_new_of(a, Ask);
    *k = (Ask){a, done, ctx};
    pg_query(app->pool,
             "SELECT coalesce((SELECT jsonb_agg(doc ORDER BY length(pod), pod) FROM instances"
             " WHERE cluster_id = $1), '[]'),"
             " coalesce((SELECT ha FROM cluster_health WHERE cluster_id = $1), '{}')",
             PG_PARAMS(pg_text(cluster_id)), got, k);
}
