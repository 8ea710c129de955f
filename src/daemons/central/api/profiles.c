#include "svc/profiles.h"

#include "api/call.h"
#include "core/limits.h"
#include "model/profile_files.h"
#include "store/pgversions.h"

/* The body of a profile is decoded here, not by the dispatch: whether its image is known is for the
 * database to say, and all that is wrong is answered together. */
typedef struct Input {
    ApiCall *call;
    Profile profile;
    FieldErrors errs;
    void (*then)(ApiCall *c, struct Input *in);
} Input;

static void on_image(void *ctx, const Error *err, const char *image)
{
    Input *in = ctx;
    const ProfilePostgres *pg = &in->profile.postgres;
    if (err) {
        call_reply_err(in->call, err);
        return;
    }
    if (!image && pg_major_of(pg->version) && !str_empty(pg->variant))
        field_error(&in->errs, "postgres.variant", pg->variant,
                    "a variant that /api/v1/postgres-versions lists for %s", pg->version);
    else if (!image && pg_major_of(pg->version))
        field_error(&in->errs, "postgres.version", pg->version,
                    "a version that /api/v1/postgres-versions lists, or postgres.image");
    in->then(in->call, in);
}

static void read_input(ApiCall *c, void (*then)(ApiCall *, Input *))
{
    Input *in = arena_new_of(c->a, Input);
    Error err;
    *in = (Input){.call = c, .errs = field_errors(c->a), .then = then};
    fields_defaults(c->a, &profile_schema, &in->profile);
    StrView body = http_body(c->http);
    ErrCode rc = fields_decode_text(c->a, &profile_schema, body.n ? body : SV("{}"), &in->profile,
                                    &in->errs, &err);
    if (rc && !in->errs.n)
        call_reply_err(c, &err);
    else
        pgversion_image(c->app, NULL, c->a, &in->profile.postgres, on_image, in);
}

/* ---- reading ---- */

static void on_list(void *ctx, const Error *err, const ObjList *items, int64_t total,
                    const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_PROFILE, items, total, next);
}

void api_PROFILE_LIST(ApiCall *c)
{
    Page page;
    if (call_page(c, &page))
        profile_list(c->app, c->a, call_query(c, "name"), &page, on_list, c);
}

static void on_shown(void *ctx, const Error *err, const ProfileRow *p)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_obj(ctx, 200, &schema_PROFILE, &p->api, p->api.version);
}

void api_PROFILE_SHOW(ApiCall *c)
{
    uint32_t version = 0;
    if (call_query_u32(c, "version", INT32_MAX, &version))
        profile_find(c->app, NULL, c->a,
                     &(ProfileRef){.name = call_param(c, "name"), .version = version}, on_shown, c);
}

static void on_versions(void *ctx, const Error *err, const ObjList *items, int64_t total,
                        const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_PROFILE_VERSION, items, total, next);
}

void api_PROFILE_VERSIONS(ApiCall *c)
{
    Page page;
    if (call_page(c, &page))
        profile_versions(c->app, c->a, call_param(c, "name"), &page, on_versions, c);
}

/* ---- diff ---- */

typedef struct DiffCall {
    ApiCall *call;
    ProfileRow from, to;
    uint32_t from_version;
} DiffCall;

static int severity(const char *mode)
{
    static const char *const order[] = {"none",       "reload", "scale",
                                        "sequential", "full",   "immutable"};
    for (int i = 0; i < 6; i++)
        if (str_eq(order[i], mode))
            return i;
    return 0;
}

static void answer_diff(DiffCall *d)
{
    ApiCall *c = d->call;
    ApiProfileDiff out = {.profile = d->to.api.p.name,
                          .from = d->from.api.version,
                          .to = d->to.api.version,
                          .mode = "none"};
    _Static_assert(sizeof(ProfileChange) == sizeof(ApiChange), "one layout for both");
    profile_diff(c->a, &d->from.api.p, &d->to.api.p, &out.changes);
    for (size_t i = 0; i < out.changes.n; i++) {
        const char *mode = ((const ProfileChange *)out.changes.at)[i].mode;
        if (severity(mode) > severity(out.mode))
            out.mode = mode;
    }
    out.text = profile_diff_text(c->a, &d->from.api.p, &d->to.api.p);
    call_reply_obj(c, 200, &schema_PROFILE_DIFF, &out, 0);
}

static void on_from(void *ctx, const Error *err, const ProfileRow *p)
{
    DiffCall *d = ctx;
    if (err) {
        call_reply_err(d->call, err);
        return;
    }
    d->from = *p;
    answer_diff(d);
}

static void on_to(void *ctx, const Error *err, const ProfileRow *p)
{
    DiffCall *d = ctx;
    if (err) {
        call_reply_err(d->call, err);
        return;
    }
    d->to = *p;
    int64_t from = d->from_version ? d->from_version : p->api.version - 1;
    if (from < 1) {
        /* A first version is all new: it is held against an empty profile. */
        fields_defaults(d->call->a, &profile_schema, &d->from.api.p);
        d->from.api.p.name = p->api.p.name;
        answer_diff(d);
        return;
    }
    profile_find(d->call->app, NULL, d->call->a,
                 &(ProfileRef){.name = p->api.p.name, .version = from}, on_from, d);
}

void api_PROFILE_DIFF(ApiCall *c)
{
    uint32_t to = 0;
    DiffCall *d = arena_new_of(c->a, DiffCall);
    d->call = c;
    if (call_query_u32(c, "from", INT32_MAX, &d->from_version) &&
        call_query_u32(c, "to", INT32_MAX, &to))
        profile_find(c->app, NULL, c->a,
                     &(ProfileRef){.name = call_param(c, "name"), .version = to}, on_to, d);
}

/* ---- changing ---- */

static void on_saved(void *ctx, const Error *err, const ProfileRow *p)
{
    ApiCall *c = ctx;
    bool created = c->route->id == API_PROFILE_CREATE;
    if (err)
        call_reply_err(c, err);
    else
        call_reply_obj(c, created ? 201 : 200, &schema_PROFILE, &p->api, p->newest);
}

static void save(ApiCall *c, const Profile *p, int64_t if_match)
{
    bool create = c->route->id == API_PROFILE_CREATE;
    call_object(c, "profile/%s", p->name);
    call_after(c, &profile_schema, p);
    ProfileSave in = {.profile = p,
                      .create = create,
                      .if_match = if_match,
                      .author = c->who.user,
                      .audit = call_audit_row(c, create ? 201 : 200)};
    profile_save(c->app, c->a, &in, on_saved, c);
}

static void create(ApiCall *c, Input *in)
{
    if (in->errs.n)
        call_reply_fields(c, &in->errs, NULL);
    else
        save(c, &in->profile, 0);
}

void api_PROFILE_CREATE(ApiCall *c)
{
    read_input(c, create);
}

static void on_before(void *ctx, const Error *err, const ProfileRow *p)
{
    ApiCall *c = ctx;
    const Input *in = c->data;
    int64_t if_match;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_before(c, &profile_schema, &p->api.p);
    if (call_if_match(c, &if_match))
        save(c, &in->profile, if_match);
}

static void update(ApiCall *c, Input *in)
{
    const char *name = call_param(c, "name");
    if (!str_eq(in->profile.name, name) && !str_empty(in->profile.name))
        field_error(&in->errs, "name", in->profile.name, "%s: a profile keeps its name", name);
    if (in->errs.n) {
        call_reply_fields(c, &in->errs, NULL);
        return;
    }
    c->data = in;
    profile_find(c->app, NULL, c->a, &(ProfileRef){.name = name}, on_before, c);
}

void api_PROFILE_UPDATE(ApiCall *c)
{
    read_input(c, update);
}

static void validate(ApiCall *c, Input *in)
{
    ApiValidation v = {.valid = in->errs.n == 0, .errors = {in->errs.at, in->errs.n}};
    call_reply_obj(c, 200, &schema_VALIDATION, &v, 0);
}

void api_PROFILE_VALIDATE(ApiCall *c)
{
    read_input(c, validate);
}

static void on_deleted(void *ctx, const Error *err)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_none(ctx);
}

static void on_before_delete(void *ctx, const Error *err, const ProfileRow *p)
{
    ApiCall *c = ctx;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_object(c, "profile/%s", p->api.p.name);
    call_before(c, &profile_schema, &p->api.p);
    profile_delete(c->app, c->a, p->api.p.name, on_deleted, c);
}

void api_PROFILE_DELETE(ApiCall *c)
{
    profile_find(c->app, NULL, c->a, &(ProfileRef){.name = call_param(c, "name")}, on_before_delete,
                 c);
}
