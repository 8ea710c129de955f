#include "store/pgversions.h"

/* Profiles whose newest version finds its image in this row. */
#define PROFILES                                                                           \
    "(SELECT count(*) FROM profiles p JOIN profile_versions v ON v.profile_id = p.id AND " \
    "v.version = p.version WHERE v.doc #>> '{postgres,version}' = x.version AND "          \
    "coalesce(nullif(v.doc #>> '{postgres,variant}', ''), 'default') = x.variant AND "     \
    "coalesce(v.doc #>> '{postgres,image}', '') = '')"
#define COLS "x.version, x.variant, x.image, " PROFILES

typedef struct Ask {
    Arena *a;
    const char *version, *variant;
    union {
        ImageDone image;
        PgVersionDone version;
        AppDone ack;
    } done;
    void *ctx;
} Ask;

static void on_image(void *ctx, const Error *err, PgResult *r)
{
    Ask *q = ctx;
    const char *image = !err && !pg_is_null(r, 0, 0) ? arena_strdup(q->a, pg_get(r, 0, 0)) : NULL;
    q->done.image(q->ctx, err, image);
}

void pgversion_image(App *app, PgConn *tx, Arena *a, const ProfilePostgres *pg, ImageDone done,
                     void *ctx)
{
    Ask *q = arena_new_of(a, Ask);
    *q = (Ask){.a = a, .done.image = done, .ctx = ctx};
    store_query(app, tx,
                "SELECT postgres_image(jsonb_build_object('postgres', jsonb_build_object("
                "'version', $1::text, 'variant', $2::text, 'image', $3::text)))",
                PG_PARAMS(pg_text(pg->version), pg_text(pg->variant), pg_text(pg->image)), on_image,
                q);
}

static void map_version(Arena *a, const PgResult *r, int row, void *item)
{
    ApiPgVersion *v = item;
    *v = (ApiPgVersion){.version = arena_strdup(a, pg_get(r, row, 0)),
                        .variant = arena_strdup(a, pg_get(r, row, 1)),
                        .image = arena_strdup(a, pg_get(r, row, 2)),
                        .profiles = pg_get_int(r, row, 3)};
    v->is_default = str_eq(v->variant, "default");
}

void pgversion_list(App *app, Arena *a, const Page *p, ListDone done, void *ctx)
{
    uint32_t limit = store_limit(p);
    ListSpec spec = {
        .sql = "SELECT " COLS ", x.version || '/' || x.variant, "
               "(SELECT count(*) FROM postgres_versions) FROM postgres_versions x "
               "WHERE $2::text IS NULL OR (x.major, x.version || '/' || x.variant) < "
               "(split_part($2, '.', 1)::int, $2) "
               "ORDER BY x.major DESC, x.version || '/' || x.variant DESC LIMIT $1",
        .params = (const PgParam[]){pg_int((int64_t)limit + 1), pg_text(p->after)},
        .n = 2,
        .limit = limit,
        .item_size = sizeof(ApiPgVersion),
        .map = map_version,
    };
    store_list(app, a, &spec, done, ctx);
}

static void on_put(void *ctx, const Error *err, PgResult *r)
{
    Ask *q = ctx;
    ApiPgVersion v;
    if (!err)
        map_version(q->a, r, 0, &v);
    q->done.version(q->ctx, err, err ? NULL : &v);
}

void pgversion_put(App *app, Arena *a, const ApiPgVersion *v, PgVersionDone done, void *ctx)
{
    Ask *q = arena_new_of(a, Ask);
    *q = (Ask){.a = a, .done.version = done, .ctx = ctx};
    pg_query(app->pool,
             "WITH x AS (INSERT INTO postgres_versions (version, variant, image) "
             "VALUES ($1, $2, $3) ON CONFLICT (version, variant) DO UPDATE "
             "SET image = excluded.image, updated_at = now() RETURNING *) SELECT " COLS " FROM x",
             PG_PARAMS(pg_text(v->version), pg_text(v->variant), pg_text(v->image)), on_put, q);
}

static void on_deleted(void *ctx, const Error *err, PgResult *r)
{
    Ask *q = ctx;
    Error why;
    if (!err && pg_rows(r) == 0)
        err_set(&why, ERR_NOT_FOUND, "postgres version %s/%s: there is none", q->version,
                q->variant);
    else if (!err && pg_get_int(r, 0, 0) > 0)
        err_set(&why, ERR_PRECONDITION, "postgres version %s/%s: %s profiles use it", q->version,
                q->variant, pg_get(r, 0, 0));
    else
        why.code = ERR_OK;
    q->done.ack(q->ctx, err ? err : why.code ? &why : NULL);
}

void pgversion_delete(App *app, Arena *a, const char *version, const char *variant, AppDone done,
                      void *ctx)
{
    Ask *q = arena_new_of(a, Ask);
    *q = (Ask){a, arena_strdup(a, version), arena_strdup(a, variant), .done.ack = done, ctx};
    pg_query(app->pool,
             "WITH x AS (SELECT x.version, x.variant, " PROFILES " AS used FROM postgres_versions "
             "x WHERE x.version = $1 AND x.variant = $2), d AS (DELETE FROM postgres_versions d "
             "USING x WHERE d.version = x.version AND d.variant = x.variant AND x.used = 0) "
             "SELECT used FROM x",
             PG_PARAMS(pg_text(version), pg_text(variant)), on_deleted, q);
}
