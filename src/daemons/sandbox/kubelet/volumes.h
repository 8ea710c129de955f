/* kubelet/volumes.h - the volumes of a pod as folders of the host.
 *
 * On disk below STATE/pods/UID (emptyDir) and STATE/pvs/NAME (claims); in a tmpfs of the process,
 * below STATE/run/UID, everything that must not reach a disk: Secrets, tokens, ConfigMaps, emptyDir
 * with medium Memory. */
#pragma once
#include "app.h"
#include "kubelet/podenv.h"
#include "kubelet/rootfs.h"

typedef struct PodVolumes {
    App *app;
    PodFacts facts;
    const char *disk_dir, *mem_dir; /* of this pod */
    int64_t *token_renew_us;        /* tokens are good until then; changed when they are renewed */
} PodVolumes;

/* Make, or bring up to date, all of them. Safe to call again at any time. NOT_FOUND for what may
 * still come (a ConfigMap, a claim). */
ErrCode volumes_prepare(const PodVolumes *v, Arena *a, Error *err) MUST_USE;
/* Does the pod read this ConfigMap or Secret through a volume? */
bool volumes_use(const cJSON *pod, const Kind *k, const char *name);
/* What one container mounts. */
ErrCode volumes_mounts(const PodVolumes *v, Arena *a, const cJSON *container, const Mount **ret,
                       size_t *ret_n, Error *err) MUST_USE;
void volumes_remove(const PodVolumes *v);
/* Where a claim's data is. */
const char *volumes_pv_dir(Arena *a, const App *app, const char *pv);
