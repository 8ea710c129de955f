#include "recover.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/vec.h"
#include "procs.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
}

ErrCode recover_processes(const Paths *p, Error *err)
{
    uint64_t start = clock_mono_ms();
    for (unsigned n; (n = procs_in_folder(p->data, 0)) > 0; nap()) {
        uint64_t waited = clock_mono_ms() - start;
        if (waited > 10000)
            return err_set(err, ERR_CONFLICT, "%u processes in %s do not end", n, p->data);
        procs_in_folder(p->data, waited < 500 ? SIGQUIT : SIGKILL);
    }
    return recover_lock_files(p, err);
}

ErrCode recover_lock_files(const Paths *p, Error *err)
{
    AUTO_ARENA a = arena_new();
    const char *stale[] = {
        arena_printf(a, "%s/postmaster.pid", p->data),
        arena_printf(a, "%s/.s.PGSQL.%s", p->run, p->pg_port),
        arena_printf(a, "%s/.s.PGSQL.%s.lock", p->run, p->pg_port),
    };
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
        if (unlink(stale[i]) && errno != ENOENT)
            return err_errno(err, errno, "remove %s", stale[i]);
    return ERR_OK;
}

const char *journal_folder(const Paths *p, const Journal *j)
{
    return j->job == LP_JOB_INITDB ? p->data_new : p->data_clone;
}

char *journal_waldir(Arena *a, const Paths *p, const Journal *j)
{
    return p->wal_root ? arena_printf(a, "%s/pg_wal-%s", p->wal_root, j->id) : NULL;
}

static ErrCode move(const char *from, const char *to, Error *err)
{
    return rename(from, to) ? err_errno(err, errno, "rename %s to %s", from, to) : ERR_OK;
}

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* Older folders of an earlier swap go once the newer one stands. */
static void remove_old_folders(const Paths *p, const char *keep_id)
{
    AUTO_ARENA a = arena_new();
    const char *prefix = arena_printf(a, "%s.old.", base_name(p->data));
    DIR *d = opendir(p->volume);
    if (!d)
        return;
    Error err = {0};
    for (struct dirent *e; (e = readdir(d));)
        if (str_starts(e->d_name, prefix) && !str_ends(e->d_name, keep_id) &&
            dir_remove(arena_printf(a, "%s/%s", p->volume, e->d_name), &err))
            log_warn("recover", "cannot remove an old folder", "err=%s", log_quote(err.msg));
    closedir(d);
}

static bool links_to(Arena *a, const char *folder, const char *waldir)
{
    char to[4096];
    ssize_t n = readlink(arena_printf(a, "%s/pg_wal", folder), to, sizeof to - 1);
    if (n <= 0)
        return false;
    to[n] = 0;
    return str_eq(to, waldir);
}

static bool wal_in_use(Arena *a, const Paths *p, const char *waldir)
{
    if (links_to(a, p->data, waldir))
        return true;
    const char *prefix = arena_printf(a, "%s.old.", base_name(p->data));
    DIR *d = opendir(p->volume);
    bool used = !d;
    for (struct dirent *e; !used && (e = readdir(d));)
        used = str_starts(e->d_name, prefix) &&
               links_to(a, arena_printf(a, "%s/%s", p->volume, e->d_name), waldir);
    if (d)
        closedir(d);
    return used;
}

/* Only with a complete cluster in place: without one, WAL that nobody links to may be all that is
 * left. */
static void remove_unused_wal(const Paths *p)
{
    DataInfo info;
    datadir_inspect(p, &info);
    DIR *d = info.kind == LP_DATA_READY && p->wal_root ? opendir(p->wal_root) : NULL;
    if (!d)
        return;
    AUTO_ARENA a = arena_new();
    Error err = {0};
    for (struct dirent *e; (e = readdir(d));) {
        const char *waldir = arena_printf(a, "%s/%s", p->wal_root, e->d_name);
        if (str_starts(e->d_name, "pg_wal-") && strlen(e->d_name) == 7 + 16 &&
            !wal_in_use(a, p, waldir) && dir_remove(waldir, &err))
            log_warn("recover", "cannot remove an unused WAL folder", "err=%s", log_quote(err.msg));
    }
    closedir(d);
}

typedef VEC(const char *) NameVec;

static void old_folders(Arena *a, const Paths *p, NameVec *ret)
{
    const char *prefix = arena_printf(a, "%s.old.", base_name(p->data));
    DIR *d = opendir(p->volume);
    for (struct dirent *e; d && (e = readdir(d));)
        if (str_starts(e->d_name, prefix))
            vec_push(ret, arena_printf(a, "%s/%s", p->volume, e->d_name));
    if (d)
        closedir(d);
}

uint64_t old_folders_bytes(const Paths *p)
{
    AUTO_ARENA a = arena_new();
    NameVec v = {0};
    uint64_t sum = 0;
    old_folders(a, p, &v);
    for (size_t i = 0; i < v.n; i++) {
        sum += dir_bytes(v.at[i]);
        char to[4096];
        ssize_t n = readlink(arena_printf(a, "%s/pg_wal", v.at[i]), to, sizeof to - 1);
        if (n > 0) {
            to[n] = 0;
            sum += dir_bytes(to);
        }
    }
    vec_done(&v);
    return sum;
}

ErrCode old_folders_remove(const Paths *p, Error *err)
{
    DataInfo info;
    datadir_inspect(p, &info);
    if (info.kind != LP_DATA_READY)
        return err_set(err, ERR_PRECONDITION,
                       "forget: refused, %s is not whole, and what was put aside may be all there "
                       "is",
                       p->data);
    AUTO_ARENA a = arena_new();
    NameVec v = {0};
    ErrCode rc = ERR_OK;
    old_folders(a, p, &v);
    for (size_t i = 0; i < v.n && !rc; i++)
        rc = dir_remove(v.at[i], err);
    vec_done(&v);
    remove_unused_wal(p);
    return rc;
}

ErrCode volume_swap(const Paths *p, Journal *j, Error *err)
{
    AUTO_ARENA a = arena_new();
    const char *from = journal_folder(p, j);
    if (!dir_is_empty(from)) {
        /* Only now: a volume must not say that it held a cluster when all it held was a build. */
        Stamp stamp;
        if (!stamp_read(from, &stamp))
            return err_set(err, ERR_DATA_LOSS, "%s has no stamp; nothing changed", from);
        if (held_write(p, stamp.system_id, err))
            return err->code;
        journal_at("swap.held");
        if (!dir_is_empty(p->data) &&
            move(p->data, arena_printf(a, "%s.old.%s", p->data, j->id), err))
            return err->code;
        journal_at("swap.between");
        if (move(from, p->data, err))
            return err->code;
    }
    if (dir_sync(p->volume, err))
        return err->code;
    journal_at("swap.renamed");
    /* What was half rewound is aside now. */
    if (mark_remove(p, err))
        return err->code;
    journal_at("swap.unmarked");
    if (journal_clear(p, err))
        return err->code;
    journal_at("swap.cleared");
    remove_old_folders(p, j->id);
    remove_unused_wal(p);
    return ERR_OK;
}

static ErrCode throw_away(const Paths *p, const Journal *j, Error *err)
{
    AUTO_ARENA a = arena_new();
    const char *waldir = journal_waldir(a, p, j);
    if (dir_remove(journal_folder(p, j), err) || (waldir && dir_remove(waldir, err)))
        return err->code;
    return journal_clear(p, err);
}

ErrCode recover_volume(const Paths *p, Error *err)
{
    Journal j;
    if (journal_read(p, &j, err))
        return err->code;
    if (j.step == STEP_BUILD)
        return throw_away(p, &j, err);
    if (j.step == STEP_SWAP)
        return volume_swap(p, &j, err);
    return ERR_OK;
}
