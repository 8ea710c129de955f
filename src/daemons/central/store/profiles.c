#include "store/profiles.h"

#include "core/ident.h"
#include "core/limits.h"

#define IN_USE \
    "(SELECT count(*) FROM clusters c WHERE c.profile_id = p.id AND c.deleted_at IS NULL)"
#define COLS                                                                               \
    "p.id, p.version, v.version, encode(v.commit_oid, 'hex'), v.author, v.doc, " STORE_US( \
        "v.created_at") ", " IN_USE
#define FROM " FROM profiles p JOIN profile_versions v ON v.profile_id = p.id "

char *profile_doc(Arena *a, const Profile *p)
{
    return fields_to_text(a, &profile_schema, p, 0);
}

void profile_from_doc(Arena *a, const char *json, Profile *ret)
{
    cJSON *root;
    FieldErrors errs = field_errors(a);
    Schema s = profile_schema;
    s.validate = NULL;
    fields_defaults(a, &s, ret);
    if (json_parse(a, sv(json), LIMIT_JSON_BODY, &root, NULL) == ERR_OK)
        fields_decode(a, &s, root, ret, "", &errs);
}

static void map_row(Arena *a, const PgResult *r, int row, ProfileRow *ret)
{
    *ret = (ProfileRow){.id = arena_strdup(a, pg_get(r, row, 0)), .newest = pg_get_int(r, row, 1)};
    profile_from_doc(a, pg_get(r, row, 5), &ret->api.p);
    ret->api.version = pg_get_int(r, row, 2);
    ret->api.commit = arena_strdup(a, pg_get(r, row, 3));
    ret->api.author = arena_strdup(a, pg_get(r, row, 4));
    ret->api.updated_at = pg_get_int(r, row, 6);
    ret->api.clusters = pg_get_int(r, row, 7);
}

typedef struct Find {
    App *app;
    PgConn *tx;
    Arena *a;
    ProfileRef ref;
    ProfileDone done;
    void *ctx;
} Find;

static void found(void *ctx, const Error *err, PgResult *r)
{
    Find *f = ctx;
    Error why;
    ProfileRow row;
    if (!err && pg_rows(r) == 0) {
        if (f->ref.version)
            err_set(&why, ERR_NOT_FOUND, "profile '%s': there is no version %lld", f->ref.name,
                    (long long)f->ref.version);
        else
            store_absent(&why, "profile", f->ref.name);
        err = &why;
    }
    if (!err)
        map_row(f->a, r, 0, &row);
    f->done(f->ctx, err, err ? NULL : &row);
}

static void read_it(Find *f)
{
    store_query(f->app, f->tx,
                "SELECT " COLS FROM "WHERE p.name = $1 AND v.version = CASE WHEN $2 = 0 THEN "
                "p.version ELSE $2 END",
                PG_PARAMS(pg_text(f->ref.name), pg_int(f->ref.version)), found, f);
}

static void locked(void *ctx, const Error *err, PgResult *r)
{
    Find *f = ctx;
    (void)r;
    if (err)
        f->done(f->ctx, err, NULL);
    else
        read_it(f);
}

void profile_find(App *app, PgConn *tx, Arena *a, const ProfileRef *ref, ProfileDone done,
                  void *ctx)
{
    Find *f = arena_new_of(a, Find);
    *f = (Find){app, tx, a, *ref, done, ctx};
    f->ref.name = arena_strdup(a, ref->name);
    /* The lock is a statement of its own: one that waited would join the newer profile with the
     * versions of its own older snapshot, and find nothing. */
    if (ref->lock)
        store_query(app, tx, "SELECT 1 FROM profiles WHERE name = $1 FOR UPDATE",
                    PG_PARAMS(pg_text(ref->name)), locked, f);
    else
        read_it(f);
}

/* ---- lists ---- */

static void map_item(Arena *a, const PgResult *r, int row, void *item)
{
    ProfileRow full;
    map_row(a, r, row, &full);
    *(ApiProfile *)item = full.api;
}

void profile_list(App *app, Arena *a, const char *name, const Page *p, ListDone done, void *ctx)
{
    uint32_t limit = store_limit(p);
    ListSpec spec = {
        .sql = "SELECT " COLS ", p.name, (SELECT count(*) FROM profiles WHERE $3::text IS NULL OR "
               "position($3 IN name) > 0)" FROM "AND v.version = p.version WHERE ($2::text IS NULL "
               "OR p.name > $2) AND ($3::text IS NULL OR position($3 IN p.name) > 0) "
               "ORDER BY p.name LIMIT $1",
        .params = (const PgParam[]){pg_int((int64_t)limit + 1), pg_text(p->after), pg_text(name)},
        .n = 3,
        .limit = limit,
        .item_size = sizeof(ApiProfile),
        .map = map_item,
    };
    store_list(app, a, &spec, done, ctx);
}

static void map_version(Arena *a, const PgResult *r, int row, void *item)
{
    *(ApiProfileVersion *)item = (ApiProfileVersion){
        .version = pg_get_int(r, row, 0),
        .commit = arena_strdup(a, pg_get(r, row, 1)),
        .author = arena_strdup(a, pg_get(r, row, 2)),
        .message = arena_strdup(a, pg_get(r, row, 3)),
        .created_at = pg_get_int(r, row, 4),
        .clusters = pg_get_int(r, row, 5),
    };
}

typedef struct Versions {
    Arena *a;
    const char *name;
    ListDone done;
    void *ctx;
} Versions;

static void on_versions(void *ctx, const Error *err, const ObjList *items, int64_t total,
                        const char *next)
{
    Versions *v = ctx;
    Error why;
    /* A profile has at least one version: an empty first page means there is no such profile. */
    if (!err && !items->n && v->name) {
        store_absent(&why, "profile", v->name);
        err = &why;
    }
    v->done(v->ctx, err, err ? NULL : items, total, next);
}

void profile_versions(App *app, Arena *a, const char *name, const Page *p, ListDone done, void *ctx)
{
    uint32_t limit = store_limit(p);
    int64_t after = 0;
    if (p->after && !str_to_i64(p->after, &after))
        after = 0;
    Versions *v = arena_new_of(a, Versions);
    *v = (Versions){a, after ? NULL : arena_strdup(a, name), done, ctx};
    ListSpec spec = {
        .sql = "SELECT v.version, encode(v.commit_oid, 'hex'), v.author, v.message, " STORE_US(
            "v.created_at") ", (SELECT count(*) FROM clusters c WHERE c.profile_id = p.id AND "
                            "c.profile_version = v.version AND c.deleted_at IS NULL), "
                            "v.version, p.version" FROM "WHERE p.name = $3 AND ($2 = 0 OR "
                            "v.version < $2) ORDER BY v.version DESC LIMIT $1",
        .params = (const PgParam[]){pg_int((int64_t)limit + 1), pg_int(after), pg_text(name)},
        .n = 3,
        .limit = limit,
        .item_size = sizeof(ApiProfileVersion),
        .map = map_version,
    };
    store_list(app, a, &spec, on_versions, v);
}

/* ---- writing ---- */

void git_objects_insert(App *app, PgConn *tx, const GitObjects *objs, AppDone done, void *ctx)
{
    AUTO_ARENA a = arena_new();
    PgArray cols[3] = {0};
    GitObject o;
    for (size_t i = 0; gitobjs_made(objs, i, &o); i++) {
        char oid[GIT_OID_HEX + 1];
        char *data = arena_alloc(a, o.data.n * 2 + 1);
        hex_encode(oid, o.oid, GIT_OID_RAW);
        hex_encode(data, o.data.p, o.data.n);
        pgarray_text(&cols[0], oid);
        pgarray_int(&cols[1], o.kind);
        pgarray_text(&cols[2], data);
    }
    store_query(
        app, tx,
        "INSERT INTO git_objects (oid, kind, data) SELECT decode(o, 'hex'), k, "
        "decode(d, 'hex') FROM unnest($1::text[], $2::int[], $3::text[]) u(o, k, d) "
        "ORDER BY o ON CONFLICT (oid) DO NOTHING",
        PG_PARAMS(pgarray_param(&cols[0]), pgarray_param(&cols[1]), pgarray_param(&cols[2])),
        store_acked, store_ack(done, ctx));
    pgarrays_done(cols, 3);
}

void profile_version_insert(App *app, PgConn *tx, const ProfileVersionNew *v, AppDone done,
                            void *ctx)
{
    const char *sql =
        v->id ? "WITH p AS (UPDATE profiles SET version = $3, updated_at = now() "
                "WHERE id = $1::uuid AND name = $2 RETURNING id) "
                "INSERT INTO profile_versions (profile_id, version, commit_oid, doc, author, "
                "message) SELECT id, $3, decode($4, 'hex'), $5, $6, $7 FROM p"
              : "WITH p AS (INSERT INTO profiles (id, name, version) VALUES "
                "(coalesce($1::uuid, gen_random_uuid()), $2, $3) RETURNING id) "
                "INSERT INTO profile_versions (profile_id, version, commit_oid, doc, author, "
                "message) SELECT id, $3, decode($4, 'hex'), $5, $6, $7 FROM p";
    store_query(app, tx, sql,
                PG_PARAMS(pg_text(v->id), pg_text(v->name), pg_int(v->version), pg_text(v->commit),
                          pg_text(v->doc), pg_text(v->author), pg_text(v->message)),
                store_acked, store_ack(done, ctx));
}

typedef struct Removal {
    const char *name;
    AppDone done;
    void *ctx;
} Removal;

static void on_removed(void *ctx, const Error *err, PgResult *r)
{
    Removal *m = ctx;
    Error why = {0};
    if (!err && pg_rows(r) == 0)
        store_absent(&why, "profile", m->name);
    else if (!err && (pg_get_int(r, 0, 0) || pg_get_int(r, 0, 1)))
        err_set(&why, ERR_PRECONDITION,
                "profile '%s': %s clusters and %s rules use it; remove them first", m->name,
                pg_get(r, 0, 0), pg_get(r, 0, 1));
    else if (err && err->code == ERR_PRECONDITION)
        err_set(&why, ERR_PRECONDITION, "profile '%s': it is in use", m->name);
    m->done(m->ctx, why.code ? &why : err);
}

void profile_delete(App *app, Arena *a, const char *name, AppDone done, void *ctx)
{
    Removal *m = arena_new_of(a, Removal);
    *m = (Removal){arena_strdup(a, name), done, ctx};
    pg_query(app->pool,
             "WITH p AS (SELECT id, (SELECT count(*) FROM clusters c WHERE c.profile_id = p.id) "
             "AS clusters, (SELECT count(*) FROM deployment_rules r WHERE r.profile_id = p.id) AS "
             "rules FROM profiles p WHERE name = $1), d AS (DELETE FROM profiles d USING p "
             "WHERE d.id = p.id AND p.clusters = 0 AND p.rules = 0) SELECT clusters, rules FROM p",
             PG_PARAMS(pg_text(name)), on_removed, m);
}
