#include "model/kname.h"
#include "model/profile.h"
#include "model/quantity.h"

/* ---- checks that other tables use too ---- */

bool check_name(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "a name of a-z, 0-9 and '-', with an alphanumeric at both ends, at most 63";
    return kname_label(v);
}

unsigned pg_major_of(const char *version)
{
    StrView minor = sv(version), major = sv_cut(&minor, '.');
    char text[8];
    uint64_t n, m;
    if (major.n < 1 || major.n > 2 || minor.n > 3 || (minor.p && !minor.n))
        return 0;
    memcpy(text, major.p, major.n);
    text[major.n] = '\0';
    if (!str_to_u64(text, &n) || (minor.p && !str_to_u64(minor.p, &m)))
        return 0;
    return n >= PG_MAJOR_MIN && n <= PG_MAJOR_MAX ? (unsigned)n : 0;
}

bool check_version(Arena *a, const char *v, const char **want)
{
    *want = arena_printf(a, "a PostgreSQL version from %d to %d, like 17 or 17.5", PG_MAJOR_MIN,
                         PG_MAJOR_MAX);
    return pg_major_of(v) != 0;
}

bool check_quantity(Arena *a, const char *v, const char **want)
{
    Quantity q;
    (void)a;
    *want = "a Kubernetes quantity above zero, like 10Gi, 500m or 2";
    return !*v || (quantity_parses(v, &q) && q.milli > 0);
}

bool check_image(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "an image reference like postgres:17 or host:5000/path/name:tag";
    return !*v || kname_image(v);
}

bool check_label_key(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "a label key like region or example.com/region";
    return kname_label_key(v);
}

bool check_label_value(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "a label value: up to 63 of A-Z a-z 0-9 - _ . with alphanumeric ends";
    return kname_label_value(v);
}

bool check_one_line(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "one line without control characters";
    for (; *v; v++)
        if ((unsigned char)*v < 0x20 || *v == 0x7F)
            return false;
    return true;
}

bool check_storage_class(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "the name of a storage class, or tier:NAME";
    return !*v || (str_starts(v, "tier:") ? kname_label(v + 5) : kname_subdomain(v));
}

static bool check_secret(Arena *a, const char *v, const char **want)
{
    (void)a;
    *want = "the name of a Secret";
    return !*v || kname_subdomain(v);
}

/* ---- tables ---- */

const char *const durability_names[] = {"performance", "available", "protected", NULL};
static const char *const archive_modes[] = {"", "custom", NULL};

static const FieldSpec postgres_fields[] = {
    FIELD(ProfilePostgres, version, FK_STR, .flags = FF_SCALARS, .def = "17",
          .check = check_version, .help = "Major version, or major and minor", .example = "17"),
    FIELD(ProfilePostgres, variant, FK_STR, .max = 40, .check = check_name,
          .help = "Image variant of the table of versions; empty: the default one",
          .example = "debian"),
    FIELD(ProfilePostgres, image, FK_STR, .check = check_image,
          .help = "Full image reference; empty: by version and variant"),
};
SCHEMA_DEF(profile_postgres_schema, "PROFILE_POSTGRES", ProfilePostgres, postgres_fields,
           "Which PostgreSQL runs");

static const FieldSpec volume_fields[] = {
    FIELD(Volume, size, FK_STR, .flags = FF_SCALARS, .check = check_quantity,
          .help = "Size of the volume of each instance", .example = "10Gi"),
    FIELD(Volume, storage_class, FK_STR, .check = check_storage_class,
          .help = "Storage class of the site, tier:NAME, or empty for the site's default"),
};
SCHEMA_DEF(volume_schema, "VOLUME", Volume, volume_fields, "A volume of each instance");

static const FieldSpec resources_fields[] = {
    FIELD(Resources, cpu_request, FK_STR, .flags = FF_SCALARS, .check = check_quantity,
          .help = "CPU that is reserved", .example = "250m"),
    FIELD(Resources, cpu_limit, FK_STR, .flags = FF_SCALARS, .check = check_quantity,
          .help = "CPU beyond which the instance is slowed down", .example = "2"),
    FIELD(Resources, memory_request, FK_STR, .flags = FF_SCALARS, .check = check_quantity,
          .help = "Memory that is reserved", .example = "512Mi"),
    FIELD(Resources, memory_limit, FK_STR, .flags = FF_SCALARS, .check = check_quantity,
          .help = "Memory beyond which the instance is killed; sizes shared_buffers and others",
          .example = "1Gi"),
};
SCHEMA_DEF(resources_schema, "RESOURCES", Resources, resources_fields,
           "CPU and memory of each instance");

static const FieldSpec failover_fields[] = {
    FIELD(FailoverSpec, enabled, FK_BOOL, .def = "true",
          .help = "Whether a replica takes over by itself when the primary is gone"),
    FIELD(FailoverSpec, lease_seconds, FK_U32, .def = "15", .min = 5, .max = 60,
          .help = "How long a primary may act without renewing its lease"),
    FIELD(FailoverSpec, health_interval_seconds, FK_U32, .def = "5", .min = 1, .max = 60,
          .help = "How often the sidecar measures"),
    FIELD(FailoverSpec, sidecar_image, FK_STR, .check = check_image,
          .help = "Image of the failover sidecar; empty: the satellite's default"),
    FIELD(FailoverSpec, durability, FK_STR, .def = "available", .choices = durability_names,
          .help = "performance: asynchronous; available: synchronous while a replica is there; "
                  "protected: never acknowledge what only one instance has"),
};
SCHEMA_DEF(failover_schema, "FAILOVER", FailoverSpec, failover_fields, "How a failover happens");

static const FieldSpec archive_fields[] = {
    FIELD(ArchiveSpec, mode, FK_STR, .choices = archive_modes,
          .help = "Empty: no WAL archive; custom: by the commands below"),
    FIELD(ArchiveSpec, archive_command, FK_STR, .max = 1000, .check = check_one_line,
          .help = "archive_command of PostgreSQL", .example = "cp %p /archive/%f"),
    FIELD(ArchiveSpec, restore_command, FK_STR, .max = 1000, .check = check_one_line,
          .help = "restore_command of PostgreSQL", .example = "cp /archive/%f %p"),
    FIELD(ArchiveSpec, archive_timeout_seconds, FK_U32, .def = "60", .min = 0, .max = 86400,
          .help = "A WAL segment is archived at least this often; 0: only full ones"),
    FIELD(ArchiveSpec, credentials_secret, FK_STR, .check = check_secret,
          .help = "Secret at the site that the commands may read"),
};
SCHEMA_DEF(archive_schema, "ARCHIVE", ArchiveSpec, archive_fields, "Archiving of WAL");

static const FieldSpec profile_fields[] = {
    FIELD(Profile, name, FK_STR, .flags = FF_REQUIRED, .check = check_name,
          .help = "Name of the profile", .example = "production-standard"),
    FIELD(Profile, description, FK_STR, .max = 500, .check = check_one_line,
          .help = "What it is for, in one line"),
    FIELD(Profile, replicas, FK_U32, .def = "3", .min = 1, .max = PROFILE_REPLICAS_MAX,
          .help = "Instances in all, the primary included"),
    FIELD(Profile, postgres, FK_OBJ, .of = &profile_postgres_schema, .help = "Which PostgreSQL"),
    FIELD(Profile, storage, FK_OBJ, .of = &volume_schema, .flags = FF_REQUIRED,
          .help = "The data volume of each instance"),
    FIELD(Profile, wal_storage, FK_OBJ, .of = &volume_schema,
          .help = "A volume for WAL; empty size: WAL lies on the data volume"),
    FIELD(Profile, resources, FK_OBJ, .of = &resources_schema,
          .help = "CPU and memory of each instance"),
    FIELD(Profile, parameters, FK_MAP, .flags = FF_SCALARS, .max = PROFILE_PARAMETERS_MAX,
          .check = check_one_line, .help = "postgresql.conf: name and value"),
    FIELD(Profile, hba_rules, FK_STRS, .max = PROFILE_HBA_MAX,
          .help = "Lines of pg_hba.conf, before the closing one that asks everybody's password",
          .example = "hostssl all app 10.0.0.0/8 scram-sha-256"),
    FIELD(Profile, failover, FK_OBJ, .of = &failover_schema, .help = "How a failover happens"),
    FIELD(Profile, archive, FK_OBJ, .of = &archive_schema, .help = "Archiving of WAL"),
    FIELD(Profile, deletion_protection, FK_BOOL,
          .help = "Volumes are kept when a cluster is removed, until said otherwise"),
    FIELD(Profile, message, FK_STR, .flags = FF_WRITEONLY, .max = 2000,
          .help = "Why this version is made: the commit message"),
};

static void validate(Arena *a, const void *obj, FieldErrors *errs)
{
    profile_validate(a, obj, errs);
}

const Schema profile_schema = {.name = "PROFILE_INPUT",
                               .help = "Template of PostgreSQL clusters",
                               .size = sizeof(Profile),
                               .fields = profile_fields,
                               .n = sizeof profile_fields / sizeof *profile_fields,
                               .validate = validate};
