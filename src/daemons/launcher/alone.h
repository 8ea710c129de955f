/* launcher/alone.h - a PostgreSQL by itself: the database of central where it has none.
 *
 * One instance without sidecar, lease or permit: initdb when PGDATA is not there yet, then postgres
 * until it ends. Reached over TCP with a password only. */
#pragma once
#include "core/str.h"

/* Exit status of postgres; on failure of what comes before it, ERR_* in err and -1. */
int alone_run(const char *user, const char *password_file, Error *err);
