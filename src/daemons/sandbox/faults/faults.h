/* faults/faults.h - what goes wrong at this site on purpose.
 *
 * A request says what to do to which pods, or to the site's API; faults that last are remembered
 * until they are healed, and follow a pod's name: a pod that comes again is cut again. The process
 * forgets them when it ends. One thread: the loop's. */
#pragma once
#include "app.h"

/* No memory for it, or anything else that can fail, is used before the first fault. */
Faults *faults_new(App *app);
void faults_free(Faults *f);

/* `req` is {kind, cluster, namespace, pods[], who, ...}, see docs/sandbox.md; done comes exactly
 * once, never from inside, and `answer` ({items: []}) is valid in it only. */
typedef void (*FaultsDone)(void *ctx, const Error *err, const cJSON *answer);
void faults_do(Faults *f, const cJSON *req, FaultsDone done, void *ctx);
/* {items: [{kind, namespace, pod, what, since}]}, stopped processes among them. The caller's. */
cJSON *faults_list(Faults *f);

/* ---- for the kubelet ---- */
/* A pod has its network, so its address and its peers' view of it are new. Returns true when
 * packets are to be dropped: `done` comes once they are, and nothing of the pod should run before.
 */
bool faults_net_changed(Faults *f, void (*done)(void *ctx, const Error *err), void *ctx);
/* Seconds that the boot-time and monotonic clocks of a pod's containers are ahead; 0: not at all.
 */
int64_t faults_clock(const Faults *f, const char *ns, const char *pod);
