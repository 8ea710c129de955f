#include "config.h"

#include "core/file.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECRET_MAX = 1024, MEMBERS_MAX = 15 };

typedef struct TextRow {
    const char *env, *alt; /* alt NULL: required */
    size_t offset;
    const char *help;
} TextRow;

typedef struct NumberRow {
    const char *env;
    unsigned alt, min, max;
    size_t offset;
    const char *help;
} NumberRow;

static const TextRow TEXTS[] = {
    {"POD_NAME", NULL, offsetof(Config, pod), "name of this pod, ending in its ordinal"},
    {"POD_NAMESPACE", NULL, offsetof(Config, ns), "its namespace"},
    {"POD_IP", NULL, offsetof(Config, ip), "its address, told to the replicas"},
    {"POD_UID", "", offsetof(Config, uid), "its uid"},
    {"CLUSTER_NAME", NULL, offsetof(Config, cluster), "the cluster it belongs to"},
    {"DURABILITY", "performance", offsetof(Config, durability),
     "performance, available or protected"},
    {"SATELLITE_ADDR", "", offsetof(Config, satellite_addr), "host:port of the satellite"},
    {"SATELLITE_CA_FILE", "", offsetof(Config, satellite_ca_file),
     "CA of the satellite; empty: plaintext"},
    {"PGSWARM_RUN_DIR", "/pgswarm/run", offsetof(Config, run_dir), "sockets"},
    {"PGSWARM_CONFIG_DIR", "/pgswarm/config", offsetof(Config, config_dir),
     "postgresql.conf and pg_hba.conf, watched"},
    {"PGSWARM_SECRET_DIR", "/pgswarm/secret", offsetof(Config, secret_dir),
     "superuser-password, replication-password, sidecar-stream-token"},
    {"PGSWARM_HEALTH_ADDR", ":8008", offsetof(Config, health_addr), "/healthz and /readyz"},
    {"PGSWARM_LOG_LEVEL", "info", offsetof(Config, log_level), "trace, debug, info, warn or error"},
};

static const NumberRow NUMBERS[] = {
    {"REPLICAS", 1, 1, MEMBERS_MAX, offsetof(Config, replicas),
     "members of the cluster, where the ConfigMap does not say"},
    {"LEASE_SECONDS", 15, 5, 60, offsetof(Config, lease_seconds), "duration of the lease"},
    {"HEALTH_INTERVAL_SECONDS", 5, 1, 300, offsetof(Config, health_seconds),
     "between two health reports"},
    {"PGSWARM_PGPORT", 5432, 1, 65535, offsetof(Config, pg_port), "port of PostgreSQL"},
};

static ErrCode load_texts(Config *c, Error *err)
{
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        const TextRow *row = &TEXTS[i];
        const char *value = getenv(row->env);
        if (str_empty(value) && !row->alt)
            return err_set(err, ERR_INVALID, "%s: is not set, %s is right", row->env, row->help);
        *(const char **)((char *)c + row->offset) = str_or(value, row->alt);
    }
    return ERR_OK;
}

static ErrCode load_numbers(Config *c, Error *err)
{
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        const NumberRow *row = &NUMBERS[i];
        const char *value = getenv(row->env);
        uint64_t n = row->alt;
        if (!str_empty(value) && (!str_to_u64(value, &n) || n < row->min || n > row->max))
            return err_set(err, ERR_INVALID, "%s: '%s' is not right, %u to %u is", row->env, value,
                           row->min, row->max);
        *(unsigned *)((char *)c + row->offset) = (unsigned)n;
    }
    return ERR_OK;
}

ErrCode config_load(Arena *a, Config *ret, Error *err)
{
    Config c = {0};
    if (load_texts(&c, err) || load_numbers(&c, err))
        return err->code;
    const char *dash = strrchr(c.pod, '-');
    uint64_t ordinal;
    if (!dash || !str_to_u64(dash + 1, &ordinal) || ordinal > 9999)
        return err_set(err, ERR_INVALID, "POD_NAME: '%s' does not end in -ORDINAL", c.pod);
    c.ordinal = (unsigned)ordinal;
    config_members(&c);
    c.base = arena_strndup(a, c.pod, (size_t)(dash - c.pod));
    c.lease_name = arena_printf(a, "%s-leader", c.cluster);
    c.my_addr = arena_printf(a, strchr(c.ip, ':') ? "[%s]:%u" : "%s:%u", c.ip, c.pg_port);
    *ret = c;
    return ERR_OK;
}

void config_members(Config *c)
{
    AUTO_ARENA a = arena_new();
    StrView text;
    Error absent;
    uint64_t n;
    if (file_read(a, arena_printf(a, "%s/members", c->config_dir), 64, &text, &absent))
        return;
    StrView line = sv_cut(&text, '\n');
    if (str_to_u64(sv_dup(a, line), &n) && n >= 1 && n <= MEMBERS_MAX)
        c->replicas = (unsigned)n;
}

int config_ordinal(const Config *c, const char *pod)
{
    size_t n = strlen(c->base);
    uint64_t ordinal;
    if (strncmp(pod, c->base, n) != 0 || pod[n] != '-' || !str_to_u64(pod + n + 1, &ordinal))
        return -1;
    return ordinal < MEMBERS_MAX + 1 ? (int)ordinal : -1;
}

void config_help(void)
{
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        printf("  %-24s %s%s%s%s\n", TEXTS[i].env, TEXTS[i].help,
               str_empty(TEXTS[i].alt) ? "" : " (", str_or(TEXTS[i].alt, ""),
               str_empty(TEXTS[i].alt) ? "" : ")");
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        printf("  %-24s %s, %u to %u (%u)\n", NUMBERS[i].env, NUMBERS[i].help, NUMBERS[i].min,
               NUMBERS[i].max, NUMBERS[i].alt);
}

ErrCode config_secret(Arena *a, const Config *c, const char *key, const char **ret, Error *err)
{
    StrView v;
    const char *path = arena_printf(a, "%s/%s", c->secret_dir, key);
    if (file_read(a, path, SECRET_MAX, &v, err))
        return err->code;
    StrView line = sv_cut(&v, '\n');
    if (!line.n)
        return err_set(err, ERR_INVALID, "%s is empty", path);
    *ret = sv_dup(a, line);
    return ERR_OK;
}
