/* health/ha_summary.h - leadership and durability of a cluster, put together from what its members
 * know. Pure. */
#pragma once
#include "model/health.h"

/* Members that know a higher epoch are right; of equal ones, who saw the lease renewed last. Shares
 * strings with the instances; new texts are of the arena. `instances`: InstanceHealth. */
HaSummary ha_summarise(Arena *a, const char *cluster, const ObjList *instances);
