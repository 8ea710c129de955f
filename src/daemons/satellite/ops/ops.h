/* ops/ops.h - operations of this site's clusters: taken from central, written down before each step
 * acts, driven by orders to sidecars, reported until central has the result.
 *
 * One at a time per cluster. The same id is the same operation: what is known of it is told again.
 * Killed at any moment, the next satellite reads the record and goes on with the step that was
 * under way (every order may be repeated). What only this satellite holds is a time limit at the
 * sidecars, so an operation that nobody drives any more is undone there. */
#pragma once
#include "kube/kube.h"
#include "operator/state.h"
#include "sidecars/server.h"

typedef struct Ops Ops;
typedef struct OpsSpec {
    Loop *loop;
    Kube *kube;
    Site *site;
    SidecarServer *sidecars;
    void (*on_loaded)(void *ctx); /* the records of an earlier life were read: once */
    /* False: no stream to central now; ops_restart comes when there is one. */
    bool (*send)(void *ctx, const SatelliteUp *m);
    void (*on_event)(void *ctx, const EventReport *e);
    void *ctx;
} OpsSpec;

Ops *ops_new(const OpsSpec *spec);
void ops_free(Ops *o);
/* Call once the site is ready. */
void ops_load(Ops *o);
/* From central. */
void ops_request(Ops *o, const OperationRequest *r);
void ops_word(Ops *o, const OperationStepWord *w);
void ops_acked(Ops *o, const char *id);
/* A new stream to central: everything that it has not acknowledged is told again. */
void ops_restart(Ops *o);
/* The operation under way in this cluster; NULL: none. */
const char *ops_under_way(const Ops *o, const char *ns, const char *cluster);
