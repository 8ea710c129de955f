/* launcher/conf.h - the two configuration files PostgreSQL is started with, and the password file
 * of replication.
 *
 * postgresql.conf includes the cluster's file and adds the lines of this instance behind it, so
 * that no profile can overrule them. Passwords stand in the password file (0600) and nowhere else.
 * Rendering is pure; values are quoted, and one with a line break is refused. */
#pragma once
#include "core/launcher_proto.h"
#include "paths.h"

typedef struct Upstream { /* whom a standby follows; host NULL: nobody */
    const char *host, *leader, *user, *slot;
    uint64_t port, epoch;
} Upstream;

typedef struct ConfLines {   /* of this instance */
    const Upstream *up;      /* host NULL: the WAL receiver has nobody to go to */
    const char *sync;        /* synchronous_standby_names; NULL: as the
                                cluster's file has it */
    uint64_t promoted_epoch; /* at which the timeline began here, shown to whoever comes back
                                behind us; 0: not here */
    bool fenced;
} ConfLines;

ErrCode conf_render(const Paths *p, const ConfLines *c, StrBuf *out, Error *err) MUST_USE;
/* Our own lines first, the cluster's file behind them; under a fence, a rejection of all others
 * instead. */
void hba_render(StrView cluster_hba, bool fenced, StrBuf *out);
ErrCode passfile_render(const char *user, const char *password, StrBuf *out, Error *err) MUST_USE;
/* keyword='value' pairs for libpq: application_name is MEMBER.eEPOCH. No password in it. */
ErrCode conninfo_render(const Paths *p, const Upstream *up, StrBuf *out, Error *err) MUST_USE;

/* Both files into the run folder. ERR_NOT_FOUND when the cluster's files are not there. */
ErrCode conf_write(const Paths *p, const ConfLines *c, Error *err) MUST_USE;
ErrCode passfile_write(const Paths *p, const char *user, const char *password, Error *err) MUST_USE;
