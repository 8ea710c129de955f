#include "svc/rules.h"

#include "api/call.h"

static void on_list(void *ctx, const Error *err, const ObjList *items, int64_t total,
                    const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_RULE, items, total, next);
}

void api_RULE_LIST(ApiCall *c)
{
    Page page;
    if (call_page(c, &page))
        rule_list(c->app, c->a, call_query(c, "profile"), &page, on_list, c);
}

static void on_shown(void *ctx, const Error *err, const RuleRow *r)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_obj(ctx, 200, &schema_RULE, &r->api, r->api.version);
}

void api_RULE_SHOW(ApiCall *c)
{
    rule_find(c->app, NULL, c->a, call_param(c, "name"), on_shown, c);
}

/* The profile stands in the body: that there is none is an error of that field, not of the path. */
static bool answered_as_field(ApiCall *c, const Error *err)
{
    const ApiRule *in = c->body;
    if (err->code != ERR_NOT_FOUND || !str_starts(err->msg, "profile "))
        return false;
    call_reply_bad(c, "profile", in->profile, "the name of a profile that is there");
    return true;
}

static void on_preview(void *ctx, const Error *err, const ApiRulePreview *p)
{
    ApiCall *c = ctx;
    if (!err)
        call_reply_obj(c, 200, &schema_RULE_PREVIEW, p, 0);
    else if (!answered_as_field(c, err))
        call_reply_err(c, err);
}

void api_RULE_PREVIEW(ApiCall *c)
{
    rule_preview(c->app, NULL, c->a, c->body, on_preview, c);
}

/* ---- changing ---- */

static void on_saved(void *ctx, const Error *err, const RuleRow *r)
{
    ApiCall *c = ctx;
    bool created = c->route->id == API_RULE_CREATE;
    if (!err)
        call_reply_obj(c, created ? 201 : 200, &schema_RULE, &r->api, r->api.version);
    else if (!answered_as_field(c, err))
        call_reply_err(c, err);
}

static void save(ApiCall *c, int64_t if_match)
{
    const ApiRule *in = c->body;
    bool create = c->route->id == API_RULE_CREATE;
    call_object(c, "rule/%s", in->name);
    call_after(c, &schema_RULE_INPUT, in);
    RuleSave s = {.write = {.rule = in, .create = create, .if_match = if_match},
                  .audit = call_audit_row(c, create ? 201 : 200)};
    rule_save(c->app, c->a, &s, on_saved, c);
}

void api_RULE_CREATE(ApiCall *c)
{
    save(c, 0);
}

static void on_before(void *ctx, const Error *err, const RuleRow *r)
{
    ApiCall *c = ctx;
    int64_t if_match;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_before(c, &schema_RULE_INPUT, &r->api);
    if (call_if_match(c, &if_match))
        save(c, if_match);
}

void api_RULE_UPDATE(ApiCall *c)
{
    const ApiRule *in = c->body;
    const char *name = call_param(c, "name");
    if (!str_eq(in->name, name))
        call_reply_bad(c, "name", in->name, arena_printf(c->a, "%s: a rule keeps its name", name));
    else
        rule_find(c->app, NULL, c->a, name, on_before, c);
}

static void on_deleted(void *ctx, const Error *err)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_none(ctx);
}

static void on_before_delete(void *ctx, const Error *err, const RuleRow *r)
{
    ApiCall *c = ctx;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_object(c, "rule/%s", r->api.name);
    call_before(c, &schema_RULE_INPUT, &r->api);
    rule_delete(c->app, c->a, r->api.name, on_deleted, c);
}

void api_RULE_DELETE(ApiCall *c)
{
    rule_find(c->app, NULL, c->a, call_param(c, "name"), on_before_delete, c);
}
