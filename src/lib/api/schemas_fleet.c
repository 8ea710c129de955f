#include "api/schemas_fleet.h"
#include "api/schemas_cluster.h"
#include "api/schemas_operation.h"
#include "core/log.h"
#include "model/kname.h"
#include "model/profile.h"

enum { LABELS_MAX = 64 };

static const char *const satellite_states[] = {"pending", "approved", "rejected", "revoked", NULL};
static const char *const severities[] = {"info", "warning", "error", "critical", NULL};
static const char *const levels[] = {"trace", "debug", "info", "warn", "error", NULL};

static const FieldSpec storage_class_fields[] = {
    FIELD(ApiStorageClass, name, FK_STR, .help = "Name at the site"),
    FIELD(ApiStorageClass, provisioner, FK_STR, .help = "What makes the volumes"),
    FIELD(ApiStorageClass, reclaim_policy, FK_STR, .help = "Delete or Retain"),
    FIELD(ApiStorageClass, volume_binding_mode, FK_STR,
          .help = "Immediate or WaitForFirstConsumer"),
    FIELD(ApiStorageClass, is_default, FK_BOOL, .help = "Taken when none is named"),
    FIELD(ApiStorageClass, allow_expansion, FK_BOOL, .help = "Volumes can grow"),
};
SCHEMA_DEF(schema_STORAGE_CLASS, "STORAGE_CLASS", ApiStorageClass, storage_class_fields,
           "A storage class of a site");

static const FieldSpec satellite_fields[] = {
    FIELD(ApiSatellite, id, FK_STR, .help = "UUID"),
    FIELD(ApiSatellite, name, FK_STR, .help = "Name that the admin gave"),
    FIELD(ApiSatellite, hostname, FK_STR, .help = "What it calls its host"),
    FIELD(ApiSatellite, k8s_cluster, FK_STR, .help = "What it calls its Kubernetes cluster"),
    FIELD(ApiSatellite, region, FK_STR, .help = "Region it reported"),
    FIELD(ApiSatellite, labels, FK_MAP, .help = "What rules select by"),
    FIELD(ApiSatellite, state, FK_STR, .choices = satellite_states,
          .help = "pending, approved, rejected or revoked"),
    FIELD(ApiSatellite, connected, FK_BOOL, .help = "Its stream is open"),
    FIELD(ApiSatellite, last_seen, FK_TIME, .help = "Its newest message"),
    FIELD(ApiSatellite, version, FK_STR, .help = "Of its program"),
    FIELD(ApiSatellite, kubernetes_version, FK_STR, .help = "Of its Kubernetes"),
    FIELD(ApiSatellite, clusters, FK_I64, .help = "How many clusters should be there"),
    FIELD(ApiSatellite, storage_classes, FK_OBJS, .of = &schema_STORAGE_CLASS,
          .help = "Storage classes of its site"),
    FIELD(ApiSatellite, created_at, FK_TIME, .help = "When it registered"),
};
SCHEMA_DEF(schema_SATELLITE, "SATELLITE", ApiSatellite, satellite_fields,
           "One Kubernetes site and the program that acts there");

static const FieldSpec approve_fields[] = {
    FIELD(ApiSatelliteApprove, name, FK_STR, .check = check_name,
          .help = "Name to call it by; none: the one it registered under", .example = "edge-7"),
    FIELD(ApiSatelliteApprove, labels, FK_MAP, .max = LABELS_MAX, .flags = FF_SCALARS,
          .check_key = check_label_key, .check = check_label_value,
          .help = "Labels beside those it reported"),
};
SCHEMA_DEF(schema_SATELLITE_APPROVE, "SATELLITE_APPROVE", ApiSatelliteApprove, approve_fields,
           "Admission of a satellite");

static const FieldSpec enrolment_fields[] = {
    FIELD(ApiEnrolment, id, FK_STR, .help = "To end it by"),
    FIELD(ApiEnrolment, token, FK_STR, .help = "The token itself; shown this once"),
    FIELD(ApiEnrolment, name, FK_STR, .help = "The satellite that it admits"),
    FIELD(ApiEnrolment, labels, FK_MAP, .help = "What the satellite gets beside what it reports"),
    FIELD(ApiEnrolment, expires_at, FK_TIME, .help = "When it ends by itself"),
};
SCHEMA_DEF(schema_ENROLMENT, "ENROLMENT", ApiEnrolment, enrolment_fields,
           "A token that admits one new satellite");

static const FieldSpec enrolment_info_fields[] = {
    FIELD(ApiEnrolmentInfo, id, FK_STR, .help = "To end it by"),
    FIELD(ApiEnrolmentInfo, name, FK_STR, .help = "The satellite that it admits"),
    FIELD(ApiEnrolmentInfo, labels, FK_MAP,
          .help = "What the satellite gets beside what it reports"),
    FIELD(ApiEnrolmentInfo, created_by, FK_STR, .help = "Who made it"),
    FIELD(ApiEnrolmentInfo, created_at, FK_TIME, .help = "When it was made"),
    FIELD(ApiEnrolmentInfo, expires_at, FK_TIME, .help = "When it ends by itself"),
    FIELD(ApiEnrolmentInfo, used_at, FK_TIME, .help = "When its satellite came"),
};
SCHEMA_DEF(schema_ENROLMENT_INFO, "ENROLMENT_INFO", ApiEnrolmentInfo, enrolment_info_fields,
           "An enrolment token, without the token itself");

static const FieldSpec enrolment_create_fields[] = {
    FIELD(ApiEnrolmentCreate, name, FK_STR, .flags = FF_REQUIRED, .check = check_name,
          .help = "Name of the Kubernetes cluster, and of its satellite", .example = "osl-04"),
    FIELD(ApiEnrolmentCreate, labels, FK_MAP, .max = LABELS_MAX, .flags = FF_SCALARS,
          .check_key = check_label_key, .check = check_label_value,
          .help = "Labels beside those it will report"),
    FIELD(ApiEnrolmentCreate, ttl_hours, FK_U32, .def = "24", .min = 1, .max = 720,
          .help = "How long it works"),
};
SCHEMA_DEF(schema_ENROLMENT_CREATE, "ENROLMENT_CREATE", ApiEnrolmentCreate, enrolment_create_fields,
           "A token for a new site");

static const FieldSpec labels_fields[] = {
    FIELD(ApiSatelliteLabels, labels, FK_MAP, .max = LABELS_MAX, .flags = FF_SCALARS | FF_REQUIRED,
          .check_key = check_label_key, .check = check_label_value,
          .help = "All labels; what is not here goes"),
};
SCHEMA_DEF(schema_SATELLITE_LABELS, "SATELLITE_LABELS", ApiSatelliteLabels, labels_fields,
           "All labels of a satellite");

static const FieldSpec log_entry_fields[] = {
    FIELD(ApiLogEntry, at, FK_TIME, .help = "When"),
    FIELD(ApiLogEntry, level, FK_STR, .choices = levels, .help = "trace to error"),
    FIELD(ApiLogEntry, logger, FK_STR, .help = "Module of the program"),
    FIELD(ApiLogEntry, message, FK_STR, .help = "What happened"),
    FIELD(ApiLogEntry, fields, FK_STR, .help = "Pairs in logfmt"),
};
SCHEMA_DEF(schema_LOG_ENTRY, "LOG_ENTRY", ApiLogEntry, log_entry_fields, "A line of a log");

static bool check_log_target(Arena *a, const char *v, const char **want)
{
    *want = "empty for the satellite, or NAMESPACE/CLUSTER for the sidecars of a cluster";
    StrView name = sv(v), ns = sv_cut(&name, '/');
    return !*v || (name.p && kname_label(sv_dup(a, ns)) && kname_cluster(name.p));
}

static const FieldSpec log_level_fields[] = {
    FIELD(ApiLogLevel, level, FK_STR, .flags = FF_REQUIRED, .choices = levels,
          .help = "trace, debug, info, warn or error"),
    FIELD(ApiLogLevel, target, FK_STR, .check = check_log_target,
          .help = "Empty: the satellite; NAMESPACE/CLUSTER: the sidecars of that cluster"),
};
SCHEMA_DEF(schema_LOG_LEVEL, "LOG_LEVEL", ApiLogLevel, log_level_fields, "What to log");

static const FieldSpec event_fields[] = {
    FIELD(ApiEvent, id, FK_STR, .help = "Number of the event"),
    FIELD(ApiEvent, at, FK_TIME, .help = "When it happened at the site"),
    FIELD(ApiEvent, severity, FK_STR, .choices = severities, .help = "info to critical"),
    FIELD(ApiEvent, kind, FK_STR, .help = "Dotted kind", .example = "cluster.state"),
    FIELD(ApiEvent, cluster, FK_STR, .help = "Cluster, or empty"),
    FIELD_AS(ApiEvent, "namespace", ns, FK_STR, .help = "Namespace of the cluster"),
    FIELD(ApiEvent, satellite, FK_STR, .help = "Name of the satellite, or empty"),
    FIELD(ApiEvent, pod, FK_STR, .help = "Pod, or empty"),
    FIELD(ApiEvent, message, FK_STR, .help = "What happened, in a sentence"),
    FIELD(ApiEvent, source, FK_STR, .help = "central, satellite, sidecar, launcher, kubernetes"),
    FIELD(ApiEvent, data, FK_MAP, .help = "Details"),
};
SCHEMA_DEF(schema_EVENT, "EVENT", ApiEvent, event_fields, "Something that happened");

static const FieldSpec status_satellites_fields[] = {
    FIELD(ApiStatusSatellites, total, FK_I64, .help = "Known satellites"),
    FIELD(ApiStatusSatellites, connected, FK_I64, .help = "With an open stream"),
    FIELD(ApiStatusSatellites, pending, FK_I64, .help = "Waiting for approval"),
};
SCHEMA_DEF(schema_STATUS_SATELLITES, "STATUS_SATELLITES", ApiStatusSatellites,
           status_satellites_fields, "Satellites, counted");

static const FieldSpec status_clusters_fields[] = {
    FIELD(ApiStatusClusters, total, FK_I64, .help = "All clusters"),
    FIELD(ApiStatusClusters, creating, FK_I64, .help = "Starting for the first time"),
    FIELD(ApiStatusClusters, running, FK_I64, .help = "All instances ready and streaming"),
    FIELD(ApiStatusClusters, degraded, FK_I64, .help = "Serving, but not whole"),
    FIELD(ApiStatusClusters, failed, FK_I64, .help = "Without a primary"),
    FIELD(ApiStatusClusters, deleting, FK_I64, .help = "Being removed"),
    FIELD(ApiStatusClusters, paused, FK_I64, .help = "Left alone on purpose"),
    FIELD(ApiStatusClusters, updating, FK_I64, .help = "A change is under way"),
    FIELD(ApiStatusClusters, unknown, FK_I64, .help = "No report yet"),
};
SCHEMA_DEF(schema_STATUS_CLUSTERS, "STATUS_CLUSTERS", ApiStatusClusters, status_clusters_fields,
           "Clusters, counted by state");

static const FieldSpec status_fields[] = {
    FIELD(ApiStatus, satellites, FK_OBJ, .of = &schema_STATUS_SATELLITES, .help = "Sites"),
    FIELD(ApiStatus, clusters, FK_OBJ, .of = &schema_STATUS_CLUSTERS, .help = "Clusters"),
    FIELD(ApiStatus, broken, FK_OBJS, .of = &schema_CLUSTER,
          .help = "Clusters that want attention, worst first"),
    FIELD(ApiStatus, operations, FK_OBJS, .of = &schema_OPERATION,
          .help = "Operations that have not ended, newest first"),
    FIELD(ApiStatus, events, FK_OBJS, .of = &schema_EVENT, .help = "Newest events"),
};
SCHEMA_DEF(schema_STATUS, "STATUS", ApiStatus, status_fields, "The fleet in one answer");
