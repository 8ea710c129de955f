/* faults/parts.h - shared by the kinds of faults: the request under way, the pods it means, the
 * faults that last. */
#pragma once
#include "core/vec.h"
#include "faults/faults.h"
#include "kubelet/pod.h"

#define FAULT_LABEL_CLUSTER "pg-swarm.io/cluster"
#define FAULT_LABEL_ROLE "pg-swarm.io/role"
#define FAULT_LABEL_APP "app.kubernetes.io/name"
#define FAULT_SATELLITE "pg-swarm-satellite"

typedef enum FaultKind {
    FAULT_PARTITION,
    FAULT_FILL_DISK,
    FAULT_CLOCK,
    FAULT_SLOW_API,
    FAULT_API_DOWN,
    FAULT_KINDS
} FaultKind;

/* One that lasts. All text is malloc memory. */
typedef struct Fault {
    FaultKind kind;
    char *ns, *pod;   /* "" for the site */
    char *arg;        /* partition: from what; fill-disk: the volume's folder */
    int64_t offset_s; /* clock */
    uint64_t full_size;
    char *what; /* for people */
    int64_t since_us;
    uint64_t op; /* the request that it came by */
} Fault;

struct Faults {
    App *app;
    VEC(Fault *) list;
    struct Cuts *cuts;
    uint64_t op; /* number of the last request */
};
Fault *fault_add(Faults *f, const Fault *like); /* copies the texts */
void fault_remove(Faults *f, size_t i);

/* ---- the request ---- */
typedef struct Op {
    Faults *f;
    Arena *a;
    const cJSON *req;
    cJSON *items; /* what was done, one object per thing */
} Op;
/* One line of the answer. */
void op_say(Op *op, const Obj *pod, const char *fmt, ...) PRINTF_LIKE(3, 4);

typedef struct Targets {
    const Obj **at;
    size_t n;
} Targets;
/* The pods that a request names; at least one, or an error that says what there is. */
ErrCode targets_pick(Op *op, Targets *ret, Error *err) MUST_USE;
/* The same, or none when the request names no pod. */
ErrCode targets_pick_any(Op *op, Targets *ret, Error *err) MUST_USE;
/* The node's side of it. UNAVAILABLE while it has no network yet or no more. */
ErrCode target_pod(Faults *f, const Obj *o, Pod **ret, Error *err) MUST_USE;

/* ---- the kinds: each does its work or says why not ---- */
ErrCode fault_kill(Op *op, Error *err) MUST_USE;
ErrCode fault_stop(Op *op, Error *err) MUST_USE;
ErrCode fault_cont(Op *op, Error *err) MUST_USE;
ErrCode fault_partition(Op *op, Error *err) MUST_USE;
ErrCode fault_fill_disk(Op *op, Error *err) MUST_USE;
ErrCode fault_clock_set(Op *op, Error *err) MUST_USE;
ErrCode fault_slow_api(Op *op, Error *err) MUST_USE;
ErrCode fault_api_down(Op *op, Error *err) MUST_USE;

/* ---- signals.c ---- */
/* SIGKILL to every container; the node starts them again at once. */
void pod_kill_all(Pod *p);
/* Lets everything of the pod run that a signal has stopped; how many that were. */
size_t pod_thaw(Pod *p);
void list_stopped(Faults *f, cJSON *items);
/* ---- cuts.c ---- */
struct Cuts *cuts_new(Faults *f);
void cuts_free(struct Cuts *c);
/* Make the packet filters of all pods what the faults say; done (may be NULL) when that is so. */
void cuts_apply(struct Cuts *c, void (*done)(void *ctx, const Error *err), void *ctx);
/* ---- volumes.c ---- */
ErrCode fill_disk_heal(Faults *f, const Fault *fault, Error *err) MUST_USE;
