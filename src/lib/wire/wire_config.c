#include "wire/wire_config.h"
#include "wire/wire_util.h"

static Volume volume_get(const Pgswarm__V1__Volume *m)
{
    return m ? (Volume){m->size, m->storage_class} : (Volume){"", ""};
}

static Resources resources_get(const Pgswarm__V1__Resources *m)
{
    if (!m)
        return (Resources){"", "", "", ""};
    return (Resources){m->cpu_request, m->cpu_limit, m->memory_request, m->memory_limit};
}

/* Names of Durability; 0 of the protocol is "not said". */
static const char *durability_get(unsigned v)
{
    return v >= 1 && v <= 3 ? durability_names[v - 1] : durability_names[1];
}

static unsigned durability_put(const char *name)
{
    for (unsigned i = 0; durability_names[i]; i++)
        if (str_eq(durability_names[i], name))
            return i + 1;
    return 0;
}

static FailoverSpec failover_get(const Pgswarm__V1__Failover *m)
{
    if (!m)
        return (FailoverSpec){.sidecar_image = "", .durability = durability_get(0)};
    return (FailoverSpec){.enabled = m->enabled,
                          .lease_seconds = m->lease_seconds,
                          .health_interval_seconds = m->health_interval_seconds,
                          .sidecar_image = m->sidecar_image,
                          .durability = durability_get((unsigned)m->durability)};
}

static ArchiveSpec archive_get(const Pgswarm__V1__Archive *m)
{
    if (!m)
        return (ArchiveSpec){"", "", "", 0, ""};
    return (ArchiveSpec){m->mode, m->archive_command, m->restore_command,
                         m->archive_timeout_seconds, m->credentials_secret};
}

static ObjList databases_get(Arena *a, size_t n, Pgswarm__V1__ClusterDatabase **in)
{
    n = n < WIRE_ITEMS_MAX ? n : WIRE_ITEMS_MAX;
    ClusterDatabase *out = n ? arena_array(a, ClusterDatabase, n) : NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = (ClusterDatabase){in[i]->name, in[i]->owner, in[i]->password,
                                   wire_list_get(a, in[i]->n_allowed_cidrs, in[i]->allowed_cidrs)};
    return (ObjList){out, n};
}

static ObjList rules_get(Arena *a, size_t n, Pgswarm__V1__RecoveryRule **in)
{
    n = n < WIRE_ITEMS_MAX ? n : WIRE_ITEMS_MAX;
    RecoveryRule *out = n ? arena_array(a, RecoveryRule, n) : NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = (RecoveryRule){.name = in[i]->name,
                                .pattern = in[i]->pattern,
                                .severity = in[i]->severity,
                                .action = in[i]->action,
                                .exec_command = in[i]->exec_command,
                                .category = in[i]->category,
                                .cooldown_seconds = in[i]->cooldown_seconds,
                                .threshold = in[i]->threshold,
                                .window_seconds = in[i]->window_seconds,
                                .enabled = in[i]->enabled};
    return (ObjList){out, n};
}

void wire_cluster_config_get(Arena *a, const Pgswarm__V1__ClusterConfig *m, ClusterSpec *ret)
{
    *ret = (ClusterSpec){.cluster_id = m->cluster_id,
                         .name = m->name,
                         .ns = m->namespace_,
                         .config_version = m->config_version,
                         .profile_name = m->profile_name,
                         .profile_version = m->profile_version,
                         .replicas = m->replicas,
                         .pg_major = m->postgres ? m->postgres->major : 0,
                         .image = m->postgres ? m->postgres->image : "",
                         .storage = volume_get(m->storage),
                         .wal_storage = volume_get(m->wal_storage),
                         .resources = resources_get(m->resources),
                         .hba_rules = wire_list_get(a, m->n_hba_rules, m->hba_rules),
                         .failover = failover_get(m->failover),
                         .archive = archive_get(m->archive),
                         .deletion_protection = m->deletion_protection,
                         .paused = m->paused,
                         .databases = databases_get(a, m->n_databases, m->databases),
                         .recovery_rules = rules_get(a, m->n_recovery_rules, m->recovery_rules)};
    WIRE_MAP_GET(a, m->n_parameters, m->parameters, &ret->parameters);
}

static Pgswarm__V1__Volume *volume_put(Arena *a, const Volume *v)
{
    if (str_empty(v->size))
        return NULL;
    Pgswarm__V1__Volume *m = arena_new_of(a, Pgswarm__V1__Volume);
    pgswarm__v1__volume__init(m);
    m->size = pb_text(v->size);
    m->storage_class = pb_text(v->storage_class);
    return m;
}

static Pgswarm__V1__Resources *resources_put(Arena *a, const Resources *r)
{
    Pgswarm__V1__Resources *m = arena_new_of(a, Pgswarm__V1__Resources);
    pgswarm__v1__resources__init(m);
    m->cpu_request = pb_text(r->cpu_request);
    m->cpu_limit = pb_text(r->cpu_limit);
    m->memory_request = pb_text(r->memory_request);
    m->memory_limit = pb_text(r->memory_limit);
    return m;
}

static Pgswarm__V1__Failover *failover_put(Arena *a, const FailoverSpec *f)
{
    Pgswarm__V1__Failover *m = arena_new_of(a, Pgswarm__V1__Failover);
    pgswarm__v1__failover__init(m);
    m->enabled = f->enabled;
    m->lease_seconds = f->lease_seconds;
    m->health_interval_seconds = f->health_interval_seconds;
    m->sidecar_image = pb_text(f->sidecar_image);
    m->durability = (Pgswarm__V1__Durability)durability_put(f->durability);
    return m;
}

static Pgswarm__V1__Archive *archive_put(Arena *a, const ArchiveSpec *s)
{
    Pgswarm__V1__Archive *m = arena_new_of(a, Pgswarm__V1__Archive);
    pgswarm__v1__archive__init(m);
    m->mode = pb_text(s->mode);
    m->archive_command = pb_text(s->archive_command);
    m->restore_command = pb_text(s->restore_command);
    m->archive_timeout_seconds = s->archive_timeout_seconds;
    m->credentials_secret = pb_text(s->credentials_secret);
    return m;
}

static void databases_put(Arena *a, const ClusterSpec *s, Pgswarm__V1__ClusterConfig *m)
{
    m->n_databases = s->databases.n;
    m->databases = arena_calloc(a, s->databases.n + 1, sizeof *m->databases);
    for (size_t i = 0; i < s->databases.n; i++) {
        const ClusterDatabase *d = &((const ClusterDatabase *)s->databases.at)[i];
        Pgswarm__V1__ClusterDatabase *o = m->databases[i] =
            arena_new_of(a, Pgswarm__V1__ClusterDatabase);
        pgswarm__v1__cluster_database__init(o);
        o->name = pb_text(d->name);
        o->owner = pb_text(d->owner);
        o->password = pb_text(d->password);
        o->allowed_cidrs = wire_list_put(a, d->allowed_cidrs, &o->n_allowed_cidrs);
    }
}

static void rules_put(Arena *a, const ClusterSpec *s, Pgswarm__V1__ClusterConfig *m)
{
    m->n_recovery_rules = s->recovery_rules.n;
    m->recovery_rules = arena_calloc(a, s->recovery_rules.n + 1, sizeof *m->recovery_rules);
    for (size_t i = 0; i < s->recovery_rules.n; i++) {
        const RecoveryRule *r = &((const RecoveryRule *)s->recovery_rules.at)[i];
        Pgswarm__V1__RecoveryRule *o = m->recovery_rules[i] =
            arena_new_of(a, Pgswarm__V1__RecoveryRule);
        pgswarm__v1__recovery_rule__init(o);
        o->name = pb_text(r->name);
        o->pattern = pb_text(r->pattern);
        o->severity = pb_text(r->severity);
        o->action = pb_text(r->action);
        o->exec_command = pb_text(r->exec_command);
        o->category = pb_text(r->category);
        o->cooldown_seconds = r->cooldown_seconds;
        o->threshold = r->threshold;
        o->window_seconds = r->window_seconds;
        o->enabled = r->enabled;
    }
}

Pgswarm__V1__ClusterConfig *wire_cluster_config_put(Arena *a, const ClusterSpec *s)
{
    Pgswarm__V1__ClusterConfig *m = arena_new_of(a, Pgswarm__V1__ClusterConfig);
    pgswarm__v1__cluster_config__init(m);
    m->cluster_id = pb_text(s->cluster_id);
    m->name = pb_text(s->name);
    m->namespace_ = pb_text(s->ns);
    m->config_version = s->config_version;
    m->profile_name = pb_text(s->profile_name);
    m->profile_version = s->profile_version;
    m->replicas = s->replicas;
    m->postgres = arena_new_of(a, Pgswarm__V1__Postgres);
    pgswarm__v1__postgres__init(m->postgres);
    m->postgres->major = s->pg_major;
    m->postgres->image = pb_text(s->image);
    m->storage = volume_put(a, &s->storage);
    m->wal_storage = volume_put(a, &s->wal_storage);
    m->resources = resources_put(a, &s->resources);
    m->hba_rules = wire_list_put(a, s->hba_rules, &m->n_hba_rules);
    m->failover = failover_put(a, &s->failover);
    m->archive = archive_put(a, &s->archive);
    m->deletion_protection = s->deletion_protection;
    m->paused = s->paused;
    databases_put(a, s, m);
    rules_put(a, s, m);
    WIRE_MAP_PUT(a, s->parameters, m->n_parameters, m->parameters,
                 Pgswarm__V1__ClusterConfig__ParametersEntry,
                 pgswarm__v1__cluster_config__parameters_entry__init);
    return m;
}
