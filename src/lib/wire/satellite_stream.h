/* wire/satellite_stream.h - both directions of SatelliteStreamService.Connect as tagged unions.
 *
 * Decoding works in an arena; the result shares nothing with the bytes. A payload that this program
 * does not carry (a newer peer, or one of a later milestone) decodes as *_OTHER with its field
 * number. Encoding appends one message to a StrBuf. */
#pragma once
#include "model/cluster_spec.h"
#include "model/health.h"
#include "model/operation.h"

typedef struct AppliedCluster {
    const char *cluster_id;
    int64_t applied_version;
} AppliedCluster;

typedef struct StorageClass {
    const char *name, *provisioner, *reclaim_policy, *volume_binding_mode;
    bool is_default, allow_expansion;
} StorageClass;

typedef struct Hello {
    const char *satellite_id, *version, *kubernetes_version;
    ObjList applied; /* AppliedCluster */
    uint64_t next_event_sequence;
    ObjList storage_classes; /* StorageClass */
} Hello;

typedef struct LogEntry {
    int64_t at_us;
    const char *level, *logger, *message, *fields;
} LogEntry;

typedef struct PodLogChunk {
    StrView data;
    bool end;
    const char *error;
} PodLogChunk;

typedef struct CredentialReply {
    const char *user, *password, *error;
    Endpoint rw, ro;
} CredentialReply;

typedef enum UpKind {
    UP_OTHER,
    UP_HELLO,
    UP_HEARTBEAT,
    UP_HEALTH,
    UP_EVENT,
    UP_CONFIG_ACK,
    UP_STORAGE_CLASSES,
    UP_LOG,
    UP_POD_LOG,
    UP_CREDENTIAL,
    UP_OPERATION_PROGRESS,
    UP_OPERATION_RESULT,
    UP_KIND_COUNT
} UpKind;

/* Satellite to central. */
typedef struct SatelliteUp {
    const char *id; /* of the command this answers; "" none */
    UpKind kind;
    union {
        int other; /* field number of the payload; 0: none at all */
        Hello hello;
        int64_t heartbeat_at_us;
        ClusterHealth health;
        EventReport event;
        ConfigAck config_ack;
        ObjList storage_classes; /* StorageClass */
        LogEntry log;
        PodLogChunk pod_log;
        CredentialReply credential;
        OperationProgress operation_progress;
        OperationResult operation_result;
    };
} SatelliteUp;

typedef struct SetLogLevel {
    const char *level, *target;
} SetLogLevel;

typedef struct PodLogRequest {
    const char *ns, *pod_name, *container;
    uint32_t tail_lines, since_seconds;
    bool follow, cancel;
} PodLogRequest;

typedef struct CredentialRequest {
    const char *ns, *cluster_name;
} CredentialRequest;

typedef enum DownKind {
    DOWN_OTHER,
    DOWN_CLUSTER_CONFIG,
    DOWN_DELETE_CLUSTER,
    DOWN_HEARTBEAT_ACK,
    DOWN_EVENT_ACK,
    DOWN_SET_LOG_LEVEL,
    DOWN_REQUEST_STORAGE_CLASSES,
    DOWN_POD_LOG,
    DOWN_CREDENTIAL,
    DOWN_OPERATION,      /* SwitchoverRequest or MemberOperation, by its kind */
    DOWN_OPERATION_STEP, /* continue, abort */
    DOWN_OPERATION_ACK,  /* the result is stored */
    DOWN_KIND_COUNT
} DownKind;

/* Central to satellite. */
typedef struct SatelliteDown {
    const char *id; /* "" when no answer is expected */
    DownKind kind;
    union {
        int other;
        ClusterSpec cluster;
        ClusterDelete delete_cluster;
        int64_t heartbeat_at_us;
        uint64_t event_sequence;
        SetLogLevel log_level;
        PodLogRequest pod_log;
        CredentialRequest credential;
        OperationRequest operation;
        OperationStepWord operation_step;
        const char *operation_id; /* DOWN_OPERATION_ACK */
    };
} SatelliteDown;

ErrCode wire_up_decode(Arena *a, StrView bytes, SatelliteUp *ret, Error *err) MUST_USE;
ErrCode wire_down_decode(Arena *a, StrView bytes, SatelliteDown *ret, Error *err) MUST_USE;
void wire_up_encode(const SatelliteUp *m, StrBuf *out);
void wire_down_encode(const SatelliteDown *m, StrBuf *out);
const char *up_kind_name(UpKind k);
const char *down_kind_name(DownKind k);
