/* core/launcher_proto.h - what the failover sidecar and the launcher say to each other over
 * /pgswarm/run/launcher.sock.
 *
 * A frame is: u32 length of what follows, u8 version, u8 type, u16 zero, u32 id, then fields, all
 * little-endian. A field is: u8 tag, u16 length, bytes. Numbers are 8 bytes; texts carry their NUL.
 * Unknown tags are skipped, so either side may be older. Each request is answered by one RESULT of
 * the same id (a job's when it ended); STATE and LOG come unasked after WATCH and LOGS. Times are
 * milliseconds on CLOCK_BOOTTIME, which both containers share. */
#pragma once
#include "core/str.h"

enum {
    LP_VERSION = 1,
    LP_FRAME_MAX = 16 * 1024, /* whole frame */
    LP_LOG_LINE = 8 * 1024,   /* longer lines are cut */
    LP_HEADER = 12,
};

/* type, number on the wire */
#define LP_TYPES(X)                                                                               \
    X(RESULT, 1)                                                                                  \
    X(STATE, 2)                                                                                   \
    X(LOG, 3)                                                                                     \
    X(STATUS, 16)     /* one STATE, before its RESULT */                                          \
    X(WATCH, 17)      /* the same, and one more after each change */                              \
    X(LOGS, 18)       /* lines of PostgreSQL and of the tools from now on */                      \
    X(INITDB, 19)     /* password, epoch */                                                       \
    X(BASEBACKUP, 20) /* host, port, user, password, member, slot, epoch, system_id */            \
    X(START, 21)      /* role, member, epoch, sync; primary: deadline; standby: host, port,       \
                         leader, user, password, slot; or sealed, and then nobody is followed */  \
    X(FOLLOW, 22)     /* a running standby: host, port, leader, user, password, slot, epoch,      \
                         sync when given */                                                       \
    X(STOP, 23)       /* mode */                                                                  \
    X(RELOAD, 24)                                                                                 \
    X(PERMIT, 25)  /* epoch, deadline */                                                          \
    X(SEAL, 26)    /* a running standby: epoch. Its upstream is dropped, and the seal is on disk. \
                      The receiver ends a moment later; FOLLOW takes the seal off */              \
    X(PROMOTE, 27) /* a running standby: epoch, deadline, sync. RESULT when PostgreSQL is out of  \
                      recovery, or ended before. Asked again at the same epoch: the same */       \
    X(REWIND, 28)  /* PostgreSQL is down: host, port, user, password, epoch, system_id. Then look \
                      at the state again: it is a standby's data, and may be started */           \
    X(FORGET, 29)  /* removes the data directories that clones have put aside */                  \
    X(FENCE, 30)   /* operation: only replication and the local socket get in, until UNFENCE,     \
                      whatever is restarted in between */                                         \
    X(UNFENCE, 31) /* operation: the fence's own, or none: whoever's it is */                     \
    X(SYNC, 32)    /* sync: synchronous_standby_names from here on */                             \
    X(HISTORY, 33) /* timeline (0: the newest): RESULT with timeline and text, a line per         \
                      ancestor: "TIMELINE LSN"; NOT_FOUND when there is no such file */

typedef enum LpType {
#define X(name, n) LP_##name = n,
    LP_TYPES(X)
#undef X
} LpType;

/* name, tag, N(umber) or T(ext) */
#define LP_FIELDS(X)                                                                             \
    X(CODE, 1, N) /* ErrCode */                                                                  \
    X(MESSAGE, 2, T)                                                                             \
    X(ROLE, 3, N)                                                                                \
    X(HOST, 4, T)                                                                                \
    X(PORT, 5, N)                                                                                \
    X(USER, 6, T)                                                                                \
    X(PASSWORD, 7, T)                                                                            \
    X(MEMBER, 8, T) /* this pod's name */                                                        \
    X(LEADER, 9, T) /* the named instance that is followed */                                    \
    X(SLOT, 10, T)                                                                               \
    X(EPOCH, 11, N)                                                                              \
    X(DEADLINE, 12, N)                                                                           \
    X(MODE, 13, N)                                                                               \
    X(SYSTEM_ID, 14, N)                                                                          \
    X(LINE, 15, T)                                                                               \
    X(DROPPED, 16, N) /* log lines lost before this one */                                       \
    X(PG, 32, N)      /* LpPg; ROLE and EPOCH tell what it was started as */                     \
    X(PID, 33, N)                                                                                \
    X(STARTED, 34, N)                                                                            \
    X(DATA, 35, N) /* LpData */                                                                  \
    X(STAMP_ROLE, 36, N)                                                                         \
    X(STAMP_EPOCH, 37, N)                                                                        \
    X(TIMELINE, 38, N)                                                                           \
    X(JOB, 39, N) /* LpJob under way */                                                          \
    X(JOB_STARTED, 40, N)                                                                        \
    X(LAST_JOB, 41, N) /* the last one that ended, and how */                                    \
    X(LAST_CODE, 42, N)                                                                          \
    X(LAST_MESSAGE, 43, T)                                                                       \
    X(EXITS, 44, N) /* how often PostgreSQL ended unasked; then how it did */                    \
    X(EXIT_STATUS, 45, N)                                                                        \
    X(EXIT_SIGNAL, 46, N)                                                                        \
    X(PERMITS_EXPIRED, 47, N)                                                                    \
    X(DISK_TOTAL, 48, N)                                                                         \
    X(DISK_USED, 49, N)                                                                          \
    X(WAL_TOTAL, 50, N) /* of the WAL volume; 0: none of its own */                              \
    X(WAL_USED, 51, N)                                                                           \
    X(VERSION, 52, T)                                                                            \
    X(PG_MAJOR, 53, N)                                                                           \
    X(TERMINATING, 54, N) /* asked to end; PostgreSQL is being shut down */                      \
    X(STOPPED_AT, 55, N)  /* the postmaster is stopped by a signal since; 0: it is not */        \
    X(FENCED, 56, N)                                                                             \
    X(OPERATION, 57, T) /* whose fence it is */                                                  \
    X(SYNC, 58, T)      /* absent in a request: as it is; "": nobody is waited for */            \
    X(SEALED, 59, N)    /* the epoch it is sealed for; 0: it is not */                           \
    X(DB_STATE, 60, N)  /* LpDb, and all to MIN_RECOVERY_TIMELINE: as the control file has it */ \
    X(CKPT_LSN, 61, N)                                                                           \
    X(CKPT_REDO, 62, N)                                                                          \
    X(CKPT_TIMELINE, 63, N)                                                                      \
    X(MIN_RECOVERY_LSN, 64, N)                                                                   \
    X(MIN_RECOVERY_TIMELINE, 65, N)                                                              \
    X(OLD_DATA, 66, N)    /* bytes of directories put aside by clones */                         \
    X(IN_RECOVERY, 67, N) /* PostgreSQL runs and is a standby, or not yet promoted */            \
    X(TEXT, 68, T)                                                                               \
    X(PROMOTED_EPOCH, 69, N) /* at which the data's timeline began here; 0: not here */          \
    X(BACKUP_LABEL, 70, N)   /* the data is a base backup that was never recovered */            \
    X(PROMOTING, 71, N)      /* a promotion from this timeline was asked for and not seen through */

typedef enum LpField {
#define X(name, tag, kind) LPF_##name,
    LP_FIELDS(X)
#undef X
        LPF_COUNT
} LpField;

typedef enum LpRole { LP_ROLE_NONE, LP_ROLE_PRIMARY, LP_ROLE_STANDBY } LpRole;
typedef enum LpPg { LP_PG_DOWN, LP_PG_UP, LP_PG_STOPPING } LpPg;
typedef enum LpJob {
    LP_JOB_NONE,
    LP_JOB_RECOVER,
    LP_JOB_INITDB,
    LP_JOB_BASEBACKUP,
    LP_JOB_REWIND,
    LP_JOB_FORGET,
} LpJob;
typedef enum LpStop {
    LP_STOP_SMART = 1,
    LP_STOP_FAST,
    LP_STOP_IMMEDIATE, /* and the group is killed when it is not gone after 500 ms */
    LP_STOP_KILL,      /* the whole group, now */
} LpStop;
typedef enum LpData {
    LP_DATA_EMPTY,   /* nothing, and never was */
    LP_DATA_LOST,    /* nothing now, but a marker says that the volume held a cluster */
    LP_DATA_FOREIGN, /* something that PG-Swarm did not make: not touched */
    LP_DATA_READY,   /* a complete cluster; its stamp tells role and epoch */
    LP_DATA_MARKED,  /* a rewind began to change it and did not end: never started, only rewound
                        again or cloned anew */
} LpData;
typedef enum LpDb { /* as PostgreSQL numbers it */
                    LP_DB_STARTUP,
                    LP_DB_SHUTDOWNED,
                    LP_DB_SHUTDOWNED_IN_RECOVERY,
                    LP_DB_SHUTDOWNING,
                    LP_DB_IN_CRASH_RECOVERY,
                    LP_DB_IN_ARCHIVE_RECOVERY,
                    LP_DB_IN_PRODUCTION,
} LpDb;

/* Absent numbers are 0, absent texts NULL. Texts of a decoded message point into its bytes. */
typedef struct LpMsg {
    uint8_t type;
    uint32_t id;
    uint64_t num[LPF_COUNT];
    const char *text[LPF_COUNT];
} LpMsg;

void lp_encode(StrBuf *out, const LpMsg *m);
/* Bytes used by the first frame, 0 when it is not complete yet, -1 when this can never be one. */
ptrdiff_t lp_decode(const char *p, size_t n, LpMsg *ret);
const char *lp_type_name(uint8_t type); /* "?" when unknown */
const char *lp_job_name(LpJob job);
const char *lp_role_name(LpRole role);
