/* controllers/ctl.h - the common part of all controllers: a queue of (controller, namespace, name).
 *
 * A change in the store puts the keys that it concerns into the queue; each is looked at once, in a
 * later turn of the loop, however often it was put in. A reconcile compares what is with what
 * should be and writes the difference; when it fails it is tried again with exponential delay. The
 * store answers with what was last written, so there is no stale cache to fear. */
#pragma once
#include "app.h"

typedef enum CtlId {
    CTL_NAMESPACE,
    CTL_CLAIM,
    CTL_SCHEDULER,
    CTL_STATEFULSET,
    CTL_REPLICASET,
    CTL_DEPLOYMENT,
    CTL_JOB,
    CTL_ENDPOINTS,
    CTL_PDB,
    CTL_GC,
    CTL_COUNT
} CtlId;

typedef struct Ctl {
    App *app;
    Store *store;
    struct CtlQueue *queue;
} Ctl;

typedef struct CtlKey {
    const char *ns, *name;
    uint64_t again_ms; /* set by the reconcile: look again after this time */
} CtlKey;

typedef struct Controller {
    const char *name;
    const Kind *kind; /* every object of it is looked at at the start; NULL: none */
    ErrCode (*reconcile)(Ctl *c, Arena *a, CtlKey *key, Error *err);
    /* Put in what a change concerns; old may be NULL. */
    void (*on_change)(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old);
} Controller;

void ctl_enqueue(Ctl *c, CtlId id, const char *ns, const char *name);

extern const Controller ctl_namespace, ctl_claim, ctl_scheduler, ctl_statefulset, ctl_replicaset,
    ctl_deployment, ctl_job, ctl_endpoints, ctl_pdb, ctl_gc;

/* ---- shared by controllers ---- */
/* The name of the controlling owner when it is of this kind, else NULL. */
const char *ctl_owner_name(const Obj *o, const char *kind);
/* Pods (or others) of `kind` in the owner's namespace that it controls; ends with NULL. */
const Obj **ctl_owned(Ctl *c, Arena *a, const Kind *kind, const Obj *owner, size_t *ret_n);
/* Create, taking obj over. */
ErrCode ctl_create(Ctl *c, const Kind *k, const char *ns, cJSON *obj, Error *err) MUST_USE;
/* Delete with propagation Background; what is gone already is fine. */
ErrCode ctl_delete(Ctl *c, const Obj *o, Error *err) MUST_USE;
/* Write the status when it differs; takes it over. */
/* A count of a status: zero is left out, as Go's omitempty does. */
void ctl_count(cJSON *status, const char *name, int64_t n);
ErrCode ctl_status(Ctl *c, const Obj *o, cJSON *status, Error *err) MUST_USE;

bool pod_ready(const Obj *pod);
bool pod_ended(const Obj *pod); /* Succeeded or Failed */
/* A pod of a template, owned by `owner`; name NULL: generateName "OWNER-". */
cJSON *pod_from_template(const Obj *owner, const cJSON *template, const char *name);
/* Ten characters that depend on the bytes of a template, as in pod-template-hash. */
void template_hash(char ret[11], const cJSON *template);
