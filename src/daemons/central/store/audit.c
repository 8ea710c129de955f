#include "store/audit.h"

void audit_add(App *app, PgConn *tx, const AuditNew *r, AppDone done, void *ctx)
{
    store_query(app, tx,
                "INSERT INTO audit (user_name, role, action, object, peer, request_id, status,"
                " before, after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                PG_PARAMS(pg_text(str_or(r->user, "")), pg_text(str_or(r->role, "")),
                          pg_text(r->action), pg_text(str_or(r->object, "")),
                          pg_text(str_or(r->peer, "")), pg_text(str_or(r->request_id, "")),
                          pg_int(r->status), pg_text(r->before), pg_text(r->after)),
                store_acked, store_ack(done, ctx));
}

static void map_audit(Arena *a, const PgResult *r, int i, void *item)
{
    ApiAudit *x = item;
    *x = (ApiAudit){
        .id = arena_strdup(a, pg_get(r, i, 0)),
        .at = pg_get_int(r, i, 1),
        .user = arena_strdup(a, pg_get(r, i, 2)),
        .role = arena_strdup(a, pg_get(r, i, 3)),
        .action = arena_strdup(a, pg_get(r, i, 4)),
        .target = arena_strdup(a, pg_get(r, i, 5)),
        .from = arena_strdup(a, pg_get(r, i, 6)),
        .request_id = arena_strdup(a, pg_get(r, i, 7)),
        .result = arena_strdup(a, pg_get(r, i, 8)),
        .before = pg_is_null(r, i, 9) ? NULL : arena_strdup(a, pg_get(r, i, 9)),
        .after = pg_is_null(r, i, 10) ? NULL : arena_strdup(a, pg_get(r, i, 10)),
    };
}

#define WHERE                                                                          \
    " FROM audit WHERE ($1::text IS NULL OR user_name = $1) AND ($2::text IS NULL OR " \
    "action = $2) AND ($3::text IS NULL OR object = $3) AND ($4::bigint = 0 OR at >= " \
    "to_timestamp($4 / 1000000.0))"

void audit_list(App *app, Arena *a, const AuditFilter *f, const Page *p, ListDone done, void *ctx)
{
    int64_t after;
    const PgParam params[] = {
        pg_text(f->user),
        pg_text(f->action),
        pg_text(f->object),
        pg_int(f->since_us),
        p && p->after && str_to_i64(p->after, &after) ? pg_int(after) : pg_null(),
        pg_int(store_limit(p) + 1),
    };
    /* Counting stops at 10,000: an exact total of a table that only grows is not worth a scan. */
    ListSpec spec = {
        .sql = "SELECT id, " STORE_US(
            "at") ", user_name, role, action, object, peer, request_id,"
                  " status, before, after, id, (SELECT count(*) FROM (SELECT 1" WHERE
                  " LIMIT 10000) n)" WHERE
                  " AND ($5::bigint IS NULL OR id < $5) ORDER BY id DESC LIMIT $6",
        .params = params,
        .n = 6,
        .limit = store_limit(p),
        .item_size = sizeof(ApiAudit),
        .map = map_audit,
    };
    store_list(app, a, &spec, done, ctx);
}
