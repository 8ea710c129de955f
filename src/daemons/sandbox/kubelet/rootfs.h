/* kubelet/rootfs.h - what a container sees as its file system, as options for bubblewrap.
 *
 * The root is an image's, read-only; /tmp, /run, /dev and /dev/shm are the container's own, in
 * memory; volumes are mounted where the pod says. A mount point that the image does not have is
 * made by taking its nearest folder apart: that folder becomes one of the container's own, with
 * links to what the image has in it (kept at /.image). Looks at the image's folders, changes
 * nothing. */
#pragma once
#include "kubelet/images.h"

typedef struct Mount {
    const char *source, *target; /* target absolute, without a trailing slash */
    bool writable;
} Mount;

typedef struct RootSpec {
    const Image *image;
    const Mount *mounts; /* volumes and files, in any order */
    size_t mount_count;
    unsigned uid, gid;
    const char *cwd;
    const char *const *env; /* "NAME=VALUE", ends with NULL */
} RootSpec;

/* NULL-terminated, to stand before "--" and the command. */
const char *const *rootfs_options(Arena *a, const RootSpec *spec);
