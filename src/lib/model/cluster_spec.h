/* model/cluster_spec.h - what one cluster at one site should be: what a satellite receives and
 * renders. */
#pragma once
#include "model/profile.h"

typedef struct ClusterDatabase {
    const char *name, *owner;
    const char *password; /* secret: never in a ConfigMap, an event or a log */
    StrList allowed_cidrs;
} ClusterDatabase;

typedef struct RecoveryRule {
    const char *name, *pattern, *severity, *action, *exec_command, *category;
    uint32_t cooldown_seconds, threshold, window_seconds;
    bool enabled;
} RecoveryRule;

typedef struct ClusterSpec {
    const char *cluster_id; /* UUID at central */
    const char *name;
    const char *ns; /* namespace */
    int64_t config_version;
    const char *profile_name;
    uint32_t profile_version;
    uint32_t replicas;
    uint32_t pg_major;
    const char *image;
    Volume storage, wal_storage;
    Resources resources;
    StrMap parameters;
    StrList hba_rules;
    FailoverSpec failover;
    ArchiveSpec archive;
    bool deletion_protection, paused;
    ObjList databases;      /* ClusterDatabase */
    ObjList recovery_rules; /* RecoveryRule */
} ClusterSpec;

typedef struct ClusterDelete {
    const char *cluster_id, *name, *ns;
    int64_t config_version;
    bool delete_volumes;
} ClusterDelete;

typedef enum AckResult { ACK_NONE, ACK_APPLIED, ACK_SKIPPED, ACK_REFUSED, ACK_DELETED } AckResult;
const char *ack_result_name(AckResult r); /* "applied" ... */

typedef struct ConfigAck {
    const char *cluster_id, *name, *ns;
    int64_t config_version, applied_version;
    AckResult result;
    const char *error;
} ConfigAck;

/* The received config as JSON (config.json at the site). Passwords are write-only there: they are
 * not in the text. */
extern const Schema cluster_spec_schema;

/* Everything but identity and version from a profile. Shares its strings. */
void cluster_spec_from_profile(ClusterSpec *out, const Profile *p, const char *image);
ClusterSpec cluster_spec_dup(Arena *a, const ClusterSpec *s);
/* What a satellite must check before it renders: names, quantities, counts. */
void cluster_spec_validate(Arena *a, const ClusterSpec *s, FieldErrors *errs);
