/* central/api/call.h - one REST request on its way through central: what a handler gets and how it
 * answers.
 *
 * By the time a handler runs, the route is matched, the caller is known and may call it, and the
 * body is decoded by the route's schema (every field error of one request was answered together).
 * A handler answers exactly once with one call_reply_*; the call and its arena are gone at the end
 * of that turn. A client that goes away changes nothing for the handler: its answer is dropped.
 *
 * Audit: a route with an audit action leaves one row per accepted request (2xx). Say what was
 * changed with call_object and, where it helps, call_before and call_after (JSON, never a secret).
 * A service with a transaction of its own takes call_audit_row and writes it there with audit_add;
 * otherwise the row is written before the answer goes out.
 *
 * Handlers are named api_<ROUTE id>, one per row of routes.def; a missing one does not link. */
#pragma once
#include "api/routes.h"
#include "app.h"
#include "store/audit.h"
#include "svc/auth.h"

typedef struct ApiCall {
    App *app;
    Arena *a; /* of the request */
    HttpReq *http;
    const ApiRouteInfo *route;
    Identity who; /* user "" on an OPEN route */
    void *body;   /* struct of the request schema; NULL: the route takes none */
    void *data;   /* the handler's own */
    struct CallPriv *priv;
} ApiCall;

typedef void (*ApiHandler)(ApiCall *c);
#define ROUTE(id, method, path, role, req, resp, audit, summary) void api_##id(ApiCall *c);
#include "api/routes.def"
#undef ROUTE

/* ---- what was asked ---- */
const char *call_param(const ApiCall *c, const char *name); /* {name}; never NULL for the route's */
const char *call_query(const ApiCall *c, const char *name); /* NULL when absent or empty */
/* These answer 422 themselves and return false when the parameter is no such thing. */
bool call_query_u32(ApiCall *c, const char *name, uint32_t max, uint32_t *ret); /* absent: as is */
bool call_query_bool(ApiCall *c, const char *name, bool *ret);
/* A time: RFC 3339, or a span before now ("90s", "15m", "2h", "7d"); absent: *ret as is. */
bool call_query_time(ApiCall *c, const char *name, int64_t *ret_us);
bool call_page(ApiCall *c, Page *ret); /* ?limit and ?after */
/* If-Match: "N" or N; *ret 0 when absent or "*". */
bool call_if_match(ApiCall *c, int64_t *ret);

/* ---- audit ---- */
void call_object(ApiCall *c, const char *fmt, ...) PRINTF_LIKE(2, 3); /* "profile/std" */
void call_before(ApiCall *c, const Schema *s, const void *obj);
void call_after(ApiCall *c, const Schema *s, const void *obj);
/* The row for the caller to write in its own transaction; nobody else writes it then. */
AuditNew call_audit_row(ApiCall *c, int status);

/* ---- the answer ---- */
/* etag 0: none. Also the `after` of the audit row when call_after was not called. */
void call_reply_obj(ApiCall *c, int status, const Schema *s, const void *obj, int64_t etag);
void call_reply_list(ApiCall *c, const Schema *s, const ObjList *items, int64_t total,
                     const char *next);
void call_reply_json(ApiCall *c, int status, StrView json);
void call_reply_text(ApiCall *c, const char *content_type, StrView body);
void call_reply_none(ApiCall *c); /* 204 */
void call_reply_err(ApiCall *c, const Error *err);
/* ERR_INVALID with its field list; err may be NULL: its sentence is made of the fields. */
void call_reply_fields(ApiCall *c, const FieldErrors *errs, const Error *err);
/* One field error and its answer: call_reply_bad(c, "replicas", "0", "1 to 15"). */
void call_reply_bad(ApiCall *c, const char *field, const char *value, const char *want);
/* For what answers by http_* itself (a stream, a WebSocket): take the request out of the call,
 * which then is gone at the end of this turn. Its access line is written now. Not for audited
 * routes. */
HttpReq *call_take(ApiCall *c, int status);
