#include "api/call.h"

#include "api/call_priv.h"
#include "core/clock.h"
#include "core/limits.h"
#include <stdarg.h>

const char *call_param(const ApiCall *c, const char *name)
{
    const char *value = router_param(&c->priv->match, name);
    if (!value)
        BUG("route %s has no {%s}", c->route->path, name);
    return value;
}

const char *call_query(const ApiCall *c, const char *name)
{
    const char *value = http_query(c->http, name);
    return str_empty(value) ? NULL : value;
}

bool call_query_u32(ApiCall *c, const char *name, uint32_t max, uint32_t *ret)
{
    uint64_t n;
    const char *text = call_query(c, name);
    if (!text)
        return true;
    if (!str_to_u64(text, &n) || n == 0 || n > max) {
        call_reply_bad(c, name, text, arena_printf(c->a, "a number from 1 to %u", max));
        return false;
    }
    *ret = (uint32_t)n;
    return true;
}

bool call_query_bool(ApiCall *c, const char *name, bool *ret)
{
    const char *text = call_query(c, name);
    if (!text)
        return true;
    if (!str_eq(text, "true") && !str_eq(text, "false")) {
        call_reply_bad(c, name, text, "true or false");
        return false;
    }
    *ret = str_eq(text, "true");
    return true;
}

static bool parse_span(Arena *a, const char *text, int64_t *ret_us)
{
    static const struct {
        char unit;
        int64_t seconds;
    } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
    size_t n = strlen(text);
    int64_t count;
    if (n < 2 || n > 8 || !str_to_i64(arena_strndup(a, text, n - 1), &count) || count < 0)
        return false;
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        if (UNITS[i].unit == text[n - 1]) {
            *ret_us = clock_wall_us() - count * UNITS[i].seconds * 1000000;
            return true;
        }
    return false;
}

bool call_query_time(ApiCall *c, const char *name, int64_t *ret_us)
{
    const char *text = call_query(c, name);
    if (!text || clock_parse_rfc3339(text, ret_us) || parse_span(c->a, text, ret_us))
        return true;
    call_reply_bad(c, name, text, "a time as 2026-11-23T03:00:00Z or a span as 90s, 15m, 2h, 7d");
    return false;
}

bool call_page(ApiCall *c, Page *ret)
{
    *ret = (Page){.after = call_query(c, "after")};
    return call_query_u32(c, "limit", LIMIT_LIST_PAGE, &ret->limit);
}

bool call_if_match(ApiCall *c, int64_t *ret)
{
    const char *header = http_header(c->http, "if-match");
    *ret = 0;
    if (!header || str_eq(header, "*"))
        return true;
    StrView v = sv_trim(sv(header));
    if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
        v = (StrView){v.p + 1, v.n - 2};
    if (str_to_i64(sv_dup(c->a, v), ret) && *ret > 0)
        return true;
    call_reply_bad(c, "If-Match", header, "the ETag of the object, as \"7\"");
    return false;
}

/* ---- audit ---- */

void call_object(ApiCall *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    c->priv->object = arena_vprintf(c->a, fmt, ap);
    va_end(ap);
}

void call_before(ApiCall *c, const Schema *s, const void *obj)
{
    c->priv->before = fields_to_text(c->a, s, obj, 0);
}

void call_after(ApiCall *c, const Schema *s, const void *obj)
{
    c->priv->after = fields_to_text(c->a, s, obj, 0);
}

AuditNew call_audit_row(ApiCall *c, int status)
{
    c->priv->audited = true;
    return (AuditNew){
        .user = c->who.user,
        .role = api_role_name(c->who.role),
        .action = c->route->audit,
        .object = str_or(c->priv->object, ""),
        .peer = http_peer(c->http),
        .request_id = http_request_id(c->http),
        .status = status,
        .before = c->priv->before,
        .after = c->priv->after,
    };
}
