#include "store/events.h"

#include "api/call.h"
#include "store/audit.h"

static void on_events(void *ctx, const Error *err, const ObjList *items, int64_t total,
                      const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_EVENT, items, total, next);
}

static bool known_severity(const char *s)
{
    return str_eq(s, "info") || str_eq(s, "warning") || str_eq(s, "error") || str_eq(s, "critical");
}

void api_EVENT_LIST(ApiCall *c)
{
    Page page;
    EventFilter f = {
        .cluster = call_query(c, "cluster"),
        .ns = call_query(c, "namespace"),
        .satellite = call_query(c, "satellite"),
        .severity = call_query(c, "severity"),
        .kind = call_query(c, "kind"),
    };
    if (f.severity && !known_severity(f.severity)) {
        call_reply_bad(c, "severity", f.severity, "info, warning, error or critical");
        return;
    }
    if (call_page(c, &page) && call_query_time(c, "since", &f.since_us))
        event_list(c->app, c->a, &f, &page, on_events, c);
}

static void on_audit(void *ctx, const Error *err, const ObjList *items, int64_t total,
                     const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_AUDIT, items, total, next);
}

void api_AUDIT_LIST(ApiCall *c)
{
    Page page;
    AuditFilter f = {
        .user = call_query(c, "user"),
        .action = call_query(c, "action"),
        .object = call_query(c, "object"),
    };
    if (call_page(c, &page) && call_query_time(c, "since", &f.since_us))
        audit_list(c->app, c->a, &f, &page, on_audit, c);
}
