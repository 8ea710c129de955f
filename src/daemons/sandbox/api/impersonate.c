#include "api/request.h"

/* https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation */

static const char SA_PREFIX[] = "system:serviceaccount:";

static void as_service_account(ApiReq *r, const char *user, Identity *to)
{
    StrView rest = sv(user + strlen(SA_PREFIX)), ns = sv_cut(&rest, ':');
    const char **groups = arena_array(r->a, const char *, 4);
    to->ns = sv_dup(r->a, ns);
    to->service_account = sv_dup(r->a, rest);
    groups[0] = "system:serviceaccounts";
    groups[1] = arena_printf(r->a, "system:serviceaccounts:%s", to->ns);
    groups[2] = "system:authenticated";
    to->groups = groups;
}

ErrCode impersonate(ApiReq *r, Error *err)
{
    const char *user = http_header(r->http, "impersonate-user");
    const char *group = http_header(r->http, "impersonate-group");
    if (!user && !group)
        return ERR_OK;
    if (str_empty(user))
        return err_set(err, ERR_MALFORMED, "impersonating a group needs a user too");
    Identity to = {.name = user};
    bool sa = str_starts(user, SA_PREFIX) && strchr(user + strlen(SA_PREFIX), ':');
    if (sa)
        as_service_account(r, user, &to);
    const Attr as_user = {.verb = "impersonate",
                          .group = "",
                          .resource = sa ? "serviceaccounts" : "users",
                          .ns = to.ns,
                          .name = sa ? to.service_account : user};
    const Attr as_group = {.verb = "impersonate", .group = "", .resource = "groups", .name = group};
    if (!rbac_allowed(r->store, &r->who, &as_user)) {
        r->group = ""; /* what is refused is the user, not what the path names */
        r->resource = as_user.resource;
        r->name = as_user.name;
        return rbac_denied(r->a, &r->who, &as_user, err);
    }
    if (group && !rbac_allowed(r->store, &r->who, &as_group))
        return rbac_denied(r->a, &r->who, &as_group, err);
    if (group || !sa) {
        const char **groups = arena_array(r->a, const char *, 3);
        groups[0] = group ? group : "system:authenticated";
        groups[1] = group ? "system:authenticated" : NULL;
        to.groups = groups;
    }
    r->who = to;
    return ERR_OK;
}
