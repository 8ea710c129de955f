#include "kubelet/voldir.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/limits.h"
#include "core/vec.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_file(Arena *a, const char *path, const VolFile *f)
{
    StrView have;
    return file_read(a, path, LIMIT_KUBE_OBJECT, &have, NULL) == ERR_OK && have.n == f->n &&
           (f->n == 0 || memcmp(have.p, f->data, f->n) == 0);
}

static size_t count_files(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));)
        n += !str_starts(e->d_name, "..") && !str_eq(e->d_name, ".");
    closedir(d);
    return n;
}

static size_t count_tops(Arena *a, const VolFile *files, size_t n)
{
    VEC(const char *) tops = {0};
    for (size_t i = 0; i < n; i++) {
        const char *top = arena_strndup(a, files[i].path, strcspn(files[i].path, "/"));
        size_t k = 0;
        while (k < tops.n && !str_eq(tops.at[k], top))
            k++;
        if (k == tops.n)
            vec_push(&tops, top);
    }
    size_t count = tops.n;
    vec_done(&tops);
    return count;
}

static bool is_current(Arena *a, const char *dir, const VolFile *files, size_t n)
{
    if (!file_exists(arena_printf(a, "%s/..data", dir)) ||
        count_files(dir) != count_tops(a, files, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!same_file(a, arena_printf(a, "%s/%s", dir, files[i].path), &files[i]))
            return false;
    return true;
}

static ErrCode write_one(const char *path, const VolFile *f, Error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "%s", path);
    ssize_t n = f->n ? write(fd, f->data, f->n) : 0;
    if (n == (ssize_t)f->n)
        n = fchmod(fd, f->mode);
    int e = errno;
    close(fd);
    return n < 0 ? err_errno(err, e, "%s", path) : ERR_OK;
}

static ErrCode write_all(Arena *a, const char *fresh, const VolFile *files, size_t n, Error *err)
{
    ErrCode rc = file_mkdirs(fresh, 0755, err);
    for (size_t i = 0; !rc && i < n; i++) {
        char *path = arena_printf(a, "%s/%s", fresh, files[i].path);
        char *slash = strrchr(path, '/');
        *slash = 0;
        rc = file_mkdirs(path, 0755, err);
        *slash = '/';
        if (!rc)
            rc = write_one(path, &files[i], err);
    }
    return rc;
}

/* A link NAME -> ..data/NAME for each top name, and none for what is no more. */
static ErrCode link_names(Arena *a, const char *dir, const VolFile *files, size_t n, Error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *top = arena_strndup(a, files[i].path, strcspn(files[i].path, "/"));
        const char *at = arena_printf(a, "%s/%s", dir, top);
        if (symlink(arena_printf(a, "..data/%s", top), at) < 0 && errno != EEXIST)
            return err_errno(err, errno, "%s", at);
    }
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        if (str_starts(e->d_name, ".") && (str_starts(e->d_name, "..") || str_eq(e->d_name, ".")))
            continue;
        const char *at = arena_printf(a, "%s/%s", dir, e->d_name);
        if (stat(at, &st) < 0 && errno == ENOENT)
            unlink(at);
    }
    if (d)
        closedir(d);
    return ERR_OK;
}

ErrCode voldir_write(const char *dir, const VolFile *files, size_t n, Error *err)
{
    AUTO_ARENA a = arena_new();
    if (is_current(a, dir, files, n))
        return ERR_OK;
    char old[PATH_MAX];
    const char *data = arena_printf(a, "%s/..data", dir);
    ssize_t len = readlink(data, old, sizeof old - 1);
    const char *name = arena_printf(a, "..%lld", (long long)clock_wall_us());
    const char *tmp = arena_printf(a, "%s/..data_tmp", dir);
    ErrCode rc = write_all(a, arena_printf(a, "%s/%s", dir, name), files, n, err);
    if (rc)
        return rc;
    unlink(tmp);
    if (symlink(name, tmp) < 0 || rename(tmp, data) < 0)
        return err_errno(err, errno, "%s", data);
    rc = link_names(a, dir, files, n, err);
    if (len > 0)
        voldir_remove(arena_printf(a, "%s/%.*s", dir, (int)len, old));
    return rc;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    (void)!remove(path); /* what cannot be removed is left: a later try may do it */
    return 0;
}

void voldir_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void remove_work(void *path)
{
    voldir_remove(path);
}

void voldir_remove_later(Loop *l, const char *path)
{
    loop_work(l, remove_work, free, xstrdup(path));
}
