#include "svc/satellites.h"

#include "api/call.h"
#include "core/limits.h"
#include "fleet/fleet.h"

/* ---- answers ---- */

static void on_shown(void *ctx, const Error *err, const SatelliteRow *s)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_obj(ctx, 200, &schema_SATELLITE, &s->api, s->row_version);
}

static void on_changed(void *ctx, const Error *err, const SatelliteRow *s)
{
    ApiCall *c = ctx;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_object(c, "satellite/%s", s->api.name);
    call_after(c, &schema_SATELLITE, &s->api);
    call_reply_obj(c, 200, &schema_SATELLITE, &s->api, s->row_version);
}

static void on_gone(void *ctx, const Error *err)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_none(ctx);
}

/* ---- reading ---- */

static void on_list(void *ctx, const Error *err, const ObjList *items, int64_t total,
                    const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_SATELLITE, items, total, next);
}

void api_SATELLITE_LIST(ApiCall *c)
{
    Page page;
    bool connected = false;
    SatelliteFilter f = {
        .state = call_query(c, "state"),
        .name = call_query(c, "name"),
        .selector = call_query(c, "selector"),
        .connected = call_query(c, "connected") ? &connected : NULL,
    };
    if (call_page(c, &page) && call_query_bool(c, "connected", &connected))
        satellite_list(c->app, c->a, &f, &page, on_list, c);
}

void api_SATELLITE_SHOW(ApiCall *c)
{
    satellite_find(c->app, NULL, c->a, call_param(c, "id"), on_shown, c);
}

static void on_logs_of(void *ctx, const Error *err, const SatelliteRow *s)
{
    ApiCall *c = ctx;
    uint32_t limit = 200;
    ObjList lines = {0};
    LogLevel level = LOG_TRACE;
    const char *name = call_query(c, "level");
    if (err) {
        call_reply_err(c, err);
        return;
    }
    if (name && !log_level_from_name(name, &level)) {
        call_reply_bad(c, "level", name, "trace, debug, info, warn or error");
        return;
    }
    if (!call_query_u32(c, "limit", FLEET_LOG_RING, &limit))
        return;
    fleet_logs(c->app->fleet, c->a, s->api.id, log_level_name(level), limit, &lines);
    call_reply_list(c, &schema_LOG_ENTRY, &lines, (int64_t)lines.n, NULL);
}

void api_SATELLITE_LOGS(ApiCall *c)
{
    satellite_find(c->app, NULL, c->a, call_param(c, "id"), on_logs_of, c);
}

/* ---- changing: first what it was, for the audit row ---- */

static void approve(ApiCall *c)
{
    satellite_approve(c->app, c->a, call_param(c, "id"), c->body, on_changed, c);
}

static void reject(ApiCall *c)
{
    satellite_reject(c->app, c->a, call_param(c, "id"), on_changed, c);
}

static void set_labels(ApiCall *c)
{
    const ApiSatelliteLabels *in = c->body;
    SatelliteLabels labels = {.labels = in->labels};
    if (call_if_match(c, &labels.if_match))
        satellite_set_labels(c->app, c->a, call_param(c, "id"), &labels, on_changed, c);
}

static void revoke(ApiCall *c)
{
    satellite_revoke(c->app, c->a, call_param(c, "id"), on_changed, c);
}

static void forget(ApiCall *c)
{
    satellite_forget(c->app, c->a, call_param(c, "id"), on_gone, c);
}

static void on_before(void *ctx, const Error *err, const SatelliteRow *s)
{
    ApiCall *c = ctx;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_object(c, "satellite/%s", s->api.name);
    call_before(c, &schema_SATELLITE, &s->api);
    ((void (*)(ApiCall *))c->data)(c);
}

static void change(ApiCall *c, void (*fn)(ApiCall *c))
{
    c->data = (void *)fn;
    satellite_find(c->app, NULL, c->a, call_param(c, "id"), on_before, c);
}

void api_SATELLITE_APPROVE(ApiCall *c)
{
    change(c, approve);
}

void api_SATELLITE_REJECT(ApiCall *c)
{
    change(c, reject);
}

void api_SATELLITE_LABELS(ApiCall *c)
{
    change(c, set_labels);
}

void api_SATELLITE_REVOKE(ApiCall *c)
{
    change(c, revoke);
}

void api_SATELLITE_DELETE(ApiCall *c)
{
    change(c, forget);
}

static void set_log_level(void *ctx, const Error *found, const SatelliteRow *s)
{
    ApiCall *c = ctx;
    const ApiLogLevel *in = c->body;
    Error err;
    if (found) {
        call_reply_err(c, found);
        return;
    }
    call_object(c, "satellite/%s", s->api.name);
    call_after(c, &schema_LOG_LEVEL, in);
    if (fleet_set_log_level(c->app->fleet, s->api.id, in->level, str_or(in->target, ""), &err))
        call_reply_err(c, &err);
    else
        call_reply_none(c);
}

void api_SATELLITE_LOG_LEVEL(ApiCall *c)
{
    satellite_find(c->app, NULL, c->a, call_param(c, "id"), set_log_level, c);
}
