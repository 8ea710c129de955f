#include "api/request.h"
#include <stdio.h>

static const char LIST_VERBS[] = "create delete deletecollection get list patch update watch";

static void add_words(cJSON *o, const char *name, const char *words, char sep)
{
    cJSON *list = cJSON_AddArrayToObject(o, name);
    StrView rest = sv(words);
    while (rest.n) {
        StrView w = sv_cut(&rest, sep);
        char text[64];
        snprintf(text, sizeof text, SV_FMT, SV_ARG(w));
        cJSON_AddItemToArray(list, cJSON_CreateString(text));
    }
}

static cJSON *resource(const char *name, const char *singular, const char *kind, bool namespaced,
                       const char *verbs)
{
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "name", name);
    js_set_str(o, "singularName", singular);
    js_set_bool(o, "namespaced", namespaced);
    js_set_str(o, "kind", kind);
    add_words(o, "verbs", verbs, ' ');
    return o;
}

static const struct {
    unsigned flag;
    const char *name, *kind, *group, *version, *verbs;
} sub_rows[] = {
    {KF_BINDING, "binding", "Binding", NULL, NULL, "create"},
    {KF_EVICTION, "eviction", "Eviction", "policy", "v1", "create"},
    {KF_FINALIZE, "finalize", NULL, NULL, NULL, "update"},
    {KF_LOG, "log", NULL, NULL, NULL, "get"},
    {KF_SCALE, "scale", "Scale", "autoscaling", "v1", "get patch update"},
    {KF_STATUS, "status", NULL, NULL, NULL, "get patch update"},
    {KF_TOKEN, "token", "TokenRequest", "authentication.k8s.io", "v1", "create"},
};

static void add_kind(cJSON *list, const Kind *k)
{
    bool ns = kind_namespaced(k);
    cJSON *o =
        resource(k->plural, k->singular, k->kind, ns,
                 k == K(NAMESPACE) ? "create delete get list patch update watch" : LIST_VERBS);
    if (*k->short_names) {
        add_words(o, "shortNames", k->short_names, ',');
    }
    if (*k->categories) {
        add_words(o, "categories", k->categories, ',');
    }
    cJSON_AddItemToArray(list, o);
    for (size_t i = 0; i < sizeof sub_rows / sizeof *sub_rows; i++) {
        char name[96];
        if (!(k->flags & sub_rows[i].flag)) {
            continue;
        }
        snprintf(name, sizeof name, "%s/%s", k->plural, sub_rows[i].name);
        o = resource(name, "", sub_rows[i].kind ? sub_rows[i].kind : k->kind, ns,
                     sub_rows[i].verbs);
        if (sub_rows[i].group) {
            js_set_str(o, "group", sub_rows[i].group);
            js_set_str(o, "version", sub_rows[i].version);
        }
        cJSON_AddItemToArray(list, o);
    }
}

/* Groups that hold only reviews, beside those of the kinds. */
static const struct {
    const char *group, *plural, *kind;
    bool namespaced;
} review_rows[] = {
    {"authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", false},
    {"authentication.k8s.io", "tokenreviews", "TokenReview", false},
    {"authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", false},
    {"authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", false},
    {"authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", false},
};
enum { REVIEW_ROWS = sizeof review_rows / sizeof *review_rows };

static cJSON *resource_list(const char *group, const char *version)
{
    cJSON *o = cJSON_CreateObject();
    char gv[96];
    snprintf(gv, sizeof gv, "%s%s%s", group, *group ? "/" : "", version);
    js_set_str(o, "kind", "APIResourceList");
    js_set_str(o, "apiVersion", "v1");
    js_set_str(o, "groupVersion", gv);
    cJSON *list = js_arr(o, "resources");
    for (int i = 0; i < KIND_COUNT; i++) {
        if (str_eq(kind_api_version(&kinds[i]), gv)) {
            add_kind(list, &kinds[i]);
        }
    }
    for (size_t i = 0; i < REVIEW_ROWS && str_eq(version, "v1"); i++) {
        if (str_eq(review_rows[i].group, group)) {
            cJSON_AddItemToArray(list, resource(review_rows[i].plural, "", review_rows[i].kind,
                                                review_rows[i].namespaced, "create"));
        }
    }
    return o;
}

static cJSON *group_object(const char *group)
{
    cJSON *o = cJSON_CreateObject(), *v = cJSON_CreateObject();
    char gv[96];
    snprintf(gv, sizeof gv, "%s/v1", group); /* every group of ours has just v1 */
    js_set_str(o, "name", group);
    js_set_str(v, "groupVersion", gv);
    js_set_str(v, "version", "v1");
    cJSON_AddItemToArray(js_arr(o, "versions"), v);
    js_set(o, "preferredVersion", js_dup(v));
    return o;
}

static cJSON *group_list(void)
{
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "kind", "APIGroupList");
    js_set_str(o, "apiVersion", "v1");
    cJSON *list = js_arr(o, "groups");
    for (int i = 0; i < KIND_COUNT + REVIEW_ROWS; i++) {
        const char *g = i < KIND_COUNT ? kinds[i].group : review_rows[i - KIND_COUNT].group;
        if (*g && !js_find(list, "name", g)) {
            cJSON_AddItemToArray(list, group_object(g));
        }
    }
    return o;
}

static cJSON *version_object(const ApiReq *r)
{
    cJSON *o = cJSON_CreateObject();
    const char *v = str_or(r->srv->app->cfg.version, "v1.28.15");
    unsigned major = 1, minor = 28;
    (void)sscanf(v, "v%u.%u", &major, &minor);
    char text[16];
    snprintf(text, sizeof text, "%u", major);
    js_set_str(o, "major", text);
    snprintf(text, sizeof text, "%u", minor);
    js_set_str(o, "minor", text);
    js_set_str(o, "gitVersion", v);
    js_set_str(o, "gitCommit", "pg-swarm-sandbox");
    js_set_str(o, "gitTreeState", "clean");
    js_set_str(o, "buildDate", "1970-01-01T00:00:00Z");
    js_set_str(o, "goVersion", "none");
    js_set_str(o, "compiler", "gcc");
    js_set_str(o, "platform", "linux/amd64");
    return o;
}

static bool is_health(const char *path)
{
    static const char *const names[] = {"/healthz", "/livez", "/readyz"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(path, names[i], n) == 0 && (!path[n] || path[n] == '/')) {
            return true;
        }
    }
    return false;
}

/* How many segments a path has. */
static int depth(const char *path)
{
    int n = 0;
    for (const char *p = path; *p; p++) {
        n += *p == '/' && p[1];
    }
    return n;
}

bool is_discovery(const char *path)
{
    return is_health(path) || str_eq(path, "/version") || str_starts(path, "/openapi/") ||
           (str_starts(path, "/apis") && (!path[5] || path[5] == '/') && depth(path) <= 3) ||
           (str_starts(path, "/api") && (!path[4] || path[4] == '/') && depth(path) <= 2);
}

static cJSON *discovery_object(ApiReq *r, const char *path)
{
    StrView rest = sv(path + 1);
    StrView root = sv_cut(&rest, '/');
    const char *a = sv_dup(r->a, sv_cut(&rest, '/')), *b = sv_dup(r->a, sv_cut(&rest, '/'));
    if (sv_eqs(root, "version")) {
        return version_object(r);
    }
    if (sv_eqs(root, "api") && str_empty(a)) {
        return cJSON_Parse("{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],"
                           "\"serverAddressByClientCIDRs\":[]}");
    }
    if (sv_eqs(root, "apis") && str_empty(a)) {
        return group_list();
    }
    cJSON *o = sv_eqs(root, "api") ? resource_list("", a)
               : str_empty(b)      ? group_object(a)
                                   : resource_list(a, b);
    if (sv_eqs(root, "apis") && str_empty(b)) {
        AUTO_JSON all = group_list();
        bool known = js_find(js_get(all, "groups"), "name", a) != NULL;
        js_set_str(o, "kind", known ? "APIGroup" : "");
        js_set_str(o, "apiVersion", "v1");
        return o;
    }
    js_set_str(o, "kind", js_count(o, "resources") ? "APIResourceList" : "");
    return o;
}

void handle_discovery(ApiReq *r, const char *path)
{
    if (!str_eq(r->method, "GET") && !str_eq(r->method, "HEAD")) {
        reply_method(r);
        return;
    }
    if (is_health(path)) {
        reply_text(r, 200, "ok");
        return;
    }
    if (str_eq(path, "/openapi/v2")) {
        handle_openapi_v2(r);
        return;
    }
    if (str_starts(path, "/openapi/")) {
        handle_openapi(r, path);
        return;
    }
    AUTO_JSON o = discovery_object(r, path);
    if (!*js_text(o, "kind") && !js_get(o, "gitVersion")) {
        if (str_starts(path, "/apis/")) { /* nobody answers for the group */
            reply_text(r, 404, "404 page not found\n");
        } else {
            reply_not_found(r);
        }
        return;
    }
    reply_json(r, 200, o);
}
