#include "auth/rbac.h"
#include <stdio.h>

/* ---- one rule ---- */

static bool has(const cJSON *list, const char *x)
{
    const cJSON *v;
    js_each(v, list)
    {
        const char *t = cJSON_GetStringValue(v);
        if (str_eq(t, "*") || str_eq(t, x)) {
            return true;
        }
    }
    return false;
}

static bool has_resource(const cJSON *list, const Attr *at)
{
    char full[160], any[80];
    snprintf(full, sizeof full, "%s/%s", at->resource, str_or(at->sub, ""));
    snprintf(any, sizeof any, "*/%s", str_or(at->sub, ""));
    return at->sub ? has(list, full) || has(list, any) : has(list, at->resource);
}

static bool has_path(const cJSON *list, const char *path)
{
    const cJSON *v;
    js_each(v, list)
    {
        const char *t = str_or(cJSON_GetStringValue(v), "");
        size_t n = strlen(t);
        if (str_eq(t, path) || (n && t[n - 1] == '*' && strncmp(t, path, n - 1) == 0)) {
            return true;
        }
    }
    return false;
}

static bool rule_allows(const cJSON *rule, const Attr *at)
{
    if (!has(js_get(rule, "verbs"), at->verb)) {
        return false;
    }
    if (at->path) {
        return has_path(js_get(rule, "nonResourceURLs"), at->path);
    }
    const cJSON *names = js_get(rule, "resourceNames");
    return has(js_get(rule, "apiGroups"), at->group) &&
           has_resource(js_get(rule, "resources"), at) &&
           (!cJSON_GetArraySize(names) || (!str_empty(at->name) && has(names, at->name)));
}

/* ---- bindings ---- */

static bool in_group(const Identity *who, const char *group)
{
    for (const char *const *g = who->groups; *g; g++) {
        if (str_eq(*g, group)) {
            return true;
        }
    }
    return false;
}

static bool is_subject(const Identity *who, const cJSON *binding)
{
    const cJSON *s;
    const char *own = js_text(binding, "metadata.namespace"); /* of a RoleBinding */
    js_each(s, js_get(binding, "subjects"))
    {
        const char *kind = js_text(s, "kind"), *name = js_text(s, "name");
        bool hit =
            str_eq(kind, "User") ? str_eq(who->name, name)
            : str_eq(kind, "Group")
                ? in_group(who, name)
                : who->ns && str_eq(who->service_account, name) &&
                      str_eq(who->ns, *js_text(s, "namespace") ? js_text(s, "namespace") : own);
        if (hit) {
            return true;
        }
    }
    return false;
}

static const cJSON *rules_of(Store *s, Arena *a, const cJSON *ref, const char *ns)
{
    bool cluster = str_eq(js_text(ref, "kind"), "ClusterRole");
    const Obj *role = store_get(s, a, cluster ? K(CLUSTERROLE) : K(ROLE), cluster ? "" : ns,
                                js_text(ref, "name"));
    return role ? js_get(role->json, "rules") : NULL;
}

/* Calls fn for each rule that holds for who in ns, until it returns true. */
typedef bool (*RuleFn)(void *ctx, const cJSON *rule);
static bool each_rule(Store *s, const Identity *who, const char *ns, RuleFn fn, void *ctx)
{
    AUTO_ARENA a = arena_new();
    for (int namespaced = 0; namespaced < (str_empty(ns) ? 1 : 2); namespaced++) {
        const StoreQuery q = {.kind = namespaced ? K(ROLEBINDING) : K(CLUSTERROLEBINDING),
                              .ns = namespaced ? ns : NULL};
        for (const Obj **b = store_list(s, a, &q, NULL); *b; b++) {
            const cJSON *rule;
            if (!is_subject(who, (*b)->json)) {
                continue;
            }
            js_each(rule, rules_of(s, a, js_get((*b)->json, "roleRef"), ns))
            {
                if (fn(ctx, rule)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static bool allows(void *ctx, const cJSON *rule)
{
    return rule_allows(rule, ctx);
}

bool rbac_allowed(Store *s, const Identity *who, const Attr *at)
{
    return in_group(who, "system:masters") || each_rule(s, who, at->ns, allows, (void *)at);
}

ErrCode rbac_denied(Arena *a, const Identity *who, const Attr *at, Error *err)
{
    if (at->path) {
        return err_set(err, ERR_FORBIDDEN, "forbidden: User \"%s\" cannot %s path \"%s\"",
                       who->name, at->verb, at->path);
    }
    const char *res = at->sub ? arena_printf(a, "%s/%s", at->resource, at->sub) : at->resource;
    const char *what =
        *at->group ? arena_printf(a, "%s.%s", at->resource, at->group) : at->resource;
    const char *name = str_empty(at->name) ? "" : arena_printf(a, " \"%s\"", at->name);
    const char *scope = str_empty(at->ns) ? "at the cluster scope"
                                          : arena_printf(a, "in the namespace \"%s\"", at->ns);
    return err_set(err, ERR_FORBIDDEN,
                   "%s%s is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\" "
                   "%s",
                   what, name, who->name, at->verb, res, at->group, scope);
}

static bool collect(void *ctx, const cJSON *rule)
{
    cJSON_AddItemToArray(ctx, js_dup(rule));
    return false;
}

cJSON *rbac_rules(Store *s, const Identity *who, const char *ns)
{
    cJSON *list = cJSON_CreateArray();
    if (in_group(who, "system:masters")) {
        cJSON_AddItemToArray(
            list, cJSON_Parse("{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}"));
        cJSON_AddItemToArray(list, cJSON_Parse("{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}"));
        return list;
    }
    each_rule(s, who, ns, collect, list);
    return list;
}

/* ---- no escalation ---- */

static bool holds_parts(const cJSON *held, const Attr *proto, const cJSON *rule)
{
    const cJSON *verb, *held_rule;
    js_each(verb, js_get(rule, "verbs"))
    {
        Attr at = *proto;
        bool ok = false;
        at.verb = cJSON_GetStringValue(verb);
        js_each(held_rule, held)
        {
            ok = ok || rule_allows(held_rule, &at);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool holds_resource(const cJSON *held, const cJSON *rule, const char *group, const char *res)
{
    const char *slash = strchr(res, '/');
    char plain[128];
    snprintf(plain, sizeof plain, "%.*s", slash ? (int)(slash - res) : 127, res);
    Attr at = {.group = group, .resource = plain, .sub = slash ? slash + 1 : NULL};
    const cJSON *name, *names = js_get(rule, "resourceNames");
    if (!cJSON_GetArraySize(names)) {
        return holds_parts(held, &at, rule);
    }
    js_each(name, names)
    {
        at.name = cJSON_GetStringValue(name);
        if (!holds_parts(held, &at, rule)) {
            return false;
        }
    }
    return true;
}

static bool holds_rule(const cJSON *held, const cJSON *rule)
{
    const cJSON *g, *r, *u;
    js_each(u, js_get(rule, "nonResourceURLs"))
    {
        if (!holds_parts(held, &(Attr){.path = cJSON_GetStringValue(u)}, rule)) {
            return false;
        }
    }
    js_each(g, js_get(rule, "apiGroups"))
    {
        js_each(r, js_get(rule, "resources"))
        {
            if (!holds_resource(held, rule, str_or(cJSON_GetStringValue(g), ""),
                                str_or(cJSON_GetStringValue(r), ""))) {
                return false;
            }
        }
    }
    return true;
}

static ErrCode refuse_grant(Arena *a, const Identity *who, const Kind *k, const cJSON *obj,
                            const cJSON *rule, Error *err)
{
    char *text = js_print(rule);
    const char *copy = arena_strdup(a, text);
    cJSON_free(text);
    return err_set(err, ERR_FORBIDDEN,
                   "%s.%s \"%s\" is forbidden: user \"%s\" is attempting to grant RBAC permissions "
                   "not currently held:\n%.180s",
                   k->plural, k->group, js_text(obj, "metadata.name"), who->name, copy);
}

ErrCode rbac_check_grant(Store *s, Arena *a, const Identity *who, const Kind *k, const cJSON *obj,
                         Error *err)
{
    bool role = k == K(ROLE) || k == K(CLUSTERROLE);
    bool binding = k == K(ROLEBINDING) || k == K(CLUSTERROLEBINDING);
    const char *ns = js_text(obj, "metadata.namespace");
    const cJSON *ref = js_get(obj, "roleRef");
    const Attr may = {.verb = role ? "escalate" : "bind",
                      .group = k->group,
                      .resource = role                                   ? k->plural
                                  : str_eq(js_text(ref, "kind"), "Role") ? "roles"
                                                                         : "clusterroles",
                      .ns = ns,
                      .name = role ? js_text(obj, "metadata.name") : js_text(ref, "name")};
    if ((!role && !binding) || rbac_allowed(s, who, &may)) {
        return ERR_OK;
    }
    const cJSON *rules = role ? js_get(obj, "rules") : rules_of(s, a, ref, ns);
    if (binding && !rules) {
        return err_set(err, ERR_NOT_FOUND, "%s.%s \"%s\" not found", may.resource, k->group,
                       may.name);
    }
    AUTO_JSON held = rbac_rules(s, who, ns);
    const cJSON *rule;
    js_each(rule, rules)
    {
        if (!holds_rule(held, rule)) {
            return refuse_grant(a, who, k, obj, rule, err);
        }
    }
    return ERR_OK;
}
