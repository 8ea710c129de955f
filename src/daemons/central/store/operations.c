#include "store/operations.h"

#include "core/ident.h"
#include "core/limits.h"

enum { PREFIX_MIN = 4 };
#define COLS                                                                            \
    "o.id, o.kind, o.cluster, o.namespace, o.satellite, o.state, o.reason, o.step,"     \
    " o.steps_total, o.steps, o.target, o.primary_pod, o.point_of_no_return, o.params," \
    " o.requested_by, o.aborted_by, " STORE_US("o.created_at") ", " STORE_US(           \
        "o.scheduled_at") ", " STORE_US("o.started_at") ", " STORE_US("o.heard_at") ", " STORE_US("o.finished_at") ", o.error, o.detail"
#define ROW_COLS COLS ", o.satellite_id, o.sent_at IS NOT NULL, o.continue_step"

static ObjList steps_of(Arena *a, const char *json)
{
    cJSON *root;
    ObjList out = {0};
    if (json_parse(a, sv(json), LIMIT_JSON_BODY, &root, NULL) || !cJSON_IsArray(root))
        return out;
    FieldErrors errs = field_errors(a);
    ApiOperationStep *at = arena_array(a, ApiOperationStep, (size_t)cJSON_GetArraySize(root) + 1);
    for (const cJSON *i = root->child; i; i = i->next)
        fields_decode(a, &schema_OPERATION_STEP, i, &at[out.n++], "", &errs);
    out.at = at;
    return out;
}

static void map_api(Arena *a, const PgResult *r, int i, void *item)
{
    ApiOperation *o = item;
    int c = 0;
#define TEXT() arena_strdup(a, pg_get(r, i, c++))
#define NUM() pg_get_int(r, i, c++)
    *o = (ApiOperation){0};
    o->id = TEXT();
    o->kind = TEXT();
    o->cluster = TEXT();
    o->ns = TEXT();
    o->satellite = TEXT();
    o->state = TEXT();
    o->reason = TEXT();
    o->step = NUM();
    o->steps_total = NUM();
    o->steps = steps_of(a, pg_get(r, i, c++));
    o->target = TEXT();
    o->primary = TEXT();
    o->point_of_no_return = pg_get_bool(r, i, c++);
    o->params = TEXT();
    o->requested_by = TEXT();
    o->aborted_by = TEXT();
    o->created_at = NUM();
    o->scheduled_at = NUM();
    o->started_at = NUM();
    o->heard_at = NUM();
    o->finished_at = NUM();
    o->error = TEXT();
    o->detail = TEXT();
#undef TEXT
#undef NUM
}

enum { ROW_SATELLITE = 23, ROW_SENT, ROW_CONTINUE };

static void map_row(Arena *a, const PgResult *r, int i, OperationRow *ret)
{
    map_api(a, r, i, &ret->api);
    ret->satellite_id = arena_strdup(a, pg_get(r, i, ROW_SATELLITE));
    ret->sent = pg_get_bool(r, i, ROW_SENT);
    ret->continue_step = pg_get_int(r, i, ROW_CONTINUE);
}

/* ---- one ---- */

typedef struct Find {
    App *app;
    PgConn *tx;
    Arena *a;
    const char *ref;
    OperationDone done;
    void *ctx;
} Find;

static void found(void *ctx, const Error *err, PgResult *r)
{
    Find *f = ctx;
    Error why;
    OperationRow row;
    if (!err && pg_rows(r) != 1) {
        if (pg_rows(r) == 0)
            store_absent(&why, "operation", f->ref);
        else
            err_set(&why, ERR_AMBIGUOUS, "operation '%s': %s and %s begin so; say more of it",
                    f->ref, pg_get(r, 0, 0), pg_get(r, 1, 0));
        err = &why;
    }
    if (!err)
        map_row(f->a, r, 0, &row);
    f->done(f->ctx, err, err ? NULL : &row);
}

static void not_a_ref(void *ctx, const Error *err)
{
    Find *f = ctx;
    f->done(f->ctx, err, NULL);
}

/* The digits of a UUID, as far as they go. */
static bool is_prefix(const char *ref)
{
    size_t n = strlen(ref);
    return n >= PREFIX_MIN && n < UUID_TEXT && strspn(ref, "0123456789abcdef-") == n;
}

static void read_it(Find *f)
{
    const char *sql = uuid_valid(f->ref)
                          ? "SELECT " ROW_COLS " FROM operation_list o WHERE id = $1::uuid"
                          : "SELECT " ROW_COLS
                            " FROM operation_list o WHERE id >= rpad(translate($1, '-', ''), 32,"
                            " '0')::uuid AND id <= rpad(translate($1, '-', ''), 32, 'f')::uuid"
                            " LIMIT 2";
    store_query(f->app, f->tx, sql, PG_PARAMS(pg_text(f->ref)), found, f);
}

/* A statement of its own: what is read after the wait for the lock must be of after it. */
static void locked(void *ctx, const Error *err, PgResult *r)
{
    Find *f = ctx;
    (void)r;
    if (err)
        f->done(f->ctx, err, NULL);
    else
        read_it(f);
}

void operation_find(App *app, PgConn *tx, Arena *a, const OperationFind *in, OperationDone done,
                    void *ctx)
{
    Error err;
    Find *f = arena_new_of(a, Find);
    *f = (Find){app, tx, a, arena_strdup(a, in->ref), done, ctx};
    if (!is_prefix(f->ref)) {
        err_set(&err, ERR_NOT_FOUND,
                "operation '%s': right is an id, or its first digits, at least %d", f->ref,
                (int)PREFIX_MIN);
        store_fail(app, &err, not_a_ref, f);
    } else if (in->lock) {
        store_query(app, tx, "SELECT 1 FROM operations WHERE id = $1 FOR NO KEY UPDATE",
                    PG_PARAMS(pg_text(f->ref)), locked, f);
    } else {
        read_it(f);
    }
}

/* ---- lists ---- */

static const char *const STATES[] = {"scheduled",   "pending", "running", "waiting",   "done",
                                     "rolled_back", "failed",  "unknown", "unfinished"};

static ErrCode check_states(const char *list, Error *err)
{
    StrView rest = sv(list);
    while (rest.p) {
        StrView one = sv_cut(&rest, ',');
        bool known = false;
        for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
            known |= sv_eqs(one, STATES[i]);
        if (!known)
            return err_set(err, ERR_INVALID,
                           "state: '" SV_FMT "'; right is scheduled, pending, running, waiting, "
                           "done, rolled_back, failed, unknown or unfinished",
                           SV_ARG(one));
    }
    return ERR_OK;
}

#define WHERE                                                                                  \
    " FROM operation_list o WHERE ($1::uuid IS NULL OR cluster_id = $1) AND ($2::text IS NULL" \
    " OR cluster = $2) AND ($3::text IS NULL OR namespace = $3) AND ($4::text IS NULL OR"      \
    " satellite = $4) AND ($5::text IS NULL OR state = ANY (string_to_array($5, ',')) OR"      \
    " (finished_at IS NULL AND 'unfinished' = ANY (string_to_array($5, ',')))) AND"            \
    " ($6::text IS NULL OR kind = $6) AND (NOT $7::boolean OR finished_at IS NULL OR"          \
    " finished_at > now() - interval '1 hour')"

typedef struct Listing {
    ListDone done;
    void *ctx;
} Listing;

static void not_listed(void *ctx, const Error *err)
{
    Listing *l = ctx;
    l->done(l->ctx, err, NULL, 0, NULL);
}

/* NAMESPACE/NAME@SATELLITE in its parts. */
typedef struct Parts {
    const char *id, *ns, *name, *satellite;
} Parts;

static Parts parts_of(Arena *a, const OperationFilter *f)
{
    Parts p = {.satellite = f->satellite};
    if (!f->cluster)
        return p;
    if (uuid_valid(f->cluster)) {
        p.id = f->cluster;
        return p;
    }
    StrView satellite = sv(f->cluster), name = sv_cut(&satellite, '@');
    const char *slash = name.n ? memchr(name.p, '/', name.n) : NULL;
    if (slash) {
        p.ns = arena_strndup(a, name.p, (size_t)(slash - name.p));
        name = sv_n(slash + 1, name.n - (size_t)(slash + 1 - name.p));
    }
    p.name = sv_dup(a, name);
    if (satellite.p)
        p.satellite = sv_dup(a, satellite);
    return p;
}

void operation_list(App *app, Arena *a, const OperationFilter *f, const Page *page, ListDone done,
                    void *ctx)
{
    Error err;
    int64_t after;
    if (f->states && check_states(f->states, &err)) {
        Listing *l = arena_new_of(a, Listing);
        *l = (Listing){done, ctx};
        store_fail(app, &err, not_listed, l);
        return;
    }
    Parts p = parts_of(a, f);
    const PgParam params[] = {
        pg_text(p.id),
        pg_text(p.name),
        pg_text(p.ns),
        pg_text(p.satellite),
        pg_text(f->states),
        pg_text(f->kind),
        pg_bool(f->recent),
        page && page->after && str_to_i64(page->after, &after) ? pg_int(after) : pg_null(),
        pg_int(store_limit(page) + 1),
    };
    /* Counting stops at 10,000, as for events. */
    ListSpec spec = {
        .sql =
            "SELECT " COLS ", seq, (SELECT count(*) FROM (SELECT 1" WHERE " LIMIT 10000) n)" WHERE
            " AND ($8::bigint IS NULL OR seq < $8) ORDER BY seq DESC LIMIT $9",
        .params = params,
        .n = sizeof params / sizeof *params,
        .limit = store_limit(page),
        .item_size = sizeof(ApiOperation),
        .map = map_api,
    };
    store_list(app, a, &spec, done, ctx);
}

typedef struct ByIds {
    Arena *a;
    void (*done)(void *ctx, const Error *err, const ObjList *items);
    void *ctx;
} ByIds;

static void on_ids(void *ctx, const Error *err, PgResult *r)
{
    ByIds *q = ctx;
    if (err) {
        q->done(q->ctx, err, NULL);
        return;
    }
    ObjList items = {arena_array(q->a, ApiOperation, (size_t)pg_rows(r) + 1), 0};
    for (; items.n < (size_t)pg_rows(r); items.n++)
        map_api(q->a, r, (int)items.n, (ApiOperation *)items.at + items.n);
    q->done(q->ctx, NULL, &items);
}

void operation_by_ids(App *app, Arena *a, const char *ids,
                      void (*done)(void *ctx, const Error *err, const ObjList *items), void *ctx)
{
    ByIds *q = arena_new_of(a, ByIds);
    *q = (ByIds){a, done, ctx};
    pg_query(app->pool,
             "SELECT " COLS " FROM operation_list o WHERE id = ANY (string_to_array($1,"
             " ',')::uuid[]) ORDER BY seq",
             PG_PARAMS(pg_text(ids)), on_ids, q);
}
