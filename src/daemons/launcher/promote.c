/* A standby becomes the primary. On disk, in this order: the stamp says that a promotion from
 * timeline N was asked for; PostgreSQL writes the history of N+1, removes standby.signal, records
 * the end of recovery on N+1 in the control file; the stamp says primary. Killed in between, the
 * data is a primary's exactly when standby.signal is gone and the control file is past N
 * (datadir_judge): before that, standby.signal is put back at the next start. */
#include "launcher.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>

enum { LOOK_EVERY_MS = 5 };

static void tell(Launcher *l, const Error *err)
{
    for (int i = 0; i < MAX_CLIENTS; i++) {
        Client *c = &l->clients[i];
        if (c->fd >= 0 && c->waits_promotion)
            client_result(c, c->promote_id, err);
        c->waits_promotion = false;
    }
}

static void wait_for_it(Client *c, const LpMsg *m, Answer *ret)
{
    c->waits_promotion = ret->later = true;
    c->promote_id = m->id;
}

/* Asked again, by a sidecar that was restarted or lost the answer. */
static ErrCode again(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    if (m->num[LPF_EPOCH] != l->pm.epoch)
        return err_set(err, ERR_PRECONDITION,
                       "promote: PostgreSQL runs as a primary at epoch %" PRIu64, l->pm.epoch);
    if (pm_permit(&l->pm, l->pm.epoch, m->num[LPF_DEADLINE], clock_boot_ms(), err))
        return err->code;
    if (l->promoting_from)
        wait_for_it(c, m, ret);
    return ERR_OK;
}

static ErrCode check(const Launcher *l, const DataInfo *d, uint64_t epoch, Error *err)
{
    if (l->pm.state != LP_PG_UP || l->pm.role != LP_ROLE_STANDBY)
        return err_set(err, ERR_PRECONDITION, "promote: PostgreSQL does not run as a standby");
    if (d->kind != LP_DATA_READY || !d->standby_signal)
        return err_set(err, ERR_PRECONDITION, "promote: the data in %s is not a standby's",
                       l->paths.data);
    if (epoch < l->pm.epoch || epoch < d->stamp.epoch || epoch < d->stamp.sealed)
        return err_set(err, ERR_CONFLICT,
                       "promote: epoch %" PRIu64 " is past: it runs at %" PRIu64
                       ", sealed for %" PRIu64,
                       epoch, l->pm.epoch, d->stamp.sealed);
    return ERR_OK;
}

static ErrCode begin(Launcher *l, const LpMsg *m, const DataInfo *d, Error *err)
{
    AUTO_ARENA a = arena_new_sized(512);
    Stamp stamp = d->stamp;
    stamp.epoch = m->num[LPF_EPOCH];
    stamp.promoting_from = datadir_newest_history(l->paths.data, control_newest(&d->control));
    if (roles_restamp(l, &stamp, err))
        return err->code;
    journal_at("promote.stamped");
    roles_set_upstream(l, &(LpMsg){0});
    l->promoted_epoch = stamp.epoch;
    l->promoting_from = stamp.promoting_from;
    /* PostgreSQL takes the reload before the promotion, in this order, so that the names are in
     * force when it lets the first commit through. */
    if (roles_write_conf(l, err) == ERR_OK) {
        pm_hup(&l->pm);
        if (file_write_atomic(arena_printf(a, "%s/promote", l->paths.data), SV(""), 0600, err) ==
            ERR_OK)
            return ERR_OK;
    }
    l->promoting_from = 0;
    l->promoted_epoch = 0;
    return err->code;
}

ErrCode on_promote(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    uint64_t now = clock_boot_ms();
    if (l->pm.state == LP_PG_UP && l->pm.role == LP_ROLE_PRIMARY)
        return again(l, c, m, ret, err);
    DataInfo info;
    datadir_inspect(&l->paths, &info);
    Postmaster pm = l->pm;
    if (need_idle(l, err) || check(l, &info, m->num[LPF_EPOCH], err) ||
        pm_permit(&pm, m->num[LPF_EPOCH], m->num[LPF_DEADLINE], now, err) ||
        roles_take_sync(l, m, err) || begin(l, m, &info, err))
        return err->code;
    /* From here on it is a primary for the permit, and for whoever asks. */
    pm.role = LP_ROLE_PRIMARY;
    l->pm = pm;
    l->changed = true;
    l->look_at = now + LOOK_EVERY_MS;
    kill(pm.pid, SIGUSR1);
    journal_at("promote.asked");
    log_info("promote", "begun", "epoch=%" PRIu64 " timeline=%u", pm.epoch, l->promoting_from);
    wait_for_it(c, m, ret);
    return ERR_OK;
}

static void through(Launcher *l, const DataInfo *d)
{
    Error err = {0};
    Stamp stamp = d->stamp;
    stamp.role = LP_ROLE_PRIMARY;
    stamp.sealed = 0;
    stamp.promoting_from = 0;
    stamp.promoted_epoch = l->pm.epoch;
    stamp.promoted_timeline = control_newest(&d->control);
    journal_at("promote.through");
    /* Without it the data is judged by the control file, to the same end. */
    if (roles_restamp(l, &stamp, &err))
        log_error("promote", "the stamp cannot be written", "err=%s", log_quote(err.msg));
    log_info("promote", "done", "epoch=%" PRIu64 " timeline=%u", l->pm.epoch,
             stamp.promoted_timeline);
    l->promoting_from = 0;
    l->changed = true;
    launcher_push_state(l);
    tell(l, &(Error){0});
}

void promote_tick(Launcher *l, uint64_t now)
{
    if (!l->promoting_from || now < l->look_at)
        return;
    l->look_at = now + LOOK_EVERY_MS;
    DataInfo info;
    datadir_inspect(&l->paths, &info);
    if (l->pm.state == LP_PG_UP && info.role == LP_ROLE_PRIMARY &&
        info.control.state == LP_DB_IN_PRODUCTION)
        through(l, &info);
}

void promote_ended(Launcher *l)
{
    if (!l->promoting_from)
        return;
    Error err = {0};
    err_set(&err, ERR_UNAVAILABLE, "promote: PostgreSQL ended before it was through");
    l->promoting_from = 0;
    l->changed = true;
    tell(l, &err);
}
