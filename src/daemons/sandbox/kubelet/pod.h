/* kubelet/pod.h - one pod of the node: its network, volumes and containers, from the first sight of
 * the object to its end.
 *
 * The kubelet tells it about the object; everything else (exits, timers, probes) comes from the
 * loop. Each of these leads to one pod_sync in the next turn, which does what pod_plan says and
 * writes the status when it has changed. */
#pragma once
#include "app.h"
#include "kubelet/crilog.h"
#include "kubelet/podplan.h"
#include "kubelet/probe.h"
#include "kubelet/runner.h"
#include "kubelet/volumes.h"

typedef struct Kubelet Kubelet;
typedef struct Pod Pod;

enum { PROBE_STARTUP, PROBE_READINESS, PROBE_LIVENESS, PROBE_ROLES };

typedef struct Ctr {
    Pod *pod;
    const cJSON *spec; /* in the pod's object */
    const char *name;
    bool init;
    CtrPhase phase;
    char reason[48], message[240]; /* why it waits, or how it ended */
    int restarts, failures;        /* failures: in a row, for the back-off */
    uint64_t start_at;
    int exit_code;
    int64_t started_us, finished_us; /* started_us 0: never was */
    struct {
        bool is;
        int code;
        int64_t started_us, finished_us;
        char reason[48];
    } last;
    bool started, ready; /* as the probes say */
    Runner *run;
    CriLog *log;
    Arena *arena; /* of this run: environment, probes */
    unsigned uid, gid;
    const char *const *env;
    ProbeSpec probe_specs[PROBE_ROLES];
    Probe *probes[PROBE_ROLES];
    Timer *kill;
    char id[64];
} Ctr;

struct Pod {
    Kubelet *kubelet;
    App *app;
    const Obj *obj;   /* newest */
    const Obj *first; /* what the containers' specs point into */
    char *ns, *name, *uid, *dir, *mem_dir, *log_dir;
    PodNet *net;
    bool net_pending, volumes_ready, stopping, over, gone, quiet, queued;
    uint64_t retry_at; /* of the network or the volumes */
    char trouble[240]; /* last FailedMount told */
    int64_t started_us, token_renew_us;
    Ctr *ctrs;
    size_t n;
    Timer *wake;
};

Pod *pod_new(Kubelet *k, App *app, const Obj *o);
void pod_update(Pod *p, const Obj *o);
/* The object is gone: kill at once, clean up, free. */
void pod_removed(Pod *p);
void pod_kick(Pod *p); /* pod_sync in the next turn */
/* Ask all containers to end; they are killed after grace_ms. quiet: the object is not told (the
 * sandbox itself ends). */
void pod_stop(Pod *p, uint64_t grace_ms, bool quiet);
bool pod_is_still(const Pod *p); /* no process is left, and nothing is under way */
void pod_free(Pod *p);
/* Config or Secret changed: bring the volumes up to date. */
void pod_refresh(Pod *p);
PodVolumes pod_volumes(Pod *p);

/* ---- kubelet/ctr.c ---- */
void ctr_init(Pod *p, Ctr *c, const cJSON *spec, bool init);
void ctr_start(Ctr *c);
void ctr_stop(Ctr *c, uint64_t grace_ms);
void ctr_done(Ctr *c); /* kills what still runs, frees */

/* ---- kubelet/podstatus.c ---- */
/* The status as it is now, on top of what the object has. */
cJSON *podstatus_build(const Pod *p, const PodPlan *plan);

/* ---- kubelet/kubelet.c ---- */
SiteNet *kubelet_sitenet(Kubelet *k);
Pod *kubelet_pod(App *app, const char *uid); /* NULL: not on this node */
void kubelet_pod_over(Kubelet *k, Pod *p);   /* a stop of all may be waiting for it */
