#include "store/enrol_tokens.h"

#include <stdio.h>
#include <stdlib.h>

#define COLS                                                               \
    "id, name, labels, created_by, " STORE_US("created_at") ", " STORE_US( \
        "expires_at") " "                                                  \
                      ", " STORE_US("used_at")

static void map_info(Arena *a, const PgResult *r, int i, void *item)
{
    ApiEnrolmentInfo *t = item;
    *t = (ApiEnrolmentInfo){.id = arena_strdup(a, pg_get(r, i, 0)),
                            .name = arena_strdup(a, pg_get(r, i, 1)),
                            .labels = store_map(a, pg_get(r, i, 2)),
                            .created_by = arena_strdup(a, pg_get(r, i, 3)),
                            .created_at = pg_get_int(r, i, 4),
                            .expires_at = pg_get_int(r, i, 5),
                            .used_at = pg_get_int(r, i, 6)};
}

typedef struct Ask {
    Arena *arena;
    const char *name;
    EnrolTokenDone done;
    void *ctx;
} Ask;

static Ask *ask_new(Arena *a, const char *name, EnrolTokenDone done, void *ctx)
{
    Ask *k = arena_new_of(a, Ask);
    *k = (Ask){a, name, done, ctx};
    return k;
}

static void one(void *ctx, const Error *err, PgResult *r)
{
    Ask *k = ctx;
    ApiEnrolmentInfo info;
    if (err) {
        k->done(k->ctx, err, NULL);
        return;
    }
    map_info(k->arena, r, 0, &info);
    k->done(k->ctx, NULL, &info);
}

void enrol_token_insert(App *app, Arena *a, const EnrolTokenNew *t, EnrolTokenDone done, void *ctx)
{
    pg_query(app->pool,
             "INSERT INTO enrolment_tokens (sha256, name, labels, created_by, expires_at)"
             " VALUES ($1, $2, $3, $4, now() + $5 * interval '1 h') RETURNING " COLS,
             PG_PARAMS(pg_bytes(t->sha256, 32), pg_text(t->name),
                       pg_text(store_map_json(a, t->labels)), pg_text(t->user),
                       pg_int(t->ttl_hours)),
             one, ask_new(a, t->name, done, ctx));
}

/* ---- use ---- */

static const char *why_not(Arena *a, const char *code, const char *of, const char *name)
{
    if (str_eq(code, "name"))
        return arena_printf(a, "the enrolment token is for satellite '%s', not for '%s'", of, name);
    if (str_eq(code, "expired"))
        return "the enrolment token has expired";
    if (str_eq(code, "used"))
        return "the enrolment token was used by another satellite already";
    return "the enrolment token is none of central's";
}

static void used(void *ctx, const Error *err, PgResult *r)
{
    Ask *k = ctx;
    Error why;
    const char *code = err || !pg_rows(r) ? "" : pg_get(r, 0, 7);
    if (err || str_eq(code, "ok")) {
        one(k, err, r);
        return;
    }
    err_set(&why, ERR_PRECONDITION, "%s",
            why_not(k->arena, code, *code ? pg_get(r, 0, 1) : "", k->name));
    k->done(k->ctx, &why, NULL);
}

void enrol_token_use(App *app, PgConn *tx, Arena *a, const EnrolTokenUse *use, EnrolTokenDone done,
                     void *ctx)
{
    store_query(
        app, tx,
        "WITH u AS (UPDATE enrolment_tokens SET used_at = coalesce(used_at, now()),"
        " used_by = $3 WHERE sha256 = $1 AND name = $2 AND expires_at > now() AND"
        " (used_by IS NULL OR used_by = $3) RETURNING *)"
        " SELECT " COLS ", 'ok' FROM u UNION ALL SELECT " COLS
        ", CASE WHEN name <> $2 THEN 'name' WHEN expires_at <= now() THEN 'expired'"
        " ELSE 'used' END FROM enrolment_tokens WHERE sha256 = $1 AND"
        " NOT EXISTS (SELECT FROM u)",
        PG_PARAMS(pg_bytes(use->sha256, 32), pg_text(use->name), pg_text(use->satellite_id)), used,
        ask_new(a, arena_strdup(a, use->name), done, ctx));
}

/* ---- lists and ends ---- */

void enrol_token_list(App *app, Arena *a, const Page *p, ListDone done, void *ctx)
{
    const PgParam params[] = {pg_text(p ? p->after : NULL), pg_int(store_limit(p) + 1)};
    ListSpec spec = {
        .sql = "WITH f AS (SELECT " COLS ", created_at::text || ' ' || id AS cursor"
               " FROM enrolment_tokens) SELECT f.*, (SELECT count(*) FROM f) FROM f"
               " WHERE $1::text IS NULL OR cursor < $1 ORDER BY cursor DESC LIMIT $2",
        .params = params,
        .n = 2,
        .limit = store_limit(p),
        .item_size = sizeof(ApiEnrolmentInfo),
        .map = map_info,
    };
    store_list(app, a, &spec, done, ctx);
}

void enrol_token_delete(App *app, const char *id, AppDone done, void *ctx)
{
    pg_query(app->pool, "DELETE FROM enrolment_tokens WHERE id::text = $1", PG_PARAMS(pg_text(id)),
             store_acked, store_ack_of("enrolment token", id, done, ctx));
}
