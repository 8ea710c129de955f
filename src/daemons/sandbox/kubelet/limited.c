/* Volumes with a size of their own: a tmpfs each, mounted where the folder of another would be. */
#include "core/file.h"
#include "kubelet/volumes.h"
#include "store/quantity.h"
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

bool volumes_is_limited(const Obj *pv)
{
    return str_eq(js_text(pv->json, VOLUME_LIMITED), "true");
}

uint64_t volumes_size(const Obj *pv)
{
    int64_t milli = 0;
    quantity_parse(js_text(pv->json, "spec.capacity.storage"), &milli);
    return milli > 0 ? (uint64_t)milli / 1000 : 0;
}

/* Another device than the folder above. */
static bool is_mounted(Arena *a, const char *dir)
{
    struct stat here, above;
    return stat(dir, &here) == 0 && stat(arena_printf(a, "%s/..", dir), &above) == 0 &&
           here.st_dev != above.st_dev;
}

static ErrCode mount_size(const char *dir, uint64_t size, unsigned long flags, Error *err)
{
    char options[64];
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    size = size < page ? page : size; /* none would be no limit at all */
    snprintf(options, sizeof options, "size=%llu,mode=0755", (unsigned long long)size);
    if (mount("limited", dir, "tmpfs", MS_NOSUID | MS_NODEV | flags, options) == 0)
        return ERR_OK;
    return err_errno(err, errno, "a volume of %llu bytes on %s", (unsigned long long)size, dir);
}

ErrCode volumes_mount(Arena *a, const char *dir, const Obj *pv, Error *err)
{
    if (!volumes_is_limited(pv) || is_mounted(a, dir))
        return ERR_OK;
    return mount_size(dir, volumes_size(pv), 0, err);
}

ErrCode volumes_resize(const char *dir, uint64_t size, Error *err)
{
    return mount_size(dir, size, MS_REMOUNT, err);
}

void volumes_unmount(const char *dir, const Obj *pv)
{
    if (volumes_is_limited(pv))
        umount2(dir, MNT_DETACH); /* not mounted: it was never used, or by an earlier process */
}
