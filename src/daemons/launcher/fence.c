/* The stage-1 fence: a file on the volume that names the operation, so that no restart undoes it.
 */
#include "launcher.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include <errno.h>
#include <unistd.h>

enum { OPERATION_MAX = 200 };

const char *fence_operation(const Paths *p, Arena *a)
{
    StrView text;
    Error err = {0};
    ErrCode rc = file_read(a, p->fence, 4096, &text, &err);
    if (rc == ERR_NOT_FOUND)
        return NULL;
    /* One that cannot be read is a fence all the same. */
    return rc ? "?" : sv_dup(a, sv_trim(sv_cut(&text, '\n')));
}

static ErrCode apply(Launcher *l, Error *err)
{
    l->changed = true;
    if (l->pm.state == LP_PG_DOWN)
        return ERR_OK; /* the next start looks */
    if (roles_write_conf(l, err))
        return err->code;
    pm_hup(&l->pm);
    return ERR_OK;
}

static ErrCode check_operation(const char *operation, Error *err)
{
    size_t n = strlen(operation);
    bool ok = n > 0 && n <= OPERATION_MAX;
    for (const char *s = operation; ok && *s; s++)
        ok = (unsigned char)*s > ' ' && (unsigned char)*s < 0x7f;
    return ok ? ERR_OK
              : err_set(err, ERR_INVALID,
                        "operation: a fence needs an id of 1 to %d characters without spaces",
                        OPERATION_MAX);
}

ErrCode on_fence(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)c, (void)ret;
    AUTO_ARENA a = arena_new_sized(512);
    const char *operation = str_or(m->text[LPF_OPERATION], "");
    const char *now = fence_operation(&l->paths, a);
    if (check_operation(operation, err))
        return err->code;
    if (now && !str_eq(now, operation))
        return err_set(err, ERR_CONFLICT, "fence: operation %s has fenced it already", now);
    if (!now &&
        file_write_atomic(l->paths.fence, sv(arena_printf(a, "%s\n", operation)), 0600, err))
        return err->code;
    log_info("fence", "fenced", "operation=%s", log_quote(operation));
    return apply(l, err);
}

ErrCode on_unfence(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)c, (void)ret;
    AUTO_ARENA a = arena_new_sized(512);
    const char *operation = m->text[LPF_OPERATION], *now = fence_operation(&l->paths, a);
    if (now && !str_empty(operation) && !str_eq(now, operation))
        return err_set(err, ERR_CONFLICT, "unfence: the fence is of operation %s, not of %s", now,
                       operation);
    if (now && unlink(l->paths.fence) && errno != ENOENT)
        return err_errno(err, errno, "remove %s", l->paths.fence);
    if (now && dir_sync(l->paths.volume, err))
        return err->code;
    log_info("fence", "lifted", "operation=%s", log_quote(str_or(now, "-")));
    return apply(l, err);
}
