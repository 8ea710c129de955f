#include "pgswarm/v1/satellite.pb-c.h"
#include "wire/satellite_stream.h"
#include "wire/wire_health.h"
#include "wire/wire_operation.h"
#include "wire/wire_util.h"

#define CASE(name) PGSWARM__V1__SATELLITE_MESSAGE__PAYLOAD_##name

const char *up_kind_name(UpKind k)
{
    static const char *const names[] = {
        [UP_OTHER] = "other",
        [UP_HELLO] = "hello",
        [UP_HEARTBEAT] = "heartbeat",
        [UP_HEALTH] = "health",
        [UP_EVENT] = "event",
        [UP_CONFIG_ACK] = "config_ack",
        [UP_STORAGE_CLASSES] = "storage_classes",
        [UP_LOG] = "log",
        [UP_POD_LOG] = "pod_log",
        [UP_CREDENTIAL] = "credential",
        [UP_OPERATION_PROGRESS] = "operation_progress",
        [UP_OPERATION_RESULT] = "operation_result",
    };
    return (unsigned)k < UP_KIND_COUNT ? names[k] : names[0];
}

static ObjList classes_get(Arena *a, size_t n, Pgswarm__V1__StorageClass **in)
{
    n = n < WIRE_ITEMS_MAX ? n : WIRE_ITEMS_MAX;
    StorageClass *out = n ? arena_array(a, StorageClass, n) : NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = (StorageClass){.name = in[i]->name,
                                .provisioner = in[i]->provisioner,
                                .reclaim_policy = in[i]->reclaim_policy,
                                .volume_binding_mode = in[i]->volume_binding_mode,
                                .is_default = in[i]->is_default,
                                .allow_expansion = in[i]->allow_expansion};
    return (ObjList){out, n};
}

/* A satellite may run more clusters than other lists hold items. */
enum { APPLIED_MAX = 20000 };

static void hello_get(Arena *a, const Pgswarm__V1__Hello *m, Hello *h)
{
    size_t n = m->n_applied < APPLIED_MAX ? m->n_applied : APPLIED_MAX;
    AppliedCluster *applied = n ? arena_array(a, AppliedCluster, n) : NULL;
    for (size_t i = 0; i < n; i++)
        applied[i] = (AppliedCluster){m->applied[i]->cluster_id, m->applied[i]->applied_version};
    *h = (Hello){.satellite_id = m->satellite_id,
                 .version = m->version,
                 .kubernetes_version = m->kubernetes_version,
                 .applied = {applied, n},
                 .next_event_sequence = m->next_event_sequence,
                 .storage_classes = classes_get(a, m->n_storage_classes, m->storage_classes)};
}

static void ack_get(const Pgswarm__V1__ConfigAck *m, ConfigAck *ret)
{
    *ret =
        (ConfigAck){.cluster_id = m->cluster_id,
                    .name = m->name,
                    .ns = m->namespace_,
                    .config_version = m->config_version,
                    .applied_version = m->applied_version,
                    .result = (unsigned)m->result <= ACK_DELETED ? (AckResult)m->result : ACK_NONE,
                    .error = m->error};
}

static void credential_get(const Pgswarm__V1__CredentialReply *m, CredentialReply *ret)
{
    *ret = (CredentialReply){.user = m->user,
                             .password = m->password,
                             .error = m->error,
                             .rw = wire_endpoint_get(m->rw),
                             .ro = wire_endpoint_get(m->ro)};
}

/* A payload that came after this program: its field number is among the unknown ones. */
static int unknown_payload(const ProtobufCMessage *m)
{
    return m->n_unknown_fields ? (int)m->unknown_fields[0].tag : 0;
}

static void payload_get(Arena *a, const Pgswarm__V1__SatelliteMessage *m, SatelliteUp *u)
{
    switch ((int)m->payload_case) {
    case CASE(HELLO):
        u->kind = UP_HELLO;
        hello_get(a, m->hello, &u->hello);
        break;
    case CASE(HEARTBEAT):
        u->kind = UP_HEARTBEAT;
        u->heartbeat_at_us = m->heartbeat->at_us;
        break;
    case CASE(HEALTH):
        u->kind = UP_HEALTH;
        wire_cluster_health_get(a, m->health, &u->health);
        break;
    case CASE(EVENT):
        u->kind = UP_EVENT;
        wire_event_get(a, m->event, &u->event);
        break;
    case CASE(CONFIG_ACK):
        u->kind = UP_CONFIG_ACK;
        ack_get(m->config_ack, &u->config_ack);
        break;
    case CASE(STORAGE_CLASSES):
        u->kind = UP_STORAGE_CLASSES;
        u->storage_classes =
            classes_get(a, m->storage_classes->n_classes, m->storage_classes->classes);
        break;
    case CASE(LOG):
        u->kind = UP_LOG;
        u->log = (LogEntry){m->log->at_us, m->log->level, m->log->logger, m->log->message,
                            m->log->fields};
        break;
    case CASE(POD_LOG):
        u->kind = UP_POD_LOG;
        u->pod_log = (PodLogChunk){sv_n((const char *)m->pod_log->data.data, m->pod_log->data.len),
                                   m->pod_log->end, m->pod_log->error};
        break;
    case CASE(CREDENTIAL):
        u->kind = UP_CREDENTIAL;
        credential_get(m->credential, &u->credential);
        break;
    case CASE(OPERATION_PROGRESS):
        u->kind = UP_OPERATION_PROGRESS;
        u->operation_progress = wire_operation_progress_get(m->operation_progress);
        break;
    case CASE(OPERATION_RESULT):
        u->kind = UP_OPERATION_RESULT;
        u->operation_result = wire_operation_result_get(m->operation_result);
        break;
    default:
        u->kind = UP_OTHER;
        u->other = m->payload_case ? (int)m->payload_case : unknown_payload(&m->base);
    }
}

ErrCode wire_up_decode(Arena *a, StrView bytes, SatelliteUp *ret, Error *err)
{
    Pgswarm__V1__SatelliteMessage *m;
    ErrCode rc = WIRE_UNPACK(a, bytes, pgswarm__v1__satellite_message, &m, err);
    if (rc)
        return rc;
    SatelliteUp u = {.id = m->id};
    payload_get(a, m, &u);
    *ret = u;
    return ERR_OK;
}

/* ---- encode ---- */

static Pgswarm__V1__StorageClass **classes_put(Arena *a, ObjList l, size_t *ret_n)
{
    Pgswarm__V1__StorageClass **out = arena_calloc(a, l.n + 1, sizeof *out);
    for (size_t i = 0; i < l.n; i++) {
        const StorageClass *c = &((const StorageClass *)l.at)[i];
        Pgswarm__V1__StorageClass *m = out[i] = arena_new_of(a, Pgswarm__V1__StorageClass);
        pgswarm__v1__storage_class__init(m);
        m->name = pb_text(c->name);
        m->provisioner = pb_text(c->provisioner);
        m->reclaim_policy = pb_text(c->reclaim_policy);
        m->volume_binding_mode = pb_text(c->volume_binding_mode);
        m->is_default = c->is_default;
        m->allow_expansion = c->allow_expansion;
    }
    *ret_n = l.n;
    return out;
}

static Pgswarm__V1__Hello *hello_put(Arena *a, const Hello *h)
{
    Pgswarm__V1__Hello *m = arena_new_of(a, Pgswarm__V1__Hello);
    pgswarm__v1__hello__init(m);
    m->satellite_id = pb_text(h->satellite_id);
    m->version = pb_text(h->version);
    m->kubernetes_version = pb_text(h->kubernetes_version);
    m->next_event_sequence = h->next_event_sequence;
    m->storage_classes = classes_put(a, h->storage_classes, &m->n_storage_classes);
    m->n_applied = h->applied.n;
    m->applied = arena_calloc(a, h->applied.n + 1, sizeof *m->applied);
    for (size_t i = 0; i < h->applied.n; i++) {
        const AppliedCluster *c = &((const AppliedCluster *)h->applied.at)[i];
        m->applied[i] = arena_new_of(a, Pgswarm__V1__AppliedCluster);
        pgswarm__v1__applied_cluster__init(m->applied[i]);
        m->applied[i]->cluster_id = pb_text(c->cluster_id);
        m->applied[i]->applied_version = c->applied_version;
    }
    return m;
}

static Pgswarm__V1__ConfigAck *ack_put(Arena *a, const ConfigAck *k)
{
    Pgswarm__V1__ConfigAck *m = arena_new_of(a, Pgswarm__V1__ConfigAck);
    pgswarm__v1__config_ack__init(m);
    m->cluster_id = pb_text(k->cluster_id);
    m->name = pb_text(k->name);
    m->namespace_ = pb_text(k->ns);
    m->config_version = k->config_version;
    m->applied_version = k->applied_version;
    m->result = (Pgswarm__V1__AckResult)k->result;
    m->error = pb_text(k->error);
    return m;
}

static Pgswarm__V1__LogEntry *log_put(Arena *a, const LogEntry *l)
{
    Pgswarm__V1__LogEntry *m = arena_new_of(a, Pgswarm__V1__LogEntry);
    pgswarm__v1__log_entry__init(m);
    m->at_us = l->at_us;
    m->level = pb_text(l->level);
    m->logger = pb_text(l->logger);
    m->message = pb_text(l->message);
    m->fields = pb_text(l->fields);
    return m;
}

static Pgswarm__V1__PodLogChunk *pod_log_put(Arena *a, const PodLogChunk *c)
{
    Pgswarm__V1__PodLogChunk *m = arena_new_of(a, Pgswarm__V1__PodLogChunk);
    pgswarm__v1__pod_log_chunk__init(m);
    m->data = (ProtobufCBinaryData){c->data.n, (uint8_t *)c->data.p};
    m->end = c->end;
    m->error = pb_text(c->error);
    return m;
}

static Pgswarm__V1__CredentialReply *credential_put(Arena *a, const CredentialReply *c)
{
    Pgswarm__V1__CredentialReply *m = arena_new_of(a, Pgswarm__V1__CredentialReply);
    pgswarm__v1__credential_reply__init(m);
    m->user = pb_text(c->user);
    m->password = pb_text(c->password);
    m->error = pb_text(c->error);
    m->rw = wire_endpoint_put(a, c->rw);
    m->ro = wire_endpoint_put(a, c->ro);
    return m;
}

static void payload_put(Arena *a, const SatelliteUp *u, Pgswarm__V1__SatelliteMessage *m)
{
    switch (u->kind) {
    case UP_HELLO:
        m->payload_case = CASE(HELLO);
        m->hello = hello_put(a, &u->hello);
        break;
    case UP_HEARTBEAT:
        m->payload_case = CASE(HEARTBEAT);
        m->heartbeat = arena_new_of(a, Pgswarm__V1__Heartbeat);
        pgswarm__v1__heartbeat__init(m->heartbeat);
        m->heartbeat->at_us = u->heartbeat_at_us;
        break;
    case UP_HEALTH:
        m->payload_case = CASE(HEALTH);
        m->health = wire_cluster_health_put(a, &u->health);
        break;
    case UP_EVENT:
        m->payload_case = CASE(EVENT);
        m->event = wire_event_put(a, &u->event);
        break;
    case UP_CONFIG_ACK:
        m->payload_case = CASE(CONFIG_ACK);
        m->config_ack = ack_put(a, &u->config_ack);
        break;
    case UP_STORAGE_CLASSES:
        m->payload_case = CASE(STORAGE_CLASSES);
        m->storage_classes = arena_new_of(a, Pgswarm__V1__StorageClassReport);
        pgswarm__v1__storage_class_report__init(m->storage_classes);
        m->storage_classes->classes =
            classes_put(a, u->storage_classes, &m->storage_classes->n_classes);
        break;
    case UP_LOG:
        m->payload_case = CASE(LOG);
        m->log = log_put(a, &u->log);
        break;
    case UP_POD_LOG:
        m->payload_case = CASE(POD_LOG);
        m->pod_log = pod_log_put(a, &u->pod_log);
        break;
    case UP_CREDENTIAL:
        m->payload_case = CASE(CREDENTIAL);
        m->credential = credential_put(a, &u->credential);
        break;
    case UP_OPERATION_PROGRESS:
        m->payload_case = CASE(OPERATION_PROGRESS);
        m->operation_progress = wire_operation_progress_put(a, &u->operation_progress);
        break;
    case UP_OPERATION_RESULT:
        m->payload_case = CASE(OPERATION_RESULT);
        m->operation_result = wire_operation_result_put(a, &u->operation_result);
        break;
    case UP_OTHER:
    case UP_KIND_COUNT:
        BUG("a message of kind %d cannot be encoded", (int)u->kind);
    }
}

void wire_up_encode(const SatelliteUp *u, StrBuf *out)
{
    AUTO_ARENA a = arena_new();
    Pgswarm__V1__SatelliteMessage m = PGSWARM__V1__SATELLITE_MESSAGE__INIT;
    m.id = pb_text(u->id);
    payload_put(a, u, &m);
    pb_pack(&m.base, out);
}
