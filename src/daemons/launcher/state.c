#include "launcher.h"

#include <sys/statvfs.h>

static void disk(const char *path, uint64_t *ret_total, uint64_t *ret_used)
{
    struct statvfs v;
    if (!path || statvfs(path, &v))
        return;
    *ret_total = (uint64_t)v.f_blocks * v.f_frsize;
    *ret_used = (uint64_t)(v.f_blocks - v.f_bfree) * v.f_frsize;
}

typedef struct NumRow {
    LpField field;
    uint64_t value;
} NumRow;

static void put(LpMsg *m, const NumRow *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        m->num[rows[i].field] = rows[i].value;
}
#define PUT(m, rows) put(m, rows, sizeof(rows) / sizeof *(rows))

static void put_postgres(LpMsg *m, const Launcher *l)
{
    const Postmaster *pm = &l->pm;
    const NumRow rows[] = {
        {LPF_PG, pm->state},
        {LPF_ROLE, pm->role},
        {LPF_EPOCH, pm->epoch},
        {LPF_DEADLINE, pm->role == LP_ROLE_PRIMARY ? pm->deadline : 0},
        {LPF_PID, (uint64_t)pm->pid},
        {LPF_STARTED, pm->started_ms},
        {LPF_STOPPED_AT, pm->stopped_at},
        {LPF_IN_RECOVERY, pm->pid && (pm->role == LP_ROLE_STANDBY || l->promoting_from)},
        {LPF_EXITS, pm->exits},
        {LPF_EXIT_STATUS, (uint64_t)pm->exit_status},
        {LPF_EXIT_SIGNAL, (uint64_t)pm->exit_signal},
        {LPF_PERMITS_EXPIRED, pm->permits_expired},
    };
    PUT(m, rows);
}

static void put_data(LpMsg *m, const Launcher *l, const DataInfo *d)
{
    const Stamp *s = &d->stamp;
    const ControlData *c = &d->control;
    bool ours = d->kind == LP_DATA_READY;
    const NumRow rows[] = {
        {LPF_DATA, d->kind},
        {LPF_STAMP_ROLE, d->role},
        {LPF_STAMP_EPOCH, s->epoch},
        {LPF_SEALED, s->sealed},
        {LPF_PROMOTED_EPOCH,
         ours && s->promoted_timeline == control_newest(c) ? s->promoted_epoch : 0},
        {LPF_SYSTEM_ID, c->system_id},
        {LPF_TIMELINE, control_newest(c)},
        {LPF_PG_MAJOR, d->major},
        {LPF_DB_STATE, c->state},
        {LPF_CKPT_LSN, c->checkpoint},
        {LPF_CKPT_REDO, c->redo},
        {LPF_CKPT_TIMELINE, c->timeline},
        {LPF_MIN_RECOVERY_LSN, c->min_recovery},
        {LPF_MIN_RECOVERY_TIMELINE, c->min_timeline},
        {LPF_BACKUP_LABEL, d->backup_label},
        {LPF_OLD_DATA, l->old_data},
        {LPF_PROMOTING, s->promoting_from},
    };
    PUT(m, rows);
}

void state_message(Launcher *l, LpMsg *ret, Arena *a)
{
    DataInfo info;
    datadir_inspect(&l->paths, &info);
    *ret = (LpMsg){.type = LP_STATE};
    put_postgres(ret, l);
    put_data(ret, l, &info);
    const char *fence = fence_operation(&l->paths, a);
    const NumRow rows[] = {
        {LPF_JOB, l->worker.kind},   {LPF_JOB_STARTED, l->worker.started_ms},
        {LPF_LAST_JOB, l->last_job}, {LPF_LAST_CODE, l->last_result.code},
        {LPF_PORT, l->up.port},      {LPF_TERMINATING, l->terminating},
        {LPF_FENCED, fence != NULL},
    };
    PUT(ret, rows);
    disk(l->paths.volume, &ret->num[LPF_DISK_TOTAL], &ret->num[LPF_DISK_USED]);
    disk(l->paths.wal_root, &ret->num[LPF_WAL_TOTAL], &ret->num[LPF_WAL_USED]);
    ret->text[LPF_VERSION] = PGSWARM_VERSION;
    ret->text[LPF_HOST] = l->up.host;
    ret->text[LPF_LEADER] = l->up.leader;
    ret->text[LPF_OPERATION] = fence;
    ret->text[LPF_SYNC] = l->has_sync ? l->sync : NULL;
    if (l->last_result.code)
        ret->text[LPF_LAST_MESSAGE] = arena_strdup(a, l->last_result.msg);
}
