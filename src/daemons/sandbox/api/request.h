/* api/request.h - one request to the API: what it asks for, and the ways to answer it. */
#pragma once
#include "api/api.h"
#include "auth/auth.h"
#include "auth/rbac.h"
#include "core/limits.h"
#include "http/server.h"
#include "net/tls.h"
#include "store/schema.h"

struct ApiServer {
    App *app;
    HttpServer *http, *inner; /* inner: on the pods' network, may be NULL */
    TlsCtx *tls;
    struct Follower *followers; /* open watches and followed logs */
    bool stopping;
    ApiSlow slow;
    bool down;
    struct Timer *back_timer;
    void (*back)(void *ctx);
    void *back_ctx;
};

typedef struct ApiReq {
    ApiServer *srv;
    Store *store;
    HttpReq *http;
    Arena *a;
    Identity who;
    const char *method;
    const char *group, *version, *resource;
    const char *ns, *name, *sub; /* NULL when the path has none */
    const Kind *kind;            /* NULL: not one of ours */
    const char *verb;            /* get list watch create update patch delete deletecollection */
    const char *options;         /* "PatchOptions" when the query is what is wrong;
                                    "Scale.autoscaling" when it is another kind than the path's */
    cJSON *causes, *warnings;    /* live as long as the arena */
} ApiReq;

/* ---- answers (reply.c): each ends the request ---- */
void reply_json(ApiReq *r, int status, const cJSON *body);
void reply_text(ApiReq *r, int status, const char *text);
void reply_error(ApiReq *r, const Error *err);
/* A Status object {status, message, reason, details, code}. */
cJSON *status_object(const ApiReq *r, const Error *err);
/* 422 for a query parameter, with its cause. value NULL: not shown. */
ErrCode options_error(ApiReq *r, const char *options, CauseKind why, const char *field,
                      const char *value, Error *err);
ErrCode too_large_version(ApiReq *r, const char *asked, Error *err);
/* One object, in the form that was asked for: plain, Table, PartialObjectMetadata. */
void reply_object(ApiReq *r, int status, const Obj *o);
void reply_not_found(ApiReq *r); /* "the server could not find the requested resource" */
void reply_method(ApiReq *r);

typedef enum Form { FORM_PLAIN, FORM_TABLE, FORM_PARTIAL } Form;
Form form_asked(ApiReq *r);

/* ---- reading the request (body.c) ---- */
/* JSON or YAML by Content-Type; an empty body is NULL. Lives as long as the arena. */
ErrCode body_parse(ApiReq *r, cJSON **ret, Error *err) MUST_USE;
bool query_bool(ApiReq *r, const char *name);
int64_t query_int(ApiReq *r, const char *name, int64_t absent);
/* Selectors, and the numbers of a list or watch (limit, timeoutSeconds) are numbers. */
ErrCode query_selectors(ApiReq *r, StoreQuery *q, Error *err) MUST_USE;
/* resourceVersion (0 when absent) and resourceVersionMatch, as a list or watch may have them. */
ErrCode query_version(ApiReq *r, uint64_t *ret, Error *err) MUST_USE;
ErrCode query_match(ApiReq *r, Error *err) MUST_USE;

/* `kubectl --as`: whoever may impersonate acts, from here on, as somebody else. FORBIDDEN
 * otherwise. */
ErrCode impersonate(ApiReq *r, Error *err) MUST_USE;

/* ---- made to go wrong (apifault.c) ---- */
/* False: nothing is the matter. True: the request is held up, and go(r) comes later, or it has had
 * its answer. */
HttpServerConfig api_server_config(ApiServer *s); /* without address or socket */
bool fault_hold(ApiReq *r, void (*go)(ApiReq *r));
bool is_fault_path(const char *path);
void handle_faults(ApiReq *r); /* "/sandbox/faults", for admins only */

/* ---- the handlers ---- */
void handle_discovery(ApiReq *r, const char *path); /* /api, /apis, /version, health, openapi */
bool is_discovery(const char *path);
void handle_openapi(ApiReq *r, const char *path);
void handle_openapi_v2(ApiReq *r);
void handle_read(ApiReq *r); /* get, list */
void handle_watch(ApiReq *r);
void handle_create(ApiReq *r);
void handle_update(ApiReq *r);
void handle_patch(ApiReq *r);
void handle_delete(ApiReq *r);
void handle_delete_collection(ApiReq *r);
void handle_scale(ApiReq *r);
void handle_eviction(ApiReq *r);
void handle_binding(ApiReq *r);
void handle_token(ApiReq *r);
void handle_log(ApiReq *r);
bool is_review(const ApiReq *r);
void handle_review(ApiReq *r);
cJSON *object_in_form(ApiReq *r, Form form, const Obj *o);

/* ---- Table (table.c) ---- */
cJSON *table_new(const Kind *k, bool with_columns);
void table_add(cJSON *table, const Obj *o, int64_t now_us);

/* ---- things that stay open (follow.c) ---- */
typedef struct Follower {
    struct Follower *next, **at;
    ApiServer *srv;
    void (*end)(struct Follower *f); /* answer the end, free */
} Follower;
void follower_add(ApiServer *s, Follower *f);
void follower_remove(Follower *f);
