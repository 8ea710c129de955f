#include "model/guc.h"
#include "render/render.h"
#include "render/tpl.h"
#include <inttypes.h>

cJSON *render_record(const ClusterSpec *s, int64_t applied)
{
    AUTO_ARENA a = arena_new();
    cJSON *meta = render_metadata(s, "pg-swarm-config-", "");
    tpl_add(meta, "annotations",
            tpl("{'" ANNOTATION_CONFIG_VERSION "': %s}", arena_printf(a, "%" PRId64, applied)));
    return tpl("{'metadata': %j, 'data': {'config.json': %s}}", meta,
               fields_to_text(a, &cluster_spec_schema, s, 2));
}

cJSON *render_config(const ClusterSpec *s)
{
    AUTO_ARENA a = arena_new();
    /* members: here and not in the pod's environment, or every scaling would restart the primary.
     */
    return tpl("{'metadata': %j,"
               " 'data': {'postgresql.conf': %s, 'pg_hba.conf': %s, 'members': %s}}",
               render_metadata(s, "", "-config"), guc_postgresql_conf(a, s), guc_pg_hba_conf(a, s),
               arena_printf(a, "%u", s->replicas));
}

cJSON *render_recovery_rules(const ClusterSpec *s)
{
    AUTO_STRBUF b = {0};
    JsonOut j = json_out_pretty(&b);
    const RecoveryRule *rules = s->recovery_rules.at;
    json_arr(&j);
    for (size_t i = 0; i < s->recovery_rules.n; i++) {
        const RecoveryRule *r = &rules[i];
        json_obj(&j);
        json_put_str(&j, "name", r->name);
        json_put_str(&j, "category", r->category);
        json_put_str(&j, "pattern", r->pattern);
        json_put_str(&j, "severity", r->severity);
        json_put_str(&j, "action", r->action);
        json_put_str(&j, "exec_command", r->exec_command);
        json_put_uint(&j, "cooldown_seconds", r->cooldown_seconds);
        json_put_uint(&j, "threshold", r->threshold);
        json_put_uint(&j, "window_seconds", r->window_seconds);
        json_put_bool(&j, "enabled", r->enabled);
        json_obj_end(&j);
    }
    json_arr_end(&j);
    return tpl("{'metadata': %j, 'data': {'rules.json': %s}}",
               render_metadata(s, "", "-recovery-rules"), strbuf_str(&b));
}

cJSON *render_satellite_ca(const RenderInput *in)
{
    return tpl("{'metadata': %j, 'data': {'ca.crt': %s}}",
               render_metadata(in->spec, "", "-satellite-ca"), in->satellite_ca_pem);
}
