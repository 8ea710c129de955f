#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef enum RowKind { ROW_TEXT, ROW_BOOL, ROW_LEVEL, ROW_DAYS } RowKind;

/* One row an option: its name gives --name and PGSWARM_NAME. */
static const struct {
    const char *name;
    RowKind kind;
    size_t offset;
    const char *def, *arg, *help;
    const char *verb; /* only for this verb; NULL: always */
} ROWS[] = {
    {"database-url", ROW_TEXT, offsetof(Config, database_url), "dbname=pgswarm", "CONNINFO",
     "the database: keywords or postgresql://", NULL},
    {"key-file", ROW_TEXT, offsetof(Config, key_file), "", "FILE",
     "64 hex digits that seal secrets in the database", NULL},
    {"http-addr", ROW_TEXT, offsetof(Config, http_addr), ":8080", "ADDR",
     "REST, WebSocket and git listen here", NULL},
    {"http-tls", ROW_BOOL, offsetof(Config, http_tls), "on", "on|off",
     "TLS with a certificate of our own CA on it", NULL},
    {"grpc-addr", ROW_TEXT, offsetof(Config, grpc_addr), ":9090", "ADDR",
     "satellites connect here, with TLS", NULL},
    {"grpc-plaintext-addr", ROW_TEXT, offsetof(Config, grpc_plaintext_addr), "", "ADDR",
     "the same without TLS, with bearer tokens; for behind a proxy", NULL},
    {"tls-names", ROW_TEXT, offsetof(Config, tls_names), "", "NAME,..",
     "names and addresses in the server certificate, besides localhost", NULL},
    {"event-days", ROW_DAYS, offsetof(Config, event_days), "90", "DAYS", "events are kept so long",
     NULL},
    {"log-level", ROW_LEVEL, offsetof(Config, log_level), "info", "LEVEL",
     "trace, debug, info, warn or error", NULL},
    {"admin", ROW_TEXT, offsetof(Config, admin), "", "NAME", "the first admin", "init"},
    {"password-file", ROW_TEXT, offsetof(Config, password_file), "", "FILE|-",
     "the admin's password; without it only tokens work", "init"},
    {"ca-out", ROW_TEXT, offsetof(Config, ca_out), "", "FILE", "write the CA certificate here",
     "init"},
    {"token-out", ROW_TEXT, offsetof(Config, token_out), "", "FILE",
     "write a token of the admin here (0600)", "init"},
    {"dump", ROW_TEXT, offsetof(Config, dump), "", "openapi", "print what this program knows",
     NULL},
};
enum { N_ROWS = sizeof ROWS / sizeof *ROWS };

static ErrCode set_row(Config *c, size_t row, const char *value, Error *err)
{
    void *at = (char *)c + ROWS[row].offset;
    switch (ROWS[row].kind) {
    case ROW_TEXT:
        *(const char **)at = value;
        return ERR_OK;
    case ROW_BOOL:
        if (!str_eq(value, "on") && !str_eq(value, "off"))
            return err_set(err, ERR_USAGE, "%s: '%s' is neither on nor off", ROWS[row].name, value);
        *(bool *)at = str_eq(value, "on");
        return ERR_OK;
    case ROW_DAYS:
        if (!str_to_i64(value, at) || *(int64_t *)at < 1 || *(int64_t *)at > 36500)
            return err_set(err, ERR_USAGE, "%s: '%s'; 1 to 36500 is right", ROWS[row].name, value);
        return ERR_OK;
    case ROW_LEVEL:
        if (!log_level_from_name(value, at))
            return err_set(err, ERR_USAGE, "%s: '%s' is not %s", ROWS[row].name, value,
                           ROWS[row].help);
        return ERR_OK;
    }
    return ERR_OK;
}

static void env_name(const char *name, char *out, size_t cap)
{
    snprintf(out, cap, "PGSWARM_%s", name);
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
}

static ErrCode from_env(Config *c, Error *err)
{
    char env[64];
    for (size_t i = 0; i < N_ROWS; i++) {
        env_name(ROWS[i].name, env, sizeof env);
        const char *v = ROWS[i].verb ? NULL : getenv(env);
        ErrCode rc = set_row(c, i, v && *v ? v : ROWS[i].def, err);
        if (rc)
            return err_wrap(err, "%s", env);
    }
    return ERR_OK;
}

static ErrCode unknown_option(const char *arg, Error *err)
{
    const char *names[N_ROWS + 1] = {NULL};
    for (size_t i = 0; i < N_ROWS; i++)
        names[i] = ROWS[i].name;
    const char *near = str_nearest(arg, names);
    return err_set(err, ERR_USAGE, "unknown option --%s%s%s%s", arg,
                   near ? "; did you mean --" : "", str_or(near, ""), near ? "?" : "");
}

/* --name VALUE or --name=VALUE; *i moves over what was used. */
static ErrCode option(Arena *a, Config *c, int argc, char **argv, int *i, Error *err)
{
    const char *arg = argv[*i] + 2, *eq = strchr(arg, '=');
    const char *name = eq ? arena_strndup(a, arg, (size_t)(eq - arg)) : arg;
    for (size_t row = 0; row < N_ROWS; row++) {
        if (!str_eq(ROWS[row].name, name))
            continue;
        if (ROWS[row].verb && !str_eq(ROWS[row].verb, c->service))
            return err_set(err, ERR_USAGE, "--%s belongs to %s", name, ROWS[row].verb);
        if (eq)
            return set_row(c, row, eq + 1, err);
        if (*i + 1 >= argc)
            return err_set(err, ERR_USAGE, "--%s needs %s", name, ROWS[row].arg);
        return set_row(c, row, argv[++*i], err);
    }
    return unknown_option(name, err);
}

/* Beside the user's other state, so that a first start needs no option. */
static const char *default_key_file(Arena *a)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (geteuid() == 0 || (str_empty(state) && str_empty(home)))
        return "/etc/pgswarm/central.key";
    if (!str_empty(state))
        return arena_printf(a, "%s/pgswarm/central.key", state);
    return arena_printf(a, "%s/.local/state/pgswarm/central.key", home);
}

ErrCode config_load(Arena *a, int argc, char **argv, Config *ret, ConfigVerdict *ret_verdict,
                    Error *err)
{
    Config c = {.service = ""};
    ErrCode rc = from_env(&c, err);
    *ret_verdict = CONFIG_RUN;
    for (int i = 1; !rc && i < argc; i++) {
        if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
            *ret_verdict = CONFIG_HELP;
        else if (str_eq(argv[i], "--version"))
            *ret_verdict = CONFIG_VERSION;
        else if (str_starts(argv[i], "--"))
            rc = option(a, &c, argc, argv, &i, err);
        else if (!*c.service && (str_eq(argv[i], "init") || str_eq(argv[i], "ca")))
            c.service = argv[i];
        else
            rc = err_set(err, ERR_USAGE, "'%s': init or ca is what can stand here", argv[i]);
    }
    if (rc)
        return rc;
    if (*c.dump)
        c.service = "dump";
    if (!*c.key_file)
        c.key_file = default_key_file(a);
    *ret = c;
    return ERR_OK;
}

char *config_help(Arena *a)
{
    AUTO_STRBUF b = {0};
    char env[64];
    strbuf_adds(&b, "pg-swarm-central [OPTIONS]            serve\n"
                    "pg-swarm-central init --admin NAME    make database, key, CA and the first "
                    "admin; again and again is fine\n"
                    "pg-swarm-central ca                   print the CA certificate\n\n");
    for (size_t i = 0; i < N_ROWS; i++) {
        env_name(ROWS[i].name, env, sizeof env);
        strbuf_addf(&b, "  --%s %s\n        %s%s%s%s%s%s\n", ROWS[i].name, ROWS[i].arg,
                    ROWS[i].help, *ROWS[i].def ? "; default " : "", ROWS[i].def,
                    ROWS[i].verb ? " (" : " (", ROWS[i].verb ? ROWS[i].verb : env, ")");
    }
    strbuf_adds(&b, "  --help, --version\n");
    return arena_strdup(a, strbuf_str(&b));
}

static bool is_address(const char *s)
{
    return strchr(s, ':') || strspn(s, "0123456789.") == strlen(s);
}

const char *const *config_sans(Arena *a, const Config *cfg)
{
    StrList out = {0};
    StrView rest = sv(cfg->tls_names);
    strlist_add(a, &out, "DNS:localhost");
    strlist_add(a, &out, "IP:127.0.0.1");
    strlist_add(a, &out, "IP:::1");
    while (rest.p) {
        const char *name = sv_dup(a, sv_trim(sv_cut(&rest, ',')));
        if (*name && !str_eq(name, "localhost") && !str_eq(name, "127.0.0.1"))
            strlist_add(a, &out, arena_printf(a, "%s:%s", is_address(name) ? "IP" : "DNS", name));
    }
    strlist_add(a, &out, NULL);
    return out.at;
}
