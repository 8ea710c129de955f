/* wire/sidecar_stream.h - both directions of SidecarStreamService.Connect as tagged unions; see
 * satellite_stream.h for the rules. */
#pragma once
#include "model/health.h"

typedef struct SidecarIdentity {
    const char *pod_name, *cluster_name, *ns, *version, *pod_uid;
} SidecarIdentity;

typedef struct CommandResult {
    bool success, in_recovery, is_fenced;
    const char *error, *output, *lsn;
    uint32_t timeline_id;
    uint64_t epoch;
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
    SIDECAR_DOWN_STATUS,
    SIDECAR_DOWN_CHECKPOINT,
    SIDECAR_DOWN_RELOAD,
    SIDECAR_DOWN_SET_LOG_LEVEL
} SidecarDownKind;

typedef struct SidecarDown {
    const char *id;
    SidecarDownKind kind;
    union {
        int other; /* fence, unfence, promote, create_database: field number */
        int64_t heartbeat_at_us;
        const char *log_level;
    };
} SidecarDown;

ErrCode wire_sidecar_up_decode(Arena *a, StrView bytes, SidecarUp *ret, Error *err) MUST_USE;
ErrCode wire_sidecar_down_decode(Arena *a, StrView bytes, SidecarDown *ret, Error *err) MUST_USE;
void wire_sidecar_up_encode(const SidecarUp *m, StrBuf *out);
void wire_sidecar_down_encode(const SidecarDown *m, StrBuf *out);
