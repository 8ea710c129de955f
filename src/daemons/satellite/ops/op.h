/* ops/op.h - inside of ops/: one operation, what it sees of the members, and its drivers. */
#pragma once
#include "core/clock.h"
#include "core/vec.h"
#include "model/switchover.h"
#include "ops/ops.h"
#include "ops/record.h"

enum { OP_HOLD_SECONDS = 10, OP_ORDER_MS = 5000, OP_STATUS_MS = 2000 };

/* What a member said last. */
typedef struct Sight {
    struct Op *op;
    char *pod;
    Arena *a;
    CommandResult r;
    bool has, ok;                /* it ever answered; it did when it was asked last */
    bool asked;                  /* a question is out */
    uint64_t asked_at, heard_at; /* loop time */
    char error[200];
} Sight;

typedef struct OpDriver {
    OperationKind kind;
    void (*plan)(struct Op *op); /* names its steps */
    void (*tick)(struct Op *op); /* looks, decides, acts; sets the next tick */
} OpDriver;

typedef struct Op {
    Ops *ops;
    const OpDriver *driver;
    char *key; /* "NS/CLUSTER" */
    Arena *a;
    OpRecord r;
    Timer *timer, *save_timer;
    KubeCall *save;
    bool unsaved; /* the step that is to act is not written down yet */
    bool save_again;
    bool resumed; /* read from the record of an earlier life */
    VEC(Sight *) sights;
    uint64_t began; /* of this step, or of the way back: loop time */
    uint64_t resumed_at;
    OperationVerb word;
    /* the order under way, and how the last one of this step ended */
    bool order_out, order_ok, order_ended;
    SidecarDownKind order_kind;
    Sight *order_to;
    Error order_err;
    uint64_t order_again; /* not before */
} Op;

/* op.c */
void op_soon(Op *op, uint64_t ms);
bool op_over(const Op *op);
Cluster *op_cluster(const Op *op);
char *op_text(Op *op, const char *fmt, ...) PRINTF_LIKE(2, 3); /* lives as long as the operation */
void op_add_step(Op *op, const char *name, const char *pod);
/* The step under way: running, written down; op->unsaved until that is done. */
void op_begin_step(Op *op, uint32_t n, const char *pod);
void op_step_status(Op *op, StepStatus status, const char *detail, const char *error);
void op_finish(Op *op, Outcome outcome, const char *detail, const char *error);
void op_save(Op *op);
void op_tell_step(Op *op, uint32_t n);
void op_free(Op *op);
Op *op_new(Ops *o, const OpRecord *r, bool resumed);
bool op_late(const Op *op, uint64_t limit_ms);

/* sight.c */
Sight *op_sight(Op *op, const char *pod);
/* Ask how it stands, unless that was done within `ms`. */
void op_look(Op *op, const char *pod, uint64_t ms);
/* One order at a time; its end is in op->order_*, and a tick comes. */
void op_order(Op *op, const char *pod, SidecarDownKind kind, const SidecarOrder *order,
              uint64_t timeout_ms);
/* A new step: how the last order ended, or ends, no longer matters. */
void op_order_forget(Op *op);
/* The connected members of the cluster, by ordinal; at most `max`. */
size_t op_members(const Op *op, const char **ret, size_t max);
/* Whoever knows best says who holds the lease; NULL: nobody said anything. */
const Sight *op_lease(const Op *op);
bool op_refusal(const Error *err); /* not worth trying again */
/* Exactly this pod has the label of the primary. */
bool op_routed(const Op *op, const char *pod);

/* switch.c: the nine steps. `nested`: within one step of another operation. */
SwNext switch_tick(Op *op, bool nested);
void switch_begin(Op *op, bool nested);
extern const OpDriver DRIVER_SWITCHOVER;
/* members.c */
extern const OpDriver DRIVER_FENCE, DRIVER_UNFENCE, DRIVER_PAUSE, DRIVER_RESUME;
/* force.c, restart.c */
extern const OpDriver DRIVER_FAILOVER, DRIVER_REINIT, DRIVER_RESTART;

struct Ops {
    OpsSpec spec;
    Map *ops; /* key -> Op: the last one of each cluster */
    KubeCall *load;
    Timer *retry;
    bool loaded;
};
