#include "model/guc.h"
#include "model/hba.h"
#include "model/param_class.h"
#include "model/quantity.h"
#include <stdio.h>
#include <strings.h>

/* What users may not set, and why. */
static const struct {
    const char *name, *why;
} managed[] = {
    {"listen_addresses", "the operator sets it: all addresses of the pod"},
    {"port", "the operator sets it: 5432"},
    {"unix_socket_directories", "the operator sets it: the sidecar connects there"},
    {"data_directory", "the operator sets it"},
    {"config_file", "the operator sets it"},
    {"hba_file", "the operator sets it; use hba_rules"},
    {"ident_file", "the operator sets it"},
    {"external_pid_file", "the operator sets it"},
    {"cluster_name", "the operator sets it: the pod's name"},
    {"primary_conninfo", "the sidecar sets it: which instance to follow"},
    {"promote_trigger_file", "the sidecar promotes"},
    {"recovery_target", "a restore sets it"},
    {"recovery_target_action", "a restore sets it"},
    {"recovery_target_inclusive", "a restore sets it"},
    {"recovery_target_lsn", "a restore sets it"},
    {"recovery_target_name", "a restore sets it"},
    {"recovery_target_time", "a restore sets it"},
    {"recovery_target_xid", "a restore sets it"},
    {"recovery_target_timeline", "the operator sets it: latest"},
    {"recovery_end_command", "a restore sets it"},
    {"archive_cleanup_command", "the operator sets it"},
    {"archive_mode", "use archive.mode"},
    {"archive_command", "use archive.archive_command"},
    {"archive_library", "use archive.archive_command"},
    {"archive_timeout", "use archive.archive_timeout_seconds"},
    {"restore_command", "use archive.restore_command"},
    {"synchronous_standby_names", "use failover.durability"},
    {"hot_standby", "the operator sets it: on"},
    {"data_sync_retry", "it stays off: on goes on after a lost write"},
    {"default_transaction_read_only", "it stays off: a primary that takes no writes is none"},
    {"primary_slot_name", "the sidecar sets it: one slot per instance"},
    {"recovery_min_apply_delay", "it stays 0: a replica that waits cannot take over"},
    {"wal_receiver_status_interval", "the operator sets it: 1s, the primary counts on the answers"},
    {"wal_receiver_timeout", "the operator sets it: 5s, a dead primary is noticed by it"},
    {"wal_retrieve_retry_interval", "the operator sets it: 200ms, a replica is back by it"},
    {"wal_log_hints", "the operator sets it: on, for rejoining without a full copy"},
    {"password_encryption", "the operator sets it: scram-sha-256"},
    {"logging_collector", "the operator sets it: off, the launcher reads the log"},
    {"log_destination", "the operator sets it: stderr, the launcher reads the log"},
    {"log_directory", "the log goes to stderr"},
    {"log_filename", "the log goes to stderr"},
    {"fsync", "it stays on: off loses data at a crash"},
    {"full_page_writes", "it stays on: off loses data at a crash"},
    {"zero_damaged_pages", "it stays off: on throws data away"},
    {"ignore_invalid_pages", "it stays off: on hides damage"},
    {"ssl", "the instances have no server certificate"},
    {"ssl_cert_file", "the instances have no server certificate"},
    {"ssl_key_file", "the instances have no server certificate"},
    {"ssl_ca_file", "the instances have no server certificate"},
    {"ssl_crl_file", "the instances have no server certificate"},
    {"ssl_crl_dir", "the instances have no server certificate"},
};

const char *guc_managed(const char *name)
{
    for (size_t i = 0; i < sizeof managed / sizeof *managed; i++)
        if (strcasecmp(managed[i].name, name) == 0)
            return managed[i].why;
    return NULL;
}

char *guc_quote(Arena *a, const char *value)
{
    AUTO_STRBUF b = {0};
    strbuf_addc(&b, '\'');
    for (const char *p = value; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            BUG("a configuration value with control bytes was not validated");
        /* Backslashes are escapes inside the quotes of postgresql.conf. */
        if (*p == '\'' || *p == '\\')
            strbuf_addc(&b, *p);
        strbuf_addc(&b, *p);
    }
    strbuf_addc(&b, '\'');
    return arena_strdup(a, strbuf_str(&b));
}

/* ---- defaults by size ---- */

enum { MB = 1024 * 1024 };

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static void put_mb(Arena *a, StrMap *m, const char *name, int64_t bytes)
{
    strmap_put(a, m, name, arena_printf(a, "%lldMB", (long long)(bytes / MB)));
}

static int64_t memory_of(const ClusterSpec *s)
{
    int64_t m = quantity_bytes(s->resources.memory_limit, 0);
    if (!m)
        m = quantity_bytes(s->resources.memory_request, 0);
    return m > 0 ? m : 512ll * MB;
}

static void memory_defaults(Arena *a, const ClusterSpec *s, StrMap *m)
{
    int64_t mem = memory_of(s);
    put_mb(a, m, "shared_buffers", clamp(mem / 4, 16ll * MB, 32768ll * MB));
    put_mb(a, m, "effective_cache_size", clamp(mem / 4 * 3, 32ll * MB, 1048576ll * MB));
    put_mb(a, m, "maintenance_work_mem", clamp(mem / 16, 16ll * MB, 2048ll * MB));
    put_mb(a, m, "work_mem", clamp(mem / 256, 2ll * MB, 64ll * MB));
}

static void wal_defaults(Arena *a, const ClusterSpec *s, StrMap *m)
{
    int64_t own = quantity_bytes(s->wal_storage.size, 0);
    int64_t room = own ? own / 2 : quantity_bytes(s->storage.size, 0) / 4;
    int64_t max_wal = clamp(room / 2, 64ll * MB, 4096ll * MB);
    put_mb(a, m, "max_wal_size", max_wal);
    put_mb(a, m, "min_wal_size", clamp(max_wal / 4, 32ll * MB, 1024ll * MB));
    put_mb(a, m, "wal_keep_size", clamp(room / 8, 16ll * MB, 512ll * MB));
    /* A replica that stays away must not fill the primary's disk. */
    put_mb(a, m, "max_slot_wal_keep_size", clamp(room, 64ll * MB, 1048576ll * MB));
}

static const StrPair fixed_defaults[] = {
    {"checkpoint_completion_target", "0.9"},
    {"checkpoint_timeout", "15min"},
    {"default_statistics_target", "100"},
    {"effective_io_concurrency", "200"},
    {"hot_standby_feedback", "on"},
    {"huge_pages", "try"},
    {"log_checkpoints", "on"},
    {"log_line_prefix", "%m [%p] %q%u@%d "},
    {"log_lock_waits", "on"},
    {"log_timezone", "UTC"},
    {"max_connections", "100"},
    {"max_replication_slots", "16"},
    {"max_wal_senders", "16"},
    {"random_page_cost", "1.1"},
    {"TimeZone", "UTC"},
    {"track_commit_timestamp", "on"},
    {"track_io_timing", "on"},
    {"wal_compression", "on"},
    {"wal_level", "replica"},
    {"wal_sender_timeout", "10s"},
};

static const StrPair mandatory[] = {
    {"data_sync_retry", "off"},
    {"default_transaction_read_only", "off"},
    {"full_page_writes", "on"},
    {"fsync", "on"},
    {"hot_standby", "on"},
    {"listen_addresses", "*"},
    {"log_destination", "stderr"},
    {"logging_collector", "off"},
    {"password_encryption", "scram-sha-256"},
    {"port", "5432"},
    {"recovery_min_apply_delay", "0"},
    {"recovery_target_timeline", "latest"},
    {"unix_socket_directories", "/pgswarm/run"},
    {"wal_log_hints", "on"},
    {"wal_receiver_status_interval", "1s"},
    {"wal_receiver_timeout", "5s"},
    {"wal_retrieve_retry_interval", "200ms"},
};

static void put_all(Arena *a, StrMap *m, const StrPair *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        strmap_put(a, m, rows[i].key, rows[i].value);
}

static void archive_layer(Arena *a, const ClusterSpec *s, StrMap *m)
{
    bool on = str_eq(s->archive.mode, "custom");
    strmap_put(a, m, "archive_mode", on ? "on" : "off");
    if (!on)
        return;
    strmap_put(a, m, "archive_command", s->archive.archive_command);
    strmap_put(a, m, "archive_timeout", arena_printf(a, "%us", s->archive.archive_timeout_seconds));
    if (!str_empty(s->archive.restore_command))
        strmap_put(a, m, "restore_command", s->archive.restore_command);
}

/* Names are case-insensitive: the profile's spelling must replace ours, not stand beside it. */
static void profile_layer(Arena *a, const ClusterSpec *s, StrMap *m)
{
    for (size_t i = 0; i < s->parameters.n; i++) {
        const StrPair *p = &s->parameters.at[i];
        const ParamInfo *info = param_find(p->key, s->pg_major);
        if (!guc_managed(p->key))
            strmap_put(a, m, info ? info->name : p->key, p->value);
    }
}

static bool preloads(const char *list, const char *library)
{
    StrView rest = sv(list);
    while (rest.n)
        if (sv_eqs(sv_trim(sv_cut(&rest, ',')), library))
            return true;
    return false;
}

/* The sidecar's report of slow queries needs this one; the user's stay. */
static void preload_layer(Arena *a, StrMap *m)
{
    static const char library[] = "pg_stat_statements";
    const char *have = strmap_get(*m, "shared_preload_libraries");
    if (str_empty(have))
        strmap_put(a, m, "shared_preload_libraries", library);
    else if (!preloads(have, library))
        strmap_put(a, m, "shared_preload_libraries", arena_printf(a, "%s,%s", library, have));
    if (!strmap_get(*m, "pg_stat_statements.track"))
        strmap_put(a, m, "pg_stat_statements.track", "all");
}

StrMap guc_effective(Arena *a, const ClusterSpec *s)
{
    StrMap m = {0};
    put_all(a, &m, fixed_defaults, sizeof fixed_defaults / sizeof *fixed_defaults);
    memory_defaults(a, s, &m);
    wal_defaults(a, s, &m);
    archive_layer(a, s, &m);
    profile_layer(a, s, &m);
    preload_layer(a, &m);
    put_all(a, &m, mandatory, sizeof mandatory / sizeof *mandatory);
    return m;
}

char *guc_postgresql_conf(Arena *a, const ClusterSpec *s)
{
    AUTO_STRBUF b = {0};
    StrMap m = guc_effective(a, s);
    strbuf_adds(&b, "# Written by pg-swarm; edit the profile instead.\n");
    for (size_t i = 0; i < m.n; i++)
        strbuf_addf(&b, "%s = %s\n", m.at[i].key, guc_quote(a, m.at[i].value));
    return arena_strdup(a, strbuf_str(&b));
}

/* ---- pg_hba.conf ---- */

static void database_lines(Arena *a, StrBuf *b, const ClusterDatabase *d)
{
    const char *name = hba_quote(a, d->name), *owner = hba_quote(a, d->owner);
    if (!d->allowed_cidrs.n)
        return;
    for (size_t i = 0; i < d->allowed_cidrs.n; i++) {
        const char *net = d->allowed_cidrs.at[i];
        const char *bits = strchr(net, '/') ? "" : strchr(net, ':') ? "/128" : "/32";
        strbuf_addf(b, "host %s %s %s%s scram-sha-256\n", name, owner, net, bits);
    }
    strbuf_addf(b, "host %s %s all reject\n", name, owner);
}

char *guc_pg_hba_conf(Arena *a, const ClusterSpec *s)
{
    AUTO_STRBUF b = {0};
    strbuf_adds(&b, "# Written by pg-swarm; edit the profile instead.\n"
                    "# What the fleet needs for itself.\n"
                    "local all postgres scram-sha-256\n"
                    "local replication repl_user scram-sha-256\n"
                    "host replication repl_user all scram-sha-256\n"
                    "host all postgres samenet scram-sha-256\n");
    if (s->databases.n)
        strbuf_adds(&b, "# Databases and the networks that may reach them.\n");
    for (size_t i = 0; i < s->databases.n; i++)
        database_lines(a, &b, &((const ClusterDatabase *)s->databases.at)[i]);
    if (s->hba_rules.n)
        strbuf_adds(&b, "# The profile's own rules.\n");
    for (size_t i = 0; i < s->hba_rules.n; i++)
        strbuf_addf(&b, "%s\n", s->hba_rules.at[i]);
    strbuf_adds(&b, "# Everybody else shows a password.\n"
                    "local all all scram-sha-256\n"
                    "host all all all scram-sha-256\n");
    return arena_strdup(a, strbuf_str(&b));
}
