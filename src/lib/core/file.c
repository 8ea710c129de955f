#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

ErrCode file_read(Arena *a, const char *path, size_t limit, StrView *ret, Error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    size_t cap = 4096, n = 0;
    char *buf = xmalloc(cap + 1);
    ErrCode rc = ERR_OK;
    for (;;) {
        ssize_t got = read(fd, buf + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = err_errno(err, errno, "read %s", path);
        if (got <= 0)
            break;
        n += (size_t)got;
        if (n > limit) {
            rc = err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, limit);
            break;
        }
        if (n == cap)
            buf = xrealloc(buf, (cap *= 2) + 1);
    }
    close(fd);
    if (rc == ERR_OK) {
        char *p = arena_alloc(a, n + 1);
        memcpy(p, buf, n);
        *ret = sv_n(p, n);
    }
    free(buf);
    return rc;
}

static ErrCode write_and_sync(int fd, const char *path, StrView data, Error *err)
{
    while (data.n) {
        ssize_t w = write(fd, data.p, data.n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_errno(err, errno, "write %s", path);
        data.p += w;
        data.n -= (size_t)w;
    }
    if (fsync(fd) < 0)
        return err_errno(err, errno, "fsync %s", path);
    return ERR_OK;
}

static void sync_parent(const char *path)
{
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

ErrCode file_write_atomic(const char *path, StrView data, unsigned mode, Error *err)
{
    char tmp[4096];
    if (snprintf(tmp, sizeof tmp, "%s.tmp", path) >= (int)sizeof tmp)
        return err_set(err, ERR_INVALID, "path too long: %.80s...", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return err_errno(err, errno, "create %s", tmp);
    ErrCode rc = fchmod(fd, mode) < 0 ? err_errno(err, errno, "chmod %s", tmp)
                                      : write_and_sync(fd, tmp, data, err);
    close(fd);
    if (rc == ERR_OK && rename(tmp, path) < 0)
        rc = err_errno(err, errno, "rename %s", tmp);
    if (rc)
        unlink(tmp);
    else
        sync_parent(path);
    return rc;
}

ErrCode file_mkdirs(const char *path, unsigned mode, Error *err)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return err_set(err, ERR_INVALID, "path too long: %.80s...", path);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p)
            continue;
        char c = *p;
        *p = 0;
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return err_errno(err, errno, "mkdir %s", part);
        *p = c;
        if (!c)
            return ERR_OK;
    }
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
