#include "wire/sidecar_stream.h"
#include "pgswarm/v1/sidecar.pb-c.h"
#include "wire/wire_health.h"
#include "wire/wire_util.h"

#define UP(name) PGSWARM__V1__SIDECAR_MESSAGE__PAYLOAD_##name
#define DOWN(name) PGSWARM__V1__SIDECAR_COMMAND__PAYLOAD_##name

static int other_payload(int payload_case, const ProtobufCMessage *m)
{
    return payload_case ? payload_case : m->n_unknown_fields ? (int)m->unknown_fields[0].tag : 0;
}

static void result_get(const Pgswarm__V1__CommandResult *m, CommandResult *ret)
{
    *ret = (CommandResult){.success = m->success,
                           .in_recovery = m->in_recovery,
                           .is_fenced = m->is_fenced,
                           .error = m->error,
                           .output = m->output,
                           .lsn = m->lsn,
                           .timeline_id = m->timeline_id,
                           .epoch = m->epoch};
}

ErrCode wire_sidecar_up_decode(Arena *a, StrView bytes, SidecarUp *ret, Error *err)
{
    Pgswarm__V1__SidecarMessage *m;
    ErrCode rc = WIRE_UNPACK(a, bytes, pgswarm__v1__sidecar_message, &m, err);
    if (rc)
        return rc;
    SidecarUp u = {.id = m->id};
    switch ((int)m->payload_case) {
    case UP(IDENTITY):
        u.kind = SIDECAR_UP_IDENTITY;
        u.identity =
            (SidecarIdentity){m->identity->pod_name, m->identity->cluster_name,
                              m->identity->namespace_, m->identity->version, m->identity->pod_uid};
        break;
    case UP(HEARTBEAT):
        u.kind = SIDECAR_UP_HEARTBEAT;
        u.heartbeat_at_us = m->heartbeat->at_us;
        break;
    case UP(RESULT):
        u.kind = SIDECAR_UP_RESULT;
        result_get(m->result, &u.result);
        break;
    case UP(HEALTH):
        u.kind = SIDECAR_UP_HEALTH;
        wire_instance_get(a, m->health, &u.health);
        break;
    case UP(EVENT):
        u.kind = SIDECAR_UP_EVENT;
        wire_event_get(a, m->event, &u.event);
        break;
    default:
        u.kind = SIDECAR_UP_OTHER;
        u.other = other_payload((int)m->payload_case, &m->base);
    }
    *ret = u;
    return ERR_OK;
}

static Pgswarm__V1__SidecarIdentity *identity_put(Arena *a, const SidecarIdentity *i)
{
    Pgswarm__V1__SidecarIdentity *m = arena_new_of(a, Pgswarm__V1__SidecarIdentity);
    pgswarm__v1__sidecar_identity__init(m);
    m->pod_name = pb_text(i->pod_name);
    m->cluster_name = pb_text(i->cluster_name);
    m->namespace_ = pb_text(i->ns);
    m->version = pb_text(i->version);
    m->pod_uid = pb_text(i->pod_uid);
    return m;
}

static Pgswarm__V1__CommandResult *result_put(Arena *a, const CommandResult *r)
{
    Pgswarm__V1__CommandResult *m = arena_new_of(a, Pgswarm__V1__CommandResult);
    pgswarm__v1__command_result__init(m);
    m->success = r->success;
    m->in_recovery = r->in_recovery;
    m->is_fenced = r->is_fenced;
    m->error = pb_text(r->error);
    m->output = pb_text(r->output);
    m->lsn = pb_text(r->lsn);
    m->timeline_id = r->timeline_id;
    m->epoch = r->epoch;
    return m;
}

void wire_sidecar_up_encode(const SidecarUp *u, StrBuf *out)
{
    AUTO_ARENA a = arena_new();
    Pgswarm__V1__SidecarMessage m = PGSWARM__V1__SIDECAR_MESSAGE__INIT;
    m.id = pb_text(u->id);
    switch (u->kind) {
    case SIDECAR_UP_IDENTITY:
        m.payload_case = UP(IDENTITY);
        m.identity = identity_put(a, &u->identity);
        break;
    case SIDECAR_UP_HEARTBEAT:
        m.payload_case = UP(HEARTBEAT);
        m.heartbeat = arena_new_of(a, Pgswarm__V1__SidecarHeartbeat);
        pgswarm__v1__sidecar_heartbeat__init(m.heartbeat);
        m.heartbeat->at_us = u->heartbeat_at_us;
        break;
    case SIDECAR_UP_RESULT:
        m.payload_case = UP(RESULT);
        m.result = result_put(a, &u->result);
        break;
    case SIDECAR_UP_HEALTH:
        m.payload_case = UP(HEALTH);
        m.health = wire_instance_put(a, &u->health);
        break;
    case SIDECAR_UP_EVENT:
        m.payload_case = UP(EVENT);
        m.event = wire_event_put(a, &u->event);
        break;
    case SIDECAR_UP_OTHER:
        BUG("a message of kind %d cannot be encoded", (int)u->kind);
    }
    pb_pack(&m.base, out);
}

ErrCode wire_sidecar_down_decode(Arena *a, StrView bytes, SidecarDown *ret, Error *err)
{
    Pgswarm__V1__SidecarCommand *m;
    ErrCode rc = WIRE_UNPACK(a, bytes, pgswarm__v1__sidecar_command, &m, err);
    if (rc)
        return rc;
    SidecarDown d = {.id = m->id};
    switch ((int)m->payload_case) {
    case DOWN(HEARTBEAT_ACK):
        d.kind = SIDECAR_DOWN_HEARTBEAT_ACK;
        d.heartbeat_at_us = m->heartbeat_ack->at_us;
        break;
    case DOWN(STATUS):
        d.kind = SIDECAR_DOWN_STATUS;
        break;
    case DOWN(CHECKPOINT):
        d.kind = SIDECAR_DOWN_CHECKPOINT;
        break;
    case DOWN(RELOAD):
        d.kind = SIDECAR_DOWN_RELOAD;
        break;
    case DOWN(SET_LOG_LEVEL):
        d.kind = SIDECAR_DOWN_SET_LOG_LEVEL;
        d.log_level = m->set_log_level->level;
        break;
    default:
        d.kind = SIDECAR_DOWN_OTHER;
        d.other = other_payload((int)m->payload_case, &m->base);
    }
    *ret = d;
    return ERR_OK;
}

void wire_sidecar_down_encode(const SidecarDown *d, StrBuf *out)
{
    Pgswarm__V1__SidecarCommand m = PGSWARM__V1__SIDECAR_COMMAND__INIT;
    Pgswarm__V1__SidecarHeartbeatAck ack = PGSWARM__V1__SIDECAR_HEARTBEAT_ACK__INIT;
    Pgswarm__V1__Status status = PGSWARM__V1__STATUS__INIT;
    Pgswarm__V1__Checkpoint checkpoint = PGSWARM__V1__CHECKPOINT__INIT;
    Pgswarm__V1__ReloadConfig reload = PGSWARM__V1__RELOAD_CONFIG__INIT;
    Pgswarm__V1__SetSidecarLogLevel level = PGSWARM__V1__SET_SIDECAR_LOG_LEVEL__INIT;
    m.id = pb_text(d->id);
    switch (d->kind) {
    case SIDECAR_DOWN_HEARTBEAT_ACK:
        m.payload_case = DOWN(HEARTBEAT_ACK);
        ack.at_us = d->heartbeat_at_us;
        m.heartbeat_ack = &ack;
        break;
    case SIDECAR_DOWN_STATUS:
        m.payload_case = DOWN(STATUS);
        m.status = &status;
        break;
    case SIDECAR_DOWN_CHECKPOINT:
        m.payload_case = DOWN(CHECKPOINT);
        m.checkpoint = &checkpoint;
        break;
    case SIDECAR_DOWN_RELOAD:
        m.payload_case = DOWN(RELOAD);
        m.reload = &reload;
        break;
    case SIDECAR_DOWN_SET_LOG_LEVEL:
        m.payload_case = DOWN(SET_LOG_LEVEL);
        level.level = pb_text(d->log_level);
        m.set_log_level = &level;
        break;
    case SIDECAR_DOWN_OTHER:
        BUG("a command of kind %d cannot be encoded", (int)d->kind);
    }
    pb_pack(&m.base, out);
}
