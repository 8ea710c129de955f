#include "api/schemas_fleet.h"
#include "core/ident.h"
#include "core/log.h"
#include "fleet/fleet_priv.h"
#include "store/store.h"
#include <stdlib.h>

typedef void (*InboxFn)(Session *x, Arena *a, const SatelliteUp *m);

/* One list of classes is stored at a time, and then the newest one: statements of two connections
 * may overtake each other, and the last one said must be the last one stored. */
static void store_classes(Session *x);

static void classes_stored(void *ctx, const Error *err, PgResult *r)
{
    Session *x = ctx;
    (void)err;
    (void)r;
    x->classes_storing = false;
    store_classes(x);
    session_unref(x);
}

static void store_classes(Session *x)
{
    if (!x->classes || x->classes_storing)
        return;
    char *list = x->classes;
    x->classes = NULL;
    x->classes_storing = true;
    session_ref(x);
    pg_query(x->f->app->writers,
             "UPDATE satellites SET storage_classes = $2, row_version = row_version + 1 WHERE"
             " id = $1 AND storage_classes <> $2::jsonb",
             PG_PARAMS(pg_text(x->id), pg_text(list)), classes_stored, x);
    free(list);
}

static void storage_classes(Session *x, const ObjList *list)
{
    AUTO_STRBUF b = {0};
    JsonOut j = json_out(&b);
    const StorageClass *c = list->at;
    json_arr(&j);
    for (size_t i = 0; i < list->n; i++) {
        ApiStorageClass out = {c[i].name,           c[i].provisioner,
                               c[i].reclaim_policy, c[i].volume_binding_mode,
                               c[i].is_default,     c[i].allow_expansion};
        fields_encode(&j, &schema_STORAGE_CLASS, &out);
    }
    json_arr_end(&j);
    free(x->classes);
    x->classes = xstrdup(strbuf_str(&b));
    store_classes(x);
}

static void on_hello(Session *x, Arena *a, const SatelliteUp *m)
{
    const Hello *h = &m->hello;
    (void)a;
    if (x->state == SESSION_LIVE) {
        session_end(x, GRPC_INVALID_ARGUMENT, "hello is said once");
        return;
    }
    if (!str_empty(h->satellite_id) && !str_eq(h->satellite_id, x->id)) {
        session_end(x, GRPC_PERMISSION_DENIED, "satellite_id is not that of the credentials");
        return;
    }
    x->state = SESSION_LIVE;
    pg_query(x->f->app->writers,
             "UPDATE satellites SET version = $2, kubernetes_version = $3, last_seen = now(),"
             " row_version = row_version + CASE WHEN (version, kubernetes_version) = ($2, $3)"
             " THEN 0 ELSE 1 END WHERE id = $1",
             PG_PARAMS(pg_text(x->id), pg_text(h->version), pg_text(h->kubernetes_version)), NULL,
             NULL);
    if (h->storage_classes.n)
        storage_classes(x, &h->storage_classes);
    /* Where we are: a site that lost count goes on behind this. */
    if (x->events.last) {
        SatelliteDown ack = {.id = "", .kind = DOWN_EVENT_ACK, .event_sequence = x->events.last};
        session_send(x, &ack);
    }
    outbox_hello(x, h);
    orders_look(x);
}

static void on_heartbeat(Session *x, Arena *a, const SatelliteUp *m)
{
    SatelliteDown ack = {
        .id = "", .kind = DOWN_HEARTBEAT_ACK, .heartbeat_at_us = m->heartbeat_at_us};
    (void)a;
    session_send(x, &ack);
}

static void on_health(Session *x, Arena *a, const SatelliteUp *m)
{
    (void)a;
    x->f->stats.health_reports++;
    if (!uuid_valid(m->health.cluster_id)) {
        x->f->stats.bad_messages++;
        log_warn("fleet", "health report without a cluster id", "satellite=%s cluster=%s", x->name,
                 log_quote(m->health.name));
        return;
    }
    ingest_health(x->f->app->ingest, x->id, &m->health);
}

static void on_event(Session *x, Arena *a, const SatelliteUp *m)
{
    (void)a;
    if (m->event.sequence == 0 || m->event.sequence > INT64_MAX) {
        session_end(x, GRPC_INVALID_ARGUMENT, "event sequence: 1 to 2^63-1");
        return;
    }
    x->f->stats.events++;
    if (m->event.sequence <= x->events.last && !x->events.n && !x->events.flush) {
        /* stored long ago; say so again, the first answer may have been lost */
        SatelliteDown ack = {.id = "", .kind = DOWN_EVENT_ACK, .event_sequence = x->events.last};
        session_send(x, &ack);
        return;
    }
    events_add(&x->events, &m->event);
    if (x->events.n >= EVENTS_WAIT_MAX)
        grpc_stream_pause(x->s);
}

static void on_config_ack(Session *x, Arena *a, const SatelliteUp *m)
{
    (void)a;
    x->f->stats.acks++;
    outbox_ack(x, &m->config_ack);
}

static void on_storage_classes(Session *x, Arena *a, const SatelliteUp *m)
{
    (void)a;
    storage_classes(x, &m->storage_classes);
}

static void on_log(Session *x, Arena *a, const SatelliteUp *m)
{
    (void)a;
    logs_add(x->f, x->id, &m->log);
}

static void on_answer(Session *x, Arena *a, const SatelliteUp *m)
{
    (void)a;
    ask_answer(x, m);
}

static void on_operation_progress(Session *x, Arena *a, const SatelliteUp *m)
{
    (void)a;
    orders_progress(x, &m->operation_progress);
}

static void on_operation_result(Session *x, Arena *a, const SatelliteUp *m)
{
    (void)a;
    orders_result(x, &m->operation_result);
}

static void on_other(Session *x, Arena *a, const SatelliteUp *m)
{
    (void)a;
    x->f->stats.bad_messages++;
    log_debug("fleet", "message of a kind that is not carried", "satellite=%s field=%d", x->name,
              m->other);
}

static const InboxFn INBOX[UP_KIND_COUNT] = {
    [UP_OTHER] = on_other,
    [UP_HELLO] = on_hello,
    [UP_HEARTBEAT] = on_heartbeat,
    [UP_HEALTH] = on_health,
    [UP_EVENT] = on_event,
    [UP_CONFIG_ACK] = on_config_ack,
    [UP_STORAGE_CLASSES] = on_storage_classes,
    [UP_LOG] = on_log,
    [UP_POD_LOG] = on_answer,
    [UP_CREDENTIAL] = on_answer,
    [UP_OPERATION_PROGRESS] = on_operation_progress,
    [UP_OPERATION_RESULT] = on_operation_result,
};

void inbox_message(Session *x, StrView msg)
{
    AUTO_ARENA a = arena_new();
    SatelliteUp m;
    Error err;
    if (wire_up_decode(a, msg, &m, &err)) {
        x->f->stats.bad_messages++;
        session_end(x, GRPC_INVALID_ARGUMENT, err.msg);
        return;
    }
    if (x->state == SESSION_HELLO && m.kind != UP_HELLO) {
        session_end(x, GRPC_INVALID_ARGUMENT, "the first message must be hello");
        return;
    }
    INBOX[m.kind](x, a, &m);
}
