#include "api/call.h"
#include "core/ident.h"
#include "store/enrol_tokens.h"

#include <sodium.h>

typedef struct Making {
    ApiCall *c;
    char token[TOKEN_LEN + 1];
} Making;

static void on_made(void *ctx, const Error *err, const ApiEnrolmentInfo *t)
{
    Making *m = ctx;
    ApiCall *c = m->c;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    ApiEnrolment answer = {.id = t->id,
                           .token = m->token,
                           .name = t->name,
                           .labels = t->labels,
                           .expires_at = t->expires_at};
    call_object(c, "satellite/%s", t->name);
    call_after(c, &schema_ENROLMENT_INFO, t);
    call_reply_obj(c, 201, &schema_ENROLMENT, &answer, 0);
}

void api_ENROLMENT_CREATE(ApiCall *c)
{
    const ApiEnrolmentCreate *in = c->body;
    Making *m = arena_new_of(c->a, Making);
    unsigned char sha[32];
    m->c = c;
    token_new(m->token);
    crypto_hash_sha256(sha, (const unsigned char *)m->token, TOKEN_LEN);
    EnrolTokenNew t = {.name = in->name,
                       .user = c->who.user,
                       .labels = in->labels,
                       .sha256 = sha,
                       .ttl_hours = in->ttl_hours};
    enrol_token_insert(c->app, c->a, &t, on_made, m);
}

static void on_list(void *ctx, const Error *err, const ObjList *items, int64_t total,
                    const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_ENROLMENT_INFO, items, total, next);
}

void api_ENROLMENT_LIST(ApiCall *c)
{
    Page page;
    if (call_page(c, &page))
        enrol_token_list(c->app, c->a, &page, on_list, c);
}

static void on_ended(void *ctx, const Error *err)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_none(ctx);
}

void api_ENROLMENT_DELETE(ApiCall *c)
{
    call_object(c, "enrolment-token/%s", call_param(c, "id"));
    enrol_token_delete(c->app, call_param(c, "id"), on_ended, c);
}
