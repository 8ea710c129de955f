/* sidecars/recent.h - which events of sidecars came lately: a sidecar says again what it was not
 * sure of when its stream ended. No I/O, bounded; what is older than the last RECENT_MAX is taken
 * for new. */
#pragma once
#include "model/health.h"

enum { RECENT_MAX = 1024 };
typedef struct Recent {
    uint64_t at[RECENT_MAX]; /* digests; 0: none */
    size_t next;
} Recent;

/* False: this event of this pod (its ns and pod_name are set) came before. */
bool recent_take(Recent *r, const EventReport *e);
