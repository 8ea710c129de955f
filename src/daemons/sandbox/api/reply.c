#include "api/request.h"
#include <stdio.h>
#include <stdlib.h>

void reply_json(ApiReq *r, int status, const cJSON *body)
{
    const cJSON *w;
    js_each(w, r->warnings)
    {
        AUTO_JSON text = js_dup(w);
        char *quoted = js_print(text);
        http_reply_header(r->http, "Warning", arena_printf(r->a, "299 - %s", quoted));
        free(quoted);
    }
    char *text = js_print(body);
    http_reply(r->http, status, "application/json", sv(text));
    free(text);
}

void reply_text(ApiReq *r, int status, const char *text)
{
    http_reply(r->http, status, "text/plain", sv(text));
}

/* ---- Status ---- */

static const struct {
    ErrCode code;
    int status;
    const char *reason;
} reasons[] = {
    {ERR_MALFORMED, 400, "BadRequest"},
    {ERR_USAGE, 400, "BadRequest"},
    {ERR_UNAUTHENTICATED, 401, "Unauthorized"},
    {ERR_FORBIDDEN, 403, "Forbidden"},
    {ERR_NOT_FOUND, 404, "NotFound"},
    {ERR_METHOD, 405, "MethodNotAllowed"},
    {ERR_EXISTS, 409, "AlreadyExists"},
    {ERR_CONFLICT, 409, "Conflict"},
    {ERR_GONE, 410, "Expired"},
    {ERR_TOO_LARGE, 413, "RequestEntityTooLarge"},
    {ERR_UNSUPPORTED, 415, "UnsupportedMediaType"},
    {ERR_INVALID, 422, "Invalid"},
    {ERR_EXHAUSTED, 429, "TooManyRequests"},
    {ERR_UNAVAILABLE, 503, "ServiceUnavailable"},
    {ERR_TIMEOUT, 504, "Timeout"},
    {ERR_INTERNAL, 500, ""},
};

/* 422 carries its causes; so long a text does not fit into an Error. */
static char *message_of(const ApiReq *r, const Error *err)
{
    AUTO_STRBUF b = {0};
    int n = cJSON_GetArraySize(r->causes), i = 0;
    const char *cut = strstr(err->msg, " is invalid: ");
    if (err->code != ERR_INVALID || !n || !cut) {
        return arena_strdup(r->a, err->msg);
    }
    strbuf_add(&b, err->msg, (size_t)(cut - err->msg));
    strbuf_addf(&b, " is invalid: %s", n > 1 ? "[" : "");
    const cJSON *c;
    js_each(c, r->causes)
    {
        strbuf_addf(&b, "%s%s: %s", i++ ? ", " : "", js_text(c, "field"), js_text(c, "message"));
    }
    strbuf_adds(&b, n > 1 ? "]" : "");
    return arena_strdup(r->a, strbuf_str(&b));
}

/* The object, or at least the resource, that the request was about. */
static void add_subject(const ApiReq *r, const Error *err, cJSON *d)
{
    if (!r->kind && (err->code != ERR_FORBIDDEN || !r->resource)) {
        return;
    }
    if (r->name) {
        js_set_str(d, "name", r->name);
    }
    if (!str_empty(r->group)) {
        js_set_str(d, "group", r->group);
    }
    bool by_kind = err->code == ERR_INVALID ||
                   (err->code == ERR_CONFLICT && strstr(err->msg, " in the precondition ("));
    js_set_str(d, "kind", by_kind ? r->kind->kind : r->resource);
}

/* The query, or what stands behind a subresource, by "KIND", "KIND.GROUP" or "KIND.". */
static void add_options(const ApiReq *r, cJSON *d)
{
    const char *dot = strchr(r->options, '.');
    if (!dot || dot[1]) {
        js_set_str(d, "group", dot ? dot + 1 : "meta.k8s.io");
    }
    if (dot != r->options) {
        js_set_str(d, "kind", arena_strndup(r->a, r->options, strcspn(r->options, ".")));
    }
    if (str_eq(r->sub, "scale") || str_eq(r->sub, "log")) {
        js_set_str(d, "name", r->name);
    }
}

/* Who is meant, where a real server says so. */
static void add_details(const ApiReq *r, const Error *err, cJSON *status)
{
    bool named = err->code == ERR_NOT_FOUND || err->code == ERR_EXISTS ||
                 err->code == ERR_CONFLICT || err->code == ERR_FORBIDDEN ||
                 err->code == ERR_INVALID || err->code == ERR_EXHAUSTED || err->code == ERR_METHOD;
    bool apply_conflict = str_starts(err->msg, "Apply failed");
    bool patch_failed = str_starts(err->msg, "the server rejected") ||
                        str_starts(err->msg, " \"\" is invalid: patch");
    if ((!named && !cJSON_GetArraySize(r->causes)) || err->code == ERR_MALFORMED) {
        return;
    }
    cJSON *d = js_obj(status, "details");
    if (cJSON_GetArraySize(r->causes)) {
        js_set(d, "causes", js_dup(r->causes));
    }
    if (err->code == ERR_TIMEOUT) {
        js_set_int(d, "retryAfterSeconds", 1);
    }
    if (!named || apply_conflict || patch_failed) {
        return;
    }
    if (r->options) {
        add_options(r, d);
    } else if (r->kind && err->code == ERR_NOT_FOUND && r->kind != K(NAMESPACE) &&
               str_starts(err->msg, "namespaces ")) {
        js_set_str(d, "name", r->ns);
        js_set_str(d, "kind", "namespaces");
    } else {
        add_subject(r, err, d);
    }
}

ErrCode options_error(ApiReq *r, const char *options, CauseKind why, const char *field,
                      const char *value, Error *err)
{
    static const struct {
        const char *field;
        int verb; /* of a watch; 0: of others; -1: of all */
        CauseKind why;
        const char *text;
    } words[] = {
        {"fieldManager", -1, CAUSE_REQUIRED, "is required for apply patch"},
        {"force", -1, CAUSE_FORBIDDEN, "may not be specified for non-apply patch"},
        {"propagationPolicy", -1, CAUSE_UNSUPPORTED,
         "supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""},
        {"propagationPolicy", -1, CAUSE_INVALID,
         "orphanDependents and deletionPropagation cannot be both set"},
        {"fieldValidation", -1, CAUSE_UNSUPPORTED,
         "supported values: \"Ignore\", \"Strict\", \"Warn\""},
        {"dryRun", -1, CAUSE_UNSUPPORTED, "supported values: \"All\""},
        {"sendInitialEvents", -1, CAUSE_FORBIDDEN,
         "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"},
        {"resourceVersionMatch", 1, CAUSE_FORBIDDEN, "resourceVersionMatch is forbidden for watch"},
        {"resourceVersionMatch", 0, CAUSE_FORBIDDEN,
         "resourceVersionMatch is forbidden unless resourceVersion is provided"},
        {"resourceVersionMatch", -1, CAUSE_UNSUPPORTED,
         "supported values: \"Exact\", \"NotOlderThan\", \"\""},
    };
    const char *say = "";
    bool watch = str_eq(r->verb, "watch");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (str_eq(words[i].field, field) && words[i].why == why &&
            (words[i].verb < 0 || words[i].verb == watch)) {
            say = words[i].text;
        }
    }
    Causes c = {r->causes};
    AUTO_JSON v = value ? cJSON_CreateString(value) : NULL;
    if (str_eq(field, "dryRun")) { /* may be given more than once: a list */
        cJSON *list = cJSON_CreateArray();
        cJSON_AddItemToArray(list, v);
        v = list;
    }
    cause_add(&c, why, field, v, "%s", say);
    r->options = options;
    return err_set(err, ERR_INVALID, "%s.meta.k8s.io \"\" is invalid: %s: %s", options, field,
                   js_text(c.list, "[0].message"));
}

ErrCode too_large_version(ApiReq *r, const char *asked, Error *err)
{
    cJSON *c = cJSON_CreateObject();
    js_set_str(c, "reason", "ResourceVersionTooLarge");
    js_set_str(c, "message", "Too large resource version");
    cJSON_AddItemToArray(r->causes, c);
    return err_set(err, ERR_TIMEOUT, "Timeout: Too large resource version: %s, current: %llu",
                   asked, (unsigned long long)store_rv(r->store));
}

cJSON *status_object(const ApiReq *r, const Error *err)
{
    size_t i = 0, last = sizeof reasons / sizeof *reasons - 1;
    while (i < last && reasons[i].code != err->code) {
        i++;
    }
    cJSON *s = cJSON_CreateObject();
    js_set_str(s, "kind", "Status");
    js_set_str(s, "apiVersion", "v1");
    js_obj(s, "metadata");
    js_set_str(s, "status", "Failure");
    js_set_str(s, "message", message_of(r, err));
    if (*reasons[i].reason) {
        js_set_str(s, "reason", reasons[i].reason);
    }
    add_details(r, err, s);
    js_set_int(s, "code", reasons[i].status);
    return s;
}

void reply_error(ApiReq *r, const Error *err)
{
    AUTO_JSON s = status_object(r, err);
    bool budget = str_eq(r->sub, "eviction"); /* nobody knows when it will do */
    if ((err->code == ERR_EXHAUSTED && !budget) || err->code == ERR_TIMEOUT) {
        http_reply_header(r->http, "Retry-After", "1");
    }
    reply_json(r, (int)js_int(s, "code", 500), s);
}

void reply_not_found(ApiReq *r)
{
    Error err;
    err_set(&err, ERR_NOT_FOUND, "the server could not find the requested resource");
    r->kind = NULL;
    reply_error(r, &err);
}

void reply_method(ApiReq *r)
{
    Error err;
    err_set(&err, ERR_METHOD, "the server does not allow this method on the requested resource");
    r->kind = NULL;
    reply_error(r, &err);
}

/* ---- objects ---- */

Form form_asked(ApiReq *r)
{
    StrView rest = sv(str_or(http_header(r->http, "accept"), ""));
    while (rest.n) { /* the first that we can do wins */
        StrView one = sv_cut(&rest, ',');
        char *t = sv_dup(r->a, sv_trim(one));
        if (strstr(t, "as=Table")) {
            return FORM_TABLE;
        }
        if (strstr(t, "as=PartialObjectMetadata")) {
            return FORM_PARTIAL;
        }
        if (str_starts(t, "application/json") || str_starts(t, "*/*")) {
            return FORM_PLAIN;
        }
    }
    return FORM_PLAIN;
}

static cJSON *partial(const Obj *o)
{
    cJSON *p = cJSON_CreateObject();
    js_set_str(p, "kind", "PartialObjectMetadata");
    js_set_str(p, "apiVersion", "meta.k8s.io/v1");
    js_set(p, "metadata", js_dup(js_get(o->json, "metadata")));
    return p;
}

cJSON *object_in_form(ApiReq *r, Form form, const Obj *o)
{
    if (form == FORM_TABLE) {
        cJSON *t = table_new(o->kind, true);
        js_set_str(t, "metadata.resourceVersion", js_text(o->json, "metadata.resourceVersion"));
        table_add(t, o, store_now_us(r->store));
        return t;
    }
    return form == FORM_PARTIAL ? partial(o) : js_dup(o->json);
}

void reply_object(ApiReq *r, int status, const Obj *o)
{
    Form form = form_asked(r);
    if (form == FORM_PLAIN) {
        reply_json(r, status, o->json);
        return;
    }
    AUTO_JSON body = object_in_form(r, form, o);
    reply_json(r, status, body);
}
