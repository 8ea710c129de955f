#include "api/schemas_profile.h"
#include "model/cluster_spec.h"
#include "model/kname.h"

static const char *const modes[] = {"none", "reload",    "scale", "sequential",
                                    "full", "immutable", NULL};

/* The input, member by member, with what central adds: one object on the wire. */
static const FieldSpec profile_fields[] = {
    FIELD_AS(ApiProfile, "name", p.name, FK_STR, .help = "Name of the profile"),
    FIELD_AS(ApiProfile, "description", p.description, FK_STR, .help = "What it is for"),
    FIELD_AS(ApiProfile, "replicas", p.replicas, FK_U32, .help = "Instances in all"),
    FIELD_AS(ApiProfile, "postgres", p.postgres, FK_OBJ, .of = &profile_postgres_schema,
             .help = "Which PostgreSQL"),
    FIELD_AS(ApiProfile, "storage", p.storage, FK_OBJ, .of = &volume_schema,
             .help = "The data volume"),
    FIELD_AS(ApiProfile, "wal_storage", p.wal_storage, FK_OBJ, .of = &volume_schema,
             .help = "The WAL volume"),
    FIELD_AS(ApiProfile, "resources", p.resources, FK_OBJ, .of = &resources_schema,
             .help = "CPU and memory"),
    FIELD_AS(ApiProfile, "parameters", p.parameters, FK_MAP, .help = "postgresql.conf"),
    FIELD_AS(ApiProfile, "hba_rules", p.hba_rules, FK_STRS, .help = "Lines of pg_hba.conf"),
    FIELD_AS(ApiProfile, "failover", p.failover, FK_OBJ, .of = &failover_schema,
             .help = "How a failover happens"),
    FIELD_AS(ApiProfile, "archive", p.archive, FK_OBJ, .of = &archive_schema,
             .help = "Archiving of WAL"),
    FIELD_AS(ApiProfile, "deletion_protection", p.deletion_protection, FK_BOOL,
             .help = "Volumes are kept when a cluster is removed"),
    FIELD(ApiProfile, version, FK_I64, .help = "Newest version; the ETag"),
    FIELD(ApiProfile, commit, FK_STR, .help = "Git commit of this version"),
    FIELD(ApiProfile, author, FK_STR, .help = "Who made this version"),
    FIELD(ApiProfile, updated_at, FK_TIME, .help = "When this version was made"),
    FIELD(ApiProfile, clusters, FK_I64, .help = "How many clusters use the profile"),
};
SCHEMA_DEF(schema_PROFILE, "PROFILE", ApiProfile, profile_fields,
           "Template of PostgreSQL clusters, in one version");

static const FieldSpec version_fields[] = {
    FIELD(ApiProfileVersion, version, FK_I64, .help = "1, 2, 3 ..."),
    FIELD(ApiProfileVersion, commit, FK_STR, .help = "Git commit"),
    FIELD(ApiProfileVersion, author, FK_STR, .help = "Who made it"),
    FIELD(ApiProfileVersion, message, FK_STR, .help = "Why"),
    FIELD(ApiProfileVersion, created_at, FK_TIME, .help = "When"),
    FIELD(ApiProfileVersion, clusters, FK_I64, .help = "Clusters that run this version"),
};
SCHEMA_DEF(schema_PROFILE_VERSION, "PROFILE_VERSION", ApiProfileVersion, version_fields,
           "One version of a profile");

static const FieldSpec change_fields[] = {
    FIELD(ApiChange, field, FK_STR, .help = "Path of the field", .example = "parameters.work_mem"),
    FIELD(ApiChange, before, FK_STR, .help = "Value before; empty: absent"),
    FIELD(ApiChange, after, FK_STR, .help = "Value after; empty: absent"),
    FIELD(ApiChange, mode, FK_STR, .choices = modes, .help = "What applying it costs a cluster"),
};
SCHEMA_DEF(schema_CHANGE, "CHANGE", ApiChange, change_fields, "One changed field");

static const FieldSpec diff_fields[] = {
    FIELD(ApiProfileDiff, profile, FK_STR, .help = "Name of the profile"),
    FIELD(ApiProfileDiff, from, FK_I64, .help = "Older version"),
    FIELD(ApiProfileDiff, to, FK_I64, .help = "Newer version"),
    FIELD(ApiProfileDiff, mode, FK_STR, .choices = modes, .help = "Strictest of the changes"),
    FIELD(ApiProfileDiff, changes, FK_OBJS, .of = &schema_CHANGE, .help = "Field by field"),
    FIELD(ApiProfileDiff, text, FK_STR, .help = "Unified diff of the files"),
};
SCHEMA_DEF(schema_PROFILE_DIFF, "PROFILE_DIFF", ApiProfileDiff, diff_fields,
           "What changed between two versions");

static const FieldSpec field_error_fields[] = {
    FIELD(FieldError, field, FK_STR, .help = "Path of the field"),
    FIELD(FieldError, value, FK_STR, .help = "What was given"),
    FIELD(FieldError, want, FK_STR, .help = "What would be right"),
};
SCHEMA_DEF(schema_FIELD_ERROR, "FIELD_ERROR", FieldError, field_error_fields, "A wrong field");

static const FieldSpec validation_fields[] = {
    FIELD(ApiValidation, valid, FK_BOOL, .help = "A save would be accepted"),
    FIELD(ApiValidation, errors, FK_OBJS, .of = &schema_FIELD_ERROR, .help = "All that is wrong"),
};
SCHEMA_DEF(schema_VALIDATION, "VALIDATION", ApiValidation, validation_fields,
           "What a save would say");

/* ---- rules ---- */

static bool check_cluster_name(Arena *a, const char *v, const char **want)
{
    *want =
        arena_printf(a, "a DNS label of at most %d that starts with a letter", CLUSTER_NAME_MAX);
    return kname_cluster(v);
}

/* Places of others: a database there would be removed with them, or take them along. */
static bool check_namespace(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "a DNS label of at most 63 that does not start with kube-, and not pgswarm-system";
    return kname_label(v) && !str_starts(v, "kube-") && !str_eq(v, "pgswarm-system");
}

#define RULE_MEMBERS                                                                             \
    FIELD(ApiRule, name, FK_STR, .flags = FF_REQUIRED, .check = check_name,                      \
          .help = "Name of the rule", .example = "edge-prod"),                                   \
        FIELD(ApiRule, profile, FK_STR, .flags = FF_REQUIRED, .check = check_name,               \
              .help = "Profile of its clusters"),                                                \
        FIELD(ApiRule, selector, FK_MAP, .flags = FF_REQUIRED | FF_SCALARS, .min = 1, .max = 64, \
              .check_key = check_label_key, .check = check_label_value,                          \
              .help = "Labels that a satellite must have, all of them"),                         \
        FIELD_AS(ApiRule, "namespace", ns, FK_STR, .def = "default", .check = check_namespace,   \
                 .help = "Namespace of its clusters"),                                           \
        FIELD(ApiRule, cluster_name, FK_STR, .flags = FF_REQUIRED, .check = check_cluster_name,  \
              .help = "Name of its clusters", .example = "prod-pg")

static const FieldSpec rule_input_fields[] = {RULE_MEMBERS};
SCHEMA_DEF(schema_RULE_INPUT, "RULE_INPUT", ApiRule, rule_input_fields,
           "One cluster of a profile on every approved satellite with these labels");

static const FieldSpec conflict_fields[] = {
    FIELD(ApiRuleConflict, satellite, FK_STR, .help = "Where"),
    FIELD(ApiRuleConflict, cluster, FK_STR, .help = "NAMESPACE/NAME"),
    FIELD(ApiRuleConflict, reason, FK_STR, .help = "Why the rule does not act there"),
};
SCHEMA_DEF(schema_RULE_CONFLICT, "RULE_CONFLICT", ApiRuleConflict, conflict_fields,
           "A satellite where the rule cannot act");

static const FieldSpec rule_fields[] = {
    RULE_MEMBERS,
    FIELD(ApiRule, version, FK_I64, .flags = FF_READONLY,
          .help = "Grows with every edit; the ETag"),
    FIELD(ApiRule, matches, FK_I64, .flags = FF_READONLY, .help = "Satellites that match now"),
    FIELD(ApiRule, clusters, FK_I64, .flags = FF_READONLY, .help = "Clusters that it made"),
    FIELD(ApiRule, created_at, FK_TIME, .flags = FF_READONLY, .help = "When it was added"),
    FIELD(ApiRule, conflicts, FK_OBJS, .flags = FF_READONLY | FF_OMIT, .of = &schema_RULE_CONFLICT,
          .help = "Where it could not act"),
};
SCHEMA_DEF(schema_RULE, "RULE", ApiRule, rule_fields, "A deployment rule");

static const FieldSpec target_fields[] = {
    FIELD(ApiRuleTarget, satellite, FK_STR, .help = "Name of the satellite"),
    FIELD(ApiRuleTarget, cluster, FK_STR, .help = "NAMESPACE/NAME"),
};
SCHEMA_DEF(schema_RULE_TARGET, "RULE_TARGET", ApiRuleTarget, target_fields, "One place of a rule");

static const FieldSpec preview_fields[] = {
    FIELD(ApiRulePreview, add, FK_OBJS, .of = &schema_RULE_TARGET, .help = "Would be made"),
    FIELD(ApiRulePreview, keep, FK_OBJS, .of = &schema_RULE_TARGET, .help = "Are there already"),
    FIELD(ApiRulePreview, leave, FK_OBJS, .of = &schema_RULE_TARGET,
          .help = "Made by the rule, no longer matching: they stay as they are"),
    FIELD(ApiRulePreview, conflicts, FK_OBJS, .of = &schema_RULE_CONFLICT,
          .help = "Matching, but not possible"),
};
SCHEMA_DEF(schema_RULE_PREVIEW, "RULE_PREVIEW", ApiRulePreview, preview_fields,
           "What a rule would do");

/* ---- images ---- */

static const FieldSpec pgversion_fields[] = {
    FIELD(ApiPgVersion, version, FK_STR, .help = "Major, or major and minor"),
    FIELD(ApiPgVersion, variant, FK_STR, .help = "Kind of image"),
    FIELD(ApiPgVersion, image, FK_STR, .help = "Full reference"),
    FIELD_AS(ApiPgVersion, "default", is_default, FK_BOOL,
             .help = "Variant \"default\" is taken when a profile names none"),
    FIELD(ApiPgVersion, profiles, FK_I64, .help = "Profiles that use it"),
};
SCHEMA_DEF(schema_PGVERSION, "PGVERSION", ApiPgVersion, pgversion_fields,
           "A PostgreSQL version, in one variant, and its image");

static const FieldSpec pgversion_input_fields[] = {
    FIELD(ApiPgVersion, image, FK_STR, .flags = FF_REQUIRED, .check = check_image,
          .help = "Full reference", .example = "postgres:17"),
};
SCHEMA_DEF(schema_PGVERSION_INPUT, "PGVERSION_INPUT", ApiPgVersion, pgversion_input_fields,
           "The image of a version and variant");
