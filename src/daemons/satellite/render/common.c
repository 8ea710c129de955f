#include "render/render.h"

#include "render/tpl.h"

char *render_selector(Arena *a, const char *cluster)
{
    return arena_printf(a, LABEL_MANAGED_BY "=" MANAGED_BY "," LABEL_CLUSTER "=%s", cluster);
}

cJSON *render_metadata(const ClusterSpec *s, const char *prefix, const char *suffix)
{
    return tpl("{'name': '%S%S%S', 'namespace': %s, 'labels': {"
               " '" LABEL_MANAGED_BY "': '" MANAGED_BY "',"
               " '" LABEL_NAME "': 'postgresql',"
               " '" LABEL_CLUSTER "': %s,"
               " '" LABEL_PROFILE "': %s}}",
               prefix, s->name, suffix, s->ns, s->name, s->profile_name);
}

cJSON *render_match(const ClusterSpec *s, const char *role)
{
    cJSON *m = tpl("{'" LABEL_MANAGED_BY "': '" MANAGED_BY "', '" LABEL_CLUSTER "': %s}", s->name);
    if (role)
        cJSON_AddStringToObject(m, LABEL_ROLE, role);
    return m;
}

cJSON *render_namespace(const ClusterSpec *s)
{
    return tpl("{'metadata': {'name': %s, 'labels': {'" LABEL_MANAGED_BY "': '" MANAGED_BY "'}}}",
               s->ns);
}
