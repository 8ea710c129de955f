/* central/init.h - what central does besides serving. */
#pragma once
#include "config.h"

/* Key file, database, CA, the first admin and a token for it; again and again is fine. */
ErrCode init_run(const Config *cfg, Error *err) MUST_USE;
/* Print the CA certificate. */
ErrCode init_print_ca(const Config *cfg, Error *err) MUST_USE;
