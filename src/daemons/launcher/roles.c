#include "launcher.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

void roles_set_upstream(Launcher *l, const LpMsg *m)
{
    arena_reset(l->up_arena);
    Arena *a = l->up_arena;
    l->up = (Upstream){.host = arena_strdup(a, m->text[LPF_HOST]),
                       .leader = arena_strdup(a, m->text[LPF_LEADER]),
                       .user = arena_strdup(a, m->text[LPF_USER]),
                       .slot = arena_strdup(a, m->text[LPF_SLOT]),
                       .port = m->num[LPF_PORT],
                       .epoch = m->num[LPF_EPOCH]};
}

ErrCode roles_take_sync(Launcher *l, const LpMsg *m, Error *err)
{
    const char *sync = m->text[LPF_SYNC];
    if (!sync)
        return ERR_OK;
    size_t n = strlen(sync);
    if (n >= sizeof l->sync)
        return err_set(err, ERR_INVALID, "sync: %zu characters are too many, at most %zu are right",
                       n, sizeof l->sync - 1);
    memcpy(l->sync, sync, n + 1);
    l->has_sync = true;
    return ERR_OK;
}

ErrCode roles_write_conf(Launcher *l, Error *err)
{
    AUTO_ARENA a = arena_new_sized(512);
    ConfLines lines = {.up = &l->up,
                       .sync = l->has_sync ? l->sync : NULL,
                       .promoted_epoch = l->promoted_epoch,
                       .fenced = fence_operation(&l->paths, a) != NULL};
    return conf_write(&l->paths, &lines, err);
}

static bool same_stamp(const Stamp *a, const Stamp *b)
{
    return a->role == b->role && a->epoch == b->epoch && a->system_id == b->system_id &&
           a->sealed == b->sealed && a->promoting_from == b->promoting_from &&
           a->promoted_epoch == b->promoted_epoch && a->promoted_timeline == b->promoted_timeline;
}

ErrCode roles_restamp(Launcher *l, const Stamp *s, Error *err)
{
    Stamp now;
    if (stamp_read(l->paths.data, &now) && same_stamp(&now, s))
        return ERR_OK;
    return stamp_write(l->paths.data, s, err);
}

/* sealed NULL: as it is. */
static ErrCode set_epoch(Launcher *l, uint64_t epoch, const uint64_t *sealed, Error *err)
{
    Stamp stamp;
    if (!stamp_read(l->paths.data, &stamp))
        return err_set(err, ERR_DATA_LOSS, "the stamp in %s cannot be read", l->paths.data);
    stamp.epoch = epoch;
    if (sealed)
        stamp.sealed = *sealed;
    return roles_restamp(l, &stamp, err);
}

static ErrCode check_data(Launcher *l, const DataInfo *d, uint64_t role, Error *err)
{
    if (d->kind == LP_DATA_MARKED)
        return err_set(err, ERR_PRECONDITION,
                       "start: %s is half rewound, or was promoted unasked; rewind it or clone it "
                       "anew",
                       l->paths.data);
    if (d->kind != LP_DATA_READY)
        return err_set(err, ERR_PRECONDITION, "start: %s holds no cluster that PG-Swarm made",
                       l->paths.data);
    if (role == LP_ROLE_PRIMARY && d->role != LP_ROLE_PRIMARY)
        return err_set(err, ERR_PRECONDITION,
                       "start: this data last ran as a standby; a primary comes of it by "
                       "promotion only");
    return ERR_OK;
}

static bool is_sealed(const LpMsg *m)
{
    return m->num[LPF_ROLE] == LP_ROLE_STANDBY && m->num[LPF_SEALED];
}

static ErrCode check_start(Launcher *l, const LpMsg *m, const DataInfo *d, Error *err)
{
    uint64_t role = m->num[LPF_ROLE], epoch = m->num[LPF_EPOCH];
    bool follows = !str_empty(m->text[LPF_HOST]);
    if (role != LP_ROLE_PRIMARY && role != LP_ROLE_STANDBY)
        return err_set(err, ERR_INVALID, "role: %" PRIu64 " is not primary or standby", role);
    if (l->pm.state != LP_PG_DOWN)
        return err_set(err, ERR_CONFLICT, "PostgreSQL is running as %s at epoch %" PRIu64,
                       lp_role_name(l->pm.role), l->pm.epoch);
    if (check_data(l, d, role, err))
        return err->code;
    if (epoch < d->stamp.epoch && !is_sealed(m))
        return err_set(err, ERR_CONFLICT,
                       "start: epoch %" PRIu64 " is past, the data is of epoch %" PRIu64, epoch,
                       d->stamp.epoch);
    if (role == LP_ROLE_STANDBY && follows == (m->num[LPF_SEALED] != 0))
        return err_set(err, ERR_INVALID,
                       "host: a standby must follow a named instance, or be sealed");
    return ERR_OK;
}

/* Who follows nobody has seen no newer epoch. */
static uint64_t start_epoch(const LpMsg *m, const DataInfo *d)
{
    return is_sealed(m) ? d->stamp.epoch : m->num[LPF_EPOCH];
}

/* All of it is on disk before PostgreSQL may write under the new role or epoch. standby.signal
 * comes before the stamp: in between, the data is a standby's already. */
static ErrCode prepare_start(Launcher *l, const LpMsg *m, const DataInfo *d, Error *err)
{
    bool standby = m->num[LPF_ROLE] == LP_ROLE_STANDBY;
    bool follows = standby && !m->num[LPF_SEALED];
    if (roles_take_sync(l, m, err))
        return err->code;
    if (follows && passfile_write(&l->paths, m->text[LPF_USER], m->text[LPF_PASSWORD], err))
        return err->code;
    /* A promotion that was killed before it got there. */
    bool far = control_newest(&d->control) > d->stamp.promoting_from;
    if (standby && d->stamp.promoting_from && !far &&
        datadir_drop_above(l->paths.data, d->stamp.promoting_from, err))
        return err->code;
    if (standby && standby_signal_write(l->paths.data, err))
        return err->code;
    journal_at("start.signal");
    Stamp stamp = d->stamp;
    stamp.role = (LpRole)m->num[LPF_ROLE];
    stamp.epoch = start_epoch(m, d);
    stamp.system_id = d->control.system_id;
    stamp.sealed = standby ? m->num[LPF_SEALED] : 0;
    /* One that got there unheard is remembered for as long as nobody leads on it. */
    if (!standby || !far)
        stamp.promoting_from = 0;
    if (d->stamp.promoting_from && far) {
        stamp.promoted_epoch = d->stamp.epoch;
        stamp.promoted_timeline = control_newest(&d->control);
    }
    if (roles_restamp(l, &stamp, err))
        return err->code;
    journal_at("start.stamped");
    bool here = !standby && stamp.promoted_timeline == control_newest(&d->control);
    l->promoted_epoch = here ? stamp.promoted_epoch : 0;
    roles_set_upstream(l, follows ? m : &(LpMsg){0});
    return roles_write_conf(l, err);
}

ErrCode on_start(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)c, (void)ret;
    uint64_t now = clock_boot_ms();
    DataInfo info;
    datadir_inspect(&l->paths, &info);
    if (need_idle(l, err) || check_start(l, m, &info, err))
        return err->code;
    Postmaster pm = l->pm;
    pm.role = (LpRole)m->num[LPF_ROLE];
    pm.epoch = start_epoch(m, &info);
    if (pm.role == LP_ROLE_PRIMARY && pm_permit(&pm, pm.epoch, m->num[LPF_DEADLINE], now, err))
        return err->code;
    if (prepare_start(l, m, &info, err) || pm_start(&pm, &l->paths, l->log.write_fd, now, err))
        return err->code;
    l->pm = pm;
    l->changed = true;
    watch_start(l);
    log_info("postgres", "started", "role=%s epoch=%" PRIu64 " pid=%d following=%s",
             lp_role_name(pm.role), pm.epoch, (int)pm.pid, log_quote(str_or(l->up.leader, "-")));
    return ERR_OK;
}

static ErrCode need_standby(const Launcher *l, const LpMsg *m, const char *what, Error *err)
{
    if (l->pm.state != LP_PG_UP || l->pm.role != LP_ROLE_STANDBY)
        return err_set(err, ERR_PRECONDITION, "%s: PostgreSQL does not run as a standby", what);
    if (m->num[LPF_EPOCH] < l->pm.epoch)
        return err_set(err, ERR_CONFLICT, "%s: epoch %" PRIu64 " is past, it runs at %" PRIu64,
                       what, m->num[LPF_EPOCH], l->pm.epoch);
    return ERR_OK;
}

static ErrCode reload(Launcher *l, Error *err)
{
    if (roles_write_conf(l, err))
        return err->code;
    pm_hup(&l->pm);
    l->changed = true;
    return ERR_OK;
}

ErrCode on_follow(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)c, (void)ret;
    if (need_standby(l, m, "follow", err))
        return err->code;
    if (str_empty(m->text[LPF_HOST]))
        return err_set(err, ERR_INVALID, "host: a standby must follow a named instance");
    if (passfile_write(&l->paths, m->text[LPF_USER], m->text[LPF_PASSWORD], err) ||
        roles_take_sync(l, m, err) || set_epoch(l, m->num[LPF_EPOCH], &(uint64_t){0}, err))
        return err->code;
    roles_set_upstream(l, m);
    l->pm.epoch = m->num[LPF_EPOCH];
    return reload(l, err);
}

/* On disk before the receiver is let go: a member that was restarted still knows its word. */
ErrCode on_seal(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)c, (void)ret;
    if (need_standby(l, m, "seal", err) || set_epoch(l, l->pm.epoch, &m->num[LPF_EPOCH], err))
        return err->code;
    roles_set_upstream(l, &(LpMsg){0});
    log_info("postgres", "sealed", "epoch=%" PRIu64, m->num[LPF_EPOCH]);
    return reload(l, err);
}

ErrCode on_permit(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)c, (void)ret;
    uint64_t epoch = m->num[LPF_EPOCH];
    /* A fast shutdown may take its time, as long as the lease is kept. */
    if (l->pm.state == LP_PG_DOWN || l->pm.role != LP_ROLE_PRIMARY ||
        l->pm.stopping >= LP_STOP_IMMEDIATE)
        return err_set(err, ERR_PRECONDITION, "permit: PostgreSQL does not run as a primary");
    /* A new epoch is news for whoever goes by the state: the names that commits wait for carry it.
     */
    bool news = epoch != l->pm.epoch;
    if (pm_permit(&l->pm, epoch, m->num[LPF_DEADLINE], clock_boot_ms(), err))
        return err->code;
    l->changed |= news;
    return set_epoch(l, epoch, NULL, err);
}

ErrCode on_sync(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)c, (void)ret;
    if (!m->text[LPF_SYNC])
        return err_set(err, ERR_INVALID, "sync: is missing; \"\" waits for nobody");
    if (roles_take_sync(l, m, err))
        return err->code;
    return l->pm.state == LP_PG_DOWN ? ERR_OK : reload(l, err);
}
