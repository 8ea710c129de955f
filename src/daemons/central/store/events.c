#include "store/events.h"

#include "core/clock.h"

/* ---- lists ---- */

static void map_event(Arena *a, const PgResult *r, int i, void *item)
{
    ApiEvent *e = item;
    *e = (ApiEvent){
        .id = arena_strdup(a, pg_get(r, i, 0)),
        .at = pg_get_int(r, i, 1),
        .severity = arena_strdup(a, pg_get(r, i, 2)),
        .kind = arena_strdup(a, pg_get(r, i, 3)),
        .cluster = arena_strdup(a, pg_get(r, i, 4)),
        .ns = arena_strdup(a, pg_get(r, i, 5)),
        .satellite = arena_strdup(a, pg_get(r, i, 6)),
        .pod = arena_strdup(a, pg_get(r, i, 7)),
        .message = arena_strdup(a, pg_get(r, i, 8)),
        .source = arena_strdup(a, pg_get(r, i, 9)),
        .data = store_map(a, pg_get(r, i, 10)),
    };
}

/* Severities from the given one up, as a PostgreSQL array. */
static const char *severities_from(const char *least)
{
    switch (least ? severity_of(least) : SEV_UNKNOWN) {
    case SEV_CRITICAL:
        return "{critical}";
    case SEV_ERROR:
        return "{error,critical}";
    case SEV_WARNING:
        return "{warning,error,critical}";
    case SEV_UNKNOWN:
    case SEV_INFO:
    case SEV_COUNT:
        break;
    }
    return NULL;
}

#define WHERE                                                                              \
    " FROM events WHERE ($1::text IS NULL OR cluster = $1) AND ($2::text IS NULL OR "      \
    "namespace = $2) AND ($3::text IS NULL OR satellite = $3) AND ($4::text[] IS NULL OR " \
    "severity = ANY ($4)) AND ($5::text IS NULL OR kind = $5 OR (right($5, 1) = '.' AND "  \
    "starts_with(kind, $5))) AND ($6::bigint = 0 OR at >= to_timestamp($6 / 1000000.0))"   \
    " AND ($7::bigint = 0 OR id >= $7) AND ($8::bigint = 0 OR id <= $8)"

void event_list(App *app, Arena *a, const EventFilter *f, const Page *p, ListDone done, void *ctx)
{
    int64_t after;
    const PgParam params[] = {
        pg_text(f->cluster),
        pg_text(f->ns),
        pg_text(f->satellite),
        pg_text(severities_from(f->severity)),
        pg_text(f->kind),
        pg_int(f->since_us),
        pg_int(f->first_id),
        pg_int(f->last_id),
        p && p->after && str_to_i64(p->after, &after) ? pg_int(after) : pg_null(),
        pg_int(store_limit(p) + 1),
    };
    /* Counting stops at 10,000: an exact total of a table that only grows is not worth a scan. */
    ListSpec spec = {
        .sql = "SELECT id, " STORE_US(
            "at") ", severity, kind, cluster, namespace, satellite, pod,"
                  " message, source, data, id, (SELECT count(*) FROM (SELECT 1" WHERE
                  " LIMIT 10000) n)" WHERE
                  " AND ($9::bigint IS NULL OR id < $9) ORDER BY id DESC LIMIT $10",
        .params = params,
        .n = 10,
        .limit = store_limit(p),
        .item_size = sizeof(ApiEvent),
        .map = map_event,
    };
    store_list(app, a, &spec, done, ctx);
}

/* ---- central's own ---- */

void event_add(App *app, PgConn *tx, const EventNew *e, AppDone done, void *ctx)
{
    AUTO_ARENA a = arena_new();
    store_query(app, tx,
                "WITH e AS (INSERT INTO events (at, severity, kind, cluster, namespace, satellite,"
                " pod, message, data, source) VALUES (now(), $1, $2, $3, $4, $5, $6, $7, $8,"
                " 'central') RETURNING id)"
                " SELECT pg_notify('pgswarm', 'events I ' || id || '-' || id) FROM e",
                PG_PARAMS(pg_text(e->severity), pg_text(e->kind), pg_text(str_or(e->cluster, "")),
                          pg_text(str_or(e->ns, "")), pg_text(str_or(e->satellite, "")),
                          pg_text(str_or(e->pod, "")), pg_text(e->message),
                          pg_text(store_map_json(a, e->data))),
                store_acked, store_ack(done, ctx));
}

/* ---- batches of a satellite ---- */

enum {
    A_SEQ,
    A_AT,
    A_SEVERITY,
    A_KIND,
    A_CLUSTER,
    A_NS,
    A_POD,
    A_MESSAGE,
    A_DATA,
    A_SOURCE,
    A_OP,
    A_N
};

/* The row of the satellite is locked first, so that batches of an old and a new stream take turns
 * and what one has stored the other leaves out. */
static const char INGEST[] =
    "WITH sat AS (SELECT name, last_event_seq FROM satellites WHERE id = $1 FOR NO KEY UPDATE),"
    " x AS (SELECT t.*, sat.name FROM sat, unnest($2::bigint[], $3::bigint[], $4::text[],"
    " $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],"
    " $12::text[]) AS t (seq, at, severity, kind, cluster, namespace, pod, message, data, source,"
    " op) WHERE t.seq > sat.last_event_seq),"
    " ins AS (INSERT INTO events (satellite_id, seq, satellite, at, severity, kind, cluster,"
    " namespace, pod, message, data, source, operation_id) SELECT $1, seq, name,"
    " to_timestamp(at / 1000000.0), severity, kind, cluster, namespace, pod, message, data::jsonb,"
    " source, op FROM x WHERE kind <> 'decision' ORDER BY seq ON CONFLICT (satellite_id, seq) DO "
    "NOTHING RETURNING id),"
    " dec AS (INSERT INTO decisions (satellite_id, namespace, cluster, member, chain, number, hash,"
    " at, data) SELECT $1, namespace, cluster, pod, data::jsonb ->> 'chain', (data::jsonb ->>"
    " 'number')::bigint, data::jsonb ->> 'hash', to_timestamp(at / 1000000.0), data::jsonb FROM x"
    " WHERE kind = 'decision' ORDER BY seq ON CONFLICT DO NOTHING),"
    " moved AS (UPDATE satellites SET last_event_seq = (SELECT max(seq) FROM x) WHERE id = $1 AND"
    " EXISTS (SELECT FROM x))"
    " SELECT pg_notify('pgswarm', 'events I ' || min(id) || '-' || max(id)) FROM ins"
    " HAVING count(*) > 0";

static void add_event(PgArray *arr, Arena *a, const EventReport *e)
{
    pgarray_int(&arr[A_SEQ], (int64_t)e->sequence);
    pgarray_int(&arr[A_AT], e->at_us ? e->at_us : clock_wall_us());
    pgarray_text(&arr[A_SEVERITY], e->severity ? severity_name(e->severity) : "info");
    pgarray_text(&arr[A_KIND], e->kind);
    pgarray_text(&arr[A_CLUSTER], e->cluster_name);
    pgarray_text(&arr[A_NS], e->ns);
    pgarray_text(&arr[A_POD], e->pod_name);
    pgarray_text(&arr[A_MESSAGE], e->message);
    pgarray_text(&arr[A_DATA], store_map_json(a, e->data));
    pgarray_text(&arr[A_SOURCE], e->source);
    pgarray_text(&arr[A_OP], e->operation_id);
}

void event_ingest(App *app, const EventBatch *b, AppDone done, void *ctx)
{
    AUTO_ARENA a = arena_new();
    PgArray arr[A_N] = {0};
    PgParam params[A_N + 1] = {pg_text(b->satellite_id)};
    for (size_t i = 0; i < b->n; i++)
        add_event(arr, a, &b->at[i]);
    for (int i = 0; i < A_N; i++)
        params[i + 1] = pgarray_param(&arr[i]);
    pg_query(app->writers, INGEST, params, A_N + 1, store_acked, store_ack(done, ctx));
    pgarrays_done(arr, A_N);
}
