/* lease/lease_json.h - the Lease NAME-leader as a struct, and back. Pure.
 *
 * Annotations whose value is a JSON object are kept as text beside what was read of them; text that
 * cannot be read counts as absent. */
#pragma once
#include "core/str.h"
#include <cjson/cJSON.h>

enum { LEASE_TEXT = 256, LEASE_SYNC = 1536 };

#define LEASE_A_ADDR "pg-swarm.io/primary-addr"
#define LEASE_A_SYSTEM "pg-swarm.io/system-id"
#define LEASE_A_TIMELINE "pg-swarm.io/timeline"
#define LEASE_A_SERVED                                                                      \
    "pg-swarm.io/served-epoch"               /* the last epoch whose primary let clients in \
                                              */
#define LEASE_A_UID "pg-swarm.io/holder-uid" /* of the holder's pod; absent: not told */
#define LEASE_A_SYNC "pg-swarm.io/sync"      /* model/durability.h: sync_json */
#define LEASE_A_RELEASED "pg-swarm.io/released"
#define LEASE_A_HANDOVER "pg-swarm.io/handover"
#define LEASE_A_PAUSED "pg-swarm.io/paused"
#define LEASE_A_FAILOVER "pg-swarm.io/failover"

/* The holder let go by itself: {"by":POD,"reason":TEXT,"lsn":"0/..","timeline":N,
 * "clean":true}; clean: PostgreSQL was shut down, and lsn is where its last checkpoint
 * begins: whoever has more has all. */
typedef struct LeaseReleased {
    bool is, clean;
    char by[LEASE_TEXT], reason[LEASE_TEXT];
    uint64_t lsn;
    uint32_t timeline;
} LeaseReleased;

/* The holder made another the holder: {"operation":ID,"from":POD,"to":POD,"lsn":"0/..",
 * "timeline":N} */
typedef struct LeaseHandover {
    bool is;
    char operation[64], from[LEASE_TEXT], to[LEASE_TEXT];
    uint64_t lsn;
    uint32_t timeline;
} LeaseHandover;

/* {"by":USER,"operation":ID} */
typedef struct LeasePaused {
    bool is;
    char by[LEASE_TEXT], operation[64];
} LeasePaused;

/* {"operation":ID,"to":POD or "","accept_data_loss":bool}: whoever takes the lease clears it. */
typedef struct LeaseFailover {
    bool is, accept_data_loss;
    char operation[64], to[LEASE_TEXT];
} LeaseFailover;

typedef struct LeaseInfo {
    bool exists;
    char holder[LEASE_TEXT]; /* "": released */
    char rv[64];             /* resourceVersion */
    char renewed[64];        /* renewTime as written; only ever compared for equality */
    char primary_addr[LEASE_TEXT];
    char uid[64];   /* of the holder's pod; "" when it is not told */
    uint64_t epoch; /* leaseTransitions */
    uint64_t system_id;
    uint64_t served; /* epoch; 0: none */
    uint32_t timeline, seconds;
    char sync[LEASE_SYNC]; /* the annotation as it is; "" when there is none */
    LeaseReleased released;
    LeaseHandover handover;
    LeasePaused paused;
    LeaseFailover failover;
} LeaseInfo;

/* An annotation to write; value NULL removes it. */
typedef struct LeaseNote {
    const char *key, *value;
} LeaseNote;
enum { LEASE_NOTES = 6 };

/* What the holder writes. system_id 0, served 0, addr and sync NULL leave those annotations as they
 * are.
 */
typedef struct LeaseClaim {
    const char *name, *ns, *cluster, *holder;
    const char *uid; /* of the holder's pod; NULL: not told */
    const char *addr;
    const char *sync; /* the annotation's text; NULL: as it is */
    uint64_t epoch, system_id, served;
    uint32_t timeline, seconds;
    int64_t now_us;               /* wall clock, for renewTime: shown, never compared */
    LeaseNote notes[LEASE_NOTES]; /* ends at key NULL */
} LeaseClaim;

void lease_parse(const cJSON *obj, LeaseInfo *ret);
/* But for resourceVersion and renewTime. Both were filled by lease_parse, or are all zero. */
bool lease_same(const LeaseInfo *a, const LeaseInfo *b);
/* A new object; the caller deletes it. */
cJSON *lease_create_body(const LeaseClaim *c);
/* `seen` with the claim in it, resourceVersion kept for compare-and-swap; the caller deletes it. */
cJSON *lease_update_body(const cJSON *seen, const LeaseClaim *c);
/* `seen` with these annotations and nothing else changed. */
cJSON *lease_notes_body(const cJSON *seen, const LeaseNote *notes, size_t n);
char *lease_released_json(Arena *a, const LeaseReleased *r);
char *lease_handover_json(Arena *a, const LeaseHandover *h);
char *lease_paused_json(Arena *a, const LeasePaused *p);
char *lease_failover_json(Arena *a, const LeaseFailover *f);
/* "198.18.0.4:5432", "[fd00::4]:5432". False when it is neither. */
bool addr_split(const char *addr, char *ret_host, size_t cap, uint16_t *ret_port);
