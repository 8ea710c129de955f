#include "render/render.h"
#include "render/tpl.h"

/* What the sidecars of one cluster may do: their own Lease and their own pods, by name. A create
 * cannot be limited by name (the name is not known to RBAC then), so it stands alone. */

cJSON *render_service_account(const ClusterSpec *s)
{
    return tpl("{'metadata': %j}", render_metadata(s, "", "-failover"));
}

/* Names for as many members as a cluster can have: scaling must not wait for a Role. */
static cJSON *pod_names(const ClusterSpec *s)
{
    AUTO_ARENA a = arena_new();
    cJSON *names = cJSON_CreateArray();
    for (unsigned i = 0; i < PROFILE_REPLICAS_MAX; i++)
        cJSON_AddItemToArray(names, cJSON_CreateString(arena_printf(a, "%s-%u", s->name, i)));
    return names;
}

cJSON *render_role(const ClusterSpec *s)
{
    return tpl("{'metadata': %j, 'rules': ["
               " {'apiGroups': ['coordination.k8s.io'], 'resources': ['leases'],"
               "  'verbs': ['create']},"
               " {'apiGroups': ['coordination.k8s.io'], 'resources': ['leases'],"
               "  'resourceNames': ['%S-leader'],"
               "  'verbs': ['get', 'list', 'watch', 'update']},"
               " {'apiGroups': [''], 'resources': ['pods'], 'resourceNames': %j,"
               "  'verbs': ['get', 'list', 'watch', 'patch']}]}",
               render_metadata(s, "", "-failover"), s->name, pod_names(s));
}

cJSON *render_role_binding(const ClusterSpec *s)
{
    return tpl("{'metadata': %j,"
               " 'roleRef': {'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'Role',"
               "  'name': '%S-failover'},"
               " 'subjects': [{'kind': 'ServiceAccount', 'name': '%S-failover', 'namespace': %s}]}",
               render_metadata(s, "", "-failover"), s->name, s->name, s->ns);
}
