#include "conf.h"

#include "core/file.h"
#include <inttypes.h>

enum { CONF_MAX = 1024 * 1024 };

static ErrCode check_value(const char *name, const char *value, Error *err)
{
    for (const char *s = value; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return err_set(err, ERR_INVALID,
                           "%s: has a control character, text of one line is right", name);
    return ERR_OK;
}

/* name = 'value', as postgresql.conf wants it: both quote and backslash are escapes there. */
static ErrCode conf_line(StrBuf *out, const char *name, const char *value, Error *err)
{
    if (check_value(name, value, err))
        return err->code;
    strbuf_addf(out, "%s = '", name);
    for (const char *s = value; *s; s++) {
        if (*s == '\'' || *s == '\\')
            strbuf_addc(out, *s);
        strbuf_addc(out, *s);
    }
    strbuf_adds(out, "'\n");
    return ERR_OK;
}

static ErrCode conn_pair(StrBuf *out, const char *key, const char *value, Error *err)
{
    if (str_empty(value))
        return ERR_OK;
    if (check_value(key, value, err))
        return err->code;
    strbuf_addf(out, "%s%s='", out->n ? " " : "", key);
    for (const char *s = value; *s; s++) {
        if (*s == '\'' || *s == '\\')
            strbuf_addc(out, '\\');
        strbuf_addc(out, *s);
    }
    strbuf_addc(out, '\'');
    return ERR_OK;
}

ErrCode conninfo_render(const Paths *p, const Upstream *up, StrBuf *out, Error *err)
{
    AUTO_ARENA a = arena_new();
    if (up->port == 0 || up->port > 65535)
        return err_set(err, ERR_INVALID, "port: %" PRIu64 " is not one, 1 to 65535 is right",
                       up->port);
    const char *pairs[][2] = {
        {"host", up->host},
        {"port", arena_printf(a, "%" PRIu64, up->port)},
        {"user", up->user},
        {"passfile", p->passfile},
        {"application_name", arena_printf(a, "%s.e%" PRIu64, p->member, up->epoch)},
        {"connect_timeout", "5"},
        /* A primary that vanished without a word is noticed in about ten seconds. */
        {"keepalives_idle", "5"},
        {"keepalives_interval", "2"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "10000"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (conn_pair(out, pairs[i][0], pairs[i][1], err))
            return err->code;
    return ERR_OK;
}

static ErrCode standby_lines(const Paths *p, const Upstream *up, StrBuf *out, Error *err)
{
    AUTO_STRBUF info = {0};
    strbuf_addf(out, "# following %s at epoch %" PRIu64 "\n", str_or(up->leader, "?"), up->epoch);
    if (check_value("leader", str_or(up->leader, "?"), err) || conninfo_render(p, up, &info, err) ||
        conf_line(out, "primary_conninfo", strbuf_str(&info), err) ||
        conf_line(out, "primary_slot_name", str_or(up->slot, ""), err))
        return err->code;
    return ERR_OK;
}

/* Explicit even when empty: the cluster's file must not say otherwise. */
static ErrCode upstream_lines(const Paths *p, const ConfLines *c, StrBuf *out, Error *err)
{
    if (c->up && c->up->host)
        return standby_lines(p, c->up, out, err);
    strbuf_adds(out, "primary_conninfo = ''\nprimary_slot_name = ''\n"
                     "# Sealed, or being promoted: no query holds up the replay.\n"
                     "max_standby_streaming_delay = 0\nmax_standby_archive_delay = 0\n");
    return ERR_OK;
}

ErrCode conf_render(const Paths *p, const ConfLines *c, StrBuf *out, Error *err)
{
    AUTO_ARENA a = arena_new();
    strbuf_adds(out,
                "# Written by pg-swarm-launcher before each start and reload; edits are lost.\n"
                "# A standby looks for its primary this often; the profile may say otherwise.\n"
                "wal_retrieve_retry_interval = '200ms'\n"
                "# A primary that is frozen says nothing, and closes nothing.\n"
                "wal_receiver_timeout = '5s'\n"
                "include ");
    AUTO_STRBUF quoted = {0};
    if (conf_line(&quoted, "x", arena_printf(a, "%s/postgresql.conf", p->config), err))
        return err->code;
    strbuf_adds(out, strbuf_str(&quoted) + 4); /* behind "x = " */
    const char *lines[][2] = {
        {"port", p->pg_port},
        {"unix_socket_directories", p->run},
        {"cluster_name", p->member},
        /* Lines go through the launcher: to the container's log and to the sidecar. */
        {"log_destination", "stderr"},
        {"logging_collector", "off"},
        {"hot_standby", "on"},
        {"recovery_target_timeline", "latest"},
        /* Its standbys vouch for a primary that cannot reach the API server. */
        {"wal_receiver_status_interval", "1s"},
        /* Not a parameter of PostgreSQL: a name of ours that it shows on request. */
        {"pgswarm.promoted_epoch", arena_printf(a, "%" PRIu64, c->promoted_epoch)},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (conf_line(out, lines[i][0], lines[i][1], err))
            return err->code;
    if (c->sync && conf_line(out, "synchronous_standby_names", c->sync, err))
        return err->code;
    return upstream_lines(p, c, out, err);
}

void hba_render(StrView cluster_hba, bool fenced, StrBuf *out)
{
    strbuf_adds(out,
                "# Written by pg-swarm-launcher before each start and reload; edits are lost.\n"
                "local all         postgres      scram-sha-256\n"
                "local replication postgres      scram-sha-256\n"
                "host  replication repl_user all scram-sha-256\n"
                /* pg_rewind, and the question who forked where */
                "host  postgres    repl_user all scram-sha-256\n");
    if (fenced) {
        strbuf_adds(out, "host  all         all       all reject\n"
                         "local all         all           reject\n");
        return;
    }
    strbuf_add(out, cluster_hba.p, cluster_hba.n);
    strbuf_addc(out, '\n');
}

ErrCode passfile_render(const char *user, const char *password, StrBuf *out, Error *err)
{
    if (str_empty(user) || str_empty(password))
        return err_set(err, ERR_INVALID, "user, password: both are needed for replication");
    if (check_value("user", user, err) || check_value("password", password, err))
        return err->code;
    strbuf_adds(out, "*:*:*:");
    for (int i = 0; i < 2; i++) {
        for (const char *s = i ? password : user; *s; s++) {
            if (*s == ':' || *s == '\\')
                strbuf_addc(out, '\\');
            strbuf_addc(out, *s);
        }
        strbuf_addc(out, i ? '\n' : ':');
    }
    return ERR_OK;
}

ErrCode passfile_write(const Paths *p, const char *user, const char *password, Error *err)
{
    AUTO_STRBUF text = {0};
    if (passfile_render(user, password, &text, err))
        return err->code;
    return file_write_atomic(p->passfile, sv_n(text.p, text.n), 0600, err);
}

ErrCode conf_write(const Paths *p, const ConfLines *c, Error *err)
{
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF conf = {0};
    AUTO_STRBUF hba = {0};
    StrView cluster_hba;
    if (!file_exists(arena_printf(a, "%s/postgresql.conf", p->config)))
        return err_set(err, ERR_NOT_FOUND, "%s/postgresql.conf is not there", p->config);
    if (file_read(a, arena_printf(a, "%s/pg_hba.conf", p->config), CONF_MAX, &cluster_hba, err) ||
        conf_render(p, c, &conf, err))
        return err->code;
    hba_render(cluster_hba, c->fenced, &hba);
    if (file_write_atomic(p->hba, sv_n(hba.p, hba.n), 0600, err) ||
        file_write_atomic(p->conf, sv_n(conf.p, conf.n), 0600, err))
        return err->code;
    return ERR_OK;
}
