#include "store/decisions.h"

#include "model/decision.h"

static void map_decision(Arena *a, const PgResult *r, int i, void *item)
{
    DecisionRecord d = {0};
    const char *member = arena_strdup(a, pg_get(r, i, 0));
    StrMap data = store_map(a, pg_get(r, i, 1));
    if (!decision_from_map(member, data, &d))
        d = (DecisionRecord){.kind = "unreadable"};
    *(ApiDecision *)item = (ApiDecision){.at = d.at_us,
                                         .member = member,
                                         .chain = str_or(d.chain, ""),
                                         .number = (int64_t)d.number,
                                         .epoch = (int64_t)d.epoch,
                                         .kind = d.kind,
                                         .saw = str_or(d.saw, ""),
                                         .did = str_or(d.did, ""),
                                         .why = str_or(d.why, ""),
                                         .prev = str_or(d.prev, ""),
                                         .hash = str_or(d.hash, "")};
}

#define WHERE                                                                          \
    " FROM decisions WHERE satellite_id = $1 AND namespace = $2 AND cluster = $3 AND " \
    "($4::bigint = 0 OR at >= to_timestamp($4 / 1000000.0))"

void decision_list(App *app, Arena *a, const DecisionFilter *f, const Page *p, ListDone done,
                   void *ctx)
{
    int64_t after;
    const PgParam params[] = {
        pg_text(f->satellite_id),
        pg_text(f->ns),
        pg_text(f->cluster),
        pg_int(f->since_us),
        p && p->after && str_to_i64(p->after, &after) ? pg_int(after) : pg_null(),
        pg_int(store_limit(p) + 1),
    };
    ListSpec spec = {
        .sql = "SELECT member, data, id, (SELECT count(*) FROM (SELECT 1" WHERE
               " LIMIT 10000) n)" WHERE
               " AND ($5::bigint IS NULL OR id < $5) ORDER BY id DESC LIMIT $6",
        .params = params,
        .n = 6,
        .limit = store_limit(p),
        .item_size = sizeof(ApiDecision),
        .map = map_decision,
    };
    store_list(app, a, &spec, done, ctx);
}
