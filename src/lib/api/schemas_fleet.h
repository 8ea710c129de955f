/* api/schemas_fleet.h - satellites, log lines, events, the fleet in one answer. */
#pragma once
#include "codec/fields.h"

typedef struct ApiStorageClass {
    const char *name, *provisioner, *reclaim_policy, *volume_binding_mode;
    bool is_default, allow_expansion;
} ApiStorageClass;
typedef struct ApiSatellite {
    const char *id, *name, *hostname, *k8s_cluster, *region;
    StrMap labels;
    const char *state; /* pending approved rejected revoked */
    bool connected;
    int64_t last_seen;
    const char *version, *kubernetes_version;
    int64_t clusters;
    ObjList storage_classes; /* ApiStorageClass */
    int64_t created_at;
} ApiSatellite;
typedef struct ApiSatelliteApprove {
    const char *name;
    StrMap labels;
} ApiSatelliteApprove;
typedef struct ApiSatelliteLabels {
    StrMap labels;
} ApiSatelliteLabels;
typedef struct ApiEnrolment {
    const char *id, *token, *name;
    StrMap labels;
    int64_t expires_at;
} ApiEnrolment;
typedef struct ApiEnrolmentInfo {
    const char *id, *name, *created_by;
    StrMap labels;
    int64_t created_at, expires_at, used_at;
} ApiEnrolmentInfo;
typedef struct ApiEnrolmentCreate {
    const char *name;
    StrMap labels;
    uint32_t ttl_hours;
} ApiEnrolmentCreate;
typedef struct ApiLogEntry {
    int64_t at;
    const char *level, *logger, *message, *fields;
} ApiLogEntry;
typedef struct ApiLogLevel {
    const char *level, *target;
} ApiLogLevel;
typedef struct ApiEvent {
    const char *id;
    int64_t at;
    const char *severity, *kind, *cluster, *ns, *satellite, *pod, *message, *source;
    StrMap data;
} ApiEvent;
typedef struct ApiStatusSatellites {
    int64_t total, connected, pending;
} ApiStatusSatellites;
typedef struct ApiStatusClusters {
    int64_t total, creating, running, degraded, failed, deleting, paused, updating, unknown;
} ApiStatusClusters;
typedef struct ApiStatus {
    ApiStatusSatellites satellites;
    ApiStatusClusters clusters;
    ObjList broken;     /* ApiCluster */
    ObjList operations; /* ApiOperation */
    ObjList events;     /* ApiEvent */
} ApiStatus;

extern const Schema schema_ENROLMENT, schema_ENROLMENT_INFO, schema_ENROLMENT_CREATE;
extern const Schema schema_SATELLITE, schema_SATELLITE_APPROVE, schema_SATELLITE_LABELS;
extern const Schema schema_STORAGE_CLASS, schema_LOG_ENTRY, schema_LOG_LEVEL, schema_EVENT;
extern const Schema schema_STATUS, schema_STATUS_SATELLITES, schema_STATUS_CLUSTERS;
