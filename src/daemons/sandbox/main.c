#include "app.h"
#include "core/file.h"
#include "core/log.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct OptionRow {
    const char *name, *env, *help;
} OptionRow;
enum {
    O_SITE,
    O_STATE,
    O_API_PORT,
    O_NODE_PORTS,
    O_IMAGES,
    O_LABELS,
    O_FORWARD,
    O_NO_NODE,
    O_LOG_LEVEL,
    O_HELP,
    O_VERSION,
    O_COUNT
};

static const OptionRow rows[O_COUNT] = {
    [O_SITE] = {"site", "PGSWARM_SITE", "NAME        name of the site (required)"},
    [O_STATE] = {"state", "PGSWARM_STATE_DIR",
                 "DIR         objects, keys, volumes, logs (required)"},
    [O_API_PORT] = {"api-port", "PGSWARM_API_PORT",
                    "N           port on 127.0.0.1; 0: any free one"},
    [O_NODE_PORTS] = {"node-ports", "PGSWARM_NODE_PORTS", "LO-HI       default 30000-32767"},
    [O_IMAGES] = {"images", "PGSWARM_IMAGES", "FILE        JSON: image to root folder"},
    [O_LABELS] = {"labels", "PGSWARM_LABELS", "k=v,..      labels of the node"},
    [O_FORWARD] = {"forward", "PGSWARM_FORWARD",
                   "NAME=ADDR   pods reach 127.0.0.1:PORT of the host at GATEWAY:PORT; repeatable"},
    [O_NO_NODE] = {"no-node", NULL, "            API and controllers only: pods stay Pending"},
    [O_LOG_LEVEL] = {"log-level", "PGSWARM_LOG_LEVEL", "LEVEL       trace debug info warn error"},
    [O_HELP] = {"help", NULL, "            this text"},
    [O_VERSION] = {"version", NULL, "            the version"},
};

static void help(void)
{
    puts("Usage: pg-swarm-sandbox --site NAME --state DIR [OPTION]...\n\n"
         "One process is one site: a Kubernetes API, its controllers and a node, on this machine.\n"
         "Every option may also come from the environment.\n");
    for (int i = 0; i < O_COUNT; i++) {
        printf("  --%-11s %s%s%s\n", rows[i].name, rows[i].help, rows[i].env ? "  " : "",
               rows[i].env ? rows[i].env : "");
    }
}

static ErrCode parse_range(const char *text, AppConfig *cfg, Error *err)
{
    StrView rest = sv(text), head = sv_cut(&rest, '-');
    char *lo_text = xasprintf(SV_FMT, SV_ARG(head));
    uint64_t lo, hi;
    bool ok = str_to_u64(lo_text, &lo) && rest.p && str_to_u64(rest.p, &hi) && lo > 0 && lo <= hi &&
              hi < 65536;
    free(lo_text);
    if (!ok) {
        return err_set(err, ERR_USAGE, "node-ports: '%s' is no range, write 30000-32767", text);
    }
    cfg->node_port_lo = (int)lo;
    cfg->node_port_hi = (int)hi;
    return ERR_OK;
}

static ErrCode add_forward(const char *text, AppConfig *cfg, Error *err)
{
    uint64_t port = 0;
    const char *eq = strchr(text, '='), *colon = strrchr(text, ':');
    if (!eq || !colon || colon < eq || !str_to_u64(colon + 1, &port) || port == 0 || port > 65535) {
        return err_set(err, ERR_USAGE, "forward: '%s' is not NAME=127.0.0.1:PORT", text);
    }
    cfg->forwards = xrealloc(cfg->forwards, (cfg->forward_count + 1) * sizeof *cfg->forwards);
    cfg->forwards[cfg->forward_count++] =
        (Forward){xstrndup(text, (size_t)(eq - text)), xstrdup(eq + 1), (int)port};
    return ERR_OK;
}

static ErrCode set_port(const char *text, AppConfig *cfg, Error *err)
{
    uint64_t port;
    if (!str_to_u64(text, &port) || port > 65535) {
        return err_set(err, ERR_USAGE, "api-port: '%s' is no port, 0 to 65535 is right", text);
    }
    cfg->api_port = (int)port;
    return ERR_OK;
}

static ErrCode set_level(const char *text, Error *err)
{
    LogLevel level;
    if (!log_level_from_name(text, &level)) {
        return err_set(err, ERR_USAGE, "log-level: '%s' is not one of trace debug info warn error",
                       text);
    }
    log_set_level(level);
    return ERR_OK;
}

static ErrCode set_option(int row, const char *value, AppConfig *cfg, Error *err)
{
    switch (row) {
    case O_SITE:
        cfg->site = value;
        return ERR_OK;
    case O_STATE:
        cfg->state_dir = value;
        return ERR_OK;
    case O_API_PORT:
        return set_port(value, cfg, err);
    case O_NODE_PORTS:
        return parse_range(value, cfg, err);
    case O_IMAGES:
        cfg->images_file = value;
        return ERR_OK;
    case O_LABELS:
        cfg->labels = value;
        return ERR_OK;
    case O_FORWARD:
        return add_forward(value, cfg, err);
    case O_LOG_LEVEL:
        return set_level(value, err);
    default:
        cfg->no_node = true;
        return ERR_OK;
    }
}

static ErrCode parse(int argc, char **argv, AppConfig *cfg, Error *err)
{
    struct option longs[O_COUNT + 1] = {0};
    for (int i = 0; i < O_COUNT; i++) {
        bool flag = i == O_NO_NODE || i == O_HELP || i == O_VERSION;
        longs[i] = (struct option){rows[i].name, flag ? no_argument : required_argument, NULL, i};
        const char *env = rows[i].env ? getenv(rows[i].env) : NULL;
        if (!str_empty(env) && set_option(i, env, cfg, err)) {
            return err->code;
        }
    }
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == O_HELP || c == O_VERSION) {
            c == O_HELP ? help() : (void)puts("pg-swarm-sandbox " PGSWARM_VERSION);
            exit(0);
        }
        if (c < 0 || c >= O_COUNT) {
            return err_set(err, ERR_USAGE, "see --help");
        }
        if (set_option(c, optarg, cfg, err)) {
            return err->code;
        }
    }
    if (str_empty(cfg->site) || str_empty(cfg->state_dir) || optind < argc) {
        return err_set(err, ERR_USAGE, "--site and --state are required; see --help");
    }
    return ERR_OK;
}

int main(int argc, char **argv)
{
    AppConfig cfg = {.node_port_lo = 30000, .node_port_hi = 32767, .version = "v1.28.15"};
    Error err = {0};
    App *app = NULL;
    log_init("sandbox", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    ErrCode rc = parse(argc, argv, &cfg, &err);
    char *state = NULL;
    if (!rc && !file_mkdirs(cfg.state_dir, 0755, &err)) {
        state = realpath(cfg.state_dir, NULL); /* mounts and children need it absolute */
        cfg.state_dir = state ? state : cfg.state_dir;
    }
    rc = rc ? rc : app_new(&cfg, &app, &err);
    if (!rc) {
        app_run(app);
        app_free(app);
    } else {
        fprintf(stderr, "pg-swarm-sandbox: %s\n", err.msg);
    }
    for (size_t i = 0; i < cfg.forward_count; i++) {
        free(cfg.forwards[i].name);
        free(cfg.forwards[i].target);
    }
    free(cfg.forwards);
    free(state);
    return rc ? err_exit(rc) : 0;
}
