#include "model/cluster_spec.h"
#include "model/cidr.h"
#include "model/hba.h"
#include "model/kname.h"
#include "model/quantity.h"

const char *ack_result_name(AckResult r)
{
    static const char *const names[] = {"none", "applied", "skipped", "refused", "deleted"};
    return (unsigned)r <= ACK_DELETED ? names[r] : names[0];
}

static const FieldSpec database_fields[] = {
    FIELD(ClusterDatabase, name, FK_STR),
    FIELD(ClusterDatabase, owner, FK_STR),
    FIELD(ClusterDatabase, password, FK_STR, .flags = FF_WRITEONLY),
    FIELD(ClusterDatabase, allowed_cidrs, FK_STRS),
};
static SCHEMA_DEF(database_schema, "CLUSTER_DATABASE", ClusterDatabase, database_fields,
                  "A database of a cluster");

static const FieldSpec rule_fields[] = {
    FIELD(RecoveryRule, name, FK_STR),
    FIELD(RecoveryRule, pattern, FK_STR),
    FIELD(RecoveryRule, severity, FK_STR),
    FIELD(RecoveryRule, action, FK_STR),
    FIELD(RecoveryRule, exec_command, FK_STR),
    FIELD(RecoveryRule, category, FK_STR),
    FIELD(RecoveryRule, cooldown_seconds, FK_U32),
    FIELD(RecoveryRule, threshold, FK_U32),
    FIELD(RecoveryRule, window_seconds, FK_U32),
    FIELD(RecoveryRule, enabled, FK_BOOL),
};
static SCHEMA_DEF(rule_schema, "RECOVERY_RULE", RecoveryRule, rule_fields,
                  "A log line and what follows from it");

static const FieldSpec spec_fields[] = {
    FIELD(ClusterSpec, cluster_id, FK_STR),
    FIELD(ClusterSpec, name, FK_STR),
    FIELD_AS(ClusterSpec, "namespace", ns, FK_STR),
    FIELD(ClusterSpec, config_version, FK_I64),
    FIELD(ClusterSpec, profile_name, FK_STR),
    FIELD(ClusterSpec, profile_version, FK_U32),
    FIELD(ClusterSpec, replicas, FK_U32),
    FIELD(ClusterSpec, pg_major, FK_U32),
    FIELD(ClusterSpec, image, FK_STR),
    FIELD(ClusterSpec, storage, FK_OBJ, .of = &volume_schema),
    FIELD(ClusterSpec, wal_storage, FK_OBJ, .of = &volume_schema),
    FIELD(ClusterSpec, resources, FK_OBJ, .of = &resources_schema),
    FIELD(ClusterSpec, parameters, FK_MAP),
    FIELD(ClusterSpec, hba_rules, FK_STRS),
    FIELD(ClusterSpec, failover, FK_OBJ, .of = &failover_schema),
    FIELD(ClusterSpec, archive, FK_OBJ, .of = &archive_schema),
    FIELD(ClusterSpec, deletion_protection, FK_BOOL),
    FIELD(ClusterSpec, paused, FK_BOOL),
    FIELD(ClusterSpec, databases, FK_OBJS, .of = &database_schema),
    FIELD(ClusterSpec, recovery_rules, FK_OBJS, .of = &rule_schema),
};
SCHEMA_DEF(cluster_spec_schema, "CLUSTER_SPEC", ClusterSpec, spec_fields,
           "What one cluster at one site should be");

void cluster_spec_from_profile(ClusterSpec *out, const Profile *p, const char *image)
{
    out->profile_name = p->name;
    out->replicas = p->replicas;
    out->pg_major = profile_major(p);
    out->image = image;
    out->storage = p->storage;
    out->wal_storage = p->wal_storage;
    out->resources = p->resources;
    out->parameters = p->parameters;
    out->hba_rules = p->hba_rules;
    out->failover = p->failover;
    out->archive = p->archive;
    out->deletion_protection = p->deletion_protection;
}

#define DUP(field) r.field = arena_strdup(a, r.field)

static void dup_items(Arena *a, ClusterSpec *r)
{
    r->databases.at = arena_memdup(a, r->databases.at, r->databases.n * sizeof(ClusterDatabase));
    for (size_t i = 0; i < r->databases.n; i++) {
        ClusterDatabase *d = &((ClusterDatabase *)r->databases.at)[i];
        d->name = arena_strdup(a, d->name);
        d->owner = arena_strdup(a, d->owner);
        d->password = arena_strdup(a, d->password);
        d->allowed_cidrs = strlist_dup(a, d->allowed_cidrs);
    }
    r->recovery_rules.at =
        arena_memdup(a, r->recovery_rules.at, r->recovery_rules.n * sizeof(RecoveryRule));
    for (size_t i = 0; i < r->recovery_rules.n; i++) {
        RecoveryRule *u = &((RecoveryRule *)r->recovery_rules.at)[i];
        u->name = arena_strdup(a, u->name);
        u->pattern = arena_strdup(a, u->pattern);
        u->severity = arena_strdup(a, u->severity);
        u->action = arena_strdup(a, u->action);
        u->exec_command = arena_strdup(a, u->exec_command);
        u->category = arena_strdup(a, u->category);
    }
}

ClusterSpec cluster_spec_dup(Arena *a, const ClusterSpec *s)
{
    ClusterSpec r = *s;
    DUP(cluster_id);
    DUP(name);
    DUP(ns);
    DUP(profile_name);
    DUP(image);
    DUP(storage.size);
    DUP(storage.storage_class);
    DUP(wal_storage.size);
    DUP(wal_storage.storage_class);
    DUP(resources.cpu_request);
    DUP(resources.cpu_limit);
    DUP(resources.memory_request);
    DUP(resources.memory_limit);
    DUP(failover.sidecar_image);
    DUP(failover.durability);
    DUP(archive.mode);
    DUP(archive.archive_command);
    DUP(archive.restore_command);
    DUP(archive.credentials_secret);
    r.parameters = strmap_dup(a, s->parameters);
    r.hba_rules = strlist_dup(a, s->hba_rules);
    dup_items(a, &r);
    return r;
}

/* One text against one of the checks of the field tables. */
static void check(Arena *a, FieldErrors *errs, const char *path, const char *value, FieldCheck fn)
{
    const char *want = NULL;
    if (!fn(a, str_or(value, ""), &want))
        field_error(errs, path, value, "%s", want);
}

static void validate_texts(Arena *a, const ClusterSpec *s, FieldErrors *errs)
{
    for (size_t i = 0; i < s->parameters.n; i++)
        check(a, errs, arena_printf(a, "parameters.%s", s->parameters.at[i].key),
              s->parameters.at[i].value, check_one_line);
    for (size_t i = 0; i < s->hba_rules.n; i++) {
        HbaRule rule;
        Error err = {0};
        ErrCode rc = hba_parse(a, s->hba_rules.at[i], s->pg_major, &rule, &err);
        if (rc && rc != ERR_NOT_FOUND)
            field_error(errs, arena_printf(a, "hba_rules.%zu", i), s->hba_rules.at[i], "%s",
                        err.msg);
    }
}

static void validate_databases(Arena *a, const ClusterSpec *s, FieldErrors *errs)
{
    for (size_t i = 0; i < s->databases.n; i++) {
        const ClusterDatabase *d = &((const ClusterDatabase *)s->databases.at)[i];
        const char *path = arena_printf(a, "databases.%zu", i);
        Cidr c;
        if (!kname_identifier(d->name) || !kname_identifier(d->owner))
            field_error(errs, path, d->name, "a name and an owner of 1 to 63 bytes");
        for (size_t k = 0; k < d->allowed_cidrs.n; k++)
            if (!cidr_parse(d->allowed_cidrs.at[k], false, &c))
                field_error(errs, path, d->allowed_cidrs.at[k], "a network like 10.0.0.0/8");
    }
}

void cluster_spec_validate(Arena *a, const ClusterSpec *s, FieldErrors *errs)
{
    if (!kname_cluster(s->name))
        field_error(errs, "name", s->name, "a DNS label of at most %d that starts with a letter",
                    CLUSTER_NAME_MAX);
    check(a, errs, "namespace", s->ns, check_name);
    if (s->replicas < 1 || s->replicas > PROFILE_REPLICAS_MAX)
        field_error(errs, "replicas", arena_printf(a, "%u", s->replicas), "1 to %d",
                    PROFILE_REPLICAS_MAX);
    if (s->pg_major < PG_MAJOR_MIN || s->pg_major > PG_MAJOR_MAX)
        field_error(errs, "postgres.major", arena_printf(a, "%u", s->pg_major), "%d to %d",
                    PG_MAJOR_MIN, PG_MAJOR_MAX);
    if (str_empty(s->image))
        field_error(errs, "postgres.image", "", "an image reference");
    check(a, errs, "postgres.image", s->image, check_image);
    if (str_empty(s->storage.size))
        field_error(errs, "storage.size", "", "a quantity like 10Gi");
    check(a, errs, "storage.size", s->storage.size, check_quantity);
    check(a, errs, "storage.storage_class", s->storage.storage_class, check_storage_class);
    check(a, errs, "wal_storage.size", s->wal_storage.size, check_quantity);
    check(a, errs, "wal_storage.storage_class", s->wal_storage.storage_class, check_storage_class);
    check(a, errs, "resources.cpu_request", s->resources.cpu_request, check_quantity);
    check(a, errs, "resources.cpu_limit", s->resources.cpu_limit, check_quantity);
    check(a, errs, "resources.memory_request", s->resources.memory_request, check_quantity);
    check(a, errs, "resources.memory_limit", s->resources.memory_limit, check_quantity);
    check(a, errs, "failover.sidecar_image", s->failover.sidecar_image, check_image);
    check(a, errs, "archive.archive_command", s->archive.archive_command, check_one_line);
    check(a, errs, "archive.restore_command", s->archive.restore_command, check_one_line);
    validate_texts(a, s, errs);
    validate_databases(a, s, errs);
}
