/* launcher/main.c - pg-swarm-launcher: PID 1 of the PostgreSQL container. */
#include "alone.h"
#include "core/log.h"
#include "core/str.h"
#include "install.h"
#include "launcher.h"
#include <stdio.h>
#include <stdlib.h>

static const char HELP[] =
    "usage: pg-swarm-launcher [--install DEST | --alone USER PASSWORD_FILE | --version | --help]\n"
    "\n"
    "Owns PostgreSQL in its container: initdb, base backup, rewind, start, promote, stop, as the "
    "failover\n"
    "sidecar asks over launcher.sock. As a primary PostgreSQL only runs under a permit that the\n"
    "sidecar keeps extending.\n"
    "\n"
    "  --install DEST   copy this program to DEST and end\n"
    "  --alone USER PASSWORD_FILE\n"
    "                   one PostgreSQL by itself, without a sidecar: initdb with that superuser\n"
    "                   where PGDATA is not there yet, then postgres (central's own database)\n"
    "\n"
    "environment:\n"
    "  PGDATA                      folder of the cluster, inside the data volume\n"
    "                              (/var/lib/postgresql/data/pgdata)\n"
    "  PGSWARM_WAL_DIR             WAL volume, used when it is there\n"
    "                              (/var/lib/postgresql/wal, when that is a mount point)\n"
    "  PGSWARM_RUN_DIR             sockets and written configuration (/pgswarm/run)\n"
    "  PGSWARM_CONFIG_DIR          postgresql.conf and pg_hba.conf (/pgswarm/config)\n"
    "  PGSWARM_BINDIR              programs of PostgreSQL; else PATH, /usr/lib/postgresql/\n"
    "                              $PGSWARM_MAJOR/bin, /usr/local/bin, "
    "/usr/pgsql-$PGSWARM_MAJOR/bin\n"
    "  PGSWARM_PGPORT              port of PostgreSQL (5432)\n"
    "  PGSWARM_LOCALE              locale of new clusters (C.UTF-8)\n"
    "  PGSWARM_STOP_GRACE_SECONDS  fast shutdown on SIGTERM, then immediate (50)\n"
    "  PGSWARM_LOG_LEVEL           trace, debug, info, warn or error (info)\n"
    "  POD_NAME                    name of this member\n";

int main(int argc, char **argv)
{
    LogLevel level = LOG_INFO;
    log_level_from_name(getenv("PGSWARM_LOG_LEVEL"), &level);
    log_init("launcher", level);
    const char *option = argc > 1 ? argv[1] : NULL;
    Error err = {0};
    if (!option)
        return launcher_run();
    if (str_eq(option, "--help") || str_eq(option, "--version")) {
        fputs(str_eq(option, "--help") ? HELP : "pg-swarm-launcher " PGSWARM_VERSION "\n", stdout);
        return 0;
    }
    if (str_eq(option, "--install") && argc == 3) {
        if (install_self(argv[2], &err) == ERR_OK)
            return 0;
        fprintf(stderr, "pg-swarm-launcher: %s\n", err.msg);
        return err_exit(err.code);
    }
    if (str_eq(option, "--alone") && argc == 4) {
        int status = alone_run(argv[2], argv[3], &err);
        if (status >= 0)
            return status;
        fprintf(stderr, "pg-swarm-launcher: %s\n", err.msg);
        return err_exit(err.code);
    }
    fprintf(stderr, "pg-swarm-launcher: what is '%s'? Try --help.\n", option);
    return err_exit(ERR_USAGE);
}
