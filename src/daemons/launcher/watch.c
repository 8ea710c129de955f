/* PGDATA is watched while PostgreSQL runs: a standby that somebody promotes by hand would be a
 * primary without a permit, and one whose folder is gone has nothing left to serve. */
#include "launcher.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

ErrCode watch_open(Launcher *l, Error *err)
{
    l->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return l->watch_fd < 0 ? err_errno(err, errno, "inotify") : ERR_OK;
}

void watch_start(Launcher *l)
{
    /* The same folder gives the same watch; one of a folder that was replaced ends by itself. */
    if (inotify_add_watch(l->watch_fd, l->paths.data,
                          IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF) < 0)
        log_warn("watch", "the data folder cannot be watched", "errno=%d", errno);
}

static void stop_at_once(Launcher *l, const char *why)
{
    log_error("watch", why, "stopping=%d", (int)l->pm.pid);
    pm_stop(&l->pm, LP_STOP_IMMEDIATE, clock_boot_ms());
    l->changed = true;
}

void watch_read(Launcher *l)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    while (read(l->watch_fd, buf, sizeof buf) > 0)
        ; /* what is there now counts, not what the events say */
    if (l->pm.state != LP_PG_UP)
        return;
    AUTO_ARENA a = arena_new_sized(512);
    if (!file_exists(arena_printf(a, "%s/PG_VERSION", l->paths.data)))
        stop_at_once(l, "the data folder is gone under PostgreSQL");
    else if (l->pm.role == LP_ROLE_STANDBY &&
             !file_exists(arena_printf(a, "%s/standby.signal", l->paths.data)))
        stop_at_once(l, "somebody promoted this standby; no permit was given");
}
