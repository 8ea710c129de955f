/* controllers/jobplan.h - what a Job does next. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct JobState {
    int parallelism, completions; /* completions 0: one success is enough for all */
    int backoff_limit;
    int64_t deadline_s; /* 0: none */
    int64_t age_s;      /* since startTime */
    int active, succeeded, failed;
    int64_t since_failure_ms; /* since the last pod failed */
    bool suspended, finished; /* finished: has a Complete or Failed condition */
} JobState;

typedef enum JobEnd { JOB_GOES_ON, JOB_COMPLETE, JOB_BACKOFF_EXCEEDED, JOB_DEADLINE } JobEnd;
typedef struct JobPlan {
    JobEnd end;
    int create;       /* pods to make now */
    bool stop_active; /* remove what still runs */
    int64_t again_ms; /* look again after this; 0: no need */
} JobPlan;
JobPlan job_plan(const JobState *s);
