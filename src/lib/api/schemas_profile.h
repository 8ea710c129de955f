/* api/schemas_profile.h - profiles, rules, images. The input of a profile is model/profile.h. */
#pragma once
#include "model/profile.h"

typedef struct ApiProfile {
    Profile p;
    int64_t version;
    const char *commit, *author;
    int64_t updated_at, clusters;
} ApiProfile;
typedef struct ApiProfileVersion {
    int64_t version;
    const char *commit, *author, *message;
    int64_t created_at, clusters;
} ApiProfileVersion;
typedef struct ApiChange {
    const char *field, *before, *after, *mode;
} ApiChange;
typedef struct ApiProfileDiff {
    const char *profile;
    int64_t from, to;
    const char *mode; /* the strictest of the changes */
    ObjList changes;  /* ApiChange */
    const char *text; /* unified diff of the files */
} ApiProfileDiff;
typedef struct ApiValidation {
    bool valid;
    ObjList errors; /* FieldError */
} ApiValidation;
typedef struct ApiRule {
    const char *name, *profile;
    StrMap selector;
    const char *ns, *cluster_name;
    /* output only */
    int64_t version, matches, clusters, created_at;
    ObjList conflicts; /* ApiRuleConflict */
} ApiRule;
typedef struct ApiRuleConflict {
    const char *satellite, *cluster, *reason;
} ApiRuleConflict;
typedef struct ApiRuleTarget {
    const char *satellite, *cluster;
} ApiRuleTarget;
typedef struct ApiRulePreview {
    ObjList add, keep, leave; /* ApiRuleTarget */
    ObjList conflicts;        /* ApiRuleConflict */
} ApiRulePreview;
typedef struct ApiPgVersion {
    const char *version, *variant, *image;
    bool is_default;
    int64_t profiles;
} ApiPgVersion;

extern const Schema schema_PROFILE, schema_PROFILE_VERSION, schema_PROFILE_DIFF, schema_CHANGE;
extern const Schema schema_VALIDATION, schema_FIELD_ERROR, schema_RULE, schema_RULE_INPUT;
extern const Schema schema_RULE_PREVIEW, schema_RULE_TARGET, schema_RULE_CONFLICT;
extern const Schema schema_PGVERSION, schema_PGVERSION_INPUT;
#define schema_PROFILE_INPUT profile_schema
