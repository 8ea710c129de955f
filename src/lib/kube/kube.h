/* kube/kube.h - Kubernetes API client: typed errors, the verbs we use, watches that survive what
 * servers do to them.
 *
 * Objects are cJSON trees. https://kubernetes.io/docs/reference/using-api/api-concepts/ */
#pragma once
#include "core/str.h"
#include "loop/loop.h"
#include <cjson/cJSON.h>

typedef struct Kube Kube;

typedef struct KubeConfig {
    const char *server; /* "https://10.96.0.1:443" */
    const char *ca_pem;
    const char *token;      /* bearer; or: */
    const char *token_file; /* re-read when it changes (expiring service-account tokens) */
    const char *cert_pem, *key_pem;
    const char *field_manager; /* "pg-swarm" */
    const char *user_agent;
} KubeConfig;

/* From the service account of the pod we run in, or from KUBECONFIG / a file (its current context).
 */
ErrCode kube_config_in_cluster(Arena *a, KubeConfig *ret, Error *err) MUST_USE;
ErrCode kube_config_file(Arena *a, const char *path, KubeConfig *ret, Error *err) MUST_USE;
ErrCode kube_new(Loop *l, const KubeConfig *cfg, Kube **ret, Error *err) MUST_USE;
void kube_free(Kube *k);

/* A kind as a path: core is group "". Namespaced kinds need ns; ns NULL lists all namespaces. */
typedef struct KubeKind {
    const char *group, *version, *plural, *kind;
    bool namespaced;
} KubeKind;
extern const KubeKind KUBE_NAMESPACE, KUBE_POD, KUBE_SERVICE, KUBE_CONFIGMAP, KUBE_SECRET,
    KUBE_SERVICEACCOUNT, KUBE_PVC, KUBE_EVENT, KUBE_NODE, KUBE_STATEFULSET, KUBE_DEPLOYMENT,
    KUBE_JOB, KUBE_ROLE, KUBE_ROLEBINDING, KUBE_LEASE, KUBE_PDB, KUBE_STORAGECLASS, KUBE_ENDPOINTS;

/* err: NOT_FOUND 404, EXISTS 409 reason AlreadyExists, CONFLICT 409, FORBIDDEN 403, UNAUTHENTICATED
 * 401, GONE 410, INVALID 422, EXHAUSTED 429, UNAVAILABLE 5xx and no answer, TIMEOUT. err->msg holds
 * the Status message in the server's words. obj is valid inside only; cJSON_Duplicate to keep.
 * Exactly one of err and obj. Never from inside the starter. */
typedef void (*KubeDone)(void *ctx, const Error *err, const cJSON *obj);
typedef struct KubeCall KubeCall;

KubeCall *kube_get(Kube *k, const KubeKind *kind, const char *ns, const char *name, KubeDone done,
                   void *ctx);
typedef struct KubeListOptions {
    const char *label_selector, *field_selector;
    unsigned limit; /* page size; pages are followed and joined */
} KubeListOptions;
KubeCall *kube_list(Kube *k, const KubeKind *kind, const char *ns, const KubeListOptions *opt,
                    KubeDone done, void *ctx);
KubeCall *kube_create(Kube *k, const KubeKind *kind, const char *ns, const cJSON *obj,
                      KubeDone done, void *ctx);
/* Replace; obj carries metadata.resourceVersion for compare-and-swap. */
KubeCall *kube_update(Kube *k, const KubeKind *kind, const char *ns, const char *name,
                      const cJSON *obj, KubeDone done, void *ctx);
/* Server-side apply as our field manager; force takes fields over from others. */
KubeCall *kube_apply(Kube *k, const KubeKind *kind, const char *ns, const char *name,
                     const cJSON *obj, bool force, KubeDone done, void *ctx);
/* JSON merge patch (RFC 7386). subresource may be NULL ("status", "scale"). */
KubeCall *kube_merge_patch(Kube *k, const KubeKind *kind, const char *ns, const char *name,
                           const char *subresource, const cJSON *patch, KubeDone done, void *ctx);
typedef struct KubeDeleteOptions {
    const char *propagation; /* "Background" "Foreground" "Orphan"; NULL: the kind's default */
    const char *precondition_uid, *precondition_rv;
    int grace_seconds; /* -1: the object's own */
} KubeDeleteOptions;
KubeCall *kube_delete(Kube *k, const KubeKind *kind, const char *ns, const char *name,
                      const KubeDeleteOptions *opt, KubeDone done, void *ctx);
/* Raw: any path, for discovery, /version, logs. body may be empty. */
KubeCall *kube_raw(Kube *k, const char *method, const char *path, StrView body,
                   const char *content_type,
                   void (*done)(void *ctx, const Error *err, int status, StrView body), void *ctx);
void kube_cancel(KubeCall *c); /* done will not be called */

/* ---- watch: list, then watch from there; relist after 410; bookmarks; reconnect with backoff;
 * idle timeout ---- */
typedef struct KubeWatch KubeWatch;
typedef enum KubeEvent { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED, KUBE_SYNCED } KubeEvent;
typedef struct KubeWatchSpec {
    const KubeKind *kind;
    const char *ns; /* NULL: all namespaces */
    const char *label_selector, *field_selector;
    /* KUBE_SYNCED (obj NULL) after the first list and after each relist; objects that vanished
     * meanwhile come as DELETED before it. obj valid inside only. */
    void (*on_event)(void *ctx, KubeEvent ev, const cJSON *obj);
    void (*on_state)(void *ctx, bool connected, const Error *err); /* may be NULL */
    void *ctx;
} KubeWatchSpec;
KubeWatch *kube_watch(Kube *k, const KubeWatchSpec *spec);
void kube_watch_stop(KubeWatch *w);

/* ---- reading objects ---- */
const char *kube_str(const cJSON *obj,
                     const char *path); /* "metadata.name"; keys with dots:
                                           "metadata.labels['a.b/c']"; NULL when absent */
int64_t kube_int(const cJSON *obj, const char *path, int64_t absent);
cJSON *kube_at(const cJSON *obj, const char *path);
