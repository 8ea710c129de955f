#include "api/call_priv.h"
#include "gitstore/gitstore.h"
#include <stdio.h>
#include <stdlib.h>

/* git's own HTTP protocol, read only: refs are the version rows, objects the rows beside them. */

/* ---- refs ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const GitRef *)a)->name, ((const GitRef *)b)->name);
}

static void add_ref(Arena *a, GitRef *refs, size_t *n, const char *name, const char *hex)
{
    refs[*n].name = name;
    refs[(*n)++].hex = arena_strdup(a, hex);
}

static void on_refs(void *ctx, const Error *err, PgResult *r)
{
    ApiCall *c = ctx;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    size_t n = 0;
    const char *head = NULL;
    GitRef *refs = arena_array(c->a, GitRef, 2 * (size_t)pg_rows(r) + 1);
    for (int i = 0; i < pg_rows(r); i++) {
        const char *name = pg_get(r, i, 0), *hex = pg_get(r, i, 2);
        add_ref(c->a, refs, &n, arena_printf(c->a, "refs/tags/%s/v%s", name, pg_get(r, i, 1)), hex);
        if (pg_get_bool(r, i, 3)) {
            add_ref(c->a, refs, &n, arena_printf(c->a, "refs/heads/%s", name), hex);
            head = head ? head : refs[n - 1].name;
        }
    }
    qsort(refs, n, sizeof *refs, by_name);
    StrView body = gitserve_advertise(c->a, refs, n, head);
    call_reply_text(c, "application/x-git-upload-pack-advertisement", body);
}

void api_GIT_REFS(ApiCall *c)
{
    Error err;
    const char *service = call_query(c, "service");
    if (!str_eq(service, "git-upload-pack")) {
        err_set(&err, ERR_FORBIDDEN,
                "service: '%s' is not served; history is read only, with "
                "git-upload-pack of git's smart protocol",
                str_or(service, ""));
        call_reply_err(c, &err);
        return;
    }
    pg_query(c->app->pool,
             "SELECT p.name, v.version, encode(v.commit_oid, 'hex'), v.version = p.version "
             "FROM profile_versions v JOIN profiles p ON p.id = v.profile_id "
             "ORDER BY p.name, v.version",
             PG_NO_PARAMS, on_refs, c);
}

/* ---- one pack ---- */

enum { PACK_CACHE_LIMIT = 32 * 1024 * 1024 };

typedef struct Pack {
    ApiCall *call;
    char history[33];
    GitObjects *objects;
    Arena *a; /* the worker's own */
    StrView request, answer;
    bool gzip;
    Error err;
} Pack;

static void make_pack(void *ctx)
{
    Pack *p = ctx;
    p->err.code = ERR_OK;
    if (gitserve_upload_pack(p->objects, p->a, p->request, p->gzip, &p->answer, &p->err))
        err_wrap(&p->err, "git-upload-pack");
}

static void reply_pack(ApiCall *c, StrView answer)
{
    call_reply_text(c, "application/x-git-upload-pack-result", answer);
}

static void remember(const Pack *p)
{
    PackCache *cache = &p->call->priv->api->pack;
    if (p->answer.n > PACK_CACHE_LIMIT)
        return;
    snprintf(cache->history, sizeof cache->history, "%s", p->history);
    strbuf_reset(&cache->request);
    strbuf_reset(&cache->answer);
    strbuf_add(&cache->request, p->request.p, p->request.n);
    strbuf_add(&cache->answer, p->answer.p, p->answer.n);
}

static bool remembered(const Pack *p)
{
    const PackCache *cache = &p->call->priv->api->pack;
    return *p->history && str_eq(cache->history, p->history) &&
           sv_eq(p->request, (StrView){cache->request.p, cache->request.n});
}

static void pack_made(void *ctx)
{
    Pack *p = ctx;
    if (p->err.code) {
        call_reply_err(p->call, &p->err);
    } else {
        remember(p);
        reply_pack(p->call, p->answer);
    }
    gitobjs_free(p->objects);
    arena_free(p->a);
}

static void on_objects(void *ctx, const Error *err, PgResult *r)
{
    Pack *p = ctx;
    if (err) {
        call_reply_err(p->call, err);
        return;
    }
    p->objects = gitobjs_new();
    p->a = arena_new();
    for (int i = 0; i < pg_rows(r); i++)
        gitobjs_add(p->objects, pg_get_bytes(p->a, r, i, 0), (int)pg_get_int(r, i, 1),
                    pg_get_bytes(p->a, r, i, 2));
    arena_reset(p->a);
    loop_work(p->call->app->loop, make_pack, pack_made, p);
}

static void on_size(void *ctx, const Error *err, PgResult *r)
{
    Pack *p = ctx;
    Error large;
    if (err) {
        call_reply_err(p->call, err);
        return;
    }
    snprintf(p->history, sizeof p->history, "%s", pg_get(r, 0, 1));
    if (remembered(p)) {
        const StrBuf *answer = &p->call->priv->api->pack.answer;
        reply_pack(p->call, (StrView){answer->p, answer->n});
        return;
    }
    if (pg_get_int(r, 0, 0) > GITSERVE_PACK_LIMIT) {
        err_set(&large, ERR_TOO_LARGE, "the history has %s bytes, more than is served at once (%d)",
                pg_get(r, 0, 0), (int)GITSERVE_PACK_LIMIT);
        call_reply_err(p->call, &large);
        return;
    }
    pg_query(p->call->app->pool, "SELECT oid, kind, data FROM git_objects", PG_NO_PARAMS,
             on_objects, p);
}

void api_GIT_UPLOAD_PACK(ApiCall *c)
{
    Pack *p = arena_new_of(c->a, Pack);
    p->call = c;
    p->request = http_body(c->http);
    p->gzip = str_eq(http_header(c->http, "content-encoding"), "gzip");
    pg_query(
        c->app->pool,
        "SELECT coalesce(sum(length(data)), 0), "
        "       (SELECT md5(string_agg(profile_id || ' ' || version || ' ' || commit_oid::text, "
        "                              ',' ORDER BY profile_id, version)) FROM profile_versions) "
        "  FROM git_objects",
        PG_NO_PARAMS, on_size, p);
}
