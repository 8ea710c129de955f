#include "render/render.h"
#include "render/tpl.h"

/* A port without its protocol makes server-side apply of Kubernetes 1.20 fail at the second time.
 */
static cJSON *ports(void)
{
    return tpl("[{'name': 'postgres', 'port': %d, 'targetPort': %d, 'protocol': 'TCP'}]", PG_PORT,
               PG_PORT);
}

cJSON *render_service_headless(const ClusterSpec *s)
{
    return tpl("{'metadata': %j, 'spec': {"
               " 'clusterIP': 'None',"
               " 'publishNotReadyAddresses': true,"
               " 'selector': %j,"
               " 'ports': %j}}",
               render_metadata(s, "", "-headless"), render_match(s, NULL), ports());
}

static cJSON *routed(const RenderInput *in, const char *suffix, const char *role)
{
    return tpl("{'metadata': %j, 'spec': {'type': %s, 'selector': %j, 'ports': %j}}",
               render_metadata(in->spec, "", suffix), in->service_type,
               render_match(in->spec, role), ports());
}

cJSON *render_service_rw(const RenderInput *in)
{
    return routed(in, "-rw", "primary");
}

cJSON *render_service_ro(const RenderInput *in)
{
    return routed(in, "-ro", "replica");
}
