#include "pgswarm/v1/sidecar.pb-c.h"
#include "wire/sidecar_stream.h"
#include "wire/wire_util.h"

#define CASE(name) PGSWARM__V1__SIDECAR_COMMAND__PAYLOAD_##name

const char *sidecar_down_name(SidecarDownKind k)
{
    static const char *const NAMES[] = {
        [SIDECAR_DOWN_OTHER] = "other",
        [SIDECAR_DOWN_HEARTBEAT_ACK] = "heartbeat_ack",
        [SIDECAR_DOWN_STATUS] = "status",
        [SIDECAR_DOWN_CHECKPOINT] = "checkpoint",
        [SIDECAR_DOWN_RELOAD] = "reload",
        [SIDECAR_DOWN_SET_LOG_LEVEL] = "set_log_level",
        [SIDECAR_DOWN_FENCE] = "fence",
        [SIDECAR_DOWN_UNFENCE] = "unfence",
        [SIDECAR_DOWN_PROMOTE] = "promote",
        [SIDECAR_DOWN_STOP_CLEAN] = "stop_clean",
        [SIDECAR_DOWN_START_AGAIN] = "start_again",
        [SIDECAR_DOWN_HANDOVER] = "handover",
        [SIDECAR_DOWN_REINIT] = "reinit",
        [SIDECAR_DOWN_RESTART] = "restart",
        [SIDECAR_DOWN_PAUSE] = "pause",
        [SIDECAR_DOWN_RESUME] = "resume",
        [SIDECAR_DOWN_FAILOVER] = "failover",
        [SIDECAR_DOWN_DECISION_ACK] = "decision_ack",
    };
    return (unsigned)k < SIDECAR_DOWN_COUNT ? NAMES[k] : NAMES[0];
}

/* The orders: of each its case, member of the union, message and fields; T a text, N a number, each
 * as it is called here and there. */
/* clang-format off */
#define ORDERS(ORDER)                                                                             \
    ORDER(STATUS, status, Status, status, T(operation_id, operation_id))                           \
    ORDER(FENCE, fence, Fence, fence,                                                             \
          T(operation_id, operation_id) T(requested_by, requested_by) N(stage, stage)             \
          N(drain_seconds, drain_timeout_seconds) N(hold_seconds, hold_seconds))                  \
    ORDER(UNFENCE, unfence, Unfence, unfence, T(operation_id, operation_id) N(force, force))      \
    ORDER(PROMOTE, promote, Promote, promote,                                                     \
          T(operation_id, operation_id) N(timeout_seconds, wait_timeout_seconds))                 \
    ORDER(STOP_CLEAN, stop_clean, StopClean, stop_clean,                                          \
          T(operation_id, operation_id) N(timeout_seconds, timeout_seconds)                       \
          N(hold_seconds, hold_seconds))                                                          \
    ORDER(START_AGAIN, start_again, StartAgain, start_again, T(operation_id, operation_id))       \
    ORDER(HANDOVER, handover, Handover, handover,                                                 \
          T(operation_id, operation_id) T(to, to) T(lsn, lsn) N(timeline_id, timeline_id))        \
    ORDER(REINIT, reinit, Reinit, reinit, T(operation_id, operation_id))                          \
    ORDER(RESTART, restart, Restart, restart, T(operation_id, operation_id))                      \
    ORDER(PAUSE, pause, Pause, pause,                                                             \
          T(operation_id, operation_id) T(requested_by, requested_by))                            \
    ORDER(RESUME, resume, Resume, resume,                                                         \
          T(operation_id, operation_id) T(requested_by, requested_by))                            \
    ORDER(FAILOVER, failover, ForceFailover, force_failover,                                                 \
          T(operation_id, operation_id) T(requested_by, requested_by) T(to, to)                   \
          N(accept_data_loss, accept_data_loss) N(cancel, cancel))
/* clang-format on */

static SidecarOrder no_order(void)
{
    return (SidecarOrder){.operation_id = "", .requested_by = "", .to = "", .lsn = ""};
}

/* Each order's fields out of its message. */
#define T(mine, theirs) o.mine = wire_cut(p->theirs, WIRE_NAME_MAX);
#define N(mine, theirs) o.mine = p->theirs;
#define GET(name, member, Type, prefix, fields)                            \
    static SidecarOrder member##_get(const Pgswarm__V1__SidecarCommand *m) \
    {                                                                      \
        SidecarOrder o = no_order();                                       \
        const Pgswarm__V1__##Type *p = m->member;                          \
        fields return o;                                                   \
    }
ORDERS(GET)
#undef T
#undef N

/* And into it. */
#define T(mine, theirs) p->theirs = pb_text(o->mine);
#define N(mine, theirs) p->theirs = o->mine;
#define PUT(name, message, Type, prefix, fields)                                               \
    static void message##_put(Arena *a, const SidecarOrder *o, Pgswarm__V1__SidecarCommand *m) \
    {                                                                                          \
        Pgswarm__V1__##Type *p = arena_new_of(a, Pgswarm__V1__##Type);                         \
        pgswarm__v1__##prefix##__init(p);                                                      \
        fields m->payload_case = CASE(name);                                                   \
        m->message = p;                                                                        \
    }
ORDERS(PUT)
#undef T
#undef N

static void payload_get(const Pgswarm__V1__SidecarCommand *m, SidecarDown *d)
{
    switch ((int)m->payload_case) {
    case CASE(HEARTBEAT_ACK):
        d->kind = SIDECAR_DOWN_HEARTBEAT_ACK;
        d->heartbeat_at_us = m->heartbeat_ack->at_us;
        break;
    case CASE(CHECKPOINT):
        d->kind = SIDECAR_DOWN_CHECKPOINT;
        break;
    case CASE(RELOAD):
        d->kind = SIDECAR_DOWN_RELOAD;
        break;
    case CASE(SET_LOG_LEVEL):
        d->kind = SIDECAR_DOWN_SET_LOG_LEVEL;
        d->log_level = m->set_log_level->level;
        break;
    case CASE(DECISION_ACK):
        d->kind = SIDECAR_DOWN_DECISION_ACK;
        d->decision_ack.chain = m->decision_ack->chain;
        d->decision_ack.number = m->decision_ack->number;
        break;
#define ORDER_CASE(name, member, Type, prefix, fields) \
    case CASE(name):                                   \
        d->kind = SIDECAR_DOWN_##name;                 \
        d->order = member##_get(m);                    \
        break;
        ORDERS(ORDER_CASE)
#undef ORDER_CASE
    default:
        d->kind = SIDECAR_DOWN_OTHER;
        d->other = m->payload_case            ? (int)m->payload_case
                   : m->base.n_unknown_fields ? (int)m->base.unknown_fields[0].tag
                                              : 0;
    }
}

ErrCode wire_sidecar_down_decode(Arena *a, StrView bytes, SidecarDown *ret, Error *err)
{
    Pgswarm__V1__SidecarCommand *m;
    ErrCode rc = WIRE_UNPACK(a, bytes, pgswarm__v1__sidecar_command, &m, err);
    if (rc)
        return rc;
    SidecarDown d = {.id = m->id};
    payload_get(m, &d);
    *ret = d;
    return ERR_OK;
}

static void payload_put(Arena *a, const SidecarDown *d, Pgswarm__V1__SidecarCommand *m)
{
    switch (d->kind) {
    case SIDECAR_DOWN_HEARTBEAT_ACK:
        m->payload_case = CASE(HEARTBEAT_ACK);
        m->heartbeat_ack = arena_new_of(a, Pgswarm__V1__SidecarHeartbeatAck);
        pgswarm__v1__sidecar_heartbeat_ack__init(m->heartbeat_ack);
        m->heartbeat_ack->at_us = d->heartbeat_at_us;
        break;
    case SIDECAR_DOWN_CHECKPOINT:
        m->payload_case = CASE(CHECKPOINT);
        m->checkpoint = arena_new_of(a, Pgswarm__V1__Checkpoint);
        pgswarm__v1__checkpoint__init(m->checkpoint);
        break;
    case SIDECAR_DOWN_RELOAD:
        m->payload_case = CASE(RELOAD);
        m->reload = arena_new_of(a, Pgswarm__V1__ReloadConfig);
        pgswarm__v1__reload_config__init(m->reload);
        break;
    case SIDECAR_DOWN_SET_LOG_LEVEL:
        m->payload_case = CASE(SET_LOG_LEVEL);
        m->set_log_level = arena_new_of(a, Pgswarm__V1__SetSidecarLogLevel);
        pgswarm__v1__set_sidecar_log_level__init(m->set_log_level);
        m->set_log_level->level = pb_text(d->log_level);
        break;
    case SIDECAR_DOWN_DECISION_ACK:
        m->payload_case = CASE(DECISION_ACK);
        m->decision_ack = arena_new_of(a, Pgswarm__V1__DecisionAck);
        pgswarm__v1__decision_ack__init(m->decision_ack);
        m->decision_ack->chain = pb_text(d->decision_ack.chain);
        m->decision_ack->number = d->decision_ack.number;
        break;
#define ORDER_CASE(name, member, Type, prefix, fields) \
    case SIDECAR_DOWN_##name:                          \
        member##_put(a, &d->order, m);                 \
        break;
        ORDERS(ORDER_CASE)
#undef ORDER_CASE
    case SIDECAR_DOWN_OTHER:
    case SIDECAR_DOWN_COUNT:
        BUG("a command of kind %d cannot be encoded", (int)d->kind);
    }
}

void wire_sidecar_down_encode(const SidecarDown *d, StrBuf *out)
{
    AUTO_ARENA a = arena_new_sized(512);
    Pgswarm__V1__SidecarCommand m = PGSWARM__V1__SIDECAR_COMMAND__INIT;
    m.id = pb_text(d->id);
    payload_put(a, d, &m);
    pb_pack(&m.base, out);
}
