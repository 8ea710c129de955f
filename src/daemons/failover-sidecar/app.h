/* app.h - wires the sidecar's parts together; the one place that knows them all. */
#pragma once
#include "config.h"

/* Runs until SIGTERM or SIGINT. PostgreSQL is not touched by our end. */
ErrCode app_run(Config *cfg, Error *err) MUST_USE;
