#include "datadir.h"

#include "core/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The head of PostgreSQL's ControlFileData has been the same from 11 to 18: system identifier (8),
 * version, catalog version, state, pad, time (8), checkpoint (8), then the checkpoint copy: redo
 * (8), timeline (4). */
enum { CONTROL_SYSTEM_ID = 0, CONTROL_TIMELINE = 48, CONTROL_NEEDED = 52, CONTROL_MAX = 64 * 1024 };

ErrCode datadir_control(const char *dir, uint64_t *ret_system_id, uint32_t *ret_timeline,
                        Error *err)
{
    AUTO_ARENA a = arena_new();
    const char *path = arena_printf(a, "%s/global/pg_control", dir);
    StrView v;
    if (file_read(a, path, CONTROL_MAX, &v, err))
        return err->code;
    if (v.n < CONTROL_NEEDED)
        return err_set(err, ERR_DATA_LOSS, "%s has %zu bytes only", path, v.n);
    memcpy(ret_system_id, v.p + CONTROL_SYSTEM_ID, sizeof *ret_system_id);
    memcpy(ret_timeline, v.p + CONTROL_TIMELINE, sizeof *ret_timeline);
    return ERR_OK;
}

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

ErrCode stamp_write(const char *dir, const Stamp *s, Error *err)
{
    AUTO_ARENA a = arena_new();
    const char *text = arena_printf(a, "role=%s\nepoch=%" PRIu64 "\nsystem_id=%" PRIu64 "\n",
                                    lp_role_name(s->role), s->epoch, s->system_id);
    return file_write_atomic(arena_printf(a, "%s/pgswarm.stamp", dir), sv(text), 0600, err);
}

bool stamp_parse(StrView text, Stamp *ret)
{
    Stamp s = {0};
    unsigned seen = 0;
    while (text.n) {
        StrView value = sv_cut(&text, '\n'), key = sv_cut(&value, '=');
        char num[24];
        uint64_t n = 0;
        snprintf(num, sizeof num, SV_FMT, SV_ARG(value));
        if (sv_eqs(key, "role")) {
            s.role = sv_eqs(value, "primary")   ? LP_ROLE_PRIMARY
                     : sv_eqs(value, "standby") ? LP_ROLE_STANDBY
                                                : LP_ROLE_NONE;
            seen |= s.role ? 1 : 0;
        } else if (sv_eqs(key, "epoch") && str_to_u64(num, &n)) {
            s.epoch = n;
            seen |= 2;
        } else if (sv_eqs(key, "system_id") && str_to_u64(num, &n)) {
            s.system_id = n;
            seen |= 4;
        }
    }
    if (seen != 7)
        return false;
    *ret = s;
    return true;
}

bool stamp_read(const char *dir, Stamp *ret)
{
    AUTO_ARENA a = arena_new();
    StrView text;
    return file_read(a, arena_printf(a, "%s/pgswarm.stamp", dir), 4096, &text, NULL) == ERR_OK &&
           stamp_parse(text, ret);
}

ErrCode held_write(const Paths *p, uint64_t system_id, Error *err)
{
    AUTO_ARENA a = arena_new();
    return file_write_atomic(p->held, sv(arena_printf(a, "system_id=%" PRIu64 "\n", system_id)),
                             0600, err);
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

void datadir_inspect(const Paths *p, DataInfo *ret)
{
    *ret = (DataInfo){0};
    if (dir_is_empty(p->data)) {
        ret->kind = file_exists(p->held) ? LP_DATA_LOST : LP_DATA_EMPTY;
        return;
    }
    ret->kind = LP_DATA_FOREIGN;
    ret->major = read_major(p->data);
    Error err = {0};
    if (!ret->major || datadir_control(p->data, &ret->system_id, &ret->timeline, &err))
        return;
    if (stamp_read(p->data, &ret->stamp) && ret->stamp.system_id == ret->system_id)
        ret->kind = LP_DATA_READY;
}
