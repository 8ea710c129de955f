/* lease/lease_json.h - the Lease NAME-leader as a struct, and back. Pure. */
#pragma once
#include "core/str.h"
#include <cjson/cJSON.h>

enum { LEASE_TEXT = 256 };

typedef struct LeaseInfo {
    bool exists;
    char holder[LEASE_TEXT]; /* "": released */
    char rv[64];             /* resourceVersion */
    char renewed[64];        /* renewTime as written; only ever compared for equality */
    char primary_addr[LEASE_TEXT];
    uint64_t epoch; /* leaseTransitions */
    uint64_t system_id;
    uint32_t timeline, seconds;
} LeaseInfo;

/* What the holder writes. system_id 0 and addr NULL leave those annotations as they are. */
typedef struct LeaseClaim {
    const char *name, *ns, *cluster, *holder;
    const char *addr;
    uint64_t epoch, system_id;
    uint32_t timeline, seconds;
    int64_t now_us; /* wall clock, for renewTime: shown, never compared */
} LeaseClaim;

void lease_parse(const cJSON *obj, LeaseInfo *ret);
/* A new object; the caller deletes it. */
cJSON *lease_create_body(const LeaseClaim *c);
/* `seen` with the claim in it, resourceVersion kept for compare-and-swap; the caller deletes it. */
cJSON *lease_update_body(const cJSON *seen, const LeaseClaim *c);
/* "198.18.0.4:5432", "[fd00::4]:5432". False when it is neither. */
bool addr_split(const char *addr, char *ret_host, size_t cap, uint16_t *ret_port);
