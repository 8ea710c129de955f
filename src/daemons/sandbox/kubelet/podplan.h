/* kubelet/podplan.h - what a pod's containers should do next. Pure: the doing half is pod.c. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POD_CONTAINERS_MAX = 32 };

typedef enum CtrPhase { CTR_WAITING, CTR_RUNNING, CTR_EXITED } CtrPhase;
typedef enum RestartPolicy { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER } RestartPolicy;
typedef enum PodPhase { PHASE_PENDING, PHASE_RUNNING, PHASE_SUCCEEDED, PHASE_FAILED } PodPhase;

typedef struct CtrView {
    bool init; /* init containers come first in the array */
    bool was_started;
    CtrPhase phase;
    int exit_code;
    uint64_t start_at; /* not before; for what waits or has exited */
} CtrView;

typedef struct PodPlan {
    uint32_t start;   /* bit i: start container i now */
    uint32_t backoff; /* bit i: has exited and will be started again, later */
    uint64_t wake_at; /* 0: nothing to wait for */
    PodPhase phase;
    bool initialized; /* every init container has succeeded */
    bool over;        /* nothing runs and nothing will */
} PodPlan;

/* stopping: nothing is started any more. */
PodPlan pod_plan(const CtrView *c, size_t n, RestartPolicy policy, bool stopping, uint64_t now);
/* How long a container that ends for the n-th time in a row (from 1) waits: at once, then 10 s,
 * doubled up to 5 minutes. */
uint64_t pod_backoff_ms(int n);
RestartPolicy restart_policy(const char *name);
const char *pod_phase_name(PodPhase p);
