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
#define LP_TYPES(X)                                                                            \
    X(RESULT, 1)                                                                               \
    X(STATE, 2)                                                                                \
    X(LOG, 3)                                                                                  \
    X(STATUS, 16)     /* one STATE, before its RESULT */                                       \
    X(WATCH, 17)      /* the same, and one more after each change */                           \
    X(LOGS, 18)       /* lines of PostgreSQL and of the tools from now on */                   \
    X(INITDB, 19)     /* password, epoch */                                                    \
    X(BASEBACKUP, 20) /* host, port, user, password, member, slot, epoch, system_id */         \
    X(START, 21)      /* role, member, epoch; primary: deadline; standby: host, port, leader,  \
                         user, password, slot */                                               \
    X(FOLLOW, 22)     /* a running standby: host, port, leader, user, password, slot, epoch */ \
    X(STOP, 23)       /* mode */                                                               \
    X(RELOAD, 24)                                                                              \
    X(PERMIT, 25) /* epoch, deadline */

typedef enum LpType {
#define X(name, n) LP_##name = n,
    LP_TYPES(X)
#undef X
} LpType;

/* name, tag, N(umber) or T(ext) */
#define LP_FIELDS(X)                                                          \
    X(CODE, 1, N) /* ErrCode */                                               \
    X(MESSAGE, 2, T)                                                          \
    X(ROLE, 3, N)                                                             \
    X(HOST, 4, T)                                                             \
    X(PORT, 5, N)                                                             \
    X(USER, 6, T)                                                             \
    X(PASSWORD, 7, T)                                                         \
    X(MEMBER, 8, T) /* this pod's name */                                     \
    X(LEADER, 9, T) /* the named instance that is followed */                 \
    X(SLOT, 10, T)                                                            \
    X(EPOCH, 11, N)                                                           \
    X(DEADLINE, 12, N)                                                        \
    X(MODE, 13, N)                                                            \
    X(SYSTEM_ID, 14, N)                                                       \
    X(LINE, 15, T)                                                            \
    X(DROPPED, 16, N) /* log lines lost before this one */                    \
    X(PG, 32, N)      /* LpPg; ROLE and EPOCH tell what it was started as */  \
    X(PID, 33, N)                                                             \
    X(STARTED, 34, N)                                                         \
    X(DATA, 35, N) /* LpData */                                               \
    X(STAMP_ROLE, 36, N)                                                      \
    X(STAMP_EPOCH, 37, N)                                                     \
    X(TIMELINE, 38, N)                                                        \
    X(JOB, 39, N) /* LpJob under way */                                       \
    X(JOB_STARTED, 40, N)                                                     \
    X(LAST_JOB, 41, N) /* the last one that ended, and how */                 \
    X(LAST_CODE, 42, N)                                                       \
    X(LAST_MESSAGE, 43, T)                                                    \
    X(EXITS, 44, N) /* how often PostgreSQL ended unasked; then how it did */ \
    X(EXIT_STATUS, 45, N)                                                     \
    X(EXIT_SIGNAL, 46, N)                                                     \
    X(PERMITS_EXPIRED, 47, N)                                                 \
    X(DISK_TOTAL, 48, N)                                                      \
    X(DISK_USED, 49, N)                                                       \
    X(WAL_TOTAL, 50, N) /* of the WAL volume; 0: none of its own */           \
    X(WAL_USED, 51, N)                                                        \
    X(VERSION, 52, T)                                                         \
    X(PG_MAJOR, 53, N)                                                        \
    X(TERMINATING, 54, N) /* asked to end; PostgreSQL is being shut down */

typedef enum LpField {
#define X(name, tag, kind) LPF_##name,
    LP_FIELDS(X)
#undef X
        LPF_COUNT
} LpField;

typedef enum LpRole { LP_ROLE_NONE, LP_ROLE_PRIMARY, LP_ROLE_STANDBY } LpRole;
typedef enum LpPg { LP_PG_DOWN, LP_PG_UP, LP_PG_STOPPING } LpPg;
typedef enum LpJob { LP_JOB_NONE, LP_JOB_RECOVER, LP_JOB_INITDB, LP_JOB_BASEBACKUP } LpJob;
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
} LpData;

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
