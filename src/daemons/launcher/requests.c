#include "launcher.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void disk(const char *path, uint64_t *ret_total, uint64_t *ret_used)
{
    struct statvfs v;
    if (!path || statvfs(path, &v))
        return;
    *ret_total = (uint64_t)v.f_blocks * v.f_frsize;
    *ret_used = (uint64_t)(v.f_blocks - v.f_bfree) * v.f_frsize;
}

void state_message(Launcher *l, LpMsg *ret, Arena *a)
{
    DataInfo info;
    datadir_inspect(&l->paths, &info);
    *ret = (LpMsg){.type = LP_STATE};
    const Postmaster *pm = &l->pm;
    const struct {
        LpField field;
        uint64_t value;
    } rows[] = {
        {LPF_PG, pm->state},
        {LPF_ROLE, pm->role},
        {LPF_EPOCH, pm->epoch},
        {LPF_DEADLINE, pm->role == LP_ROLE_PRIMARY ? pm->deadline : 0},
        {LPF_PID, (uint64_t)pm->pid},
        {LPF_STARTED, pm->started_ms},
        {LPF_DATA, info.kind},
        {LPF_STAMP_ROLE, info.stamp.role},
        {LPF_STAMP_EPOCH, info.stamp.epoch},
        {LPF_SYSTEM_ID, info.system_id},
        {LPF_TIMELINE, info.timeline},
        {LPF_PG_MAJOR, info.major},
        {LPF_JOB, l->worker.kind},
        {LPF_JOB_STARTED, l->worker.started_ms},
        {LPF_LAST_JOB, l->last_job},
        {LPF_LAST_CODE, l->last_result.code},
        {LPF_EXITS, pm->exits},
        {LPF_EXIT_STATUS, (uint64_t)pm->exit_status},
        {LPF_EXIT_SIGNAL, (uint64_t)pm->exit_signal},
        {LPF_PERMITS_EXPIRED, pm->permits_expired},
        {LPF_PORT, l->up.port},
        {LPF_TERMINATING, l->terminating},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ret->num[rows[i].field] = rows[i].value;
    disk(l->paths.volume, &ret->num[LPF_DISK_TOTAL], &ret->num[LPF_DISK_USED]);
    disk(l->paths.wal_root, &ret->num[LPF_WAL_TOTAL], &ret->num[LPF_WAL_USED]);
    ret->text[LPF_VERSION] = PGSWARM_VERSION;
    ret->text[LPF_HOST] = l->up.host;
    ret->text[LPF_LEADER] = l->up.leader;
    if (l->last_result.code)
        ret->text[LPF_LAST_MESSAGE] = arena_strdup(a, l->last_result.msg);
}

/* ---- handlers: ERR_OK answers now, unless *later was set ---- */

typedef ErrCode (*Handler)(Launcher *l, Client *c, const LpMsg *m, bool *later, Error *err);

static ErrCode on_status(Launcher *l, Client *c, const LpMsg *m, bool *later, Error *err)
{
    (void)later, (void)err;
    AUTO_ARENA a = arena_new_sized(1024);
    LpMsg state;
    state_message(l, &state, a);
    state.id = m->id;
    if (m->type == LP_WATCH)
        c->watch = true;
    client_send(c, &state);
    return ERR_OK;
}

static ErrCode on_logs(Launcher *l, Client *c, const LpMsg *m, bool *later, Error *err)
{
    (void)l, (void)m, (void)later, (void)err;
    c->logs = true;
    return ERR_OK;
}

static ErrCode need_idle(const Launcher *l, Error *err)
{
    if (l->terminating)
        return err_set(err, ERR_UNAVAILABLE, "the launcher is shutting down");
    if (l->worker.pid)
        return err_set(err, ERR_CONFLICT, "a job is under way: %s", lp_job_name(l->worker.kind));
    return ERR_OK;
}

static ErrCode on_job(Launcher *l, Client *c, const LpMsg *m, bool *later, Error *err)
{
    if (need_idle(l, err))
        return err->code;
    if (l->pm.state != LP_PG_DOWN)
        return err_set(err, ERR_CONFLICT, "PostgreSQL is running");
    JobSpec s = {
        .kind = m->type == LP_INITDB ? LP_JOB_INITDB : LP_JOB_BASEBACKUP,
        .password = m->text[LPF_PASSWORD],
        .epoch = m->num[LPF_EPOCH],
        .system_id = m->num[LPF_SYSTEM_ID],
        .from = {.host = m->text[LPF_HOST],
                 .leader = m->text[LPF_LEADER],
                 .user = m->text[LPF_USER],
                 .slot = m->text[LPF_SLOT],
                 .port = m->num[LPF_PORT],
                 .epoch = m->num[LPF_EPOCH]},
    };
    if (s.kind == LP_JOB_BASEBACKUP && str_empty(s.from.host))
        return err_set(err, ERR_INVALID, "host: a base backup needs one");
    if (worker_start(&l->worker, &l->paths, &s, l->log.write_fd, err))
        return err->code;
    log_info("job", "started", "job=%s epoch=%" PRIu64, lp_job_name(s.kind), s.epoch);
    l->changed = true;
    c->waits_job = *later = true;
    c->job_id = m->id;
    return ERR_OK;
}

static void set_upstream(Launcher *l, const LpMsg *m)
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

static const char *standby_signal(Launcher *l, Arena *a)
{
    return arena_printf(a, "%s/standby.signal", l->paths.data);
}

static ErrCode check_start(Launcher *l, const LpMsg *m, const DataInfo *info, Error *err)
{
    uint64_t role = m->num[LPF_ROLE], epoch = m->num[LPF_EPOCH];
    if (role != LP_ROLE_PRIMARY && role != LP_ROLE_STANDBY)
        return err_set(err, ERR_INVALID, "role: %" PRIu64 " is not primary or standby", role);
    if (l->pm.state != LP_PG_DOWN)
        return err_set(err, ERR_CONFLICT, "PostgreSQL is running as %s at epoch %" PRIu64,
                       lp_role_name(l->pm.role), l->pm.epoch);
    if (info->kind != LP_DATA_READY)
        return err_set(err, ERR_PRECONDITION, "start: %s holds no cluster that PG-Swarm made",
                       l->paths.data);
    if (role == LP_ROLE_PRIMARY && info->stamp.role != LP_ROLE_PRIMARY)
        return err_set(err, ERR_PRECONDITION,
                       "start: this data last ran as a standby; a primary comes of it by "
                       "promotion only");
    if (epoch < info->stamp.epoch)
        return err_set(err, ERR_CONFLICT,
                       "start: epoch %" PRIu64 " is past, the data is of epoch %" PRIu64, epoch,
                       info->stamp.epoch);
    if (role == LP_ROLE_STANDBY && str_empty(m->text[LPF_HOST]))
        return err_set(err, ERR_INVALID, "host: a standby must follow a named instance");
    return ERR_OK;
}

/* The stamp goes to disk before PostgreSQL may write under the new role or epoch. */
static ErrCode prepare_start(Launcher *l, const LpMsg *m, const DataInfo *info, Error *err)
{
    AUTO_ARENA a = arena_new_sized(1024);
    bool standby = m->num[LPF_ROLE] == LP_ROLE_STANDBY;
    Stamp stamp = {
        .role = (LpRole)m->num[LPF_ROLE], .epoch = m->num[LPF_EPOCH], .system_id = info->system_id};
    if (standby && passfile_write(&l->paths, m->text[LPF_USER], m->text[LPF_PASSWORD], err))
        return err->code;
    if (stamp_write(l->paths.data, &stamp, err))
        return err->code;
    const char *signal_file = standby_signal(l, a);
    if (standby && file_write_atomic(signal_file, SV(""), 0600, err))
        return err->code;
    if (!standby && unlink(signal_file) && errno != ENOENT)
        return err_errno(err, errno, "remove %s", signal_file);
    set_upstream(l, standby ? m : &(LpMsg){0});
    return conf_write(&l->paths, standby ? &l->up : NULL, err);
}

static ErrCode on_start(Launcher *l, Client *c, const LpMsg *m, bool *later, Error *err)
{
    (void)c, (void)later;
    uint64_t now = clock_boot_ms();
    DataInfo info;
    datadir_inspect(&l->paths, &info);
    if (need_idle(l, err) || check_start(l, m, &info, err))
        return err->code;
    Postmaster pm = l->pm;
    pm.role = (LpRole)m->num[LPF_ROLE];
    pm.epoch = m->num[LPF_EPOCH];
    if (pm.role == LP_ROLE_PRIMARY && pm_permit(&pm, pm.epoch, m->num[LPF_DEADLINE], now, err))
        return err->code;
    if (prepare_start(l, m, &info, err) || pm_start(&pm, &l->paths, l->log.write_fd, now, err))
        return err->code;
    l->pm = pm;
    l->changed = true;
    log_info("postgres", "started", "role=%s epoch=%" PRIu64 " pid=%d following=%s",
             lp_role_name(pm.role), pm.epoch, (int)pm.pid, log_quote(str_or(l->up.leader, "-")));
    return ERR_OK;
}

static ErrCode restamp(Launcher *l, uint64_t epoch, Error *err)
{
    Stamp stamp;
    if (!stamp_read(l->paths.data, &stamp))
        return err_set(err, ERR_DATA_LOSS, "the stamp in %s cannot be read", l->paths.data);
    if (stamp.epoch == epoch)
        return ERR_OK;
    stamp.epoch = epoch;
    return stamp_write(l->paths.data, &stamp, err);
}

static ErrCode on_follow(Launcher *l, Client *c, const LpMsg *m, bool *later, Error *err)
{
    (void)c, (void)later;
    if (l->pm.state != LP_PG_UP || l->pm.role != LP_ROLE_STANDBY)
        return err_set(err, ERR_PRECONDITION, "follow: PostgreSQL does not run as a standby");
    if (str_empty(m->text[LPF_HOST]))
        return err_set(err, ERR_INVALID, "host: a standby must follow a named instance");
    if (m->num[LPF_EPOCH] < l->pm.epoch)
        return err_set(err, ERR_CONFLICT, "follow: epoch %" PRIu64 " is past, it runs at %" PRIu64,
                       m->num[LPF_EPOCH], l->pm.epoch);
    if (passfile_write(&l->paths, m->text[LPF_USER], m->text[LPF_PASSWORD], err) ||
        restamp(l, m->num[LPF_EPOCH], err))
        return err->code;
    set_upstream(l, m);
    l->pm.epoch = m->num[LPF_EPOCH];
    if (conf_write(&l->paths, &l->up, err))
        return err->code;
    pm_hup(&l->pm);
    l->changed = true;
    return ERR_OK;
}

static ErrCode on_stop(Launcher *l, Client *c, const LpMsg *m, bool *later, Error *err)
{
    uint64_t mode = m->num[LPF_MODE];
    if (mode < LP_STOP_SMART || mode > LP_STOP_KILL)
        return err_set(err, ERR_INVALID,
                       "mode: %" PRIu64 " is not smart, fast, immediate or kill (1 to 4)", mode);
    if (l->pm.state == LP_PG_DOWN)
        return ERR_OK;
    pm_stop(&l->pm, (LpStop)mode, clock_boot_ms());
    l->changed = true;
    c->waits_stop = *later = true;
    c->stop_id = m->id;
    return ERR_OK;
}

static ErrCode on_reload(Launcher *l, Client *c, const LpMsg *m, bool *later, Error *err)
{
    (void)c, (void)m, (void)later;
    if (l->pm.state == LP_PG_DOWN)
        return ERR_OK; /* the next start writes them anyway */
    if (conf_write(&l->paths, &l->up, err))
        return err->code;
    pm_hup(&l->pm);
    return ERR_OK;
}

static ErrCode on_permit(Launcher *l, Client *c, const LpMsg *m, bool *later, Error *err)
{
    (void)c, (void)later;
    uint64_t epoch = m->num[LPF_EPOCH];
    /* A fast shutdown may take its time, as long as the lease is kept. */
    if (l->pm.state == LP_PG_DOWN || l->pm.role != LP_ROLE_PRIMARY ||
        l->pm.stopping >= LP_STOP_IMMEDIATE)
        return err_set(err, ERR_PRECONDITION, "permit: PostgreSQL does not run as a primary");
    if (pm_permit(&l->pm, epoch, m->num[LPF_DEADLINE], clock_boot_ms(), err))
        return err->code;
    return restamp(l, epoch, err);
}

static const struct {
    uint8_t type;
    Handler fn;
} HANDLERS[] = {
    {LP_STATUS, on_status},  {LP_WATCH, on_status},  {LP_LOGS, on_logs},     {LP_INITDB, on_job},
    {LP_BASEBACKUP, on_job}, {LP_START, on_start},   {LP_FOLLOW, on_follow}, {LP_STOP, on_stop},
    {LP_RELOAD, on_reload},  {LP_PERMIT, on_permit},
};

void request_handle(Launcher *l, Client *c, const LpMsg *m)
{
    Error err = {0};
    bool later = false;
    Handler fn = NULL;
    for (size_t i = 0; i < sizeof HANDLERS / sizeof *HANDLERS; i++)
        if (HANDLERS[i].type == m->type)
            fn = HANDLERS[i].fn;
    err.code = fn ? fn(l, c, m, &later, &err)
                  : err_set(&err, ERR_UNIMPLEMENTED, "this launcher knows no request %u", m->type);
    if (err.code)
        log_warn("request", "refused", "type=%s err=%s", lp_type_name(m->type), log_quote(err.msg));
    launcher_push_state(l);
    if (!later || err.code)
        client_result(c, m->id, &err);
}
