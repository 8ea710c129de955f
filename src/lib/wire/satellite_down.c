#include "pgswarm/v1/satellite.pb-c.h"
#include "wire/satellite_stream.h"
#include "wire/wire_config.h"
#include "wire/wire_operation.h"
#include "wire/wire_util.h"

#define CASE(name) PGSWARM__V1__CENTRAL_MESSAGE__PAYLOAD_##name

const char *down_kind_name(DownKind k)
{
    static const char *const names[] = {
        [DOWN_OTHER] = "other",
        [DOWN_CLUSTER_CONFIG] = "cluster_config",
        [DOWN_DELETE_CLUSTER] = "delete_cluster",
        [DOWN_HEARTBEAT_ACK] = "heartbeat_ack",
        [DOWN_EVENT_ACK] = "event_ack",
        [DOWN_SET_LOG_LEVEL] = "set_log_level",
        [DOWN_REQUEST_STORAGE_CLASSES] = "request_storage_classes",
        [DOWN_POD_LOG] = "pod_log",
        [DOWN_CREDENTIAL] = "credential",
        [DOWN_OPERATION] = "operation",
        [DOWN_OPERATION_STEP] = "operation_step",
        [DOWN_OPERATION_ACK] = "operation_ack",
    };
    return (unsigned)k < DOWN_KIND_COUNT ? names[k] : names[0];
}

static void delete_get(const Pgswarm__V1__DeleteCluster *m, ClusterDelete *ret)
{
    *ret = (ClusterDelete){m->cluster_id, m->name, m->namespace_, m->config_version,
                           m->delete_volumes};
}

static void pod_log_get(const Pgswarm__V1__PodLogRequest *m, PodLogRequest *ret)
{
    *ret = (PodLogRequest){.ns = m->namespace_,
                           .pod_name = m->pod_name,
                           .container = m->container,
                           .tail_lines = m->tail_lines,
                           .since_seconds = m->since_seconds,
                           .follow = m->follow,
                           .cancel = m->cancel};
}

static void payload_get(Arena *a, const Pgswarm__V1__CentralMessage *m, SatelliteDown *d)
{
    switch ((int)m->payload_case) {
    case CASE(CLUSTER_CONFIG):
        d->kind = DOWN_CLUSTER_CONFIG;
        wire_cluster_config_get(a, m->cluster_config, &d->cluster);
        break;
    case CASE(DELETE_CLUSTER):
        d->kind = DOWN_DELETE_CLUSTER;
        delete_get(m->delete_cluster, &d->delete_cluster);
        break;
    case CASE(HEARTBEAT_ACK):
        d->kind = DOWN_HEARTBEAT_ACK;
        d->heartbeat_at_us = m->heartbeat_ack->at_us;
        break;
    case CASE(EVENT_ACK):
        d->kind = DOWN_EVENT_ACK;
        d->event_sequence = m->event_ack->sequence;
        break;
    case CASE(SET_LOG_LEVEL):
        d->kind = DOWN_SET_LOG_LEVEL;
        d->log_level = (SetLogLevel){m->set_log_level->level, m->set_log_level->target};
        break;
    case CASE(REQUEST_STORAGE_CLASSES):
        d->kind = DOWN_REQUEST_STORAGE_CLASSES;
        break;
    case CASE(POD_LOG):
        d->kind = DOWN_POD_LOG;
        pod_log_get(m->pod_log, &d->pod_log);
        break;
    case CASE(CREDENTIAL):
        d->kind = DOWN_CREDENTIAL;
        d->credential = (CredentialRequest){m->credential->namespace_, m->credential->cluster_name};
        break;
    case CASE(SWITCHOVER):
        d->kind = DOWN_OPERATION;
        d->operation = wire_switchover_get(m->switchover);
        break;
    case CASE(MEMBER_OPERATION):
        d->kind = DOWN_OPERATION;
        d->operation = wire_member_operation_get(m->member_operation);
        break;
    case CASE(OPERATION_STEP):
        d->kind = DOWN_OPERATION_STEP;
        d->operation_step = wire_operation_step_get(m->operation_step);
        break;
    case CASE(OPERATION_ACK):
        d->kind = DOWN_OPERATION_ACK;
        d->operation_id = wire_cut(m->operation_ack->operation_id, WIRE_NAME_MAX);
        break;
    default:
        d->kind = DOWN_OTHER;
        d->other = m->payload_case            ? (int)m->payload_case
                   : m->base.n_unknown_fields ? (int)m->base.unknown_fields[0].tag
                                              : 0;
    }
}

ErrCode wire_down_decode(Arena *a, StrView bytes, SatelliteDown *ret, Error *err)
{
    Pgswarm__V1__CentralMessage *m;
    ErrCode rc = WIRE_UNPACK(a, bytes, pgswarm__v1__central_message, &m, err);
    if (rc)
        return rc;
    SatelliteDown d = {.id = m->id};
    payload_get(a, m, &d);
    *ret = d;
    return ERR_OK;
}

/* ---- encode ---- */

static Pgswarm__V1__DeleteCluster *delete_put(Arena *a, const ClusterDelete *d)
{
    Pgswarm__V1__DeleteCluster *m = arena_new_of(a, Pgswarm__V1__DeleteCluster);
    pgswarm__v1__delete_cluster__init(m);
    m->cluster_id = pb_text(d->cluster_id);
    m->name = pb_text(d->name);
    m->namespace_ = pb_text(d->ns);
    m->config_version = d->config_version;
    m->delete_volumes = d->delete_volumes;
    return m;
}

static Pgswarm__V1__PodLogRequest *pod_log_put(Arena *a, const PodLogRequest *r)
{
    Pgswarm__V1__PodLogRequest *m = arena_new_of(a, Pgswarm__V1__PodLogRequest);
    pgswarm__v1__pod_log_request__init(m);
    m->namespace_ = pb_text(r->ns);
    m->pod_name = pb_text(r->pod_name);
    m->container = pb_text(r->container);
    m->tail_lines = r->tail_lines;
    m->since_seconds = r->since_seconds;
    m->follow = r->follow;
    m->cancel = r->cancel;
    return m;
}

static Pgswarm__V1__CredentialRequest *credential_put(Arena *a, const CredentialRequest *r)
{
    Pgswarm__V1__CredentialRequest *m = arena_new_of(a, Pgswarm__V1__CredentialRequest);
    pgswarm__v1__credential_request__init(m);
    m->namespace_ = pb_text(r->ns);
    m->cluster_name = pb_text(r->cluster_name);
    return m;
}

static Pgswarm__V1__SetLogLevel *log_level_put(Arena *a, const SetLogLevel *l)
{
    Pgswarm__V1__SetLogLevel *m = arena_new_of(a, Pgswarm__V1__SetLogLevel);
    pgswarm__v1__set_log_level__init(m);
    m->level = pb_text(l->level);
    m->target = pb_text(l->target);
    return m;
}

static void operation_put(Arena *a, const OperationRequest *r, Pgswarm__V1__CentralMessage *m)
{
    if (r->kind == OP_SWITCHOVER) {
        m->payload_case = CASE(SWITCHOVER);
        m->switchover = wire_switchover_put(a, r);
    } else {
        m->payload_case = CASE(MEMBER_OPERATION);
        m->member_operation = wire_member_operation_put(a, r);
    }
}

static Pgswarm__V1__OperationAck *operation_ack_put(Arena *a, const char *operation_id)
{
    Pgswarm__V1__OperationAck *m = arena_new_of(a, Pgswarm__V1__OperationAck);
    pgswarm__v1__operation_ack__init(m);
    m->operation_id = pb_text(operation_id);
    return m;
}

static void payload_put(Arena *a, const SatelliteDown *d, Pgswarm__V1__CentralMessage *m)
{
    switch (d->kind) {
    case DOWN_CLUSTER_CONFIG:
        m->payload_case = CASE(CLUSTER_CONFIG);
        m->cluster_config = wire_cluster_config_put(a, &d->cluster);
        break;
    case DOWN_DELETE_CLUSTER:
        m->payload_case = CASE(DELETE_CLUSTER);
        m->delete_cluster = delete_put(a, &d->delete_cluster);
        break;
    case DOWN_HEARTBEAT_ACK:
        m->payload_case = CASE(HEARTBEAT_ACK);
        m->heartbeat_ack = arena_new_of(a, Pgswarm__V1__HeartbeatAck);
        pgswarm__v1__heartbeat_ack__init(m->heartbeat_ack);
        m->heartbeat_ack->at_us = d->heartbeat_at_us;
        break;
    case DOWN_EVENT_ACK:
        m->payload_case = CASE(EVENT_ACK);
        m->event_ack = arena_new_of(a, Pgswarm__V1__EventAck);
        pgswarm__v1__event_ack__init(m->event_ack);
        m->event_ack->sequence = d->event_sequence;
        break;
    case DOWN_SET_LOG_LEVEL:
        m->payload_case = CASE(SET_LOG_LEVEL);
        m->set_log_level = log_level_put(a, &d->log_level);
        break;
    case DOWN_REQUEST_STORAGE_CLASSES:
        m->payload_case = CASE(REQUEST_STORAGE_CLASSES);
        m->request_storage_classes = arena_new_of(a, Pgswarm__V1__RequestStorageClasses);
        pgswarm__v1__request_storage_classes__init(m->request_storage_classes);
        break;
    case DOWN_POD_LOG:
        m->payload_case = CASE(POD_LOG);
        m->pod_log = pod_log_put(a, &d->pod_log);
        break;
    case DOWN_CREDENTIAL:
        m->payload_case = CASE(CREDENTIAL);
        m->credential = credential_put(a, &d->credential);
        break;
    case DOWN_OPERATION:
        operation_put(a, &d->operation, m);
        break;
    case DOWN_OPERATION_STEP:
        m->payload_case = CASE(OPERATION_STEP);
        m->operation_step = wire_operation_step_put(a, &d->operation_step);
        break;
    case DOWN_OPERATION_ACK:
        m->payload_case = CASE(OPERATION_ACK);
        m->operation_ack = operation_ack_put(a, d->operation_id);
        break;
    case DOWN_OTHER:
    case DOWN_KIND_COUNT:
        BUG("a message of kind %d cannot be encoded", (int)d->kind);
    }
}

void wire_down_encode(const SatelliteDown *d, StrBuf *out)
{
    AUTO_ARENA a = arena_new();
    Pgswarm__V1__CentralMessage m = PGSWARM__V1__CENTRAL_MESSAGE__INIT;
    m.id = pb_text(d->id);
    payload_put(a, d, &m);
    pb_pack(&m.base, out);
}
