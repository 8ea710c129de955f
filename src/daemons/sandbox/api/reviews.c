#include "api/request.h"

/* Reviews are questions in the form of objects: nothing is stored. */

static void answer(ApiReq *r, cJSON *review)
{
    reply_json(r, 201, review);
}

static void access_of(ApiReq *r, const Identity *who, cJSON *review)
{
    const cJSON *res = js_at(review, "spec.resourceAttributes");
    const cJSON *url = js_at(review, "spec.nonResourceAttributes");
    if (!res == !url) {
        Error err;
        Causes c = {r->causes};
        AUTO_JSON none = cJSON_CreateNull();
        r->options = ".authorization.k8s.io";
        cause_add(&c, CAUSE_INVALID, "spec.resourceAttributes", none,
                  "exactly one of nonResourceAttributes or resourceAttributes must be specified");
        err_set(&err, ERR_INVALID, "%s \"\" is invalid: ", r->options);
        reply_error(r, &err);
        return;
    }
    const Attr at =
        res ? (Attr){.verb = js_text(res, "verb"),
                     .group = js_text(res, "group"),
                     .resource = js_text(res, "resource"),
                     .sub = *js_text(res, "subresource") ? js_str(res, "subresource") : NULL,
                     .ns = js_text(res, "namespace"),
                     .name = js_text(res, "name")}
            : (Attr){.verb = js_text(url, "verb"), .path = js_text(url, "path")};
    js_set_bool(review, "status.allowed", rbac_allowed(r->store, who, &at));
    answer(r, review);
}

static void self_access(ApiReq *r, cJSON *review)
{
    access_of(r, &r->who, review);
}

static void subject_access(ApiReq *r, cJSON *review)
{
    int n = js_count(review, "spec.groups"), i = 0;
    const char **groups = arena_array(r->a, const char *, (size_t)n + 1);
    const cJSON *g;
    js_each(g, js_at(review, "spec.groups"))
    {
        groups[i++] = str_or(cJSON_GetStringValue(g), "");
    }
    Identity who = {.name = js_text(review, "spec.user"), .groups = groups};
    StrView rest = sv(who.name);
    if (str_starts(who.name, "system:serviceaccount:")) {
        rest = sv(who.name + strlen("system:serviceaccount:"));
        who.ns = sv_dup(r->a, sv_cut(&rest, ':'));
        who.service_account = sv_dup(r->a, rest);
    }
    access_of(r, &who, review);
}

static void self_rules(ApiReq *r, cJSON *review)
{
    AUTO_JSON rules = rbac_rules(r->store, &r->who, js_text(review, "spec.namespace"));
    cJSON *res = js_arr(review, "status.resourceRules");
    cJSON *url = js_arr(review, "status.nonResourceRules");
    const cJSON *rule;
    js_each(rule, rules)
    {
        cJSON_AddItemToArray(js_get(rule, "nonResourceURLs") ? url : res, js_dup(rule));
    }
    js_set_bool(review, "status.incomplete", false);
    answer(r, review);
}

static void token_review(ApiReq *r, cJSON *review)
{
    Identity who = {0};
    Error err = {0};
    const char *head = arena_printf(r->a, "Bearer %s", js_text(review, "spec.token"));
    bool ok = !auth_identify(r->srv->app->auth, r->a, head, &who, &err);
    if (ok) {
        js_set_bool(review, "status.authenticated", true);
        js_set_str(review, "status.user.username", who.name);
        cJSON *groups = js_arr(review, "status.user.groups");
        for (const char *const *g = who.groups; *g; g++) {
            cJSON_AddItemToArray(groups, cJSON_CreateString(*g));
        }
    } else {
        js_obj(review, "status.user");
        js_set_str(review, "status.error", "invalid bearer token");
    }
    answer(r, review);
}

static void self_subject(ApiReq *r, cJSON *review)
{
    js_set_str(review, "status.userInfo.username", r->who.name);
    cJSON *groups = js_arr(review, "status.userInfo.groups");
    for (const char *const *g = r->who.groups; *g; g++) {
        cJSON_AddItemToArray(groups, cJSON_CreateString(*g));
    }
    answer(r, review);
}

static const struct {
    const char *group, *resource, *kind;
    void (*handle)(ApiReq *, cJSON *);
} reviews[] = {
    {"authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", self_access},
    {"authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", self_rules},
    {"authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", subject_access},
    {"authentication.k8s.io", "tokenreviews", "TokenReview", token_review},
    {"authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", self_subject},
};
enum { REVIEWS = sizeof reviews / sizeof *reviews };

bool is_review(const ApiReq *r)
{
    for (size_t i = 0; i < REVIEWS; i++) {
        if (str_eq(r->group, reviews[i].group) && str_eq(r->resource, reviews[i].resource) &&
            str_eq(r->version, "v1")) {
            return true;
        }
    }
    return false;
}

void handle_review(ApiReq *r)
{
    Error err = {0};
    cJSON *body;
    if (!str_eq(r->method, "POST")) {
        reply_method(r);
        return;
    }
    if (body_parse(r, &body, &err)) {
        reply_error(r, &err);
        return;
    }
    for (size_t i = 0; i < REVIEWS; i++) {
        if (str_eq(r->resource, reviews[i].resource)) {
            AUTO_JSON review = cJSON_IsObject(body) ? js_dup(body) : cJSON_CreateObject();
            js_set_str(review, "kind", reviews[i].kind);
            js_set_str(review, "apiVersion", arena_printf(r->a, "%s/v1", reviews[i].group));
            js_obj(review, "metadata");
            reviews[i].handle(r, review);
            return;
        }
    }
}
