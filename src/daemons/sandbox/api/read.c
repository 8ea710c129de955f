#include "api/request.h"
#include "core/ident.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- get ---- */

ErrCode query_version(ApiReq *r, uint64_t *ret, Error *err)
{
    const char *text = http_query(r->http, "resourceVersion");
    text = str_empty(text) ? "0" : text;
    if (!str_to_u64(text, ret)) {
        return err_set(err, ERR_INTERNAL,
                       "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": "
                       "invalid syntax",
                       text, text);
    }
    return *ret > store_rv(r->store) ? too_large_version(r, text, err) : ERR_OK;
}

ErrCode query_match(ApiReq *r, Error *err)
{
    static const char field[] = "resourceVersionMatch";
    const char *match = str_or(http_query(r->http, field), "");
    if (*match && (str_eq(r->verb, "watch") || str_empty(http_query(r->http, "resourceVersion")))) {
        return options_error(r, "ListOptions", CAUSE_FORBIDDEN, field, NULL, err);
    }
    if (*match && !str_eq(match, "Exact") && !str_eq(match, "NotOlderThan")) {
        return options_error(r, "ListOptions", CAUSE_UNSUPPORTED, field, match, err);
    }
    return ERR_OK;
}

static ErrCode check_version(ApiReq *r, Error *err)
{
    uint64_t rv = 0;
    ErrCode rc = query_match(r, err);
    rc = rc ? rc : query_version(r, &rv, err);
    if (rc) {
        return rc;
    }
    bool exact = str_eq(http_query(r->http, "resourceVersionMatch"), "Exact");
    if (exact && rv != store_rv(r->store)) { /* there are no old versions to read */
        return err_set(err, ERR_GONE, "The resourceVersion for the provided list is too old.");
    }
    return ERR_OK;
}

static void get_one(ApiReq *r)
{
    Error err = {0};
    if (check_version(r, &err)) {
        reply_error(r, &err);
        return;
    }
    const Obj *o = store_get(r->store, r->a, r->kind, r->ns, r->name);
    if (!o) {
        err_set(&err, ERR_NOT_FOUND, "%s%s%s \"%s\" not found", r->kind->plural,
                *r->kind->group ? "." : "", r->kind->group, r->name);
        reply_error(r, &err);
        return;
    }
    reply_object(r, 200, o);
}

/* ---- list ---- */

/* Where a paged list goes on: "RV NAMESPACE/NAME" in base64. The pages are of the live store; the
 * resourceVersion is that of the first page, so that a watch from it sees what changed meanwhile.
 */
typedef struct Page {
    uint64_t rv;
    const char *after;
} Page;

static ErrCode page_parse(ApiReq *r, Page *ret, Error *err)
{
    const char *token = http_query(r->http, "continue");
    ret->rv = store_rv(r->store);
    ret->after = NULL;
    if (str_empty(token)) {
        return ERR_OK;
    }
    if (!str_empty(http_query(r->http, "resourceVersion"))) {
        return err_set(err, ERR_MALFORMED,
                       "specifying resource version is not allowed when using continue");
    }
    size_t n;
    char *text = (char *)base64_decode(r->a, token, strlen(token), &n);
    char *blank = text ? strchr(text, ' ') : NULL;
    if (blank) {
        *blank = '\0';
    }
    if (!blank || !str_to_u64(text, &ret->rv) || ret->rv > store_rv(r->store)) {
        return err_set(err, ERR_MALFORMED, "invalid continue token: continue key is not valid: %s",
                       token);
    }
    ret->after = blank + 1;
    return ERR_OK;
}

static char *place_text(Arena *a, const Obj *o)
{
    return arena_printf(a, "%s/%s", o->ns, o->name);
}

static cJSON *list_begin(ApiReq *r, Form form, const Page *p)
{
    cJSON *body;
    if (form == FORM_TABLE) {
        body = table_new(r->kind, true);
    } else {
        body = cJSON_CreateObject();
        bool part = form == FORM_PARTIAL;
        js_set_str(body, "kind",
                   part ? "PartialObjectMetadataList"
                        : arena_printf(r->a, "%sList", r->kind->kind));
        js_set_str(body, "apiVersion", part ? "meta.k8s.io/v1" : kind_api_version(r->kind));
    }
    char rv[24];
    snprintf(rv, sizeof rv, "%llu", (unsigned long long)p->rv);
    js_set_str(body, "metadata.resourceVersion", rv);
    if (form != FORM_TABLE) {
        js_arr(body, "items");
    }
    return body;
}

static void list_add(ApiReq *r, Form form, cJSON *body, const Obj *o)
{
    if (form == FORM_TABLE) {
        table_add(body, o, store_now_us(r->store));
        return;
    }
    cJSON *item = object_in_form(r, form, o);
    if (form == FORM_PLAIN) { /* items of a list go without their type */
        js_del(item, "kind");
        js_del(item, "apiVersion");
    }
    cJSON_AddItemToArray(js_get(body, "items"), item);
}

static void list_all(ApiReq *r)
{
    Error err = {0};
    StoreQuery q = {0};
    Page p;
    ErrCode rc = check_version(r, &err);
    rc = rc ? rc : query_selectors(r, &q, &err);
    rc = rc ? rc : page_parse(r, &p, &err);
    if (rc) {
        reply_error(r, &err);
        return;
    }
    size_t n, i = 0;
    const Obj **all = store_list(r->store, r->a, &q, &n);
    while (p.after && i < n && strcmp(place_text(r->a, all[i]), p.after) <= 0) {
        i++;
    }
    int64_t limit = query_int(r, "limit", 0);
    size_t end = limit > 0 && (uint64_t)limit < n - i ? i + (size_t)limit : n;
    Form form = form_asked(r);
    AUTO_JSON body = list_begin(r, form, &p);
    for (; i < end; i++) {
        list_add(r, form, body, all[i]);
    }
    if (end < n) {
        char *t =
            arena_printf(r->a, "%llu %s", (unsigned long long)p.rv, place_text(r->a, all[end - 1]));
        js_set_str(body, "metadata.continue", base64_encode(r->a, t, strlen(t)));
        if (!q.labels && !q.fields) {
            js_set_int(body, "metadata.remainingItemCount", (int64_t)(n - end));
        }
    }
    reply_json(r, 200, body);
}

void handle_read(ApiReq *r)
{
    if (r->name) {
        get_one(r);
    } else {
        list_all(r);
    }
}
