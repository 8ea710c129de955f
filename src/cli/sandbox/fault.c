#include "sandbox/fault.h"

#include "core/limits.h"

static const char PATH[] = "/sandbox/faults";

/* ---- one site ---- */

ErrCode fault_ask(Sandbox *s, const Site *site, const cJSON *req, cJSON *items, Error *err)
{
    Arena *a = s->c->arena;
    StrView body;
    cJSON *answer;
    SiteCall raw = {.method = req ? "POST" : "GET", .path = PATH};
    if (req)
        raw.body = sv(json_text(a, req));
    if (site_ask(s, site, &raw, &body, err) || json_parse(a, body, LIMIT_KUBE_OBJECT, &answer, err))
        return err->code;
    const cJSON *it;
    cJSON_ArrayForEach(it, json_at(answer, "items"))
    {
        cJSON *o = cJSON_Duplicate(it, true);
        cJSON_AddStringToObject(o, "site", site->name);
        cJSON_AddItemToArray(items, o);
    }
    return ERR_OK;
}

ErrCode fault_site(Sandbox *s, const char *name, const Site **ret, Error *err)
{
    *ret = site_find(s, name);
    if (!*ret)
        return err_set(err, ERR_NOT_FOUND,
                       "no site '%s' in the sandbox; see swarmctl sandbox status", name);
    return site_pid(s, *ret)
               ? ERR_OK
               : err_set(err, ERR_UNAVAILABLE, "site %s does not run: swarmctl sandbox up", name);
}

static bool has_cluster(Sandbox *s, const Site *site, const char *cluster)
{
    StrView body;
    cJSON *list;
    Error ignored;
    const char *path = arena_printf(
        s->c->arena, "/api/v1/pods?limit=1&labelSelector=pg-swarm.io%%2Fcluster%%3D%s", cluster);
    return site_pid(s, site) &&
           !site_ask(s, site, &(SiteCall){.method = "GET", .path = path}, &body, &ignored) &&
           !json_parse(s->c->arena, body, LIMIT_KUBE_OBJECT, &list, &ignored) &&
           cJSON_GetArraySize(json_at(list, "items")) > 0;
}

static ErrCode by_cluster(Sandbox *s, const char *cluster, const Site **ret, Error *err)
{
    *ret = NULL;
    for (size_t i = 0; i < s->nsites; i++) {
        if (!has_cluster(s, &s->sites[i], cluster))
            continue;
        if (*ret)
            return err_set(err, ERR_AMBIGUOUS, "cluster '%s' is at %s and at %s: write %s@%s",
                           cluster, (*ret)->name, s->sites[i].name, cluster, (*ret)->name);
        *ret = &s->sites[i];
    }
    return *ret ? ERR_OK
                : err_set(err, ERR_NOT_FOUND, "no running site of the sandbox has a cluster '%s'",
                          cluster);
}

ErrCode fault_where(Sandbox *s, FaultWhere *ret, Error *err)
{
    const char *arg = cli_arg(s->c, 0);
    const char *site = cli_opt(s->c, "site"), *at = arg ? strchr(arg, '@') : NULL;
    ret->cluster = at ? arena_strndup(s->c->arena, arg, (size_t)(at - arg)) : arg;
    if (at || site)
        return fault_site(s, at ? at + 1 : site, &ret->site, err);
    if (arg)
        return by_cluster(s, arg, &ret->site, err);
    return err_set(err, ERR_USAGE, "say which: a CLUSTER, or --site NAME");
}

/* ---- from options to a request ---- */

cJSON *fault_request(Sandbox *s, const char *kind)
{
    cJSON *req = json_own(s->c->arena, cJSON_CreateObject());
    cJSON_AddStringToObject(req, "kind", kind);
    return req;
}

void fault_put(cJSON *req, const char *name, const char *value)
{
    if (!str_empty(value))
        cJSON_AddStringToObject(req, name, value);
}

ErrCode fault_put_targets(Sandbox *s, cJSON *req, const FaultWhere *w, Error *err)
{
    static const char *const roles[] = {"primary", "replica", "replicas", "all-pods", "satellite"};
    const Cli *c = s->c;
    const char *who = NULL;
    fault_put(req, "cluster", w->cluster);
    fault_put(req, "namespace", cli_opt(c, "namespace"));
    cJSON *pods = cJSON_AddArrayToObject(req, "pods");
    for (size_t i = 1; cli_arg(c, i); i++)
        cJSON_AddItemToArray(pods, cJSON_CreateString(cli_arg(c, i)));
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (cli_flag(c, roles[i])) {
            if (who || cli_arg(c, 1))
                return err_set(err, ERR_USAGE,
                               "--%s: pods are named by one of POD..., --primary, "
                               "--replica, --replicas, --all-pods",
                               roles[i]);
            who = str_eq(roles[i], "all-pods") ? "all" : roles[i];
        }
    fault_put(req, "who", who);
    if (w->cluster && !who && !cli_arg(c, 1))
        return err_set(err, ERR_USAGE,
                       "say which pods of %s: POD..., --primary, --replica, "
                       "--replicas or --all-pods",
                       w->cluster);
    return ERR_OK;
}

ErrCode fault_put_duration(Sandbox *s, cJSON *req, const char *opt, const char *member, Error *err)
{
    uint64_t ms;
    const char *text = cli_opt(s->c, opt);
    if (!text)
        return ERR_OK;
    if (cli_duration(text, &ms, err))
        return err_wrap(err, "--%s", opt);
    cJSON_AddNumberToObject(req, member, (double)ms);
    return ERR_OK;
}

ErrCode fault_run(Sandbox *s, const char *kind, FaultFill fill, cJSON *items, Error *err)
{
    FaultWhere w = {0};
    cJSON *req = fault_request(s, kind);
    ErrCode rc = fault_where(s, &w, err);
    rc = rc ? rc : fill(s, req, &w, err);
    return rc ? rc : fault_ask(s, w.site, req, items, err);
}
