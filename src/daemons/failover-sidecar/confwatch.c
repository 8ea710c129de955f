#include "confwatch.h"

#include "core/file.h"
#include "core/map.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { SETTLE_MS = 300, FILE_MAX = 1024 * 1024 };
static const char *const FILES[] = {"postgresql.conf", "pg_hba.conf", "members"};

struct ConfWatch {
    char *dir;
    int fd;
    FdWatch *watch;
    Timer *settle;
    uint64_t hash;
    void (*on_change)(void *ctx);
    void *ctx;
};

static uint64_t content_hash(const ConfWatch *w)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        AUTO_ARENA a = arena_new();
        StrView v;
        if (file_read(a, arena_printf(a, "%s/%s", w->dir, FILES[i]), FILE_MAX, &v, NULL) == ERR_OK)
            hash = hash_bytes(v.p, v.n, hash + i + 1);
    }
    return hash;
}

static void on_settled(void *ctx)
{
    ConfWatch *w = ctx;
    uint64_t hash = content_hash(w);
    if (hash == w->hash)
        return;
    w->hash = hash;
    w->on_change(w->ctx);
}

static void on_inotify(void *ctx, int events, bool failed)
{
    (void)events, (void)failed;
    ConfWatch *w = ctx;
    char buf[4096];
    while (read(w->fd, buf, sizeof buf) > 0)
        ;
    timer_again(w->settle, SETTLE_MS);
}

ErrCode confwatch_new(Loop *l, const char *dir, void (*on_change)(void *ctx), void *ctx,
                      ConfWatch **ret, Error *err)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "inotify");
    if (inotify_add_watch(fd, dir, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE) < 0) {
        int saved = errno;
        close(fd);
        return err_errno(err, saved, "watch %s", dir);
    }
    ConfWatch *w = xnew(ConfWatch);
    w->dir = xstrdup(dir);
    w->fd = fd;
    w->on_change = on_change;
    w->ctx = ctx;
    w->hash = content_hash(w);
    w->settle = timer_start(l, UINT32_MAX, 0, on_settled, w);
    w->watch = fdwatch_start(l, fd, FD_READ, on_inotify, w);
    *ret = w;
    return ERR_OK;
}

void confwatch_free(ConfWatch *w)
{
    if (!w)
        return;
    fdwatch_stop(w->watch);
    timer_stop(w->settle);
    close(w->fd);
    free(w->dir);
    free(w);
}
