#include "rewind.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/vec.h"
#include "recover.h"
#include "tool.h"
#include <inttypes.h>

typedef VEC(const char *) Argv;

typedef struct Rewind {
    const Paths *p;
    const JobSpec *s;
    DataInfo d;
    bool was_marked;
    bool changed; /* the data is something else than it was */
} Rewind;

static bool shut_down_clean(LpDb state)
{
    return state == LP_DB_SHUTDOWNED || state == LP_DB_SHUTDOWNED_IN_RECOVERY;
}

static ErrCode check(const Rewind *r, Error *err)
{
    const DataInfo *d = &r->d;
    if (d->kind != LP_DATA_READY && d->kind != LP_DATA_MARKED)
        return err_set(err, ERR_PRECONDITION, "rewind: %s holds no cluster that PG-Swarm made",
                       r->p->data);
    if (d->backup_label && !r->was_marked)
        return err_set(err, ERR_PRECONDITION,
                       "rewind: the data is a base backup that was never recovered; clone it anew");
    if (r->s->system_id && d->control.system_id != r->s->system_id)
        return err_set(err, ERR_CONFLICT,
                       "rewind: the data is of cluster %" PRIu64 ", the leader of %" PRIu64,
                       d->control.system_id, r->s->system_id);
    if (d->stamp.epoch > r->s->epoch && !r->was_marked)
        return err_set(err, ERR_CONFLICT,
                       "rewind: epoch %" PRIu64 " is past, the data is of epoch %" PRIu64,
                       r->s->epoch, d->stamp.epoch);
    return ERR_OK;
}

/* Somebody promoted this standby, and it was stopped before the new timeline began in the control
 * file: putting back what it was is all there is to do. */
static bool promoted_by_halves(const Rewind *r)
{
    LpDb state = r->d.control.state;
    return r->d.kind == LP_DATA_MARKED && !r->was_marked && !r->d.standby_signal &&
           !r->d.backup_label &&
           (state == LP_DB_IN_ARCHIVE_RECOVERY || state == LP_DB_SHUTDOWNED_IN_RECOVERY);
}

static ErrCode undo_promotion(const Rewind *r, Error *err)
{
    const char *data = r->p->data;
    log_warn("rewind", "a promotion that nobody ordered is undone", "timeline=%u",
             control_newest(&r->d.control));
    if (datadir_drop_above(data, control_newest(&r->d.control), err))
        return err->code;
    return standby_signal_write(data, err);
}

/* A standby's WAL must not be added to: pg_rewind would not see that. It is started sealed and
 * stopped instead. */
static ErrCode may_recover(const Rewind *r, Error *err)
{
    LpDb state = r->d.control.state;
    bool produced = state == LP_DB_IN_PRODUCTION || state == LP_DB_SHUTDOWNING ||
                    state == LP_DB_IN_CRASH_RECOVERY;
    if (r->d.backup_label)
        return err_set(err, ERR_PRECONDITION,
                       "rewind: the data was not shut down and has a backup_label; clone it anew");
    if (r->d.standby_signal || (r->d.role != LP_ROLE_PRIMARY && !produced))
        return err_set(err, ERR_PRECONDITION,
                       "rewind: the standby was not shut down cleanly; start it sealed and stop "
                       "it, or clone it anew");
    return ERR_OK;
}

/* In single-user mode, as pg_rewind itself would, but with the cluster's own configuration and
 * without losing the WAL that the rewind is about to read. */
static ErrCode crash_recovery(Rewind *r, Error *err)
{
    AUTO_ARENA a = arena_new();
    const Paths *p = r->p;
    const char *argv[] = {arena_printf(a, "%s/postgres", p->bindir),
                          "--single",
                          "-F", /* the sync comes at the end, for all files at once */
                          "-D",
                          p->data,
                          "-c",
                          arena_printf(a, "config_file=%s", p->conf),
                          "-c",
                          "wal_keep_size=1000000GB",
                          "-c",
                          "synchronous_standby_names=",
                          "template1",
                          NULL};
    uint64_t start = clock_mono_ms();
    if (conf_write(p, &(ConfLines){0}, err) || tool_run(argv, err))
        return err_wrap(err, "crash recovery before the rewind");
    log_info("rewind", "recovered first", "took_ms=%" PRIu64, clock_mono_ms() - start);
    return ERR_OK;
}

static ErrCode run_pg_rewind(Rewind *r, bool *ret_began, Error *err)
{
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF info = {0};
    if (conninfo_render(r->p, &r->s->from, &info, err))
        return err->code;
    const char *argv[] = {
        arena_printf(a, "%s/pg_rewind", r->p->bindir),
        "-D",
        r->p->data,
        arena_printf(a, "--source-server=%s dbname='postgres'", strbuf_str(&info)),
        "--no-ensure-shutdown",
        "--no-sync", /* all files at once, afterwards */
        NULL};
    bool began = false;
    uint64_t start = clock_mono_ms();
    ErrCode rc = tool_run_watching(argv, "rewinding from last common checkpoint", &began, err);
    r->changed |= began;
    *ret_began = began;
    if (!rc)
        log_info("rewind", "pg_rewind is through", "took_ms=%" PRIu64 " rewound=%d",
                 clock_mono_ms() - start, began);
    return rc;
}

/* Killed after pg_rewind's last write, the control file: a rewind never begins with a backup_label.
 * The stamp is ours already, or the one that was taken along from the leader. */
static bool is_through(const Rewind *r)
{
    return r->was_marked && r->d.backup_label && r->d.stamp.epoch == r->s->epoch &&
           r->d.control.state == LP_DB_IN_ARCHIVE_RECOVERY;
}

static ErrCode rewind_data(Rewind *r, Error *err)
{
    if (is_through(r))
        return ERR_OK;
    bool clean = shut_down_clean(r->d.control.state);
    if (!clean && (may_recover(r, err) || crash_recovery(r, err)))
        return err->code;
    journal_at("rewind.recovered");
    bool began = false;
    if (run_pg_rewind(r, &began, err))
        return err->code;
    /* It looks at the last checkpoint's timeline only. Data that certainly went on by itself and
     * was still found to be on the leader's line is not believed. */
    bool went_on = !clean || control_newest(&r->d.control) != r->d.control.timeline;
    if (!began && went_on) {
        r->changed = true;
        return err_set(err, ERR_CONFLICT,
                       "rewind: pg_rewind found nothing to do, but this data has WAL of its own; "
                       "clone it anew");
    }
    return ERR_OK;
}

/* The rewind took the leader's stamp along, and removed standby.signal. */
static ErrCode finish(Rewind *r, Error *err)
{
    AUTO_ARENA a = arena_new_sized(512);
    const char *data = r->p->data;
    Stamp stamp = {
        .role = LP_ROLE_STANDBY, .epoch = r->s->epoch, .system_id = r->d.control.system_id};
    journal_at("rewind.done");
    if (standby_signal_write(data, err) || stamp_write(data, &stamp, err) ||
        volume_sync(data, err) ||
        (r->p->wal_root && volume_sync(arena_printf(a, "%s/pg_wal", data), err)))
        return err->code;
    journal_at("rewind.stamped");
    if (mark_remove(r->p, err))
        return err->code;
    journal_at("rewind.unmarked");
    return ERR_OK;
}

ErrCode job_rewind(const Paths *p, const JobSpec *s, Error *err)
{
    Rewind r = {.p = p, .s = s, .was_marked = file_exists(p->mark)};
    datadir_inspect(p, &r.d);
    if (check(&r, err))
        return err->code;
    if (promoted_by_halves(&r))
        return undo_promotion(&r, err);
    if (passfile_write(p, s->from.user, s->password, err) || recover_lock_files(p, err) ||
        mark_write(p, err))
        return err->code;
    journal_at("rewind.begin");
    if (rewind_data(&r, err) == ERR_OK)
        return finish(&r, err);
    /* Nothing was changed that matters: the data is what it was. */
    Error ignored = {0};
    if (!r.changed && !r.was_marked && mark_remove(p, &ignored))
        log_warn("rewind", "the marker stays", "err=%s", log_quote(ignored.msg));
    return err->code;
}
