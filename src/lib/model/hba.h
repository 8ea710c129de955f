/* model/hba.h - lines of pg_hba.conf, read as PostgreSQL reads them. */
#pragma once
#include "core/strmap.h"

typedef enum HbaType {
    HBA_LOCAL,
    HBA_HOST,
    HBA_HOSTSSL,
    HBA_HOSTNOSSL,
    HBA_HOSTGSSENC,
    HBA_HOSTNOGSSENC
} HbaType;

typedef struct HbaRule {
    HbaType type;
    const char *databases, *users; /* as written */
    const char *address;           /* "" for local */
    const char *method;
    StrList options;
} HbaRule;

/* One line; `major` decides which methods and forms exist. The error says what is wrong with which
 * field. A blank or comment line is ERR_NOT_FOUND. */
ErrCode hba_parse(Arena *a, const char *line, unsigned major, HbaRule *ret, Error *err) MUST_USE;
/* Fields divided by one blank, quoted where needed. */
char *hba_text(Arena *a, const HbaRule *r);
/* A database or role name as one field of pg_hba.conf: always quoted, so that keywords lose their
 * meaning. */
char *hba_quote(Arena *a, const char *name);
