#include "render/render.h"
#include "render/tpl.h"

cJSON *render_pdb(const ClusterSpec *s)
{
    return tpl("{'metadata': %j, 'spec': {'maxUnavailable': 1, 'selector': {'matchLabels': %j}}}",
               render_metadata(s, "", ""), render_match(s, NULL));
}
