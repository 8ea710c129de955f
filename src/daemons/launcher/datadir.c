#include "datadir.h"

#include "core/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

bool dir_is_empty(const char *path)
{
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT;
    bool empty = true;
    for (struct dirent *e; empty && (e = readdir(d));)
        empty = str_eq(e->d_name, ".") || str_eq(e->d_name, "..");
    closedir(d);
    return empty;
}

static ErrCode sync_with(int (*fn)(int fd), const char *path, Error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    int rc = fn(fd), saved = errno;
    close(fd);
    return rc ? err_errno(err, saved, "sync %s", path) : ERR_OK;
}

ErrCode dir_sync(const char *path, Error *err)
{
    return sync_with(fsync, path, err);
}

ErrCode volume_sync(const char *path, Error *err)
{
    return sync_with(syncfs, path, err);
}

/* Descends by descriptor, so that a link swapped in underneath leads nowhere else. Owns fd. */
static int remove_below(int fd)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return -1;
    }
    int rc = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
            continue;
        int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0 || remove_below(sub) || unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR))
            rc = -1;
    }
    closedir(d);
    return rc;
}

ErrCode dir_remove(const char *path, Error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_OK : err_errno(err, errno, "open %s", path);
    if (remove_below(fd) || rmdir(path))
        return err_errno(err, errno, "remove %s", path);
    return ERR_OK;
}

/* Owns fd. */
static uint64_t bytes_below(int fd)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return 0;
    }
    uint64_t sum = 0;
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        sum += (uint64_t)st.st_blocks * 512;
        int sub = S_ISDIR(st.st_mode)
                      ? openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                      : -1;
        if (sub >= 0)
            sum += bytes_below(sub);
    }
    closedir(d);
    return sum;
}

uint64_t dir_bytes(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? 0 : bytes_below(fd);
}

ErrCode held_write(const Paths *p, uint64_t system_id, Error *err)
{
    AUTO_ARENA a = arena_new();
    return file_write_atomic(p->held, sv(arena_printf(a, "system_id=%" PRIu64 "\n", system_id)),
                             0600, err);
}

ErrCode mark_write(const Paths *p, Error *err)
{
    return file_write_atomic(p->mark, SV("rewind\n"), 0600, err);
}

ErrCode mark_remove(const Paths *p, Error *err)
{
    if (unlink(p->mark) == 0)
        return dir_sync(p->volume, err);
    return errno == ENOENT ? ERR_OK : err_errno(err, errno, "remove %s", p->mark);
}

ErrCode standby_signal_write(const char *dir, Error *err)
{
    AUTO_ARENA a = arena_new_sized(512);
    const char *path = arena_printf(a, "%s/standby.signal", dir);
    return file_exists(path) ? ERR_OK : file_write_atomic(path, SV(""), 0600, err);
}

/* A segment or a history file (and its .ready, .done, .partial) tells its timeline in front. */
static bool of_timeline_above(const char *name, uint32_t timeline)
{
    unsigned of;
    size_t digits = strspn(name, "0123456789ABCDEF");
    if (digits != 24 && !(digits == 8 && str_starts(name + 8, ".history")))
        return false;
    return sscanf(name, "%8X", &of) == 1 && of > timeline;
}

static ErrCode drop_in(const char *dir, uint32_t timeline, Error *err)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? ERR_OK : err_errno(err, errno, "open %s", dir);
    int failed = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (of_timeline_above(e->d_name, timeline) && unlinkat(dirfd(d), e->d_name, 0))
            failed = errno;
    if (!failed && fsync(dirfd(d)))
        failed = errno;
    closedir(d);
    return failed ? err_errno(err, failed, "remove timelines above %u from %s", timeline, dir)
                  : ERR_OK;
}

ErrCode datadir_drop_above(const char *dir, uint32_t timeline, Error *err)
{
    AUTO_ARENA a = arena_new_sized(1024);
    if (drop_in(arena_printf(a, "%s/pg_wal", dir), timeline, err))
        return err->code;
    return drop_in(arena_printf(a, "%s/pg_wal/archive_status", dir), timeline, err);
}

uint32_t datadir_newest_history(const char *dir, uint32_t from)
{
    AUTO_ARENA a = arena_new_sized(1024);
    while (file_exists(arena_printf(a, "%s/pg_wal/%08X.history", dir, from + 1)))
        from++;
    return from;
}

static uint32_t read_major(const char *dir)
{
    AUTO_ARENA a = arena_new();
    StrView v;
    uint64_t n = 0;
    if (file_read(a, arena_printf(a, "%s/PG_VERSION", dir), 64, &v, NULL) == ERR_OK)
        str_to_u64(sv_dup(a, sv_trim(sv_cut(&v, '\n'))), &n);
    return (uint32_t)n;
}

LpData datadir_judge(const DataInfo *d, LpRole *ret_role)
{
    const Stamp *s = &d->stamp;
    *ret_role = LP_ROLE_STANDBY;
    if (d->standby_signal || d->backup_label)
        return LP_DATA_READY;
    if (s->role == LP_ROLE_PRIMARY ||
        (s->promoting_from && control_newest(&d->control) > s->promoting_from)) {
        *ret_role = LP_ROLE_PRIMARY;
        return LP_DATA_READY;
    }
    return s->promoting_from ? LP_DATA_READY : LP_DATA_MARKED;
}

static void look_inside(const Paths *p, DataInfo *d)
{
    AUTO_ARENA a = arena_new_sized(1024);
    d->standby_signal = file_exists(arena_printf(a, "%s/standby.signal", p->data));
    d->backup_label = file_exists(arena_printf(a, "%s/backup_label", p->data));
    bool marked = file_exists(p->mark);
    bool stamped = stamp_read(p->data, &d->stamp) && d->stamp.system_id == d->control.system_id;
    if (marked)
        d->kind = LP_DATA_MARKED; /* a rewind takes the leader's stamp along */
    else if (stamped)
        d->kind = datadir_judge(d, &d->role);
}

void datadir_inspect(const Paths *p, DataInfo *ret)
{
    *ret = (DataInfo){.held = file_exists(p->held)};
    if (dir_is_empty(p->data)) {
        ret->kind = ret->held ? LP_DATA_LOST : LP_DATA_EMPTY;
        return;
    }
    ret->kind = LP_DATA_FOREIGN;
    ret->major = read_major(p->data);
    Error err = {0};
    if (ret->major && control_read(p->data, &ret->control, &err) == ERR_OK)
        look_inside(p, ret);
    else if (ret->held)
        ret->kind = LP_DATA_LOST; /* what somebody's rm left of ours */
}
