/* wire/sidecar_stream.h - both directions of SidecarStreamService.Connect as tagged unions; see
 * satellite_stream.h for the rules. */
#pragma once
#include "model/health.h"

typedef struct SidecarIdentity {
    const char *pod_name, *cluster_name, *ns, *version, *pod_uid;
} SidecarIdentity;

/* A standby as its primary sees it. */
typedef struct Follower {
    const char *pod, *state, *sync_state, *flushed_lsn, *replayed_lsn;
} Follower;

/* Every answer tells how the member stands too, so that a lost one can be asked for again. */
typedef struct CommandResult {
    bool success, in_recovery, is_fenced;
    bool running;             /* PostgreSQL is up */
    bool clean;               /* it is down, and was shut down in good order */
    bool streaming, paused;   /* a standby's receiver works; the cluster is paused */
    const char *error, *code; /* code: of the error, as in REST */
    const char *output;       /* state of the member in words */
    const char *state;        /* the same in one word */
    const char *lsn;          /* primary: written; standby: replayed; down: last of the data */
    const char *received_lsn, *upstream, *fence_operation, *lease_holder, *handover_operation;
    const char *sync_names, *system_identifier, *pod, *durability;
    uint32_t timeline_id, sessions;
    uint64_t epoch, lease_epoch;
    int64_t started_at_us;
    ObjList followers; /* Follower */
} CommandResult;

typedef enum SidecarUpKind {
    SIDECAR_UP_OTHER,
    SIDECAR_UP_IDENTITY,
    SIDECAR_UP_HEARTBEAT,
    SIDECAR_UP_RESULT,
    SIDECAR_UP_HEALTH,
    SIDECAR_UP_EVENT
} SidecarUpKind;

typedef struct SidecarUp {
    const char *id;
    SidecarUpKind kind;
    union {
        int other;
        SidecarIdentity identity;
        int64_t heartbeat_at_us;
        CommandResult result;
        InstanceHealth health;
        EventReport event;
    };
} SidecarUp;

typedef enum SidecarDownKind {
    SIDECAR_DOWN_OTHER,
    SIDECAR_DOWN_HEARTBEAT_ACK,
    SIDECAR_DOWN_STATUS, /* with an order: operation_id may be "" */
    SIDECAR_DOWN_CHECKPOINT,
    SIDECAR_DOWN_RELOAD,
    SIDECAR_DOWN_SET_LOG_LEVEL,
    SIDECAR_DOWN_DECISION_ACK, /* asks for no answer */
    /* with an `order` */
    SIDECAR_DOWN_FENCE,
    SIDECAR_DOWN_UNFENCE,
    SIDECAR_DOWN_PROMOTE,
    SIDECAR_DOWN_STOP_CLEAN,
    SIDECAR_DOWN_START_AGAIN,
    SIDECAR_DOWN_HANDOVER,
    SIDECAR_DOWN_REINIT,
    SIDECAR_DOWN_RESTART,
    SIDECAR_DOWN_PAUSE,
    SIDECAR_DOWN_RESUME,
    SIDECAR_DOWN_FAILOVER,
    SIDECAR_DOWN_COUNT
} SidecarDownKind;

/* A command for the sake of an operation; which fields count is told in sidecar.proto. */
typedef struct SidecarOrder {
    const char *operation_id, *requested_by;
    const char *to, *lsn;          /* handover; failover: to */
    uint32_t timeline_id;          /* handover */
    uint32_t drain_seconds, stage; /* fence */
    uint32_t hold_seconds;         /* fence, stop_clean */
    uint32_t timeout_seconds;      /* stop_clean, promote */
    bool force;                    /* unfence */
    bool cancel;                   /* failover: no more */
    bool accept_data_loss;         /* failover */
} SidecarOrder;

typedef struct SidecarDown {
    const char *id;
    SidecarDownKind kind;
    union {
        int other; /* field number */
        int64_t heartbeat_at_us;
        const char *log_level;
        SidecarOrder order;
        struct {
            const char *chain;
            uint64_t number;
        } decision_ack;
    };
} SidecarDown;

const char *sidecar_down_name(SidecarDownKind k); /* "stop_clean" */
ErrCode wire_sidecar_up_decode(Arena *a, StrView bytes, SidecarUp *ret, Error *err) MUST_USE;
ErrCode wire_sidecar_down_decode(Arena *a, StrView bytes, SidecarDown *ret, Error *err) MUST_USE;
void wire_sidecar_up_encode(const SidecarUp *m, StrBuf *out);
void wire_sidecar_down_encode(const SidecarDown *m, StrBuf *out);
