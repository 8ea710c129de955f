/* store/store.h - the objects of a site: typed, versioned, validated, watched, on disk.
 *
 * Always true: an Obj never changes; a write makes a new one. Each write gets the next
 * resourceVersion of the one counter, is in the log file before the call returns, and is then told
 * to the watches, in order, from store_dispatch and never from inside a write. A write that changes
 * nothing is no write. Writes pass admission (defaults, validation, immutable fields, namespaces,
 * quota), whoever makes them: controllers get the same refusals as kubectl. Errors speak
 * Kubernetes' words: INVALID 422, CONFLICT 409 (stale), EXISTS 409, NOT_FOUND 404, FORBIDDEN 403
 * (quota, namespace terminating). One thread: the loop's. */
#pragma once
#include "core/clock.h"
#include "store/js.h"
#include "store/kind.h"
#include "store/selector.h"

typedef struct Store Store;

typedef struct Obj {
    const Kind *kind;
    const char *ns; /* "" for cluster-wide kinds */
    const char *name, *uid;
    uint64_t rv;
    const cJSON *json; /* with apiVersion and kind */
    unsigned refs;
} Obj;
const Obj *obj_ref(const Obj *o);
void obj_unref(const Obj *o); /* NULL is fine */
/* deletionTimestamp is set. */
bool obj_deleting(const Obj *o);
/* The controlling owner reference (controller: true), or NULL. */
const cJSON *obj_controller(const Obj *o);
bool obj_controlled_by(const Obj *o, const Obj *owner);
/* {apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true} for
 * metadata.ownerReferences. */
cJSON *obj_owner_reference(const Obj *owner);

typedef struct StoreConfig {
    const char *dir;          /* NULL: memory only, for unit tests */
    const char *service_cidr; /* clusterIPs are taken from here: "198.18.8.0/21" */
    int node_port_lo, node_port_hi;
    /* Is this port of the machine free? NULL: every port is. */
    bool (*node_port_free)(void *ctx, int port);
    void *node_port_ctx;
    int64_t (*now_us)(void); /* NULL: the wall clock */
} StoreConfig;
ErrCode store_open(const StoreConfig *cfg, Store **ret, Error *err) MUST_USE;
void store_close(Store *s);
/* Written to the file but not yet forced to the disk: a descriptor to fdatasync (on a thread), else
 * -1. */
int store_unsynced(Store *s);
uint64_t store_rv(const Store *s);
int64_t store_now_us(const Store *s);

/* ---- reading: what is returned lives as long as the arena ---- */
const Obj *store_get(Store *s, Arena *a, const Kind *k, const char *ns, const char *name);
typedef struct StoreQuery {
    const Kind *kind;
    const char *ns;                  /* NULL or "": all namespaces */
    const Selector *labels, *fields; /* NULL: no condition */
} StoreQuery;
/* Sorted by namespace and name; ends with NULL; *ret_n may be NULL. */
const Obj **store_list(Store *s, Arena *a, const StoreQuery *q, size_t *ret_n);
/* Everything that a namespace holds ("" or NULL: all), of every kind: for garbage collection. */
const Obj **store_list_all(Store *s, Arena *a, const char *ns, size_t *ret_n);

/* ---- writing ---- */
typedef enum SubResource { SUB_NONE, SUB_STATUS, SUB_SCALE, SUB_FINALIZE, SUB_BINDING } SubResource;
typedef enum PatchType { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY } PatchType;

typedef struct StoreWrite {
    const Kind *kind;
    const char *ns, *name; /* create: name may be NULL, the object's (or generateName) counts */
    const cJSON *obj;      /* object or patch; stays the caller's */
    SubResource
        sub; /* SUB_STATUS: only .status of obj counts; SUB_BINDING: obj has {target:{name}} */
    PatchType patch;     /* store_patch only */
    const char *manager; /* field manager; NULL: fields are not tracked (our own controllers) */
    bool force;          /* apply: take fields over */
    bool dry_run;
    int strict;       /* 0 ignore unknown fields (they are dropped), 1 warn, 2 refuse */
    cJSON *causes;    /* array to receive Status causes {reason,message,field}; may be NULL */
    cJSON *warnings;  /* array to receive strings; may be NULL */
    bool *created;    /* may be NULL */
    const char *user; /* who asks; NULL: ourselves */
} StoreWrite;
/* *ret may be NULL when not wanted; it lives as long as the arena. */
ErrCode store_create(Store *s, Arena *a, const StoreWrite *w, const Obj **ret, Error *err) MUST_USE;
/* obj without metadata.resourceVersion: unconditional; with: CONFLICT when it is not the newest. */
ErrCode store_update(Store *s, Arena *a, const StoreWrite *w, const Obj **ret, Error *err) MUST_USE;
/* PATCH_APPLY creates when there is nothing yet, and says so in w->created. */
ErrCode store_patch(Store *s, Arena *a, const StoreWrite *w, const Obj **ret, Error *err) MUST_USE;

typedef struct StoreDelete {
    const Kind *kind;
    const char *ns, *name;
    const char *uid, *rv;    /* preconditions; NULL: none */
    const char *propagation; /* "Background", "Foreground", "Orphan"; NULL: Background */
    int64_t grace_seconds;   /* -1: the object's own. A pod with a node stays, with
                                deletionTimestamp, until the kubelet deletes it with grace 0 */
    bool dry_run;
} StoreDelete;
/* Gone at once, or (finalizers, grace period) marked with deletionTimestamp and gone when the last
 * finalizer is removed by an update. Foreground adds the finalizer "foregroundDeletion", Orphan
 * "orphan": the garbage collector's to act on and to remove. *ret: the object as it was last. */
ErrCode store_delete(Store *s, Arena *a, const StoreDelete *d, const Obj **ret,
                     Error *err) MUST_USE;

/* Shorthands for controllers. store_set_status replaces .status (takes it over) unconditionally. */
ErrCode store_set_status(Store *s, const Obj *o, cJSON *status, Error *err) MUST_USE;
/* A merge patch of metadata/spec or (SUB_STATUS) status; takes the patch over. */
ErrCode store_merge(Store *s, const Obj *o, SubResource sub, cJSON *patch, Error *err) MUST_USE;
/* An Event about `about`; the same one again only counts up. type "Normal" or "Warning". Behind the
 * reason stands a printf format with its arguments. */
typedef struct EventWords {
    const char *component, *type, *reason;
} EventWords;
void store_event_say(Store *s, const Obj *about, const EventWords *words, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
#define store_event(s, about, component, type, reason, ...) \
    store_event_say((s), (about), &(EventWords){(component), (type), (reason)}, __VA_ARGS__)

/* ---- watching ---- */
typedef enum StoreChange { STORE_ADDED, STORE_MODIFIED, STORE_DELETED } StoreChange;
typedef struct StoreWatch StoreWatch;
/* old is NULL for ADDED; for DELETED now is the last state, its rv that of the deletion. Both valid
 * inside only (obj_ref to keep). Writes from inside are fine: they are told later, in order. */
typedef void (*StoreWatchFn)(void *ctx, StoreChange ch, const Obj *now, const Obj *old);
StoreWatch *store_watch(Store *s, const Kind *k /* NULL: every kind */, StoreWatchFn fn, void *ctx);
/* From a resourceVersion on: what happened since is told at once, from inside this call. ERR_GONE
 * when the history does not reach back that far. */
ErrCode store_watch_from(Store *s, const Kind *k, uint64_t rv, StoreWatchFn fn, void *ctx,
                         StoreWatch **ret);
void store_watch_stop(StoreWatch *w); /* also from inside a callback */
/* Changes up to now are forgotten: a watch from before is too old. */
void store_forget(Store *s);
/* Tell what has not been told. wake is called when there is something and nothing was before: the
 * process defers store_dispatch to the next turn of the loop; unit tests call it themselves. */
void store_set_wake(Store *s, void (*wake)(void *ctx), void *ctx);
void store_dispatch(Store *s);
