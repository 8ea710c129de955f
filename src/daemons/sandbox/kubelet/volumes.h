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

/* ---- volumes with a size of their own: class `limited`, in memory, gone with this process ---- */
#define VOLUME_LIMITED "metadata.annotations[pg-swarm.io/limited]"
bool volumes_is_limited(const Obj *pv);
uint64_t volumes_size(const Obj *pv); /* its capacity in bytes */
ErrCode volumes_mount(Arena *a, const char *dir, const Obj *pv, Error *err) MUST_USE;
/* What is written beyond is ENOSPC. At least one page; not below what is used. */
ErrCode volumes_resize(const char *dir, uint64_t size, Error *err) MUST_USE;
void volumes_unmount(const char *dir, const Obj *pv); /* its data is gone */
