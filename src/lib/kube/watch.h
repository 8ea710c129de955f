/* kube/watch.h - a watch that survives what servers do to it: list, then watch from there; a gone
 * version (410) lists again and tells what vanished; bookmarks; reconnect with backoff; a silent
 * connection is left.
 *
 * Each state of each object is told once: repeats (same resourceVersion) are dropped. */
#pragma once
#include "kube/kube.h"

typedef struct KubeWatch KubeWatch;
typedef enum KubeEvent { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED, KUBE_SYNCED } KubeEvent;
typedef struct KubeWatchSpec {
    const KubeKind *kind;
    const char *ns; /* NULL: all namespaces */
    const char *label_selector, *field_selector;
    /* KUBE_SYNCED (obj NULL) after the first list and after each relist; objects that vanished
     * meanwhile come as DELETED before it, with no more than name, namespace and uid. obj valid
     * inside only. kube_watch_stop may be called from inside. */
    void (*on_event)(void *ctx, KubeEvent ev, const cJSON *obj);
    /* connected false: the server could not be asked, err says why (told once per change of state
     * or of reason). May be NULL. */
    void (*on_state)(void *ctx, bool connected, const Error *err);
    uint64_t idle_ms;      /* no byte for so long: ask again; 0: 150,000 */
    uint64_t retry_max_ms; /* the longest pause before the next try; 0: 10 s */
    void *ctx;
} KubeWatchSpec;
KubeWatch *kube_watch(Kube *k, const KubeWatchSpec *spec);
void kube_watch_stop(KubeWatch *w); /* NULL is fine */

/* Things to count, over all watches of this process. */
typedef struct KubeWatchStats {
    uint64_t events, relists, reconnects, bad_lines;
} KubeWatchStats;
const KubeWatchStats *kube_watch_stats(void);
