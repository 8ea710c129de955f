/* cli/ha_text.h - leadership and durability of a cluster as lines for people. */
#pragma once
#include "out.h"

typedef struct HaLine {
    const char *label, *value;
} HaLine;
enum { HA_LINES = 8 };
/* From a CLUSTER_DETAIL; what is not known has no line. Returns how many. */
size_t ha_lines(Arena *a, const cJSON *cluster, HaLine ret[HA_LINES]);
