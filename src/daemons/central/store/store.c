#include "store/store.h"

#include "core/limits.h"
#include "model/labels.h"
#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_PAGE = 100 };

void store_query_on(StoreConn on, const char *sql, const PgParam *params, size_t n, PgDone done,
                    void *ctx)
{
    if (on.tx)
        pg_conn_query(on.tx, sql, params, n, done, ctx);
    else
        pg_query(on.app->pool, sql, params, n, done, ctx);
}

ErrCode store_absent(Error *err, const char *what, const char *ref)
{
    return err_set(err, ERR_NOT_FOUND, "%s '%s': there is none", what, ref);
}

/* ---- errors found before any SQL ---- */

typedef struct Failing {
    Error err;
    StoreFail fail;
    void *ctx;
} Failing;

static void tell_failure(void *ctx)
{
    Failing *f = ctx;
    f->fail(f->ctx, &f->err);
    free(f);
}

void store_fail(App *app, const Error *err, StoreFail fail, void *ctx)
{
    Failing *f = xnew(Failing);
    *f = (Failing){*err, fail, ctx};
    loop_defer(app->loop, tell_failure, f);
}

/* ---- commands ---- */

typedef struct StoreAck {
    AppDone done;
    void *ctx;
    const char *what; /* NULL: nothing need be touched */
    char ref[64];
} StoreAck;

void *store_ack_of(const char *what, const char *ref, AppDone done, void *ctx)
{
    StoreAck *k = xnew(StoreAck);
    *k = (StoreAck){.done = done, .ctx = ctx, .what = what};
    snprintf(k->ref, sizeof k->ref, "%s", ref);
    return k;
}

void *store_ack(AppDone done, void *ctx)
{
    return store_ack_of(NULL, "", done, ctx);
}

void store_acked(void *ack, const Error *err, PgResult *r)
{
    StoreAck k = *(StoreAck *)ack;
    Error why;
    free(ack);
    if (!err && k.what && pg_affected(r) == 0) {
        store_absent(&why, k.what, k.ref);
        err = &why;
    }
    if (k.done)
        k.done(k.ctx, err);
}

/* ---- lists ---- */

typedef struct ListCall {
    Arena *arena;
    ListSpec spec;
    ListDone done;
    void *ctx;
} ListCall;

uint32_t store_limit(const Page *p)
{
    uint32_t n = p && p->limit ? p->limit : DEFAULT_PAGE;
    return n > LIMIT_LIST_PAGE ? LIMIT_LIST_PAGE : n;
}

static void listed(void *ctx, const Error *err, PgResult *r)
{
    ListCall *c = ctx;
    if (err) {
        c->done(c->ctx, err, NULL, 0, NULL);
        return;
    }
    int rows = pg_rows(r), n = rows > (int)c->spec.limit ? (int)c->spec.limit : rows;
    int cols = pg_cols(r);
    ObjList items = {.at = arena_calloc(c->arena, (size_t)n, c->spec.item_size), .n = (size_t)n};
    for (int i = 0; i < n; i++)
        c->spec.map(c->arena, r, i, (char *)items.at + (size_t)i * c->spec.item_size);
    const char *next = rows > n ? arena_strdup(c->arena, pg_get(r, n - 1, cols - 2)) : NULL;
    c->done(c->ctx, NULL, &items, rows ? pg_get_int(r, 0, cols - 1) : 0, next);
}

void store_list(App *app, Arena *a, const ListSpec *spec, ListDone done, void *ctx)
{
    ListCall *c = arena_new_of(a, ListCall);
    *c = (ListCall){a, *spec, done, ctx};
    pg_query(app->pool, spec->sql, spec->params, spec->n, listed, c);
}

/* ---- labels ---- */

StrMap store_map(Arena *a, const char *json)
{
    StrMap m = {0};
    cJSON *root;
    if (json_parse(a, sv(json), LIMIT_JSON_BODY, &root, NULL) || !cJSON_IsObject(root))
        return m;
    for (const cJSON *i = root->child; i; i = i->next)
        if (cJSON_IsString(i))
            strmap_put(a, &m, i->string, i->valuestring);
    return m;
}

char *store_map_json(Arena *a, StrMap m)
{
    AUTO_STRBUF b = {0};
    JsonOut j = json_out(&b);
    json_obj(&j);
    for (size_t i = 0; i < m.n; i++)
        json_put_str(&j, m.at[i].key, m.at[i].value);
    json_obj_end(&j);
    return arena_strdup(a, strbuf_str(&b));
}

static const char *const LABEL_OPS[] = {
    [LABEL_EQ] = "in",        [LABEL_NE] = "notin",      [LABEL_IN] = "in",
    [LABEL_NOT_IN] = "notin", [LABEL_EXISTS] = "exists", [LABEL_ABSENT] = "absent",
};

ErrCode store_selector(Arena *a, const char *text, char **ret_json, Error *err)
{
    AUTO_STRBUF b = {0};
    JsonOut j = json_out(&b);
    LabelSelector s = {0};
    if (!str_empty(text) && labels_parse(a, text, &s, err))
        return err_wrap(err, "selector");
    json_arr(&j);
    for (size_t i = 0; i < s.n; i++) {
        json_obj(&j);
        json_put_str(&j, "op", LABEL_OPS[s.at[i].op]);
        json_put_str(&j, "k", s.at[i].key);
        json_key(&j, "v");
        json_arr(&j);
        for (size_t k = 0; k < s.at[i].values.n; k++)
            json_str(&j, s.at[i].values.at[k]);
        json_arr_end(&j);
        json_obj_end(&j);
    }
    json_arr_end(&j);
    *ret_json = arena_strdup(a, strbuf_str(&b));
    return ERR_OK;
}

/* ---- arrays ---- */

static void next_item(PgArray *a)
{
    strbuf_addc(&a->b, a->b.n ? ',' : '{');
}

void pgarray_text(PgArray *a, const char *v)
{
    next_item(a);
    if (!v) {
        strbuf_adds(&a->b, "NULL");
        return;
    }
    strbuf_addc(&a->b, '"');
    for (; *v; v++) {
        if (*v == '"' || *v == '\\')
            strbuf_addc(&a->b, '\\');
        strbuf_addc(&a->b, *v);
    }
    strbuf_addc(&a->b, '"');
}

void pgarray_int(PgArray *a, int64_t v)
{
    next_item(a);
    strbuf_addf(&a->b, "%lld", (long long)v);
}

void pgarray_f64(PgArray *a, double v)
{
    next_item(a);
    strbuf_addf(&a->b, "%.15g", v);
}

PgParam pgarray_param(PgArray *a)
{
    strbuf_adds(&a->b, a->b.n ? "}" : "{}");
    return pg_text(a->b.p);
}

void pgarrays_done(PgArray *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        strbuf_done(&a[i].b);
}
