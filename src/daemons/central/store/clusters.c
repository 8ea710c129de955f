#include "store/clusters.h"

#include "core/ident.h"

#define COLS                                                                                       \
    CLUSTER_COLUMNS ", satellite_id, (SELECT state FROM satellites s WHERE s.id = satellite_id), " \
                    "(SELECT config FROM clusters k WHERE k.id = cluster_list.id), "               \
                    "deletion_protection, rw_host, rw_port, ro_host, ro_port"

typedef struct Find {
    Arena *a;
    const char *ref;
    ClusterDone done;
    void *ctx;
} Find;

static void map_row(Arena *a, const PgResult *r, int row, ClusterRow *ret)
{
    int c = CLUSTER_COLUMN_COUNT;
    *ret = (ClusterRow){0};
    cluster_from_row(a, r, row, 0, &ret->api);
    ret->satellite_id = arena_strdup(a, pg_get(r, row, c++));
    ret->satellite_state = arena_strdup(a, pg_get(r, row, c++));
    ret->config = arena_strdup(a, pg_get(r, row, c++));
    ret->deletion_protection = pg_get_bool(r, row, c++);
    ret->rw.host = arena_strdup(a, pg_get(r, row, c++));
    ret->rw.port = (uint32_t)pg_get_int(r, row, c++);
    ret->ro.host = arena_strdup(a, pg_get(r, row, c++));
    ret->ro.port = (uint32_t)pg_get_int(r, row, c++);
}

static void several(const Find *f, const PgResult *r, Error *why)
{
    AUTO_STRBUF b = {0};
    int n = pg_rows(r);
    for (int i = 0; i < n && i < 5; i++)
        strbuf_addf(&b, "%s%s/%s@%s", i ? ", " : "", pg_get(r, i, 2), pg_get(r, i, 1),
                    pg_get(r, i, 3));
    err_set(why, ERR_AMBIGUOUS, "cluster '%s': which one: %s%s", f->ref, strbuf_str(&b),
            n > 5 ? ", ..." : "");
}

static void found(void *ctx, const Error *err, PgResult *r)
{
    Find *f = ctx;
    Error why;
    ClusterRow row;
    if (!err && pg_rows(r) != 1) {
        if (pg_rows(r) == 0)
            store_absent(&why, "cluster", f->ref);
        else
            several(f, r, &why);
        err = &why;
    }
    if (!err)
        map_row(f->a, r, 0, &row);
    f->done(f->ctx, err, err ? NULL : &row);
}

void cluster_find(App *app, PgConn *tx, Arena *a, const char *ref, ClusterDone done, void *ctx)
{
    Find *f = arena_new_of(a, Find);
    *f = (Find){a, arena_strdup(a, ref), done, ctx};
    if (uuid_valid(ref)) {
        store_query(app, tx, "SELECT " COLS " FROM cluster_list WHERE id = $1",
                    PG_PARAMS(pg_text(ref)), found, f);
        return;
    }
    StrView satellite = sv(f->ref), left = sv_cut(&satellite, '@');
    const char *slash = left.n ? memchr(left.p, '/', left.n) : NULL;
    size_t ns_n = slash ? (size_t)(slash - left.p) : 0;
    const char *ns = slash ? arena_strndup(a, left.p, ns_n) : NULL;
    const char *name = slash ? arena_strndup(a, slash + 1, left.n - ns_n - 1) : sv_dup(a, left);
    store_query(
        app, tx,
        "SELECT " COLS " FROM cluster_list WHERE name = $1 AND ($2::text IS NULL OR "
        "namespace = $2) AND ($3::text IS NULL OR satellite = $3) "
        "ORDER BY satellite, namespace LIMIT 6",
        PG_PARAMS(pg_text(name), pg_text(ns), pg_text(satellite.p ? sv_dup(a, satellite) : NULL)),
        found, f);
}

void cluster_tombstone(App *app, PgConn *tx, const ClusterTombstone *t, AppDone done, void *ctx)
{
    const char *sql =
        t->forget ? "DELETE FROM clusters WHERE id = $1 AND ($3 = 0 OR desired_version = $3) AND "
                    "$2::boolean IS NOT NULL"
                  : "UPDATE clusters SET deleted_at = coalesce(deleted_at, now()), "
                    "delete_volumes = $2, desired_version = nextval('config_version'), "
                    "config_state = 'deleting', config_error = '', updated_at = now() "
                    "WHERE id = $1 AND ($3 = 0 OR desired_version = $3)";
    store_query(app, tx, sql,
                PG_PARAMS(pg_text(t->id), pg_bool(t->delete_volumes), pg_int(t->if_match)),
                store_acked, store_ack(done, ctx));
}
