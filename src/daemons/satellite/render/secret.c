#include "render/render.h"
#include "render/tpl.h"

const char *const secret_keys[SECRET_KEYS] = {"superuser-password", "replication-password",
                                              "sidecar-stream-token"};

cJSON *render_secret(const ClusterSpec *s, const SecretValues *v)
{
    return tpl("{'metadata': %j, 'type': 'Opaque', 'stringData': {"
               " 'superuser-password': %s,"
               " 'replication-password': %s,"
               " 'sidecar-stream-token': %s}}",
               render_metadata(s, "", "-secret"), v->superuser_password, v->replication_password,
               v->sidecar_stream_token);
}
