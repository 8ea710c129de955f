/* operator/reconcile.h - makes what should be so: one queue per cluster, one pass at a time, the
 * nine steps in order.
 *
 * A pass is idempotent: it may be run at any time and changes nothing when all is well. What the
 * API server refuses is acknowledged in its words and tried again with patience; what merely failed
 * (no answer, overload) is tried again soon, without a word to central. */
#pragma once
#include "operator/state.h"

/* From central. Answers by ev.on_ack, at once (skipped) or when the pass has ended. */
void operator_config(Site *s, const ClusterSpec *spec);
void operator_delete(Site *s, const ClusterDelete *del);
/* Something about this cluster may not be as it should: look soon. */
void operator_touch(Cluster *c, uint64_t delay_ms);
/* What its pods say may have changed a refusal. */
void operator_review(Cluster *c);
/* A storage class, a quota or a right may have come: refused clusters are tried now. */
void operator_retry_refused(Site *s);
/* Its pods cannot be made: the StatefulSet controller waits longer each time (up to 16 minutes), so
 * it is woken while the problem stands. */
void operator_nudge(Cluster *c);
void operator_stop(Cluster *c); /* ends its pass without a word */

/* ---- inside of operator/ ---- */
struct Pass {
    Cluster *c;
    Arena *a; /* of the pass */
    RenderInput in;
    int64_t version; /* of the config that this pass makes so */
    size_t step;
    KubeCall *call;
    Timer *timer;
    unsigned tries; /* of this step */
    struct {
        const KubeKind *kind;
        cJSON *obj;
    } queue[8];          /* objects of this step that wait for being applied */
    const cJSON *mended; /* the Service whose ports were put back as a whole */
    size_t queued, applied;
    char *config_before; /* mark of NAME-config before step 4 */
    bool config_changed; /* step 4 wrote another postgresql.conf or pg_hba.conf */
    bool waiting;        /* for pods to end */
    size_t item;         /* a step's own counter */
    char *names[64];     /* a step's own list */
    size_t name_count;
};
typedef struct PassStep {
    const char *name;
    void (*run)(Pass *p); /* ends in pass_next or pass_fail, now or later */
} PassStep;
extern const PassStep reconcile_steps[]; /* end with name NULL */
extern const PassStep delete_steps[];

void pass_next(Pass *p);
/* `what` is the object that the error is about. */
void pass_fail(Pass *p, const Error *err, const char *what);
void pass_queue(Pass *p, const KubeKind *kind, cJSON *obj);
/* Apply what was queued, one after the other, then go to the next step. */
void pass_apply_queue(Pass *p);
/* Remember the version that our own write gave an object, so that the watch knows it is ours. */
void mark_own(Cluster *c, const KubeKind *kind, const cJSON *obj);
/* Names of the cluster's volume claims but those of this state ("p", "-"; NULL: all) into p->names.
 */
void collect_claims(Pass *p, const char *except);
/* A volume claim of the cluster, as the API server has it; whether it is guarded. */
bool note_claim(Cluster *c, const cJSON *obj);
/* Looks at the claims that are there: those that an earlier cluster of this name left are not new
 * to any watch. */
void step_look_at_claims(Pass *p);
void step_finalizers(Pass *p);
/* ERR_UNSUPPORTED when what /version answers is older than what we need; says both. */
ErrCode server_version_check(const cJSON *version, Error *err);
void step_server(Pass *p);
/* Whether some object that we wrote is not as we left it, as far as the watches told. */
bool has_drift(const Cluster *c);
/* What the pass waits for may have happened. */
void pass_poke(Pass *p);
