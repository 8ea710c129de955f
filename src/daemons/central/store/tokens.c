#include "store/tokens.h"

#include <stdio.h>
#include <stdlib.h>

static void map_info(Arena *a, const PgResult *r, int i, void *item)
{
    ApiTokenInfo *t = item;
    *t = (ApiTokenInfo){.id = arena_strdup(a, pg_get(r, i, 0)),
                        .user = arena_strdup(a, pg_get(r, i, 1)),
                        .role = arena_strdup(a, pg_get(r, i, 2)),
                        .description = arena_strdup(a, pg_get(r, i, 3)),
                        .created_at = pg_get_int(r, i, 4),
                        .last_used_at = pg_get_int(r, i, 5),
                        .expires_at = pg_get_int(r, i, 6)};
}

#define COLS(t)                                                                               \
    t ".id, u.name, " t ".role, " t ".description, " STORE_US(t ".created_at") ", " STORE_US( \
        t ".last_used_at") ", " STORE_US(t ".expires_at")

typedef struct Ask {
    Arena *arena;
    TokenDone done;
    void *ctx;
} Ask;

static void inserted(void *ctx, const Error *err, PgResult *r)
{
    Ask *k = ctx;
    ApiTokenInfo info;
    if (err) {
        k->done(k->ctx, err, NULL);
        return;
    }
    map_info(k->arena, r, 0, &info);
    k->done(k->ctx, NULL, &info);
}

void token_insert(App *app, PgConn *tx, Arena *a, const TokenNew *t, TokenDone done, void *ctx)
{
    Ask *k = arena_new_of(a, Ask);
    *k = (Ask){a, done, ctx};
    store_query(
        app, tx,
        "WITH t AS (INSERT INTO tokens (user_id, sha256, role, description, expires_at)"
        " VALUES ($1, $2, $3, $4, CASE WHEN $5::int > 0 THEN now() + $5 * interval '1 h' END)"
        " RETURNING *) SELECT " COLS("t") " FROM t JOIN users u ON u.id = t.user_id",
        PG_PARAMS(pg_text(t->user_id), pg_bytes(t->sha256, 32), pg_text(t->role),
                  pg_text(str_or(t->description, "")), pg_int(t->ttl_hours)),
        inserted, k);
}

/* ---- who owns it ---- */

typedef struct OwnerAsk {
    Arena *arena;
    void (*done)(void *ctx, const Error *err, const TokenOwner *o);
    void *ctx;
} OwnerAsk;

static void owner_found(void *ctx, const Error *err, PgResult *r)
{
    OwnerAsk *k = ctx;
    Error why;
    if (!err && pg_rows(r) == 0) {
        err_set(&why, ERR_UNAUTHENTICATED, "the token is unknown, ended or expired");
        err = &why;
    }
    if (err) {
        k->done(k->ctx, err, NULL);
        return;
    }
    TokenOwner o = {.token_id = arena_strdup(k->arena, pg_get(r, 0, 0)),
                    .user_id = arena_strdup(k->arena, pg_get(r, 0, 1)),
                    .user = arena_strdup(k->arena, pg_get(r, 0, 2)),
                    .role = arena_strdup(k->arena, pg_get(r, 0, 3))};
    k->done(k->ctx, NULL, &o);
}

void token_owner(App *app, Arena *a, const unsigned char sha256[32],
                 void (*done)(void *ctx, const Error *err, const TokenOwner *o), void *ctx)
{
    OwnerAsk *k = arena_new_of(a, OwnerAsk);
    *k = (OwnerAsk){a, done, ctx};
    pg_query(app->pool,
             "WITH t AS (SELECT * FROM tokens WHERE sha256 = $1 AND"
             " (expires_at IS NULL OR expires_at > now())),"
             " used AS (UPDATE tokens x SET last_used_at = now() FROM t WHERE x.id = t.id AND"
             " (t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 min'))"
             " SELECT t.id, u.id, u.name, CASE WHEN array_position(o.o, u.role) <"
             " array_position(o.o, t.role) THEN u.role ELSE t.role END"
             " FROM t JOIN users u ON u.id = t.user_id,"
             " (SELECT ARRAY['viewer', 'operator', 'admin'] AS o) o",
             PG_PARAMS(pg_bytes(sha256, 32)), owner_found, k);
}

/* ---- lists and ends ---- */

void token_list(App *app, Arena *a, const char *user, const Page *p, ListDone done, void *ctx)
{
    const PgParam params[] = {pg_text(user), pg_text(p ? p->after : NULL),
                              pg_int(store_limit(p) + 1)};
    ListSpec spec = {
        .sql = "WITH f AS (SELECT " COLS("t") ", t.created_at::text || ' ' || t.id AS cursor"
                                              " FROM tokens t JOIN users u ON u.id = t.user_id "
                                              "WHERE $1::text IS NULL OR u.name = $1)"
                                              " SELECT f.*, (SELECT count(*) FROM f) FROM f WHERE "
                                              "$2::text IS NULL OR cursor < $2"
                                              " ORDER BY cursor DESC LIMIT $3",
        .params = params,
        .n = 3,
        .limit = store_limit(p),
        .item_size = sizeof(ApiTokenInfo),
        .map = map_info,
    };
    store_list(app, a, &spec, done, ctx);
}

void token_delete(App *app, const char *id, const char *user, AppDone done, void *ctx)
{
    /* id::text, so that what is no UUID is simply not found */
    pg_query(app->pool,
             "DELETE FROM tokens t USING users u WHERE u.id = t.user_id AND t.id::text = $1 AND"
             " ($2::text IS NULL OR u.name = $2)",
             PG_PARAMS(pg_text(id), pg_text(user)), store_acked,
             store_ack_of("token", id, done, ctx));
}
