#include "store/cluster_rows.h"

static const char *text(Arena *a, const PgResult *r, int row, int col)
{
    return arena_strdup(a, pg_get(r, row, col));
}

void cluster_from_row(Arena *a, const PgResult *r, int row, int first_col, ApiCluster *ret)
{
    int c = first_col;
    *ret = (ApiCluster){0};
    ret->id = text(a, r, row, c++);
    ret->name = text(a, r, row, c++);
    ret->ns = text(a, r, row, c++);
    ret->satellite = text(a, r, row, c++);
    ret->state = text(a, r, row, c++);
    ret->reason = text(a, r, row, c++);
    ret->profile = text(a, r, row, c++);
    ret->profile_version = pg_get_int(r, row, c++);
    ret->config_version = pg_get_int(r, row, c++);
    ret->acked_version = pg_get_int(r, row, c++);
    ret->config_state = text(a, r, row, c++);
    ret->config_error = text(a, r, row, c++);
    ret->replicas = pg_get_int(r, row, c++);
    ret->ready = pg_get_int(r, row, c++);
    ret->primary = text(a, r, row, c++);
    ret->lag_bytes = pg_get_int(r, row, c++);
    ret->lag_seconds = pg_get_f64(r, row, c++);
    ret->rule = text(a, r, row, c++);
    ret->paused = pg_get_bool(r, row, c++);
    ret->durability = text(a, r, row, c++);
    ret->sync = text(a, r, row, c++);
    ret->failover_loss = text(a, r, row, c++);
    ret->failover_loss_bytes = pg_get_int(r, row, c++);
    ret->created_at = pg_get_int(r, row, c++);
    ret->updated_at = pg_get_int(r, row, c++);
    if (c - first_col != CLUSTER_COLUMN_COUNT)
        BUG("CLUSTER_COLUMNS and cluster_from_row differ");
}

ObjList clusters_from_result(Arena *a, const PgResult *r)
{
    int n = pg_rows(r);
    ApiCluster *at = arena_array(a, ApiCluster, n ? (size_t)n : 1);
    for (int i = 0; i < n; i++)
        cluster_from_row(a, r, i, 0, &at[i]);
    return (ObjList){at, (size_t)n};
}

typedef struct Query {
    Arena *a;
    ObjsDone done;
    void *ctx;
} Query;

static void on_rows(void *ctx, const Error *err, PgResult *r)
{
    Query *q = ctx;
    if (err) {
        q->done(q->ctx, err, NULL);
        return;
    }
    ObjList items = clusters_from_result(q->a, r);
    q->done(q->ctx, NULL, &items);
}

static Query *query_new(Arena *a, ObjsDone done, void *ctx)
{
    Query *q = arena_new_of(a, Query);
    *q = (Query){a, done, ctx};
    return q;
}

void cluster_by_ids(App *app, Arena *a, const char *ids, ObjsDone done, void *ctx)
{
    pg_query(app->pool,
             "SELECT " CLUSTER_COLUMNS " FROM cluster_list "
             "WHERE id = ANY (string_to_array($1, ',')::uuid[])",
             PG_PARAMS(pg_text(ids)), on_rows, query_new(a, done, ctx));
}

void cluster_page(App *app, Arena *a, const char *after_id, uint32_t limit, ObjsDone done,
                  void *ctx)
{
    pg_query(app->pool,
             "SELECT " CLUSTER_COLUMNS " FROM cluster_list "
             "WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2",
             PG_PARAMS(pg_text(*after_id ? after_id : NULL), pg_int(limit)), on_rows,
             query_new(a, done, ctx));
}

void cluster_broken(App *app, Arena *a, uint32_t limit, ObjsDone done, void *ctx)
{
    pg_query(app->pool,
             "SELECT " CLUSTER_COLUMNS " FROM cluster_list "
             "WHERE state IN ('failed', 'degraded') OR config_state = 'refused' "
             "   OR (state = 'creating' AND created_at < now() - interval '10 minutes') "
             "ORDER BY array_position(ARRAY['failed', 'degraded'], state) NULLS LAST, "
             "         updated_at DESC, id LIMIT $1",
             PG_PARAMS(pg_int(limit)), on_rows, query_new(a, done, ctx));
}
