#include "api/request.h"
#include "store/patch.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- what the query says about a write ---- */

static const char *manager_of(ApiReq *r)
{
    const char *m = http_query(r->http, "fieldManager");
    const char *agent = str_or(http_header(r->http, "user-agent"), "unknown");
    return !str_empty(m) ? m : arena_strndup(r->a, agent, strcspn(agent, "/"));
}

static ErrCode write_options(ApiReq *r, StoreWrite *w, Error *err)
{
    static const char *const levels[] = {"Ignore", "Warn", "Strict"};
    const char *v = str_or(http_query(r->http, "fieldValidation"), "Warn");
    const char *dry = str_or(http_query(r->http, "dryRun"), "");
    *w = (StoreWrite){.kind = r->kind, .ns = r->ns, .name = r->name};
    w->strict = -1;
    for (int i = 0; i < 3; i++) {
        w->strict = str_eq(levels[i], v) ? i : w->strict;
    }
    if (w->strict < 0 || (*dry && !str_eq(dry, "All"))) {
        bool strict = w->strict < 0;
        return options_error(r, "CreateOptions", CAUSE_UNSUPPORTED,
                             strict ? "fieldValidation" : "dryRun", strict ? v : dry, err);
    }
    w->dry_run = *dry != '\0';
    w->manager = manager_of(r);
    w->user = r->who.name;
    w->causes = r->causes;
    w->warnings = r->warnings;
    w->sub = str_eq(r->sub, "status")     ? SUB_STATUS
             : str_eq(r->sub, "finalize") ? SUB_FINALIZE
                                          : SUB_NONE;
    return ERR_OK;
}

static ErrCode need_body(ApiReq *r, cJSON **ret, Error *err)
{
    ErrCode rc = body_parse(r, ret, err);
    if (!rc && !*ret) {
        rc = err_set(err, ERR_MALFORMED,
                     "the object provided is unrecognized (must be of type %s): couldn't get "
                     "version/kind; json parse error: unexpected end of JSON input (<empty>)",
                     r->kind->kind);
    }
    return rc;
}

static bool grants(const Kind *k)
{
    return k == K(ROLE) || k == K(CLUSTERROLE) || k == K(ROLEBINDING) || k == K(CLUSTERROLEBINDING);
}

/* A write of a role or a binding is tried first, to see what it would give. */
static ErrCode may_grant(ApiReq *r, const StoreWrite *w,
                         ErrCode (*fn)(Store *, Arena *, const StoreWrite *, const Obj **, Error *),
                         Error *err)
{
    if (!grants(r->kind)) {
        return ERR_OK;
    }
    StoreWrite trial = *w;
    const Obj *o;
    trial.dry_run = true;
    trial.warnings = NULL;
    ErrCode rc = fn(r->store, r->a, &trial, &o, err);
    return rc ? rc : rbac_check_grant(r->store, r->a, &r->who, r->kind, o->json, err);
}

typedef ErrCode (*WriteFn)(Store *, Arena *, const StoreWrite *, const Obj **, Error *);

static void do_write(ApiReq *r, StoreWrite *w, WriteFn fn, int status)
{
    Error err = {0};
    const Obj *o;
    bool created = false;
    ErrCode rc = may_grant(r, w, fn, &err);
    w->created = &created;
    rc = rc ? rc : fn(r->store, r->a, w, &o, &err);
    if (rc) {
        reply_error(r, &err);
    } else {
        reply_object(r, created ? 201 : status, o);
    }
}

void handle_create(ApiReq *r)
{
    Error err = {0};
    StoreWrite w;
    cJSON *body;
    if (write_options(r, &w, &err) || need_body(r, &body, &err)) {
        reply_error(r, &err);
        return;
    }
    w.obj = body;
    const char *name = js_str(body, "metadata.name");
    r->name = name; /* for the details of a refusal */
    w.name = NULL;
    do_write(r, &w, store_create, 201);
}

void handle_update(ApiReq *r)
{
    Error err = {0};
    StoreWrite w;
    cJSON *body;
    if (write_options(r, &w, &err) || need_body(r, &body, &err)) {
        reply_error(r, &err);
        return;
    }
    w.obj = body;
    static const KindId made_by_put[] = {
        KIND_LEASE,       KIND_ENDPOINTS,         KIND_EVENT, KIND_ROLE, KIND_ROLEBINDING,
        KIND_CLUSTERROLE, KIND_CLUSTERROLEBINDING};
    WriteFn fn = store_update;
    for (size_t i = 0; i < sizeof made_by_put / sizeof *made_by_put; i++) {
        if (kind_id(r->kind) == made_by_put[i] && !r->sub &&
            !store_get(r->store, r->a, r->kind, r->ns, r->name) &&
            !*js_text(body, "metadata.resourceVersion")) {
            fn = store_create;
        }
    }
    do_write(r, &w, fn, 200);
}

static ErrCode patch_type(ApiReq *r, StoreWrite *w, Error *err)
{
    static const struct {
        const char *type;
        PatchType patch;
    } rows[] = {{"application/json-patch+json", PATCH_JSON},
                {"application/merge-patch+json", PATCH_MERGE},
                {"application/strategic-merge-patch+json", PATCH_STRATEGIC},
                {"application/apply-patch+yaml", PATCH_APPLY}};
    const char *type = str_or(http_header(r->http, "content-type"), "");
    for (size_t i = 0; i < 4; i++) {
        if (sv_ieqs(sv_n(type, strcspn(type, "; ")), rows[i].type)) {
            w->patch = rows[i].patch;
            return ERR_OK;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "the body of the request was in an unknown format - accepted media types "
                   "include: application/json-patch+json, application/merge-patch+json, "
                   "application/strategic-merge-patch+json, application/apply-patch+yaml");
}

void handle_patch(ApiReq *r)
{
    Error err = {0};
    StoreWrite w;
    cJSON *body;
    ErrCode rc = write_options(r, &w, &err);
    rc = rc ? rc : patch_type(r, &w, &err);
    rc = rc ? rc : need_body(r, &body, &err);
    if (!rc && w.patch == PATCH_APPLY && str_empty(http_query(r->http, "fieldManager"))) {
        rc = options_error(r, "PatchOptions", CAUSE_REQUIRED, "fieldManager", NULL, &err);
    }
    w.force = query_bool(r, "force");
    if (!rc && w.force && w.patch != PATCH_APPLY) {
        rc = options_error(r, "PatchOptions", CAUSE_FORBIDDEN, "force", NULL, &err);
    }
    const Attr create = {.verb = "create", .group = r->group, .resource = r->resource, .ns = r->ns};
    if (!rc && w.patch == PATCH_APPLY && !r->sub &&
        !store_get(r->store, r->a, r->kind, r->ns, r->name) &&
        !rbac_allowed(r->store, &r->who, &create)) {
        rc = rbac_denied(r->a, &r->who, &create, &err);
    }
    if (rc) {
        reply_error(r, &err);
        return;
    }
    w.obj = body;
    do_write(r, &w, store_patch, 200);
}

/* ---- delete ---- */

static ErrCode delete_options(ApiReq *r, StoreDelete *d, Error *err)
{
    cJSON *body;
    ErrCode rc = body_parse(r, &body, err);
    if (rc) {
        return rc;
    }
    bool orphan = js_bool(body, "orphanDependents", query_bool(r, "orphanDependents"));
    *d = (StoreDelete){.kind = r->kind, .ns = r->ns, .name = r->name};
    d->grace_seconds = js_int(body, "gracePeriodSeconds", query_int(r, "gracePeriodSeconds", -1));
    d->propagation = js_str(body, "propagationPolicy");
    d->propagation = d->propagation ? d->propagation : http_query(r->http, "propagationPolicy");
    d->propagation = !d->propagation && orphan ? "Orphan" : d->propagation;
    d->uid = js_str(body, "preconditions.uid");
    d->rv = js_str(body, "preconditions.resourceVersion");
    d->dry_run = js_count(body, "dryRun") || !str_empty(http_query(r->http, "dryRun"));
    if (!d->propagation && r->kind == K(JOB)) {
        d->propagation = "Orphan"; /* as of old: the pods of a Job stay */
    }
    if (js_get(body, "orphanDependents") && js_get(body, "propagationPolicy")) {
        return options_error(r, "DeleteOptions", CAUSE_INVALID, "propagationPolicy", d->propagation,
                             err);
    }
    if (d->propagation && !str_eq(d->propagation, "Background") &&
        !str_eq(d->propagation, "Foreground") && !str_eq(d->propagation, "Orphan")) {
        return options_error(r, "DeleteOptions", CAUSE_UNSUPPORTED, "propagationPolicy",
                             d->propagation, err);
    }
    return ERR_OK;
}

void handle_delete(ApiReq *r)
{
    Error err = {0};
    StoreDelete d;
    const Obj *o;
    ErrCode rc = delete_options(r, &d, &err);
    rc = rc ? rc : store_delete(r->store, r->a, &d, &o, &err);
    if (rc) {
        reply_error(r, &err);
        return;
    }
    bool stays = !d.dry_run && store_get(r->store, r->a, r->kind, r->ns, r->name) != NULL;
    if (stays || r->kind == K(POD) || r->kind == K(PVC) || r->kind == K(SERVICE) ||
        r->kind == K(STORAGECLASS)) {
        reply_object(r, 200, o);
        return;
    }
    AUTO_JSON s = cJSON_CreateObject();
    js_set_str(s, "kind", "Status");
    js_set_str(s, "apiVersion", "v1");
    js_obj(s, "metadata");
    js_set_str(s, "status", "Success");
    js_set_str(s, "details.name", r->name);
    if (*r->kind->group) {
        js_set_str(s, "details.group", r->kind->group);
    }
    js_set_str(s, "details.kind", r->kind->plural);
    js_set_str(s, "details.uid", o->uid);
    reply_json(r, 200, s);
}

void handle_delete_collection(ApiReq *r)
{
    Error err = {0};
    StoreDelete d;
    StoreQuery q = {0};
    ErrCode rc = delete_options(r, &d, &err);
    rc = rc ? rc : query_selectors(r, &q, &err);
    if (rc) {
        reply_error(r, &err);
        return;
    }
    AUTO_JSON body = cJSON_CreateObject();
    js_set_str(body, "kind", arena_printf(r->a, "%sList", r->kind->kind));
    js_set_str(body, "apiVersion", kind_api_version(r->kind));
    js_set_str(body, "metadata.resourceVersion",
               arena_printf(r->a, "%llu", (unsigned long long)store_rv(r->store)));
    cJSON *items = js_arr(body, "items");
    for (const Obj **all = store_list(r->store, r->a, &q, NULL); *all; all++) {
        const Obj *o = *all;
        d.ns = o->ns;
        d.name = o->name;
        rc = store_delete(r->store, r->a, &d, &o, &err);
        if (rc && rc != ERR_NOT_FOUND) {
            reply_error(r, &err);
            return;
        }
        cJSON *item = js_dup(o->json); /* items of a list go without their type */
        js_del(item, "kind");
        js_del(item, "apiVersion");
        cJSON_AddItemToArray(items, item);
    }
    reply_json(r, 200, body);
}

/* ---- scale ---- */

static cJSON *scale_of(Arena *a, const Obj *o)
{
    static const char *const meta[] = {"name", "namespace", "uid", "resourceVersion",
                                       "creationTimestamp"};
    cJSON *s = cJSON_CreateObject();
    js_set_str(s, "kind", "Scale");
    js_set_str(s, "apiVersion", "autoscaling/v1");
    for (size_t i = 0; i < 5; i++) {
        js_set(js_obj(s, "metadata"), meta[i],
               js_dup(js_get(js_get(o->json, "metadata"), meta[i])));
    }
    js_obj(s, "spec");
    if (js_int(o->json, "spec.replicas", 0)) {
        js_set_int(s, "spec.replicas", js_int(o->json, "spec.replicas", 0));
    }
    js_set_int(s, "status.replicas", js_int(o->json, "status.replicas", 0));
    AUTO_STRBUF sel = {0};
    const cJSON *l;
    js_each(l, js_at(o->json, "spec.selector.matchLabels"))
    {
        strbuf_addf(&sel, "%s%s=%s", sel.n ? "," : "", l->string, l->valuestring);
    }
    js_set_str(s, "status.selector", arena_strdup(a, strbuf_str(&sel)));
    return s;
}

static ErrCode new_scale(ApiReq *r, const Obj *o, cJSON **ret, Error *err)
{
    StoreWrite w;
    cJSON *body = NULL;
    AUTO_JSON s = scale_of(r->a, o);
    ErrCode rc = need_body(r, &body, err);
    if (rc || str_eq(r->method, "PUT")) {
        *ret = rc ? NULL : js_dup(body);
        return rc;
    }
    rc = patch_type(r, &w, err);
    if (!rc && w.patch == PATCH_JSON) {
        *ret = js_dup(s);
        return patch_json(ret, body, err);
    }
    if (!rc) { /* a Scale has no lists: both merges are one */
        *ret = patch_merge(s, body);
    }
    return rc;
}

void handle_scale(ApiReq *r)
{
    Error err = {0};
    const Obj *o = store_get(r->store, r->a, r->kind, r->ns, r->name);
    StoreWrite w;
    AUTO_JSON scale = NULL;
    AUTO_JSON obj = o ? js_dup(o->json) : NULL;
    ErrCode rc = o ? ERR_OK
                   : err_set(&err, ERR_NOT_FOUND, "%s.%s \"%s\" not found", r->kind->plural,
                             r->kind->group, r->name);
    if (!rc && !str_eq(r->method, "GET")) {
        rc = new_scale(r, o, &scale, &err);
        rc = rc ? rc : write_options(r, &w, &err);
    }
    if (!rc && js_int(scale, "spec.replicas", 0) < 0) {
        Causes c = {r->causes};
        cause_add(&c, CAUSE_INVALID, "spec.replicas", js_at(scale, "spec.replicas"),
                  "must be greater than or equal to 0");
        rc = err_set(&err, ERR_INVALID, "Scale.autoscaling \"%s\" is invalid: ", r->name);
        r->options = "Scale.autoscaling";
    }
    if (!rc && scale) {
        const char *rv = js_str(scale, "metadata.resourceVersion");
        js_set_int(obj, "spec.replicas", js_int(scale, "spec.replicas", 0));
        js_set_str(obj, "metadata.resourceVersion", str_or(rv, ""));
        w.obj = obj;
        w.sub = SUB_SCALE;
        rc = store_update(r->store, r->a, &w, &o, &err);
    }
    if (rc) {
        reply_error(r, &err);
        return;
    }
    AUTO_JSON s = scale_of(r->a, o);
    reply_json(r, 200, s);
}
