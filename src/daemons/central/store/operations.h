/* central/store/operations.h - operations as rows: made, read, changed by what the site tells and
 * by what people say.
 *
 * A row with sent_at NULL has been seen by no site: it can still end here. Everything else ends
 * only by the site's word (or by forget, which says so). */
#pragma once
#include "store/store.h"

typedef struct OperationRow {
    ApiOperation api;
    const char *satellite_id;
    bool sent;
    int64_t continue_step;
} OperationRow;
typedef void (*OperationDone)(void *ctx, const Error *err, const OperationRow *o);

/* ref: UUID or the first digits of one, at least four. lock: nobody changes it before the end of
 * this transaction. */
typedef struct OperationFind {
    const char *ref;
    bool lock; /* takes a whole id, and a transaction */
} OperationFind;
void operation_find(App *app, PgConn *tx, Arena *a, const OperationFind *f, OperationDone done,
                    void *ctx);

typedef struct OperationFilter {
    const char *cluster;   /* id, NAME, NAME@SATELLITE, NAMESPACE/NAME@SATELLITE; each NULL: any */
    const char *satellite; /* name */
    const char *states;    /* comma list; `unfinished` is one too */
    const char *kind;
    bool recent; /* unfinished, or ended within an hour */
} OperationFilter;
/* Items: ApiOperation, newest first. A state that is none: ERR_INVALID. */
void operation_list(App *app, Arena *a, const OperationFilter *f, const Page *p, ListDone done,
                    void *ctx);
/* Those of the ids (a comma list of UUIDs) that are there. */
void operation_by_ids(App *app, Arena *a, const char *ids,
                      void (*done)(void *ctx, const Error *err, const ObjList *items), void *ctx);

/* What stands in the way of a new operation, with the row of the cluster locked until the end of
 * the transaction. */
typedef struct OperationGate {
    bool connected, deleting, approved;
    const char *blocker;   /* a sentence about the unfinished one, or NULL */
    const char *instances; /* JSON: what was last reported of the members */
} OperationGate;
typedef void (*OperationGateDone)(void *ctx, const Error *err, const OperationGate *g);
typedef struct OperationAsk {
    const char *cluster_id;
    bool scheduled; /* then only another planned one is in its way */
} OperationAsk;
void operation_gate(App *app, PgConn *tx, Arena *a, const OperationAsk *ask, OperationGateDone done,
                    void *ctx);

typedef struct OperationNew {
    const char *kind, *cluster_id, *params, *target, *primary, *requested_by;
    int64_t scheduled_us; /* 0: now */
} OperationNew;
void operation_insert(App *app, PgConn *tx, Arena *a, const OperationNew *n, OperationDone done,
                      void *ctx);

/* Write back what a report changed: state, steps, end. The row is locked. */
void operation_store(App *app, PgConn *tx, const ApiOperation *o, AppDone done, void *ctx);
/* It was heard of, nothing is new. */
void operation_heard(App *app, PgConn *tx, const char *id, AppDone done, void *ctx);

typedef enum OperationWish { WISH_CONTINUE, WISH_ABORT, WISH_END } OperationWish;
typedef struct OperationWord {
    const char *id, *user;
    OperationWish wish;
    int64_t step;             /* of WISH_CONTINUE */
    const char *state, *text; /* of WISH_END: how it ends, and the error to show */
} OperationWord;
void operation_word(App *app, PgConn *tx, const OperationWord *w, AppDone done, void *ctx);
