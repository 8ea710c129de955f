#include "probe/heavy.h"

#include "probe/sql.h"

static void end_round(Heavy *h, bool whole)
{
    if (whole) {
        Arena *old = h->arena;
        h->arena = h->next;
        h->health = h->building;
        h->next = old;
    }
    h->under_way = false;
    if (whole)
        h->on_whole(h->ctx);
}

static void on_slow(void *ctx, const Error *err, PgResult *r)
{
    Heavy *h = ctx;
    int n = err ? 0 : pg_rows(r);
    SlowQuery *at = arena_array(h->next, SlowQuery, (size_t)n + 1);
    for (int i = 0; i < n; i++)
        at[i] = (SlowQuery){.query = arena_strdup(h->next, pg_get(r, i, 0)),
                            .database = arena_strdup(h->next, pg_get(r, i, 1)),
                            .calls = pg_get_int(r, i, 2),
                            .total_ms = pg_get_f64(r, i, 3),
                            .mean_ms = pg_get_f64(r, i, 4),
                            .max_ms = pg_get_f64(r, i, 5),
                            .rows = pg_get_int(r, i, 6)};
    h->building.slow_queries = (ObjList){at, (size_t)n};
    end_round(h, true);
}

static void on_tables(void *ctx, const Error *err, PgResult *r)
{
    Heavy *h = ctx;
    if (err) {
        end_round(h, false);
        return;
    }
    int n = pg_rows(r);
    TableStat *at = arena_array(h->next, TableStat, (size_t)n + 1);
    for (int i = 0; i < n; i++)
        at[i] = (TableStat){.database = arena_strdup(h->next, pg_get(r, i, 0)),
                            .schema = arena_strdup(h->next, pg_get(r, i, 1)),
                            .table = arena_strdup(h->next, pg_get(r, i, 2)),
                            .live_tuples = pg_get_int(r, i, 3),
                            .dead_tuples = pg_get_int(r, i, 4),
                            .seq_scans = pg_get_int(r, i, 5),
                            .index_scans = pg_get_int(r, i, 6),
                            .inserts = pg_get_int(r, i, 7),
                            .updates = pg_get_int(r, i, 8),
                            .deletes = pg_get_int(r, i, 9),
                            .size_bytes = pg_get_int(r, i, 10),
                            .last_vacuum_us = pg_get_int(r, i, 11),
                            .last_autovacuum_us = pg_get_int(r, i, 12)};
    h->building.tables = (ObjList){at, (size_t)n};
    if (h->statements)
        pg_query(h->pool, SQL_SLOW, PG_NO_PARAMS, on_slow, h);
    else
        end_round(h, true);
}

static void on_databases(void *ctx, const Error *err, PgResult *r)
{
    Heavy *h = ctx;
    if (err) {
        end_round(h, false);
        return;
    }
    int n = pg_rows(r);
    DatabaseStat *at = arena_array(h->next, DatabaseStat, (size_t)n + 1);
    for (int i = 0; i < n; i++)
        at[i] = (DatabaseStat){.name = arena_strdup(h->next, pg_get(r, i, 0)),
                               .size_bytes = pg_get_int(r, i, 1),
                               .cache_hit_ratio = pg_get_f64(r, i, 2)};
    h->building.databases = (ObjList){at, (size_t)n};
    pg_query(h->pool, SQL_TABLES, PG_NO_PARAMS, on_tables, h);
}

static void on_server(void *ctx, const Error *err, PgResult *r)
{
    Heavy *h = ctx;
    if (err || pg_rows(r) != 1) {
        end_round(h, false);
        return;
    }
    h->building.server_version = arena_strdup(h->next, pg_get(r, 0, 0));
    h->building.pending_restart = pg_get_bool(r, 0, 1);
    h->building.wal_bytes_on_disk = pg_get_int(r, 0, 2);
    h->building.index_hit_ratio = pg_get_f64(r, 0, 3);
    h->statements = pg_get_bool(r, 0, 4);
    pg_query(h->pool, SQL_DATABASES, PG_NO_PARAMS, on_databases, h);
}

void heavy_round(Heavy *h)
{
    if (h->under_way)
        return;
    if (!h->next)
        h->next = arena_new_sized(1024);
    arena_reset(h->next);
    h->building = (InstanceHealth){0};
    h->under_way = true;
    pg_query(h->pool, SQL_SERVER, PG_NO_PARAMS, on_server, h);
}

void heavy_done(Heavy *h)
{
    arena_free(h->arena);
    arena_free(h->next);
    *h = (Heavy){0};
}

void heavy_fill(const Heavy *h, InstanceHealth *ret)
{
    ret->server_version = str_or(h->health.server_version, "");
    ret->pending_restart = h->health.pending_restart;
    ret->wal_bytes_on_disk = h->health.wal_bytes_on_disk;
    ret->index_hit_ratio = h->health.index_hit_ratio;
    ret->databases = h->health.databases;
    ret->tables = h->health.tables;
    ret->slow_queries = h->health.slow_queries;
}
