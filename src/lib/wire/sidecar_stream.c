#include "wire/sidecar_stream.h"
#include "pgswarm/v1/sidecar.pb-c.h"
#include "wire/wire_health.h"
#include "wire/wire_util.h"

#define UP(name) PGSWARM__V1__SIDECAR_MESSAGE__PAYLOAD_##name

static int other_payload(int payload_case, const ProtobufCMessage *m)
{
    return payload_case ? payload_case : m->n_unknown_fields ? (int)m->unknown_fields[0].tag : 0;
}

enum { FOLLOWERS_MAX = 64 };

/* Members that are the same type and name on both sides. */
/* clang-format off */
#define SAME_NUMBERS(X)                                                                           \
    X(success) X(in_recovery) X(is_fenced) X(running) X(clean) X(streaming) X(paused)             \
    X(timeline_id) X(sessions) X(epoch) X(lease_epoch) X(started_at_us)
#define SAME_TEXTS(X)                                                                             \
    X(error) X(code) X(output) X(state) X(lsn) X(received_lsn) X(upstream) X(fence_operation)     \
    X(lease_holder) X(handover_operation) X(sync_names) X(system_identifier) X(durability)
/* clang-format on */

static ObjList followers_get(Arena *a, size_t n, Pgswarm__V1__Follower **in)
{
    n = n < FOLLOWERS_MAX ? n : FOLLOWERS_MAX;
    Follower *out = n ? arena_array(a, Follower, n) : NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = (Follower){.pod = wire_cut(in[i]->pod_name, WIRE_NAME_MAX),
                            .state = wire_cut(in[i]->state, WIRE_NAME_MAX),
                            .sync_state = wire_cut(in[i]->sync_state, WIRE_NAME_MAX),
                            .flushed_lsn = wire_cut(in[i]->flushed_lsn, WIRE_NAME_MAX),
                            .replayed_lsn = wire_cut(in[i]->replayed_lsn, WIRE_NAME_MAX)};
    return (ObjList){out, n};
}

static void result_get(Arena *a, const Pgswarm__V1__CommandResult *m, CommandResult *ret)
{
    *ret = (CommandResult){.pod = wire_cut(m->pod_name, WIRE_NAME_MAX),
                           .followers = followers_get(a, m->n_followers, m->followers)};
#define X(f) ret->f = m->f;
    SAME_NUMBERS(X)
#undef X
#define X(f) ret->f = wire_cut(m->f, WIRE_SENTENCE_MAX);
    SAME_TEXTS(X)
#undef X
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
        result_get(a, m->result, &u.result);
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

static Pgswarm__V1__Follower *follower_put(Arena *a, const Follower *f)
{
    Pgswarm__V1__Follower *m = arena_new_of(a, Pgswarm__V1__Follower);
    pgswarm__v1__follower__init(m);
    m->pod_name = pb_text(f->pod);
    m->state = pb_text(f->state);
    m->sync_state = pb_text(f->sync_state);
    m->flushed_lsn = pb_text(f->flushed_lsn);
    m->replayed_lsn = pb_text(f->replayed_lsn);
    return m;
}

static Pgswarm__V1__CommandResult *result_put(Arena *a, const CommandResult *r)
{
    Pgswarm__V1__CommandResult *m = arena_new_of(a, Pgswarm__V1__CommandResult);
    pgswarm__v1__command_result__init(m);
#define X(f) m->f = r->f;
    SAME_NUMBERS(X)
#undef X
#define X(f) m->f = pb_text(r->f);
    SAME_TEXTS(X)
#undef X
    m->pod_name = pb_text(r->pod);
    m->n_followers = r->followers.n;
    m->followers = arena_calloc(a, r->followers.n + 1, sizeof *m->followers);
    for (size_t i = 0; i < r->followers.n; i++)
        m->followers[i] = follower_put(a, &((const Follower *)r->followers.at)[i]);
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
