#include "hub/hub_priv.h"

static const struct {
    const char *name;
    const Schema *schema;
} TOPICS[HUB_TOPIC_COUNT] = {
    [HUB_CLUSTERS] = {"clusters", &schema_CLUSTER},
    [HUB_SATELLITES] = {"satellites", &schema_SATELLITE},
    [HUB_EVENT] = {"events", &schema_EVENT},
    [HUB_OPERATIONS] = {"operations", &schema_OPERATION},
};

const char *hub_topic_name(HubTopic t)
{
    return TOPICS[t].name;
}

const Schema *hub_schema(HubTopic t)
{
    return TOPICS[t].schema;
}

static ErrCode add_topic(Arena *a, StrView name, HubWish *w, Error *err)
{
    for (int t = 0; t < HUB_TOPIC_COUNT; t++)
        if (sv_eqs(name, TOPICS[t].name)) {
            w->topics |= 1u << t;
            return ERR_OK;
        }
    if (!sv_starts(name, "logs/") || name.n == 5)
        return err_set(err, ERR_INVALID,
                       "topics: '" SV_FMT "' is none; clusters, satellites, events, "
                       "operations and logs/SATELLITE are",
                       SV_ARG(name));
    if (w->n_logs == HUB_MAX_LOGS)
        return err_set(err, ERR_INVALID, "topics: logs of at most %d satellites at once",
                       (int)HUB_MAX_LOGS);
    w->logs[w->n_logs++] = sv_dup(a, (StrView){name.p + 5, name.n - 5});
    return ERR_OK;
}

ErrCode hub_wish_parse(Arena *a, const char *topics, HubWish *ret, Error *err)
{
    HubWish w = {.logs = arena_array(a, const char *, HUB_MAX_LOGS)};
    StrView rest = sv(topics);
    while (rest.p) {
        ErrCode rc = add_topic(a, sv_trim(sv_cut(&rest, ',')), &w, err);
        if (rc)
            return rc;
    }
    if (!topics)
        w.topics = HUB_ALL;
    *ret = w;
    return ERR_OK;
}

ErrCode hub_check(const char *topics, Error *err)
{
    AUTO_ARENA a = arena_new();
    HubWish w;
    return hub_wish_parse(a, topics, &w, err);
}

static void begin(JsonOut *j, const HubFrame *f)
{
    json_obj(j);
    json_put_str(j, "type", f->type);
    json_put_str(j, "topic", f->topic);
    json_put_int(j, "cursor", f->cursor);
    if (f->more)
        json_put_bool(j, "more", true);
    json_key(j, "items");
    json_arr(j);
}

void hub_frame(StrBuf *out, const HubFrame *f, const Schema *s, const ObjList *items)
{
    JsonOut j = json_out(out);
    begin(&j, f);
    for (size_t i = 0; i < items->n; i++)
        fields_encode(&j, s, (const char *)items->at + i * s->size);
    json_arr_end(&j);
    json_obj_end(&j);
}

void hub_frame_ids(StrBuf *out, const HubFrame *f, const char *const *ids, size_t n)
{
    JsonOut j = json_out(out);
    begin(&j, f);
    for (size_t i = 0; i < n; i++) {
        json_obj(&j);
        json_put_str(&j, "id", ids[i]);
        json_obj_end(&j);
    }
    json_arr_end(&j);
    json_obj_end(&j);
}

ApiLogEntry hub_log_entry(const LogEntry *e)
{
    return (ApiLogEntry){.at = e->at_us,
                         .level = e->level,
                         .logger = e->logger,
                         .message = e->message,
                         .fields = e->fields};
}
