#include "model/profile.h"
#include "model/guc.h"
#include "model/hba.h"
#include "model/param_class.h"
#include "model/quantity.h"
#include <strings.h>

unsigned profile_major(const Profile *p)
{
    return pg_major_of(p->postgres.version);
}

void profile_decode(Arena *a, const cJSON *in, Profile *ret, FieldErrors *errs)
{
    fields_decode(a, &profile_schema, in, ret, "", errs);
}

/* ---- sizes ---- */

static void check_limit(const char *path, const char *request, const char *limit, FieldErrors *errs)
{
    Quantity r, l;
    if (quantity_parses(request, &r) && quantity_parses(limit, &l) && quantity_cmp(r, l) > 0)
        field_error(errs, path, request, "at most the limit, %s", limit);
}

static void at_least(const char *path, const char *value, int64_t bytes, const char *text,
                     FieldErrors *errs)
{
    Quantity q;
    if (quantity_parses(value, &q) && q.milli > 0 && quantity_units(q) < bytes)
        field_error(errs, path, value, "at least %s", text);
}

enum { MIB = 1024 * 1024 };

static void validate_sizes(const Profile *p, FieldErrors *errs)
{
    if (str_empty(p->storage.size))
        field_error(errs, "storage.size", NULL, "a size like 10Gi, it is required");
    at_least("storage.size", p->storage.size, 512ll * MIB, "512Mi", errs);
    at_least("wal_storage.size", p->wal_storage.size, 256ll * MIB, "256Mi", errs);
    if (str_empty(p->wal_storage.size) && !str_empty(p->wal_storage.storage_class))
        field_error(errs, "wal_storage.size", NULL, "a size, because storage_class is given");
    at_least("resources.memory_limit", p->resources.memory_limit, 128ll * MIB, "128Mi", errs);
    check_limit("resources.cpu_request", p->resources.cpu_request, p->resources.cpu_limit, errs);
    check_limit("resources.memory_request", p->resources.memory_request, p->resources.memory_limit,
                errs);
}

/* ---- parameters ---- */

static bool extension_name(const char *name)
{
    const char *dot = strchr(name, '.');
    if (!dot || dot == name || !dot[1] || strlen(name) > 63)
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") ==
           strlen(name);
}

static void unknown_parameter(Arena *a, const char *path, const char *name, unsigned major,
                              FieldErrors *errs)
{
    const char *near = param_nearest(a, name, major);
    if (param_find(name, 0))
        field_error(errs, path, name, "a parameter of PostgreSQL %u; this one is of another major",
                    major);
    else if (near)
        field_error(errs, path, name, "a parameter of PostgreSQL %u; did you mean \"%s\"?", major,
                    near);
    else
        field_error(errs, path, name,
                    "a parameter of PostgreSQL %u, or extension.name for an extension's", major);
}

static void validate_parameter(Arena *a, const char *name, const char *value, unsigned major,
                               FieldErrors *errs)
{
    const char *path = arena_printf(a, "parameters.%s", name);
    const char *managed = guc_managed(name), *want = NULL;
    const ParamInfo *info = param_find(name, major);
    if (managed)
        field_error(errs, path, value, "no value here: %s", managed);
    else if (!info && !extension_name(name))
        unknown_parameter(a, path, name, major, errs);
    else if (info && info->context == PARAM_INTERNAL)
        field_error(errs, path, value, "no value here: PostgreSQL only shows it");
    else if (info && !param_value_valid(a, info, value, &want))
        field_error(errs, path, value, "%s", want);
}

/* Numbers that the members of one cluster need whatever the user wants. */
static void parameter_floor(const Profile *p, const char *name, int64_t floor, const char *why,
                            FieldErrors *errs)
{
    const char *v = strmap_get(p->parameters, name);
    int64_t n;
    if (v && str_to_i64(v, &n) && n < floor)
        field_error(errs, arena_printf(errs->arena, "parameters.%s", name), v, "at least %lld: %s",
                    (long long)floor, why);
}

/* A write is acknowledged by what its transaction waits for: the default of all of them must not
 * undo what the durability promises. */
static void validate_commit(const Profile *p, FieldErrors *errs)
{
    static const char *const WEAK[] = {"off", "local", "remote_write", "false", "no", "0", NULL};
    const char *v = strmap_get(p->parameters, "synchronous_commit");
    if (!v || str_empty(p->failover.durability) || str_eq(p->failover.durability, "performance"))
        return;
    for (size_t i = 0; WEAK[i]; i++)
        if (strcasecmp(v, WEAK[i]) == 0)
            field_error(errs, "parameters.synchronous_commit", v,
                        "on or remote_apply, because failover.durability is %s",
                        p->failover.durability);
}

/* A walsender that gives up too late holds writes for so long; one that gives up at once never
 * serves a busy replica. */
static void validate_timeouts(const Profile *p, FieldErrors *errs)
{
    const char *v = strmap_get(p->parameters, "wal_sender_timeout");
    const ParamInfo *info = param_find("wal_sender_timeout", 0);
    double ms;
    if (v && info && param_number(info, v, &ms) && (ms < 3000 || ms > 60000))
        field_error(errs, "parameters.wal_sender_timeout", v,
                    "3s to 60s: a replica that is gone is noticed by it");
}

static void validate_memory(const Profile *p, FieldErrors *errs)
{
    const char *v = strmap_get(p->parameters, "shared_buffers");
    int64_t limit = quantity_bytes(p->resources.memory_limit, 0);
    const ParamInfo *info = param_find("shared_buffers", 0);
    if (!v || !limit || !info)
        return;
    int64_t bytes = param_bytes(info, v);
    if (bytes > limit / 10 * 8)
        field_error(errs, "parameters.shared_buffers", v,
                    "at most 80%% of resources.memory_limit (%s), or the instance is killed",
                    p->resources.memory_limit);
}

static void validate_parameters(Arena *a, const Profile *p, unsigned major, FieldErrors *errs)
{
    for (size_t i = 0; i < p->parameters.n && errs->n < FIELD_ERRORS_MAX; i++)
        validate_parameter(a, p->parameters.at[i].key, p->parameters.at[i].value, major, errs);
    parameter_floor(p, "max_wal_senders", (int64_t)p->replicas + 2,
                    "each replica needs one, base backups two", errs);
    parameter_floor(p, "max_replication_slots", (int64_t)p->replicas, "each replica has a slot",
                    errs);
    parameter_floor(p, "max_connections", 20, "sidecars and replicas need some", errs);
    const char *level = strmap_get(p->parameters, "wal_level");
    if (str_eq(level, "minimal"))
        field_error(errs, "parameters.wal_level", level, "replica or logical");
    parameter_floor(p, "superuser_reserved_connections", 3,
                    "the sidecar looks whether PostgreSQL lives by a connection of its own", errs);
    validate_commit(p, errs);
    validate_timeouts(p, errs);
    validate_memory(p, errs);
}

static void validate_hba(Arena *a, const Profile *p, unsigned major, FieldErrors *errs)
{
    for (size_t i = 0; i < p->hba_rules.n; i++) {
        HbaRule rule;
        Error err = {0};
        ErrCode rc = hba_parse(a, p->hba_rules.at[i], major, &rule, &err);
        /* Comment lines stay: a DBA's reason belongs beside the rule. */
        if (rc && rc != ERR_NOT_FOUND)
            field_error(errs, arena_printf(a, "hba_rules.%zu", i), p->hba_rules.at[i], "%s",
                        err.msg);
    }
}

static void validate_rest(const Profile *p, FieldErrors *errs)
{
    if (str_eq(p->archive.mode, "custom") && str_empty(p->archive.archive_command))
        field_error(errs, "archive.archive_command", NULL, "a command, because mode is custom");
    if (str_empty(p->archive.mode) &&
        !(str_empty(p->archive.archive_command) && str_empty(p->archive.restore_command)))
        field_error(errs, "archive.mode", "", "custom, because commands are given");
    if (p->failover.health_interval_seconds * 2 > p->failover.lease_seconds &&
        p->failover.lease_seconds)
        field_error(errs, "failover.health_interval_seconds", NULL,
                    "at most half of lease_seconds (%u)", p->failover.lease_seconds);
    if (str_eq(p->failover.durability, "protected") && p->replicas < 2)
        field_error(errs, "failover.durability", p->failover.durability,
                    "performance or available: one instance has nobody to confirm with");
}

void profile_validate(Arena *a, const Profile *p, FieldErrors *errs)
{
    unsigned major = profile_major(p);
    validate_sizes(p, errs);
    /* A wrong version is reported already; the rest is then held against the newest. */
    validate_parameters(a, p, major ? major : PG_MAJOR_MAX, errs);
    validate_hba(a, p, major ? major : PG_MAJOR_MAX, errs);
    validate_rest(p, errs);
}

#define DUP(field) r.field = arena_strdup(a, r.field)

Profile profile_dup(Arena *a, const Profile *p)
{
    Profile r = *p;
    DUP(name);
    DUP(description);
    DUP(postgres.version);
    DUP(postgres.variant);
    DUP(postgres.image);
    DUP(storage.size);
    DUP(storage.storage_class);
    DUP(wal_storage.size);
    DUP(wal_storage.storage_class);
    DUP(resources.cpu_request);
    DUP(resources.cpu_limit);
    DUP(resources.memory_request);
    DUP(resources.memory_limit);
    r.parameters = strmap_dup(a, p->parameters);
    r.hba_rules = strlist_dup(a, p->hba_rules);
    DUP(failover.sidecar_image);
    DUP(failover.durability);
    DUP(archive.mode);
    DUP(archive.archive_command);
    DUP(archive.restore_command);
    DUP(archive.credentials_secret);
    DUP(message);
    return r;
}
