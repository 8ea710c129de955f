#include "store/users.h"

#define COLS "id, name, role, password_hash, " STORE_US("created_at")

typedef struct Ask {
    Arena *arena;
    const char *name;
    UserDone done;
    void *ctx;
} Ask;

static Ask *ask_new(Arena *a, const char *name, UserDone done, void *ctx)
{
    Ask *k = arena_new_of(a, Ask);
    *k = (Ask){a, arena_strdup(a, name), done, ctx};
    return k;
}

static void got(void *ctx, const Error *err, PgResult *r)
{
    Ask *k = ctx;
    Error why;
    if (err && err->code == ERR_EXISTS) {
        err_set(&why, ERR_EXISTS, "name: user '%s' is there already", k->name);
        err = &why;
    } else if (!err && pg_rows(r) == 0) {
        store_absent(&why, "user", k->name);
        err = &why;
    }
    if (err) {
        k->done(k->ctx, err, NULL);
        return;
    }
    Arena *a = k->arena;
    UserRow u = {.id = arena_strdup(a, pg_get(r, 0, 0)),
                 .password_hash = arena_strdup(a, pg_get(r, 0, 3)),
                 .api = {.name = arena_strdup(a, pg_get(r, 0, 1)),
                         .role = arena_strdup(a, pg_get(r, 0, 2)),
                         .created_at = pg_get_int(r, 0, 4)}};
    k->done(k->ctx, NULL, &u);
}

void user_find(App *app, Arena *a, const char *name, UserDone done, void *ctx)
{
    pg_query(app->pool, "SELECT " COLS " FROM users WHERE name = $1", PG_PARAMS(pg_text(name)), got,
             ask_new(a, name, done, ctx));
}

void user_create(App *app, PgConn *tx, Arena *a, const UserRow *u, UserDone done, void *ctx)
{
    store_query(app, tx,
                "INSERT INTO users (name, role, password_hash) VALUES ($1, $2, $3) RETURNING " COLS,
                PG_PARAMS(pg_text(u->api.name), pg_text(u->api.role), pg_text(u->password_hash)),
                got, ask_new(a, u->api.name, done, ctx));
}

static void map_user(Arena *a, const PgResult *r, int i, void *item)
{
    ApiUser *u = item;
    *u = (ApiUser){.name = arena_strdup(a, pg_get(r, i, 0)),
                   .role = arena_strdup(a, pg_get(r, i, 1)),
                   .created_at = pg_get_int(r, i, 2)};
}

void user_list(App *app, Arena *a, const Page *p, ListDone done, void *ctx)
{
    const PgParam params[] = {pg_text(p ? p->after : NULL), pg_int(store_limit(p) + 1)};
    ListSpec spec = {
        .sql = "SELECT name, role, " STORE_US(
            "created_at") ", name,"
                          " (SELECT count(*) FROM users) FROM users"
                          " WHERE $1::text IS NULL OR name > $1 ORDER BY name LIMIT $2",
        .params = params,
        .n = 2,
        .limit = store_limit(p),
        .item_size = sizeof(ApiUser),
        .map = map_user};
    store_list(app, a, &spec, done, ctx);
}

/* ---- removing: one statement locks all admins, so that two removals cannot both spare the other
 * ---- */

typedef struct Removal {
    Arena *arena;
    const char *name;
    AppDone done;
    void *ctx;
} Removal;

static void removed(void *ctx, const Error *err, PgResult *r)
{
    Removal *d = ctx;
    Error why;
    if (!err && pg_get_int(r, 0, 0) == 0) {
        store_absent(&why, "user", d->name);
        err = &why;
    } else if (!err && pg_get_int(r, 0, 1) == 0) {
        err_set(&why, ERR_PRECONDITION, "user '%s' is the last admin", d->name);
        err = &why;
    }
    AppDone done = d->done;
    void *dctx = d->ctx;
    Error copy = err ? *err : (Error){0};
    arena_free(d->arena);
    done(dctx, err ? &copy : NULL);
}

void user_delete(App *app, const char *name, AppDone done, void *ctx)
{
    Arena *a = arena_new();
    Removal *d = arena_new_of(a, Removal);
    *d = (Removal){a, arena_strdup(a, name), done, ctx};
    pg_query(
        app->pool,
        "WITH admins AS (SELECT id, name FROM users WHERE role = 'admin' ORDER BY id FOR UPDATE),"
        " gone AS (DELETE FROM users u WHERE u.name = $1 AND (u.role <> 'admin' OR"
        " EXISTS (SELECT FROM admins x WHERE x.name <> $1)) RETURNING 1)"
        " SELECT (SELECT count(*) FROM users WHERE name = $1), (SELECT count(*) FROM gone)",
        PG_PARAMS(pg_text(name)), removed, d);
}
