#include "link/events.h"

#include "codec/json.h"
#include "codec/json_out.h"

static void put_event(JsonOut *j, const EventReport *e)
{
    json_obj(j);
    json_put_uint(j, "seq", e->sequence);
    json_put_int(j, "at_us", e->at_us);
    json_put_str(j, "severity", severity_name(e->severity));
    json_put_str(j, "kind", e->kind);
    json_put_str(j, "cluster", e->cluster_name);
    json_put_str(j, "namespace", e->ns);
    json_put_str(j, "pod", e->pod_name);
    json_put_str(j, "message", e->message);
    json_put_str(j, "operation", e->operation_id);
    json_put_str(j, "source", e->source);
    json_key(j, "data");
    json_obj(j);
    for (size_t i = 0; i < e->data.n; i++)
        json_put_str(j, e->data.at[i].key, e->data.at[i].value);
    json_obj_end(j);
    json_obj_end(j);
}

char *events_encode(Arena *a, const EventReport *at, size_t n)
{
    AUTO_STRBUF b = {0};
    JsonOut j = json_out(&b);
    json_arr(&j);
    for (size_t i = 0; i < n; i++)
        put_event(&j, &at[i]);
    json_arr_end(&j);
    return arena_strndup(a, strbuf_str(&b), b.n);
}

static const char *text(const cJSON *o, const char *key)
{
    return json_str_at(o, key, "");
}

static bool read_event(Arena *a, const cJSON *o, EventReport *ret)
{
    int64_t seq = json_int_at(o, "seq", 0);
    if (seq <= 0)
        return false;
    *ret = (EventReport){
        .sequence = (uint64_t)seq,
        .at_us = json_int_at(o, "at_us", 0),
        .severity = severity_of(text(o, "severity")),
        .kind = text(o, "kind"),
        .cluster_name = text(o, "cluster"),
        .ns = text(o, "namespace"),
        .pod_name = text(o, "pod"),
        .message = text(o, "message"),
        .operation_id = text(o, "operation"),
        .source = text(o, "source"),
    };
    const cJSON *d;
    cJSON_ArrayForEach(d, json_at(o, "data"))
    {
        if (cJSON_IsString(d))
            strmap_put(a, &ret->data, d->string, d->valuestring);
    }
    return true;
}

void events_decode(Arena *a, const char *in, ObjList *ret)
{
    cJSON *root;
    *ret = (ObjList){0};
    if (str_empty(in) || json_parse(a, sv(in), 4 * EVENTS_BYTES, &root, NULL) ||
        !cJSON_IsArray(root))
        return;
    EventReport *at = arena_array(a, EventReport, (size_t)cJSON_GetArraySize(root) + 1);
    const cJSON *o;
    cJSON_ArrayForEach(o, root)
    {
        if (read_event(a, o, &at[ret->n]) &&
            (ret->n == 0 || at[ret->n].sequence > at[ret->n - 1].sequence))
            ret->n++;
    }
    ret->at = at;
}
