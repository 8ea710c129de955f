#include "core/ident.h"
#include "store/clusters.h"

/* Ten thousand rows go from the result into the answer without a struct between. */

/* Columns one may sort by; `type` is what the cursor's text is cast to. */
static const struct {
    const char *name, *column, *type;
} sorts[] = {
    {"name", "name", "text"},
    {"namespace", "namespace", "text"},
    {"satellite", "satellite", "text"},
    {"state", "state", "text"},
    {"profile", "profile", "text"},
    {"lag_bytes", "lag_bytes", "bigint"},
    {"created_at", "created_at", "timestamptz"},
    {"updated_at", "updated_at", "timestamptz"},
};

/* How each of CLUSTER_COLUMNS is written. */
typedef enum Kind { TEXT, NUMBER, REAL, BOOL, TIME } Kind;
static const struct {
    const char *key;
    Kind kind;
} columns[CLUSTER_COLUMN_COUNT] = {
    {"id", TEXT},
    {"name", TEXT},
    {"namespace", TEXT},
    {"satellite", TEXT},
    {"state", TEXT},
    {"reason", TEXT},
    {"profile", TEXT},
    {"profile_version", NUMBER},
    {"config_version", NUMBER},
    {"acked_version", NUMBER},
    {"config_state", TEXT},
    {"config_error", TEXT},
    {"replicas", NUMBER},
    {"ready", NUMBER},
    {"primary", TEXT},
    {"lag_bytes", NUMBER},
    {"lag_seconds", REAL},
    {"rule", TEXT},
    {"paused", BOOL},
    {"durability", TEXT},
    {"sync", TEXT},
    {"failover_loss", TEXT},
    {"failover_loss_bytes", NUMBER},
    {"created_at", TIME},
    {"updated_at", TIME},
};

/* The filter's texts: $1 to $7 of both statements. */
enum { FILTER_PARAMS = 7, LIST_PARAMS = 10 };

typedef struct ListCall {
    App *app;
    Arena *a;
    uint32_t limit;
    bool first_page;
    PgParam filter[FILTER_PARAMS];
    StrBuf json; /* freed with the arena */
    const char *next;
    ClusterListDone done;
    void *ctx;
} ListCall;

static void write_cell(JsonOut *j, const PgResult *r, int row, int col)
{
    json_key(j, columns[col].key);
    switch (columns[col].kind) {
    case TEXT:
        json_str(j, pg_get(r, row, col));
        break;
    case NUMBER:
        /* Digits of PostgreSQL are digits of JSON. */
        json_raw(j, sv(pg_get(r, row, col)));
        break;
    case REAL:
        json_f64(j, pg_get_f64(r, row, col));
        break;
    case BOOL:
        json_bool(j, pg_get_bool(r, row, col));
        break;
    case TIME:
        json_time(j, pg_get_int(r, row, col));
        break;
    }
}

/* Of the last row that is shown: its sort key and its id, as hex so that it needs no quoting. */
static const char *cursor_of(Arena *a, const PgResult *r, int row)
{
    const char *text =
        arena_printf(a, "%s %s", pg_get(r, row, CLUSTER_COLUMN_COUNT), pg_get(r, row, 0));
    char *hex = arena_alloc(a, strlen(text) * 2 + 1);
    hex_encode(hex, text, strlen(text));
    return hex;
}

static bool cursor_read(Arena *a, const char *hex, const char **ret_key, const char **ret_id)
{
    size_t n = strlen(hex);
    char *text = arena_alloc(a, n / 2 + 1);
    ptrdiff_t len = hex_decode(text, n / 2, hex, n);
    if (len <= UUID_LEN || text[len - UUID_LEN - 1] != ' ' || !uuid_valid(text + len - UUID_LEN) ||
        !utf8_valid(text, (size_t)len))
        return false;
    text[len - UUID_LEN - 1] = '\0';
    *ret_key = text;
    *ret_id = text + len - UUID_LEN;
    return true;
}

#define FILTER                                                                         \
    "($1::text IS NULL OR state = ANY (string_to_array($1, ','))) AND "                \
    "($2::text IS NULL OR satellite = $2) AND ($3::text IS NULL OR profile = $3) AND " \
    "($4::text IS NULL OR namespace = $4) AND ($5::text IS NULL OR rule = $5) AND "    \
    "($6::text IS NULL OR position($6 IN name) > 0) AND "                              \
    "($7::jsonb IS NULL OR labels_select(satellite_labels, $7::jsonb))"

static void finish(ListCall *c, int64_t total)
{
    StrBuf *b = &c->json;
    strbuf_addf(b, ",\"total\":%lld", (long long)total);
    if (c->next)
        strbuf_addf(b, ",\"next\":\"%s\"", c->next);
    strbuf_addc(b, '}');
    c->done(c->ctx, NULL, b);
}

static void on_count(void *ctx, const Error *err, PgResult *r)
{
    ListCall *c = ctx;
    if (err)
        c->done(c->ctx, err, NULL);
    else
        finish(c, pg_get_int(r, 0, 0));
}

static void on_rows(void *ctx, const Error *err, PgResult *r)
{
    ListCall *c = ctx;
    if (err) {
        c->done(c->ctx, err, NULL);
        return;
    }
    JsonOut j = json_out(&c->json);
    int rows = pg_rows(r), n = rows > (int)c->limit ? (int)c->limit : rows;
    strbuf_reserve(&c->json, (size_t)n * 512 + 128);
    strbuf_adds(&c->json, "{\"items\":");
    json_arr(&j);
    for (int i = 0; i < n; i++) {
        json_obj(&j);
        for (int col = 0; col < CLUSTER_COLUMN_COUNT; col++)
            write_cell(&j, r, i, col);
        json_obj_end(&j);
    }
    json_arr_end(&j);
    if (rows > n)
        c->next = cursor_of(c->a, r, n - 1);
    /* Counting is worth a statement only when this page does not know. */
    if (c->first_page && !c->next)
        finish(c, n);
    else
        pg_query(c->app->pool, "SELECT count(*) FROM cluster_list WHERE " FILTER, c->filter,
                 FILTER_PARAMS, on_count, c);
}

static int sort_of(const char *name)
{
    for (int i = 0; i < (int)(sizeof sorts / sizeof *sorts); i++)
        if (str_eq(sorts[i].name, name))
            return i;
    return -1;
}

static ErrCode check_states(Arena *a, const char *states, Error *err)
{
    StrView rest = sv(states);
    while (rest.n) {
        StrView one = sv_cut(&rest, ',');
        const char *name = sv_dup(a, one);
        if (!cluster_state_of(name) && !str_eq(name, "unknown"))
            return err_set(err, ERR_INVALID,
                           "state: \"%.40s\": want creating, running, degraded, failed, deleting, "
                           "paused or updating",
                           name);
    }
    return ERR_OK;
}

/* Only words of our own tables go into the text of the statement. */
static const char *list_sql(Arena *a, int sort, bool down)
{
    const char *order = down ? "DESC" : "ASC", *key = sorts[sort].column;
    return arena_printf(a,
                        "SELECT " CLUSTER_COLUMNS ", %s FROM cluster_list WHERE " FILTER
                        " AND ($8::text IS NULL OR (%s, id) %s ($8::%s, $9::uuid)) "
                        "ORDER BY %s %s, id %s LIMIT $10",
                        key, key, down ? "<" : ">", sorts[sort].type, key, order, order);
}

typedef struct Asked {
    const char *selector, *key, *id;
    int sort;
    bool down;
} Asked;

static ErrCode read_filter(Arena *a, const ClusterFilter *f, Asked *q, Error *err)
{
    const char *sort = str_or(f->sort, "name");
    char *selector = NULL;
    q->down = *sort == '-';
    q->sort = sort_of(sort + q->down);
    if (q->sort < 0)
        return err_set(err, ERR_INVALID,
                       "sort: \"%.40s\": want name, namespace, satellite, state, profile, "
                       "lag_bytes, created_at or updated_at, with '-' the other way round",
                       sort);
    if (f->states && check_states(a, f->states, err))
        return err->code;
    if (f->selector && store_selector(a, f->selector, &selector, err))
        return err->code;
    q->selector = selector;
    if (f->after && !cursor_read(a, f->after, &q->key, &q->id))
        return err_set(err, ERR_INVALID, "after: want `next` of the page before");
    return ERR_OK;
}

static void free_json(void *json)
{
    strbuf_done(json);
}

typedef struct Refused {
    ClusterListDone done;
    void *ctx;
} Refused;

static void refused(void *ctx, const Error *err)
{
    Refused *x = ctx;
    x->done(x->ctx, err, NULL);
}

void cluster_list_json(App *app, Arena *a, const ClusterFilter *f, ClusterListDone done, void *ctx)
{
    Error err;
    Asked q = {0};
    if (read_filter(a, f, &q, &err)) {
        Refused *x = arena_new_of(a, Refused);
        *x = (Refused){done, ctx};
        store_fail(app, &err, refused, x);
        return;
    }
    ListCall *c = arena_new_of(a, ListCall);
    *c = (ListCall){.app = app,
                    .a = a,
                    .limit = f->limit ? f->limit : 100,
                    .first_page = !f->after,
                    .filter = {pg_text(f->states), pg_text(f->satellite), pg_text(f->profile),
                               pg_text(f->ns), pg_text(f->rule), pg_text(f->name),
                               pg_text(q.selector)},
                    .done = done,
                    .ctx = ctx};
    arena_on_free(a, free_json, &c->json);
    PgParam params[LIST_PARAMS];
    memcpy(params, c->filter, sizeof c->filter);
    params[7] = pg_text(q.key);
    params[8] = pg_text(q.id);
    params[9] = pg_int((int64_t)c->limit + 1);
    pg_query(app->pool, list_sql(a, q.sort, q.down), params, LIST_PARAMS, on_rows, c);
}
