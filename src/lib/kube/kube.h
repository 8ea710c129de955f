/* kube/kube.h - Kubernetes API client: typed errors, the verbs we use, logs that follow.
 *
 * Objects are cJSON trees. Calls are asynchronous: `done` comes exactly once, never from inside the
 * starter, unless kube_cancel ended the call before. 429 and (for calls that may be repeated) 503
 * are tried again after Retry-After, a few times. apiVersion and kind of what is sent are filled in
 * from the KubeKind. Watches: kube/watch.h.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/ */
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
    const char *namespace_;    /* of the pod or of the context; NULL when not known */
    const char *field_manager; /* NULL: "pg-swarm" */
    const char *user_agent;
    bool insecure;
} KubeConfig;

/* From the service account of the pod we run in, or from KUBECONFIG / a file (its current context).
 */
ErrCode kube_config_in_cluster(Arena *a, KubeConfig *ret, Error *err) MUST_USE;
ErrCode kube_config_file(Arena *a, const char *path, KubeConfig *ret, Error *err) MUST_USE;
/* path when not empty, else $KUBECONFIG, else the pod's service account. */
ErrCode kube_config_any(Arena *a, const char *path, KubeConfig *ret, Error *err) MUST_USE;
ErrCode kube_new(Loop *l, const KubeConfig *cfg, Kube **ret, Error *err) MUST_USE;
void kube_free(Kube *k); /* cancels what is under way; watches must have been stopped before */
Loop *kube_loop(const Kube *k);

/* A kind as a path: core is group "". Namespaced kinds need ns; ns NULL lists all namespaces. When
 * `older` is set, the server is asked once which of the two versions it serves. */
typedef struct KubeKind {
    const char *group, *version, *plural, *kind;
    bool namespaced;
    const char *older;
} KubeKind;
extern const KubeKind KUBE_NAMESPACE, KUBE_POD, KUBE_SERVICE, KUBE_CONFIGMAP, KUBE_SECRET,
    KUBE_SERVICEACCOUNT, KUBE_PVC, KUBE_EVENT, KUBE_NODE, KUBE_STATEFULSET, KUBE_DEPLOYMENT,
    KUBE_JOB, KUBE_ROLE, KUBE_ROLEBINDING, KUBE_LEASE, KUBE_PDB, KUBE_STORAGECLASS, KUBE_ENDPOINTS,
    KUBE_NETWORKPOLICY;

/* err: NOT_FOUND 404, EXISTS 409 reason AlreadyExists, CONFLICT 409, FORBIDDEN 403, UNAUTHENTICATED
 * 401, GONE 410, INVALID 422, EXHAUSTED 429, UNAVAILABLE 5xx and no answer, TIMEOUT. err->msg holds
 * the Status message in the server's words. obj is valid inside only; cJSON_Duplicate to keep.
 * Exactly one of err and obj. */
typedef void (*KubeDone)(void *ctx, const Error *err, const cJSON *obj);
typedef struct KubeCall KubeCall;

KubeCall *kube_get(Kube *k, const KubeKind *kind, const char *ns, const char *name, KubeDone done,
                   void *ctx);
typedef struct KubeListOptions {
    const char *label_selector, *field_selector;
    unsigned limit; /* page size (0: LIMIT_LIST_PAGE); pages are followed and joined */
} KubeListOptions;
KubeCall *kube_list(Kube *k, const KubeKind *kind, const char *ns, const KubeListOptions *opt,
                    KubeDone done, void *ctx);
KubeCall *kube_create(Kube *k, const KubeKind *kind, const char *ns, const cJSON *obj,
                      KubeDone done, void *ctx);
/* Replace; obj carries metadata.name and metadata.resourceVersion for compare-and-swap. */
KubeCall *kube_update(Kube *k, const KubeKind *kind, const char *ns, const cJSON *obj,
                      KubeDone done, void *ctx);
/* Server-side apply as our field manager, of the object that obj's metadata names; force takes
 * fields over from others. */
KubeCall *kube_apply(Kube *k, const KubeKind *kind, const cJSON *obj, bool force, KubeDone done,
                     void *ctx);
/* JSON merge patch (RFC 7386). */
typedef struct KubePatch {
    const char *ns, *name;
    const char *subresource; /* NULL, "status", "scale" */
    const cJSON *patch;
} KubePatch;
KubeCall *kube_merge_patch(Kube *k, const KubeKind *kind, const KubePatch *patch, KubeDone done,
                           void *ctx);
typedef struct KubeDelete {
    const char *ns, *name;
    const char *propagation; /* "Background" "Foreground" "Orphan"; NULL: the kind's default */
    const char *precondition_uid, *precondition_rv;
    const unsigned *grace_seconds; /* NULL: the object's own */
} KubeDelete;
KubeCall *kube_delete(Kube *k, const KubeKind *kind, const KubeDelete *del, KubeDone done,
                      void *ctx);
/* Any path with a JSON or no body, for discovery and /version. */
typedef struct KubeRaw {
    const char *method, *path;
    const char *content_type; /* NULL: application/json */
    StrView body;
} KubeRaw;
typedef void (*KubeRawDone)(void *ctx, const Error *err, int status, StrView body);
KubeCall *kube_raw(Kube *k, const KubeRaw *req, KubeRawDone done, void *ctx);
void kube_cancel(KubeCall *c); /* done will not be called; NULL is fine */

/* A container's log, as it comes. on_data: false pauses, kube_log_resume goes on. */
typedef struct KubeLogSpec {
    const char *ns, *pod, *container;   /* container NULL: the only one */
    unsigned tail_lines, since_seconds; /* 0: all */
    bool follow, previous;
    bool (*on_data)(void *ctx, const char *data, size_t n);
    void (*on_end)(void *ctx, const Error *err); /* err NULL: the log is over */
    void *ctx;
} KubeLogSpec;
KubeCall *kube_log(Kube *k, const KubeLogSpec *spec);
void kube_log_resume(KubeCall *c);

/* ---- reading objects ---- */
/* "metadata.name"; keys with dots: "metadata.labels['a.b/c']"; array elements: "spec.ports[0]".
 * NULL when absent or not text. */
const char *kube_str(const cJSON *obj, const char *path);
int64_t kube_int(const cJSON *obj, const char *path, int64_t absent);
bool kube_bool(const cJSON *obj, const char *path, bool absent);
cJSON *kube_at(const cJSON *obj, const char *path);
/* What metadata.labels / metadata.annotations say for a key; NULL when absent. */
const char *kube_label(const cJSON *obj, const char *key);
const char *kube_annotation(const cJSON *obj, const char *key);
/* The error that a Status answer of the API server stands for. */
ErrCode kube_status_error(int http_status, StrView body, Error *err);
