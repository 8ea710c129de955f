/* model/profile.h - the template of a PostgreSQL cluster, as a user writes it (JSON:
 * PROFILE_INPUT).
 *
 * A decoded profile has every default filled in. profile_validate reports all that is wrong at
 * once; a profile without errors can be rendered by any satellite, though a site may still lack
 * what it asks for (storage class, image, quota). Strings are never NULL after profile_decode. */
#pragma once
#include "codec/fields.h"

enum {
    PROFILE_REPLICAS_MAX = 15,
    PG_MAJOR_MIN = 13,
    PG_MAJOR_MAX = 18,
    PROFILE_PARAMETERS_MAX = 400,
    PROFILE_HBA_MAX = 500
};

typedef struct ProfilePostgres {
    const char *version; /* "17" or "17.5" */
    const char *variant; /* of the table of versions: "debian", "alpine"; "" the default one */
    const char *image;   /* full reference; "" by version and variant */
} ProfilePostgres;

typedef struct Volume {
    const char *size;          /* Kubernetes quantity; "" no such volume (WAL only) */
    const char *storage_class; /* "" the site's default; "tier:NAME" */
} Volume;

typedef struct Resources {
    const char *cpu_request, *cpu_limit, *memory_request, *memory_limit; /* "" none */
} Resources;

typedef struct FailoverSpec {
    bool enabled;
    uint32_t lease_seconds;
    uint32_t health_interval_seconds;
    const char *sidecar_image; /* "" the satellite's default */
    const char *durability;    /* performance, available, protected */
} FailoverSpec;

typedef struct ArchiveSpec {
    const char *mode; /* "" or "custom" */
    const char *archive_command, *restore_command;
    uint32_t archive_timeout_seconds;
    const char *credentials_secret;
} ArchiveSpec;

typedef struct Profile {
    const char *name, *description;
    uint32_t replicas; /* members in all, the primary included */
    ProfilePostgres postgres;
    Volume storage, wal_storage;
    Resources resources;
    StrMap parameters;
    StrList hba_rules;
    FailoverSpec failover;
    ArchiveSpec archive;
    bool deletion_protection;
    const char *message; /* commit message; input only */
} Profile;

extern const Schema profile_schema; /* PROFILE_INPUT */
extern const Schema volume_schema, resources_schema, failover_schema, archive_schema;
extern const Schema profile_postgres_schema;
extern const char *const durability_names[]; /* performance available protected NULL */

/* Decode with defaults and validate; all errors in *errs. */
void profile_decode(Arena *a, const cJSON *in, Profile *ret, FieldErrors *errs);
/* The rules that look at more than one field, or at the language of one: quantities, parameters,
 * HBA lines, images, archive. */
void profile_validate(Arena *a, const Profile *p, FieldErrors *errs);
Profile profile_dup(Arena *a, const Profile *p);
/* 15 for "15" and "15.4"; 0 when it is not a version that we run. */
unsigned profile_major(const Profile *p);
unsigned pg_major_of(const char *version);

/* Reusable checks for field tables (FieldCheck). */
bool check_name(Arena *a, const char *v, const char **want);     /* DNS-1123 label */
bool check_version(Arena *a, const char *v, const char **want);  /* 13 to 18, with a minor or not */
bool check_quantity(Arena *a, const char *v, const char **want); /* "" passes */
bool check_image(Arena *a, const char *v, const char **want);    /* "" passes */
bool check_label_key(Arena *a, const char *v, const char **want);
bool check_label_value(Arena *a, const char *v, const char **want);
bool check_one_line(Arena *a, const char *v, const char **want); /* no control bytes */
bool check_storage_class(Arena *a, const char *v, const char **want);
