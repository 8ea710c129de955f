#include "store/pgversions.h"

#include "api/call.h"
#include "model/kname.h"

static void on_list(void *ctx, const Error *err, const ObjList *items, int64_t total,
                    const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_PGVERSION, items, total, next);
}

void api_PGVERSION_LIST(ApiCall *c)
{
    Page page;
    if (call_page(c, &page))
        pgversion_list(c->app, c->a, &page, on_list, c);
}

static bool params_fit(ApiCall *c)
{
    FieldErrors errs = field_errors(c->a);
    const char *want, *version = call_param(c, "version"), *variant = call_param(c, "variant");
    if (!check_version(c->a, version, &want))
        field_error(&errs, "version", version, "%s", want);
    if (!kname_label(variant) || strlen(variant) > 32)
        field_error(&errs, "variant", variant, "a name of a-z, 0-9 and '-', at most 32");
    if (errs.n)
        call_reply_fields(c, &errs, NULL);
    return errs.n == 0;
}

static void on_put(void *ctx, const Error *err, const ApiPgVersion *v)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_obj(ctx, 200, &schema_PGVERSION, v, 0);
}

void api_PGVERSION_PUT(ApiCall *c)
{
    ApiPgVersion *in = c->body;
    in->version = call_param(c, "version");
    in->variant = call_param(c, "variant");
    call_object(c, "postgres-version/%s/%s", in->version, in->variant);
    if (params_fit(c))
        pgversion_put(c->app, c->a, in, on_put, c);
}

static void on_deleted(void *ctx, const Error *err)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_none(ctx);
}

void api_PGVERSION_DELETE(ApiCall *c)
{
    call_object(c, "postgres-version/%s/%s", call_param(c, "version"), call_param(c, "variant"));
    if (params_fit(c))
        pgversion_delete(c->app, c->a, call_param(c, "version"), call_param(c, "variant"),
                         on_deleted, c);
}
