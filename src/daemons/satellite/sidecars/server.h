/* sidecars/server.h - SidecarStreamService for the pods of this site.
 *
 * TLS with a certificate of our own small CA. The first message of a stream is its identity; the
 * token must be that of the cluster it names, and stands for the pods of that cluster only. */
#pragma once
#include "model/decision.h"
#include "operator/state.h"
#include "sidecars/orders.h"
#include "sidecars/registry.h"

typedef struct SidecarServer SidecarServer;
typedef struct SidecarServerSpec {
    Loop *loop;
    Site *site;
    const char *listen;
    const char *ca_pem, *ca_key_pem;
    const char *advertised; /* "10.96.4.5:9091": its host goes into the certificate */
    const char *ns;         /* of our Service, for its DNS names */
} SidecarServerSpec;

ErrCode sidecars_start(const SidecarServerSpec *spec, SidecarServer **ret, Error *err) MUST_USE;
void sidecars_free(SidecarServer *s);
const Registry *sidecars_registry(const SidecarServer *s);
const GrpcServerStats *sidecars_stats(const SidecarServer *s);
/* To one member, and its answer. ERR_UNAVAILABLE: not connected, or not any more; ERR_TIMEOUT: no
 * answer. In both cases it may have been done. */
typedef struct OrderTo {
    const char *ns, *pod;
    uint64_t timeout_ms;
} OrderTo;
void sidecars_order(SidecarServer *s, const OrderTo *to, const SidecarDown *cmd, OrderDone done,
                    void *ctx);
void sidecars_forget(SidecarServer *s, const void *ctx); /* none of its orders is answered */
/* To every connected sidecar of a cluster; how many got it. */
unsigned sidecars_reload(SidecarServer *s, const Cluster *c);
unsigned sidecars_set_log_level(SidecarServer *s, const Cluster *c, const char *level);
/* Member upto->member may forget its decisions up to upto->number of upto->chain. */
void sidecars_decision_ack(SidecarServer *s, const char *ns, const DecisionRecord *upto);
