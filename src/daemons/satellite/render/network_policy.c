#include "render/render.h"
#include "render/tpl.h"

/* In: PostgreSQL for members and clients, whom pg_hba.conf tells apart, and the sidecar's health
 * for the kubelet. Nothing else, and these two even where everything is denied by default. Where
 * members go (API server, satellite, each other) only the site knows. */
cJSON *render_network_policy(const ClusterSpec *s)
{
    return tpl("{'metadata': %j, 'spec': {'podSelector': {'matchLabels': %j},"
               " 'policyTypes': ['Ingress'], 'ingress': [{'ports': ["
               "  {'protocol': 'TCP', 'port': %d}, {'protocol': 'TCP', 'port': %d}]}]}}",
               render_metadata(s, "", ""), render_match(s, NULL), PG_PORT, SIDECAR_HEALTH_PORT);
}
