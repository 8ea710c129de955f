#include "store/satellites.h"

#include "core/ident.h"
#include "core/limits.h"
#include <stdlib.h>

#define COLS                                                                                   \
    "s.id, s.name, s.hostname, s.k8s_cluster, s.region, s.labels, s.state,"                    \
    " st.satellite_id IS NOT NULL AS connected,"                                               \
    " (extract(epoch FROM greatest(s.last_seen, st.seen_at)) * 1000000)::bigint AS last_seen," \
    " s.version, s.kubernetes_version,"                                                        \
    " (SELECT count(*) FROM clusters c WHERE c.satellite_id = s.id) AS clusters,"              \
    " s.storage_classes, " STORE_US(                                                           \
        "s.created_at") " AS created_us,"                                                      \
                        " s.row_version, s.csr_pem, s.certificate_sha256, s.certificate_pem,"  \
                        " " STORE_US("s.certificate_expires") " AS cert_us, s.last_event_seq"
#define FROM                                                                             \
    " FROM satellites s LEFT JOIN (streams st JOIN centrals ce ON ce.id = st.central_id" \
    " AND ce.seen_at > now() - interval '30 s') ON st.satellite_id = s.id "

static ObjList storage_classes(Arena *a, const char *json)
{
    ObjList out = {0};
    cJSON *root;
    if (json_parse(a, sv(json), LIMIT_JSON_BODY, &root, NULL) || !cJSON_IsArray(root))
        return out;
    FieldErrors errs = field_errors(a);
    ApiStorageClass *at = arena_array(a, ApiStorageClass, (size_t)cJSON_GetArraySize(root));
    for (const cJSON *i = root->child; i; i = i->next)
        fields_decode(a, &schema_STORAGE_CLASS, i, &at[out.n++], "", &errs);
    out.at = at;
    return out;
}

static void map_api(Arena *a, const PgResult *r, int i, void *item)
{
    ApiSatellite *s = item;
    *s = (ApiSatellite){
        .id = arena_strdup(a, pg_get(r, i, 0)),
        .name = arena_strdup(a, pg_get(r, i, 1)),
        .hostname = arena_strdup(a, pg_get(r, i, 2)),
        .k8s_cluster = arena_strdup(a, pg_get(r, i, 3)),
        .region = arena_strdup(a, pg_get(r, i, 4)),
        .labels = store_map(a, pg_get(r, i, 5)),
        .state = arena_strdup(a, pg_get(r, i, 6)),
        .connected = pg_get_bool(r, i, 7),
        .last_seen = pg_get_int(r, i, 8),
        .version = arena_strdup(a, pg_get(r, i, 9)),
        .kubernetes_version = arena_strdup(a, pg_get(r, i, 10)),
        .clusters = pg_get_int(r, i, 11),
        .storage_classes = storage_classes(a, pg_get(r, i, 12)),
        .created_at = pg_get_int(r, i, 13),
    };
}

static void map_row(Arena *a, const PgResult *r, int i, SatelliteRow *s)
{
    map_api(a, r, i, &s->api);
    s->row_version = pg_get_int(r, i, 14);
    s->csr_pem = arena_strdup(a, pg_get(r, i, 15));
    s->certificate_sha256 = arena_strdup(a, pg_get(r, i, 16));
    s->certificate_pem = arena_strdup(a, pg_get(r, i, 17));
    s->certificate_expires_us = pg_get_int(r, i, 18);
    s->last_event_seq = pg_get_int(r, i, 19);
}

/* ---- one ---- */

typedef struct Find {
    Arena *arena;
    const char *ref;
    SatelliteDone done;
    void *ctx;
} Find;

static void found(void *ctx, const Error *err, PgResult *r)
{
    Find *f = ctx;
    Error why;
    SatelliteRow row;
    if (!err && pg_rows(r) == 0) {
        store_absent(&why, "satellite", f->ref);
        err = &why;
    } else if (!err && pg_rows(r) > 1 && !str_eq(pg_get(r, 0, 6), "approved")) {
        err_set(&why, ERR_AMBIGUOUS, "satellite '%s': %s have that name, give the id of one",
                f->ref, pg_rows(r) > 2 ? "several" : "two");
        err = &why;
    }
    if (err) {
        f->done(f->ctx, err, NULL);
        return;
    }
    map_row(f->arena, r, 0, &row);
    f->done(f->ctx, NULL, &row);
}

void satellite_find(App *app, PgConn *tx, Arena *a, const char *ref, SatelliteDone done, void *ctx)
{
    Find *f = arena_new_of(a, Find);
    *f = (Find){a, arena_strdup(a, ref), done, ctx};
    const char *sql = uuid_valid(ref) ? "SELECT " COLS FROM "WHERE s.id = $1"
                                      : "SELECT " COLS FROM
                                        "WHERE s.name = $1 ORDER BY s.state = 'approved' DESC,"
                                        " s.state = 'pending' DESC, s.created_at DESC LIMIT 3";
    store_query(app, tx, sql, PG_PARAMS(pg_text(ref)), found, f);
}

/* ---- many ---- */

typedef struct Listing {
    ListDone done;
    void *ctx;
} Listing;

static void list_failed(void *ctx, const Error *err)
{
    Listing *l = ctx;
    l->done(l->ctx, err, NULL, 0, NULL);
}

void satellite_list(App *app, Arena *a, const SatelliteFilter *f, const Page *p, ListDone done,
                    void *ctx)
{
    Error err;
    char *selector;
    if (store_selector(a, f->selector, &selector, &err)) {
        Listing *l = arena_new_of(a, Listing);
        *l = (Listing){done, ctx};
        store_fail(app, &err, list_failed, l);
        return;
    }
    const PgParam params[] = {
        pg_text(f->state),
        pg_text(f->name),
        pg_text(selector),
        f->connected ? pg_bool(*f->connected) : pg_null(),
        pg_text(p ? p->after : NULL),
        pg_int(store_limit(p) + 1),
    };
    ListSpec spec = {
        .sql = "WITH f AS (SELECT " COLS FROM "WHERE ($1::text IS NULL OR s.state = $1)"
               " AND ($2::text IS NULL OR strpos(s.name, $2) > 0) AND labels_select(s.labels, $3)"
               " AND ($4::bool IS NULL OR (st.satellite_id IS NOT NULL) = $4))"
               " SELECT f.*, f.name || ' ' || f.id, (SELECT count(*) FROM f) FROM f"
               " WHERE $5::text IS NULL OR f.name || ' ' || f.id > $5"
               " ORDER BY f.name || ' ' || f.id LIMIT $6",
        .params = params,
        .n = 6,
        .limit = store_limit(p),
        .item_size = sizeof(ApiSatellite),
        .map = map_api,
    };
    store_list(app, a, &spec, done, ctx);
}

/* ---- changes ---- */

typedef struct Changing {
    App *app;
    PgConn *tx;
    Arena *arena;
    SatelliteChange c;
    SatelliteDone done;
    void *ctx;
} Changing;

/* Nothing was updated: say which of the conditions did not hold. */
static void explain(void *ctx, const Error *err, const SatelliteRow *s)
{
    Changing *g = ctx;
    Error why;
    if (!err) {
        if (g->c.from && !str_eq(s->api.state, g->c.from))
            err_set(&why, ERR_PRECONDITION, "satellite '%s' is %s; only %s ones can be made %s",
                    s->api.name, s->api.state, g->c.from, str_or(g->c.state, g->c.from));
        else
            err_set(&why, ERR_PRECONDITION,
                    "satellite '%s' was changed in the meantime: it is at version %lld, not %lld",
                    s->api.name, (long long)s->row_version, (long long)g->c.if_match);
        err = &why;
    }
    g->done(g->ctx, err, NULL);
}

static void changed(void *ctx, const Error *err, PgResult *r)
{
    Changing *g = ctx;
    Error why;
    if (err && err->code == ERR_EXISTS) {
        err_set(&why, ERR_EXISTS, "name: '%s' belongs to another approved satellite",
                str_or(g->c.name, "the one it registered under"));
        err = &why;
    }
    if (err)
        g->done(g->ctx, err, NULL);
    else if (pg_affected(r) == 0)
        satellite_find(g->app, g->tx, g->arena, g->c.id, explain, g);
    else
        satellite_find(g->app, g->tx, g->arena, g->c.id, g->done, g->ctx);
}

void satellite_change(App *app, PgConn *tx, Arena *a, const SatelliteChange *c, SatelliteDone done,
                      void *ctx)
{
    Changing *g = arena_new_of(a, Changing);
    *g = (Changing){app, tx, a, *c, done, ctx};
    store_query(app, tx,
                "UPDATE satellites SET state = coalesce($2, state), name = coalesce($3, name),"
                " labels = coalesce($4::jsonb, labels), row_version = row_version + 1,"
                " updated_at = now() WHERE id = $1 AND ($5::text IS NULL OR state = $5)"
                " AND ($6::bigint = 0 OR row_version = $6)",
                PG_PARAMS(pg_text(c->id), pg_text(c->state), pg_text(c->name),
                          pg_text(c->labels ? store_map_json(a, *c->labels) : NULL),
                          pg_text(c->from), pg_int(c->if_match)),
                changed, g);
}

void satellite_delete(App *app, PgConn *tx, const char *id, AppDone done, void *ctx)
{
    store_query(app, tx, "DELETE FROM satellites WHERE id = $1", PG_PARAMS(pg_text(id)),
                store_acked, store_ack(done, ctx));
}
