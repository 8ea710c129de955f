#include "api/call_priv.h"
#include "core/log.h"
#include <stdio.h>

static const char JSON[] = "application/json";

void call_done(ApiCall *c, int status)
{
    CallPriv *p = c->priv;
    uint64_t ms = loop_now(c->app->loop) - p->started_ms;
    bool reads = c->route && !*c->route->audit;
    LogLevel level = status >= 500   ? LOG_ERROR
                     : status >= 400 ? LOG_WARN
                     : reads         ? LOG_DEBUG
                                     : LOG_INFO;
    metrics_note(p->api, c->route, status, ms);
    log_write(level, "api", "request",
              "method=%s path=%s status=%d took_ms=%llu user=%s peer=%s request_id=%s",
              log_quote(http_method(c->http)), log_quote(http_path(c->http)), status,
              (unsigned long long)ms, log_quote(*c->who.user ? c->who.user : "-"),
              http_peer(c->http), http_request_id(c->http));
}

static void answer_once(ApiCall *c)
{
    if (c->priv->answered)
        BUG("%s is answered twice", c->route ? c->route->path : "a request");
    c->priv->answered = true;
}

static void send_now(ApiCall *c)
{
    CallPriv *p = c->priv;
    http_reply_header(c->http, "Cache-Control", "no-store");
    http_reply_header(c->http, "X-Content-Type-Options", "nosniff");
    call_done(c, p->status);
    http_reply(c->http, p->status, p->content_type, (StrView){p->body.p, p->body.n});
}

static void on_audited(void *ctx, const Error *err)
{
    ApiCall *c = ctx;
    if (err) {
        /* What was asked has been done; only its trace is missing. Say so where it is looked at. */
        c->priv->api->audit_failed++;
        log_error("api", "audit row is missing", "action=%s object=%s error=%s", c->route->audit,
                  log_quote(str_or(c->priv->object, "")), log_quote(err->msg));
    }
    send_now(c);
}

/* What a failed request changed is nothing, so only accepted ones leave a row. */
static void finish(ApiCall *c, int status, const char *content_type)
{
    CallPriv *p = c->priv;
    answer_once(c);
    p->status = status;
    p->content_type = content_type;
    if (status >= 300 || !*c->route->audit || p->audited) {
        send_now(c);
        return;
    }
    AuditNew row = call_audit_row(c, status);
    audit_add(c->app, NULL, &row, on_audited, c);
}

void call_reply_obj(ApiCall *c, int status, const Schema *s, const void *obj, int64_t etag)
{
    char tag[32];
    JsonOut j = json_out(&c->priv->body);
    fields_encode(&j, s, obj);
    if (etag) {
        snprintf(tag, sizeof tag, "\"%lld\"", (long long)etag);
        http_reply_header(c->http, "ETag", tag);
    }
    finish(c, status, JSON);
}

void call_reply_list(ApiCall *c, const Schema *s, const ObjList *items, int64_t total,
                     const char *next)
{
    JsonOut j = json_out(&c->priv->body);
    json_obj(&j);
    json_key(&j, "items");
    json_arr(&j);
    for (size_t i = 0; i < items->n; i++)
        fields_encode(&j, s, (const char *)items->at + i * s->size);
    json_arr_end(&j);
    json_put_int(&j, "total", total);
    if (next)
        json_put_str(&j, "next", next);
    json_obj_end(&j);
    finish(c, 200, JSON);
}

void call_reply_json(ApiCall *c, int status, StrView json)
{
    strbuf_add(&c->priv->body, json.p, json.n);
    finish(c, status, JSON);
}

void call_reply_text(ApiCall *c, const char *content_type, StrView body)
{
    strbuf_add(&c->priv->body, body.p, body.n);
    finish(c, 200, content_type);
}

void call_reply_none(ApiCall *c)
{
    finish(c, 204, NULL);
}

/* ---- errors ---- */

static void send_err(ApiCall *c, const Error *err, const char *more)
{
    int status = err_http(err->code);
    answer_once(c);
    call_done(c, status);
    http_reply_header(c->http, "Cache-Control", "no-store");
    if (err->code != ERR_INTERNAL) {
        http_reply_err_with(c->http, status, err, more);
        return;
    }
    /* Our own mistakes are for our own log. */
    Error plain;
    log_error("api", "internal error", "request_id=%s error=%s", http_request_id(c->http),
              log_quote(err->msg));
    err_set(&plain, ERR_INTERNAL, "central failed at this; its log has request %s",
            http_request_id(c->http));
    http_reply_err_with(c->http, status, &plain, NULL);
}

void call_reply_err(ApiCall *c, const Error *err)
{
    send_err(c, err, NULL);
}

void call_reply_method(ApiCall *c, const Error *err, const char *allow)
{
    if (allow)
        http_reply_header(c->http, "Allow", allow);
    send_err(c, err, NULL);
}

void call_reply_fields(ApiCall *c, const FieldErrors *errs, const Error *err)
{
    AUTO_STRBUF b = {0};
    Error own;
    if (!err || err->code == ERR_OK) {
        field_errors_result(errs, &own);
        err = &own;
    }
    JsonOut j = json_out(&b);
    strbuf_adds(&b, "\"fields\":");
    field_errors_json(errs, &j);
    send_err(c, err, strbuf_str(&b));
}

void call_reply_bad(ApiCall *c, const char *field, const char *value, const char *want)
{
    FieldErrors errs = field_errors(c->a);
    field_error(&errs, field, value, "%s", want);
    call_reply_fields(c, &errs, NULL);
}

HttpReq *call_take(ApiCall *c, int status)
{
    answer_once(c);
    call_done(c, status);
    return c->http;
}
