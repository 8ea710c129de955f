#include "store/rules.h"

#define MATCHES \
    "(SELECT count(*) FROM satellites s WHERE s.state = 'approved' AND s.labels @> r.selector)"
#define MADE "(SELECT count(*) FROM clusters c WHERE c.rule_id = r.id AND c.deleted_at IS NULL)"
#define COLS                                                                        \
    "r.id, r.profile_id, r.name, p.name, r.selector, r.namespace, r.cluster_name, " \
    "r.version, " MATCHES ", " MADE ", " STORE_US("r.created_at")
#define FROM " FROM deployment_rules r JOIN profiles p ON p.id = r.profile_id "

static void map_row(Arena *a, const PgResult *r, int row, RuleRow *ret)
{
    *ret = (RuleRow){
        .id = arena_strdup(a, pg_get(r, row, 0)),
        .profile_id = arena_strdup(a, pg_get(r, row, 1)),
        .api = {.name = arena_strdup(a, pg_get(r, row, 2)),
                .profile = arena_strdup(a, pg_get(r, row, 3)),
                .selector = store_map(a, pg_get(r, row, 4)),
                .ns = arena_strdup(a, pg_get(r, row, 5)),
                .cluster_name = arena_strdup(a, pg_get(r, row, 6)),
                .version = pg_get_int(r, row, 7),
                .matches = pg_get_int(r, row, 8),
                .clusters = pg_get_int(r, row, 9),
                .created_at = pg_get_int(r, row, 10)},
    };
}

/* ---- places ---- */

typedef struct Places {
    Arena *a;
    const char *profile;
    PreviewDone done;
    void *ctx;
} Places;

static void add_target(ApiRulePreview *p, const char *kind, ApiRuleTarget t)
{
    ObjList *l = str_eq(kind, "add") ? &p->add : str_eq(kind, "keep") ? &p->keep : &p->leave;
    ((ApiRuleTarget *)l->at)[l->n++] = t;
}

static void on_places(void *ctx, const Error *err, PgResult *r)
{
    Places *q = ctx;
    Error why;
    ApiRulePreview p = {0};
    if (!err && pg_rows(r) == 0) {
        store_absent(&why, "profile", q->profile);
        err = &why;
    }
    if (err) {
        q->done(q->ctx, err, NULL);
        return;
    }
    size_t n = (size_t)pg_rows(r);
    p.add.at = arena_array(q->a, ApiRuleTarget, n);
    p.keep.at = arena_array(q->a, ApiRuleTarget, n);
    p.leave.at = arena_array(q->a, ApiRuleTarget, n);
    ApiRuleConflict *conflicts = arena_array(q->a, ApiRuleConflict, n);
    for (int i = 0; i < (int)n; i++) {
        const char *kind = pg_get(r, i, 0);
        const char *satellite = arena_strdup(q->a, pg_get(r, i, 1));
        const char *cluster = arena_strdup(q->a, pg_get(r, i, 2));
        if (str_eq(kind, "conflict"))
            conflicts[p.conflicts.n++] =
                (ApiRuleConflict){satellite, cluster, arena_strdup(q->a, pg_get(r, i, 3))};
        else if (!str_empty(kind))
            add_target(&p, kind, (ApiRuleTarget){satellite, cluster});
    }
    p.conflicts.at = conflicts;
    q->done(q->ctx, NULL, &p);
}

void rule_preview(App *app, PgConn *tx, Arena *a, const ApiRule *rule, PreviewDone done, void *ctx)
{
    Places *q = arena_new_of(a, Places);
    *q = (Places){a, rule->profile, done, ctx};
    /* The outer join gives one empty row when there is a profile and no place. */
    store_query(app, tx,
                "SELECT x.kind, x.satellite, x.cluster, x.reason FROM profiles p "
                "LEFT JOIN LATERAL rule_places((SELECT id FROM deployment_rules WHERE name = $1), "
                "$2::jsonb, $3, $4, p.id) x ON true WHERE p.name = $5",
                PG_PARAMS(pg_text(rule->name), pg_text(store_map_json(a, rule->selector)),
                          pg_text(rule->ns), pg_text(rule->cluster_name), pg_text(rule->profile)),
                on_places, q);
}

/* ---- one ---- */

typedef struct Find {
    App *app;
    PgConn *tx;
    Arena *a;
    const char *name;
    RuleRow row;
    RuleDone done;
    void *ctx;
} Find;

static void with_places(void *ctx, const Error *err, const ApiRulePreview *p)
{
    Find *f = ctx;
    if (!err)
        f->row.api.conflicts = p->conflicts;
    f->done(f->ctx, err, err ? NULL : &f->row);
}

static void found(void *ctx, const Error *err, PgResult *r)
{
    Find *f = ctx;
    Error why;
    if (!err && pg_rows(r) == 0) {
        store_absent(&why, "rule", f->name);
        err = &why;
    }
    if (err) {
        f->done(f->ctx, err, NULL);
        return;
    }
    map_row(f->a, r, 0, &f->row);
    rule_preview(f->app, f->tx, f->a, &f->row.api, with_places, f);
}

void rule_find(App *app, PgConn *tx, Arena *a, const char *name, RuleDone done, void *ctx)
{
    Find *f = arena_new_of(a, Find);
    *f = (Find){
        .app = app, .tx = tx, .a = a, .name = arena_strdup(a, name), .done = done, .ctx = ctx};
    store_query(app, tx, "SELECT " COLS FROM "WHERE r.name = $1", PG_PARAMS(pg_text(name)), found,
                f);
}

/* ---- many ---- */

static void map_item(Arena *a, const PgResult *r, int row, void *item)
{
    RuleRow full;
    map_row(a, r, row, &full);
    *(ApiRule *)item = full.api;
}

void rule_list(App *app, Arena *a, const char *profile, const Page *p, ListDone done, void *ctx)
{
    uint32_t limit = store_limit(p);
    ListSpec spec = {
        .sql = "SELECT " COLS ", r.name, (SELECT count(*)" FROM
               "WHERE $3::text IS NULL OR p.name = $3)" FROM
               "WHERE ($2::text IS NULL OR r.name > $2) AND ($3::text IS NULL OR p.name = $3) "
               "ORDER BY r.name LIMIT $1",
        .params =
            (const PgParam[]){pg_int((int64_t)limit + 1), pg_text(p->after), pg_text(profile)},
        .n = 3,
        .limit = limit,
        .item_size = sizeof(ApiRule),
        .map = map_item,
    };
    store_list(app, a, &spec, done, ctx);
}

/* ---- writing ---- */

typedef struct Write {
    Arena *a;
    RuleWrite w;
    RuleIdDone done;
    void *ctx;
} Write;

/* Why nothing was written: columns are the profile's id and the rule's version, each may be NULL.
 */
static void explain(const Write *q, const PgResult *r, Error *why)
{
    const ApiRule *rule = q->w.rule;
    if (pg_is_null(r, 0, 1))
        store_absent(why, "profile", rule->profile);
    else if (q->w.create)
        err_set(why, ERR_EXISTS, "rule '%s': it is there already", rule->name);
    else if (pg_is_null(r, 0, 2))
        store_absent(why, "rule", rule->name);
    else
        err_set(why, ERR_PRECONDITION,
                "rule '%s': made from version %lld, but the newest is %s: read it, and edit again",
                rule->name, (long long)q->w.if_match, pg_get(r, 0, 2));
}

static void on_written(void *ctx, const Error *err, PgResult *r)
{
    Write *q = ctx;
    Error why;
    if (!err && pg_is_null(r, 0, 0)) {
        explain(q, r, &why);
        err = &why;
    }
    q->done(q->ctx, err, err ? NULL : arena_strdup(q->a, pg_get(r, 0, 0)));
}

void rule_write(App *app, PgConn *tx, Arena *a, const RuleWrite *w, RuleIdDone done, void *ctx)
{
    Write *q = arena_new_of(a, Write);
    *q = (Write){a, *w, done, ctx};
    const ApiRule *r = w->rule;
    const char *sql =
        w->create
            ? "WITH p AS (SELECT id FROM profiles WHERE name = $5), "
              "w AS (INSERT INTO deployment_rules (name, selector, namespace, cluster_name, "
              "profile_id) SELECT $1, $2::jsonb, $3, $4, p.id FROM p WHERE $6 = 0 "
              "ON CONFLICT (name) DO NOTHING RETURNING id) "
              "SELECT (SELECT id FROM w), (SELECT id FROM p), NULL"
            : "WITH p AS (SELECT id FROM profiles WHERE name = $5), "
              "o AS (SELECT version FROM deployment_rules WHERE name = $1), "
              "w AS (UPDATE deployment_rules d SET selector = $2::jsonb, namespace = $3, "
              "cluster_name = $4, profile_id = p.id, version = d.version + 1, updated_at = now() "
              "FROM p WHERE d.name = $1 AND ($6 = 0 OR d.version = $6) RETURNING d.id) "
              "SELECT (SELECT id FROM w), (SELECT id FROM p), (SELECT version FROM o)";
    store_query(app, tx, sql,
                PG_PARAMS(pg_text(r->name), pg_text(store_map_json(a, r->selector)), pg_text(r->ns),
                          pg_text(r->cluster_name), pg_text(r->profile), pg_int(w->if_match)),
                on_written, q);
}

typedef struct Removal {
    const char *name;
    AppDone done;
    void *ctx;
} Removal;

static void on_removed(void *ctx, const Error *err, PgResult *r)
{
    Removal *m = ctx;
    Error why;
    if (!err && pg_affected(r) == 0) {
        store_absent(&why, "rule", m->name);
        err = &why;
    }
    m->done(m->ctx, err);
}

void rule_delete(App *app, Arena *a, const char *name, AppDone done, void *ctx)
{
    Removal *m = arena_new_of(a, Removal);
    *m = (Removal){arena_strdup(a, name), done, ctx};
    pg_query(app->pool, "DELETE FROM deployment_rules WHERE name = $1", PG_PARAMS(pg_text(name)),
             on_removed, m);
}
