/* failover-sidecar/main.c - pg-swarm-failover-sidecar: decides what this member of a cluster is. */
#include "app.h"
#include "core/log.h"
#include <signal.h>
#include <stdio.h>

static int usage(FILE *out, int status)
{
    fputs("usage: pg-swarm-failover-sidecar [--version | --help]\n\n"
          "Runs beside PostgreSQL in its pod: holds or watches the cluster's lease, has the "
          "launcher\n"
          "initialise, clone, start and follow, and tells the satellite how PostgreSQL is.\n\n"
          "environment:\n",
          out);
    config_help();
    return status;
}

int main(int argc, char **argv)
{
    const char *option = argc > 1 ? argv[1] : NULL;
    if (str_eq(option, "--help"))
        return usage(stdout, 0);
    if (str_eq(option, "--version")) {
        puts("pg-swarm-failover-sidecar " PGSWARM_VERSION);
        return 0;
    }
    if (option) {
        fprintf(stderr, "pg-swarm-failover-sidecar: what is '%s'? Try --help.\n", option);
        return err_exit(ERR_USAGE);
    }
    signal(SIGPIPE, SIG_IGN);
    AUTO_ARENA a = arena_new();
    Config cfg;
    Error err = {0};
    LogLevel level = LOG_INFO;
    log_init("sidecar", level);
    if (config_load(a, &cfg, &err) == ERR_OK) {
        if (log_level_from_name(cfg.log_level, &level))
            log_set_level(level);
        app_run(&cfg, &err) == ERR_OK ? (void)0 : (void)err_wrap(&err, "start");
    }
    if (err.code)
        log_error("app", "cannot run", "err=%s", log_quote(err.msg));
    return err_exit(err.code);
}
