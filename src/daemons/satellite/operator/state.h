/* operator/state.h - what one site knows: its clusters, what each should be, what of that is in
 * force, and what is seen of its objects.
 *
 * The truth lives in Kubernetes: desired config and applied version in ConfigMap
 * pg-swarm-config-NAME. This is a cache of it plus what watches say; a satellite that starts again
 * builds it from there. Everything belongs to the loop's thread. */
#pragma once
#include "config.h"
#include "core/clock.h"
#include "core/map.h"
#include "kube/kube.h"
#include "model/cluster_spec.h"
#include "model/health.h"
#include "render/render.h"
#include "wire/satellite_stream.h"

typedef struct Site Site;
typedef struct Pass Pass;

/* A pod of a cluster, as the API server sees it. */
typedef struct Pod {
    char *name, *uid;
    char *problem; /* why it cannot run, in the server's words; NULL: nothing known */
    bool refused;  /* the problem is one that the config must cure: image, secret, ... */
    bool ready, terminating;
    char role[16];         /* the label; "" none */
    InstanceRole reported; /* by its sidecar */
} Pod;

typedef struct Cluster {
    Site *site;
    char *key, *ns, *name; /* key: "NS/NAME" */
    Arena *spec_arena;     /* of spec; NULL as long as nothing was received */
    ClusterSpec spec;      /* the newest accepted config */
    bool has_spec, deleting;
    bool delete_volumes;
    bool delete_begun; /* something was removed: no way back */
    int64_t delete_version, applied_version, deleted_version;
    char *cluster_id;

    /* the pass that makes it so */
    Pass *pass;
    bool dirty; /* something changed while a pass ran, or before it could */
    Timer *timer;
    Backoff backoff;
    char *problem;       /* of the last pass; NULL: it went through */
    bool refused;        /* the API server said no: told to central */
    char *quota_problem; /* pods could not be made; from events */
    Timer *nudge;        /* while they cannot: the StatefulSet controller is woken now and then */
    Backoff nudge_backoff;
    KubeCall *nudge_call;
    int64_t told_version; /* config_version, result and problem of the last acknowledgement */
    AckResult told_result;
    char *told_error;

    /* what is seen */
    Map *pods;   /* name -> Pod */
    Map *claims; /* name of a PVC -> "p" protected or "-" not */
    Map *marks;  /* "Kind/name" -> resourceVersion or generation that our own write gave */
    Map *seen;   /* the same as the watches say it */
    bool statefulset_seen;
    char *superuser_password, *replication_password, *token;
    Endpoint rw, ro; /* host owned */
    int64_t created_us;
    bool was_running;

    /* what was told of its health */
    ClusterState state;
    char *reason, *primary_pod;
    Timer *health_timer;
    struct Reporter *health_owner; /* whom health_timer belongs to */
} Cluster;

typedef struct SiteEvents {
    void (*on_ack)(void *ctx, const ConfigAck *ack);
    void (*on_event)(void *ctx, const EventReport *e); /* sequence and time are filled in later */
    /* Roles, readiness or endpoints may have changed. */
    void (*on_health)(void *ctx, Cluster *c);
    /* The config in its pods changed, so they should take it. */
    void (*on_config)(void *ctx, Cluster *c);
    void (*on_storage_classes)(void *ctx);
    void *ctx;
} SiteEvents;

typedef struct SiteStats {
    uint64_t passes, passes_failed, refusals, drift, writes;
} SiteStats;

struct Site {
    Loop *loop;
    Kube *kube;
    const SatConfig *cfg;
    SiteEvents ev;
    Map *clusters; /* key -> Cluster */
    Arena *classes_arena;
    ObjList storage_classes; /* StorageClass */
    char *node_ip;           /* ExternalIP, else InternalIP, of some node */
    char *satellite_addr, *satellite_ca_pem;
    struct Watches *watches;
    unsigned unsynced;  /* watches that have not listed yet */
    bool records_known; /* the ConfigMaps have been listed */
    bool server_fits;   /* the API server is not too old for us */
    bool suspended;     /* revoked: nothing is changed any more */
    unsigned running;   /* passes */
    SiteStats stats;
};

typedef struct SiteSpec {
    Loop *loop;
    Kube *kube;
    const SatConfig *cfg;
    const char *satellite_addr, *satellite_ca_pem;
    SiteEvents ev;
} SiteSpec;
Site *site_new(const SiteSpec *spec);
void site_free(Site *s);
/* Once the first list of everything is there: passes may run, Hello may be sent. */
bool site_ready(const Site *s);
void site_suspend(Site *s, bool suspended, const char *why);

Cluster *site_find(const Site *s, const char *ns, const char *name);
Cluster *site_cluster(Site *s, const char *ns, const char *name); /* made when it is not there */
void cluster_forget(Cluster *c);
/* Take `spec` as what should be; true when it is news. */
void cluster_set_spec(Cluster *c, const ClusterSpec *spec);
void set_string(char **at, const char *value); /* *at is freed; NULL is fine */

/* Events of the site: kind "config.refused", message one sentence. */
typedef struct EventSpec {
    Severity severity;
    const char *kind, *pod, *message;
} EventSpec;
void site_event(Site *s, const Cluster *c, const EventSpec *e);
/* Storage class for a volume: tiers resolved, "" for the default. ERR_INVALID says what there is.
 */
ErrCode site_storage_class(const Site *s, Arena *a, const Volume *v, const char **ret, Error *err);
