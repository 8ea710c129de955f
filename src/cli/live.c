#include "live.h"

#include "api/routes.h"
#include "core/clock.h"
#include "core/limits.h"
#include "http/ws_client.h"

enum { RETRY_MS = 1000, MESSAGE_MAX = 64 * 1024 * 1024 };

struct Live {
    Cli *cli;
    const LiveSpec *spec;
    WsClient *ws;
    int64_t cursor;
    Error err;
    bool stop, ended, late;
};

static void on_message(void *ctx, const char *text, size_t n)
{
    Live *lv = ctx;
    Error bad;
    cJSON *msg;
    AUTO_ARENA a = arena_new();
    if (json_parse(a, sv_n(text, n), MESSAGE_MAX, &msg, &bad))
        return; /* not ours to judge: what follows may be fine */
    lv->cursor = json_int_at(msg, "cursor", lv->cursor);
    Arena *whole_run =
        lv->cli->arena; /* a watch may last for days: what one message needs goes with it */
    lv->cli->arena = a;
    lv->stop |= lv->spec->on_message(lv->spec->ctx, json_str_at(msg, "type", ""),
                                     cJSON_GetObjectItemCaseSensitive(msg, "items"));
    lv->cli->arena = whole_run;
    if (lv->stop)
        ws_client_close(lv->ws);
}

static void on_close(void *ctx, const Error *err)
{
    Live *lv = ctx;
    lv->ws = NULL;
    lv->ended = true;
    if (err)
        lv->err = *err;
    else
        lv->err = (Error){0};
}

static void on_late(void *ctx)
{
    Live *lv = ctx;
    lv->late = true;
    ws_client_close(lv->ws);
}

static void on_open(void *ctx)
{
    Live *lv = ctx;
    if (lv->spec->on_link)
        lv->spec->on_link(lv->spec->ctx, true);
}

void live_stop(Live *lv)
{
    lv->stop = true;
    if (lv->ws)
        ws_client_close(lv->ws);
}

static ErrCode connect_once(Live *lv, Error *err)
{
    Cli *c = lv->cli;
    const char *path =
        rest_query(c, api_path(c->arena, API_WS, NULL), "topics", lv->spec->topics, "cursor",
                   lv->cursor ? arena_printf(c->arena, "%lld", (long long)lv->cursor) : NULL, NULL);
    const char *headers[] = {
        c->ctx.token ? arena_printf(c->arena, "Authorization: Bearer %s", c->ctx.token) : NULL,
        NULL};
    WsClientSpec spec = {.url = arena_printf(c->arena, "%s%s", c->ctx.server, path),
                         .ca_pem = c->ctx.ca_pem,
                         .headers = headers,
                         .on_open = on_open,
                         .on_message = on_message,
                         .on_close = on_close,
                         .ctx = lv};
    lv->ended = false;
    ErrCode rc = ws_client_open(c->loop, &spec, &lv->ws, err);
    if (rc == ERR_OK)
        loop_run_until(c->loop, &lv->ended, 0);
    return rc;
}

static uint64_t left_ms(const LiveSpec *spec)
{
    uint64_t gone = spec->since_ms ? clock_mono_ms() - spec->since_ms : 0;
    return gone < spec->timeout_ms ? spec->timeout_ms - gone : 0;
}

ErrCode live_follow(Cli *c, const LiveSpec *spec, Error *err)
{
    Live lv = {.cli = c, .spec = spec};
    if (spec->on_start)
        spec->on_start(spec->ctx, &lv);
    ErrCode rc = c->ctx.server ? ERR_OK : context_load(c, err);
    Timer *t = spec->timeout_ms ? timer_start(c->loop, left_ms(spec), 0, on_late, &lv) : NULL;
    while (rc == ERR_OK && !lv.stop && !lv.late) {
        rc = connect_once(&lv, err);
        if (rc || lv.stop || lv.late)
            break;
        /* Central restarts now and then; what it refuses, it refuses again. */
        if (spec->on_link)
            spec->on_link(spec->ctx, false);
        if (lv.err.code && lv.err.code != ERR_UNAVAILABLE && lv.err.code != ERR_TIMEOUT)
            rc = err_copy(err, &lv.err);
        else
            loop_run_until(c->loop, &lv.stop, RETRY_MS);
    }
    timer_stop(t);
    if (rc == ERR_OK && lv.late)
        rc = err_set(err, ERR_TIMEOUT, "not within %llu s",
                     (unsigned long long)(spec->timeout_ms / 1000));
    return rc;
}

static cJSON *by_id(cJSON *table, const char *id)
{
    cJSON *row;
    cJSON_ArrayForEach(row, table) if (str_eq(json_str_at(row, "id", ""), id)) return row;
    return NULL;
}

void live_merge(cJSON *table, const char *type, const cJSON *items)
{
    if (str_eq(type, "snapshot"))
        while (table->child)
            cJSON_DeleteItemFromArray(table, 0);
    const cJSON *item;
    cJSON_ArrayForEach(item, items)
    {
        cJSON *old = by_id(table, json_str_at(item, "id", ""));
        if (str_eq(type, "delete")) {
            if (old)
                cJSON_Delete(cJSON_DetachItemViaPointer(table, old));
        } else if (old) {
            cJSON_ReplaceItemViaPointer(table, old, cJSON_Duplicate(item, true));
        } else {
            cJSON_AddItemToArray(table, cJSON_Duplicate(item, true));
        }
    }
}
