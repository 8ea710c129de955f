/* store/store_priv.h - inside of the store, shared by its own files. */
#pragma once
#include "core/map.h"
#include "store/journal.h"
#include "store/store.h"

enum { STORE_HISTORY = 1024 }; /* changes kept for watches that come back */

typedef struct Change {
    StoreChange type;
    const Obj *now, *old;
} Change;

struct StoreWatch {
    StoreWatch *next;
    Store *store;
    const Kind *kind;
    uint64_t after; /* changes up to this resourceVersion are not told */
    StoreWatchFn fn;
    void *ctx;
    bool stopped;
};

struct Store {
    StoreConfig cfg;
    Map *index[KIND_COUNT]; /* "namespace/name" -> Obj */
    uint64_t rv;
    uint64_t history_from; /* changes after this one are in the ring */
    Change *ring;
    size_t ring_cap, first, told, end; /* positions; [first, told) told, [told, end) to tell */
    StoreWatch *watches;
    bool dispatching;
    void (*wake)(void *ctx);
    void *wake_ctx;
    Journal *journal;
};

const Obj *store_find(Store *s, const Kind *k, const char *ns, const char *name);
/* Put `json` (taken over) in the place of `old` (NULL: new). The resourceVersion is set in it. */
ErrCode store_commit(Store *s, const Kind *k, cJSON *json, const Obj **ret, Error *err) MUST_USE;
ErrCode store_commit_delete(Store *s, const Obj *old, const Obj **ret, Error *err) MUST_USE;
/* "StatefulSet.apps "x"" */
const char *store_ref_text(Arena *a, const Kind *k, const char *name);
/* statefulsets.apps */
const char *store_resource_text(Arena *a, const Kind *k);
/* A new object of one reference; takes json over and sets its resourceVersion. */
Obj *store_obj_new(const Kind *k, cJSON *json, uint64_t rv);
/* The arena keeps a reference. NULL stays NULL. */
const Obj *store_hold(Arena *a, const Obj *o);
