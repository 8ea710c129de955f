#include "job.h"

#include "core/file.h"
#include "core/log.h"
#include "core/vec.h"
#include "recover.h"
#include "rewind.h"
#include "tool.h"
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

typedef VEC(const char *) Argv;

static ErrCode refuse_initdb(const Paths *p, Error *err)
{
    DataInfo info;
    datadir_inspect(p, &info);
    if (info.kind == LP_DATA_EMPTY)
        return ERR_OK;
    if (info.kind == LP_DATA_LOST)
        return err_set(err, ERR_PRECONDITION,
                       "initdb: refused, %s says that this volume held a cluster; clone it from "
                       "another member",
                       p->held);
    return err_set(err, ERR_PRECONDITION, "initdb: refused, %s is not empty", p->data);
}

static ErrCode run_initdb(const Paths *p, const Journal *j, const char *pwfile, Error *err)
{
    AUTO_ARENA a = arena_new();
    Argv v = {0};
    vec_push(&v, arena_printf(a, "%s/initdb", p->bindir));
    vec_push(&v, "-D");
    vec_push(&v, p->data_new);
    vec_push(&v, "--username=postgres");
    vec_push(&v, arena_printf(a, "--pwfile=%s", pwfile));
    vec_push(&v, "--auth=scram-sha-256");
    vec_push(&v, "--data-checksums");
    vec_push(&v, "--no-sync"); /* finish() does it at once for all files */
    vec_push(&v, "--encoding=UTF8");
    vec_push(&v, arena_printf(a, "--locale=%s", p->locale));
    const char *waldir = journal_waldir(a, p, j);
    if (waldir)
        vec_push(&v, arena_printf(a, "--waldir=%s", waldir));
    vec_push(&v, NULL);
    ErrCode rc = tool_run(v.at, err);
    vec_done(&v);
    return rc;
}

/* The new folder is complete: sync it, stamp it, say so in the journal, put it in place. */
static ErrCode finish(const Paths *p, Journal *j, const Stamp *stamp, Error *err)
{
    AUTO_ARENA a = arena_new();
    const char *waldir = journal_waldir(a, p, j);
    if (volume_sync(journal_folder(p, j), err) || (waldir && volume_sync(waldir, err)) ||
        stamp_write(journal_folder(p, j), stamp, err))
        return err->code;
    journal_at("build.stamped");
    if (journal_write(p, j, STEP_SWAP, err))
        return err->code;
    journal_at("swap.begin");
    return volume_swap(p, j, err);
}

static ErrCode job_initdb(const Paths *p, const JobSpec *s, Error *err)
{
    AUTO_ARENA a = arena_new();
    Journal j;
    if (refuse_initdb(p, err))
        return err->code;
    if (str_empty(s->password))
        return err_set(err, ERR_INVALID, "password: initdb needs one for the superuser");
    journal_begin(&j, LP_JOB_INITDB);
    if (journal_write(p, &j, STEP_BUILD, err))
        return err->code;
    journal_at("build.begin");
    const char *pwfile = arena_printf(a, "%s/initdb.password", p->run);
    if (dir_remove(p->data_new, err) || file_write_atomic(pwfile, sv(s->password), 0600, err))
        return err->code;
    ErrCode rc = run_initdb(p, &j, pwfile, err);
    unlink(pwfile);
    ControlData control;
    if (rc || control_read(p->data_new, &control, err))
        return err->code;
    Stamp stamp = {.role = LP_ROLE_PRIMARY,
                   .epoch = s->epoch,
                   .system_id = control.system_id,
                   .promoted_epoch = s->epoch,
                   .promoted_timeline = control.timeline};
    journal_at("build.done");
    return finish(p, &j, &stamp, err);
}

static ErrCode run_basebackup(const Paths *p, const Journal *j, const JobSpec *s, bool create_slot,
                              Error *err)
{
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF info = {0};
    if (conninfo_render(p, &s->from, &info, err))
        return err->code;
    Argv v = {0};
    vec_push(&v, arena_printf(a, "%s/pg_basebackup", p->bindir));
    vec_push(&v, "-D");
    vec_push(&v, p->data_clone);
    vec_push(&v, "-d");
    vec_push(&v, strbuf_str(&info));
    vec_push(&v, "--no-password");
    vec_push(&v, "--wal-method=stream");
    vec_push(&v, "--checkpoint=fast");
    vec_push(&v, "--no-sync");
    if (str_empty(s->from.slot))
        vec_push(&v, "--no-slot");
    else
        vec_push(&v, arena_printf(a, "--slot=%s", s->from.slot));
    if (create_slot)
        vec_push(&v, "--create-slot");
    const char *waldir = journal_waldir(a, p, j);
    if (waldir)
        vec_push(&v, arena_printf(a, "--waldir=%s", waldir));
    vec_push(&v, NULL);
    ErrCode rc = tool_run(v.at, err);
    vec_done(&v);
    return rc;
}

/* The primary makes a slot for each member that it knows of. One that it does not know yet (the
 * cluster was just scaled up) makes its own, else it would never become ready. */
static ErrCode clone_with_slot(const Paths *p, const Journal *j, const JobSpec *s, Error *err)
{
    ErrCode rc = run_basebackup(p, j, s, false, err);
    if (!rc || str_empty(s->from.slot) || !strstr(err->msg, "replication slot") ||
        !strstr(err->msg, "does not exist"))
        return rc;
    AUTO_ARENA a = arena_new();
    const char *waldir = journal_waldir(a, p, j);
    if (dir_remove(p->data_clone, err) || (waldir && dir_remove(waldir, err)))
        return err->code;
    return run_basebackup(p, j, s, true, err);
}

static ErrCode job_basebackup(const Paths *p, const JobSpec *s, Error *err)
{
    Journal j;
    DataInfo info;
    datadir_inspect(p, &info);
    if (info.kind == LP_DATA_FOREIGN)
        return err_set(err, ERR_PRECONDITION,
                       "base backup: refused, %s holds something that PG-Swarm did not make",
                       p->data);
    if (passfile_write(p, s->from.user, s->password, err))
        return err->code;
    journal_begin(&j, LP_JOB_BASEBACKUP);
    if (journal_write(p, &j, STEP_BUILD, err))
        return err->code;
    journal_at("build.begin");
    ControlData control;
    if (dir_remove(p->data_clone, err) || clone_with_slot(p, &j, s, err) ||
        control_read(p->data_clone, &control, err) || standby_signal_write(p->data_clone, err))
        return err->code;
    Stamp stamp = {.role = LP_ROLE_STANDBY, .epoch = s->epoch, .system_id = control.system_id};
    if (s->system_id && stamp.system_id != s->system_id)
        return err_set(err, ERR_CONFLICT,
                       "base backup: %s:%" PRIu64 " is of cluster %" PRIu64 ", not of %" PRIu64,
                       s->from.host, s->from.port, stamp.system_id, s->system_id);
    journal_at("build.done");
    return finish(p, &j, &stamp, err);
}

ErrCode job_run(const Paths *p, const JobSpec *s, Error *err)
{
    if (s->kind == LP_JOB_RECOVER && recover_processes(p, err))
        return err->code;
    if (recover_volume(p, err))
        return err->code;
    ErrCode rc = ERR_OK;
    if (s->kind == LP_JOB_INITDB)
        rc = job_initdb(p, s, err);
    else if (s->kind == LP_JOB_BASEBACKUP)
        rc = job_basebackup(p, s, err);
    else if (s->kind == LP_JOB_REWIND)
        rc = job_rewind(p, s, err);
    else if (s->kind == LP_JOB_FORGET)
        rc = old_folders_remove(p, err);
    /* What a failed build left behind helps nobody; the next job would throw it away as well. */
    Error cleanup = {0};
    if (rc && recover_volume(p, &cleanup))
        log_warn("job", "cannot clear up after a failed job", "err=%s", log_quote(cleanup.msg));
    return rc;
}
