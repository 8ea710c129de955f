#include "ha_text.h"

static const char *names_of(Arena *a, const cJSON *list)
{
    AUTO_STRBUF b = {0};
    const cJSON *o;
    cJSON_ArrayForEach(o, list) if (cJSON_IsString(o))
        strbuf_addf(&b, "%s%s", b.n ? ", " : "", o->valuestring);
    return arena_strdup(a, strbuf_str(&b));
}

static const char *durability_of(Arena *a, const cJSON *ha)
{
    const char *mode = json_str_at(ha, "durability", ""), *sync = json_str_at(ha, "sync", "");
    long long k = json_int_at(ha, "sync_k", 0);
    const char *names = names_of(a, json_at(ha, "sync_names"));
    if (str_empty(mode))
        return "";
    if (str_eq(sync, "degraded"))
        return arena_printf(a, "%s, DEGRADED: writes wait for no follower now", mode);
    if (!k && !str_eq(sync, "off"))
        return mode; /* nobody leads, or it is not on record yet */
    if (!k)
        return arena_printf(a, "%s: writes wait for no follower", mode);
    return arena_printf(a, "%s%s: a write waits for %lld of %s", mode,
                        str_eq(sync, "waiting") ? ", WAITING" : "", k, names);
}

static const char *lease_of(Arena *a, const cJSON *ha)
{
    const char *holder = json_str_at(ha, "lease_holder", "");
    double age = json_f64_at(ha, "lease_age_ms", -1);
    long long epoch = json_int_at(ha, "epoch", 0);
    if (!epoch)
        return "";
    if (str_empty(holder))
        return arena_printf(a, "epoch %lld, released: nobody leads", epoch);
    if (age < 0)
        return arena_printf(a, "epoch %lld, %s", epoch, holder);
    return arena_printf(
        a, "epoch %lld, %s, renewed at most %.1f s before the report of %s ago; holds %lld s",
        epoch, holder, age / 1000, out_age(a, json_str_at(ha, "at", "")),
        (long long)json_int_at(ha, "lease_seconds", 0));
}

static const char *fence_of(Arena *a, const cJSON *ha)
{
    const char *pod = json_str_at(ha, "fenced_pod", ""),
               *op = json_str_at(ha, "fence_operation", "");
    if (str_empty(pod))
        return "";
    return *op ? arena_printf(a, "%s, by operation %s", pod, op) : arena_strdup(a, pod);
}

static const char *paused_of(Arena *a, const cJSON *ha)
{
    const char *by = json_str_at(ha, "paused_by", "");
    if (!json_bool_at(ha, "paused", false))
        return "";
    return arena_printf(a, "no automatic failover%s%s", *by ? ", by " : "", by);
}

size_t ha_lines(Arena *a, const cJSON *cluster, HaLine ret[HA_LINES])
{
    const cJSON *ha = json_at(cluster, "ha");
    long long timeline = json_int_at(ha, "timeline", 0);
    const HaLine lines[] = {
        {"Durability", durability_of(a, ha)},
        {"Data loss", json_str_at(ha, "failover_loss_text", "")},
        {"Lease", lease_of(a, ha)},
        {"Timeline", timeline ? arena_printf(a, "%lld", timeline) : ""},
        {"Fenced", fence_of(a, ha)},
        {"Paused", paused_of(a, ha)},
        {"API",
         json_bool_at(ha, "api_away", false) ? "the primary does not reach the API server" : ""},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!str_empty(lines[i].value))
            ret[n++] = lines[i];
    return n;
}
