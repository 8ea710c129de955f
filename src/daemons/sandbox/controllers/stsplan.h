/* controllers/stsplan.h - what a StatefulSet does next. Pure: statefulset.c reads and writes.
 *
 * As the real controller: replicas come up in order (OrderedReady) or together (Parallel), surplus
 * ones go highest first, an update goes from the highest down to the partition, one at a time, and
 * waits for health. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct StsPod {
    bool exists, ended; /* ended: Failed or Succeeded */
    bool running_ready, terminating;
    bool is_updated; /* has the update revision */
    bool is_current; /* has the current revision */
} StsPod;

typedef struct StsSpec {
    size_t replicas, partition;
    bool parallel, on_delete;
} StsSpec;

typedef enum StsVerb { STS_CREATE, STS_DELETE } StsVerb;
typedef struct StsAction {
    StsVerb verb;
    size_t ordinal;
    bool current_revision; /* of a pod to create: not the update's */
} StsAction;

/* pods: by ordinal, `n` at least replicas. Writes at most n actions, returns how many. */
size_t sts_plan(const StsSpec *spec, const StsPod *pods, size_t n, StsAction *out);
/* The update is complete: the update revision is now the current one. */
bool sts_update_done(const StsSpec *spec, const StsPod *pods, size_t n);
