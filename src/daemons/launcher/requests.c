#include "launcher.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

static ErrCode on_status(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)ret, (void)err;
    AUTO_ARENA a = arena_new_sized(1024);
    LpMsg state;
    state_message(l, &state, a);
    state.id = m->id;
    if (m->type == LP_WATCH)
        c->watch = true;
    client_send(c, &state);
    return ERR_OK;
}

static ErrCode on_logs(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)l, (void)m, (void)ret, (void)err;
    c->logs = true;
    return ERR_OK;
}

static ErrCode busy(const Launcher *l, Error *err)
{
    return err_set(err, ERR_CONFLICT, "a job is under way: %s", lp_job_name(l->worker.kind));
}

/* Nothing is at work on PGDATA. */
ErrCode need_idle(const Launcher *l, Error *err)
{
    if (l->terminating)
        return err_set(err, ERR_UNAVAILABLE, "the launcher is shutting down");
    if (l->worker.pid && l->worker.kind != LP_JOB_FORGET)
        return busy(l, err);
    return ERR_OK;
}

static LpJob job_of(uint8_t type)
{
    static const LpJob JOBS[] = {[LP_INITDB] = LP_JOB_INITDB,
                                 [LP_BASEBACKUP] = LP_JOB_BASEBACKUP,
                                 [LP_REWIND] = LP_JOB_REWIND,
                                 [LP_FORGET] = LP_JOB_FORGET};
    return JOBS[type];
}

static ErrCode on_job(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    if (need_idle(l, err))
        return err->code;
    if (l->worker.pid)
        return busy(l, err);
    if (m->type != LP_FORGET && l->pm.state != LP_PG_DOWN)
        return err_set(err, ERR_CONFLICT, "PostgreSQL is running");
    JobSpec s = {
        .kind = job_of(m->type),
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
    if ((s.kind == LP_JOB_BASEBACKUP || s.kind == LP_JOB_REWIND) && str_empty(s.from.host))
        return err_set(err, ERR_INVALID, "host: a %s needs one", lp_job_name(s.kind));
    if (worker_start(&l->worker, &l->paths, &s, l->log.write_fd, err))
        return err->code;
    log_info("job", "started", "job=%s epoch=%" PRIu64, lp_job_name(s.kind), s.epoch);
    l->changed = true;
    c->waits_job = ret->later = true;
    c->job_id = m->id;
    return ERR_OK;
}

static ErrCode on_stop(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    uint64_t mode = m->num[LPF_MODE];
    if (mode < LP_STOP_SMART || mode > LP_STOP_KILL)
        return err_set(err, ERR_INVALID,
                       "mode: %" PRIu64 " is not smart, fast, immediate or kill (1 to 4)", mode);
    if (l->pm.state == LP_PG_DOWN)
        return ERR_OK;
    pm_stop(&l->pm, (LpStop)mode, clock_boot_ms());
    l->changed = true;
    c->waits_stop = ret->later = true;
    c->stop_id = m->id;
    return ERR_OK;
}

static ErrCode on_reload(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)c, (void)m, (void)ret;
    if (l->pm.state == LP_PG_DOWN)
        return ERR_OK; /* the next start writes them anyway */
    if (roles_write_conf(l, err))
        return err->code;
    pm_hup(&l->pm);
    return ERR_OK;
}

enum { HISTORY_FILE_MAX = 256 * 1024 };

/* Reasons left out, so that hundreds of switchovers fit in a frame. */
static ErrCode compact_history(StrView text, StrBuf *out, Error *err)
{
    while (text.n) {
        StrView line = sv_trim(sv_cut(&text, '\n'));
        if (!line.n || *line.p == '#')
            continue;
        StrView timeline = sv_cut(&line, '\t'), lsn = sv_cut(&line, '\t');
        strbuf_addf(out, SV_FMT " " SV_FMT "\n", SV_ARG(timeline), SV_ARG(lsn));
    }
    return out->n < LP_LOG_LINE
               ? ERR_OK
               : err_set(err, ERR_TOO_LARGE, "history: %zu bytes are too many", out->n);
}

static ErrCode on_history(Launcher *l, Client *c, const LpMsg *m, Answer *ret, Error *err)
{
    (void)c;
    uint64_t timeline = m->num[LPF_TIMELINE];
    ControlData control;
    if (!timeline) {
        if (control_read(l->paths.data, &control, err))
            return err->code;
        timeline = datadir_newest_history(l->paths.data, control_newest(&control));
    }
    ret->m.num[LPF_TIMELINE] = timeline;
    ret->m.text[LPF_TEXT] = "";
    if (timeline <= 1)
        return ERR_OK; /* the first one has no history */
    StrView text;
    AUTO_STRBUF out = {0};
    if (file_read(
            ret->arena,
            arena_printf(ret->arena, "%s/pg_wal/%08X.history", l->paths.data, (unsigned)timeline),
            HISTORY_FILE_MAX, &text, err) ||
        compact_history(text, &out, err))
        return err->code;
    ret->m.text[LPF_TEXT] = arena_strdup(ret->arena, strbuf_str(&out));
    return ERR_OK;
}

static const struct {
    uint8_t type;
    Handler fn;
} HANDLERS[] = {
    {LP_STATUS, on_status}, {LP_WATCH, on_status},    {LP_LOGS, on_logs},
    {LP_INITDB, on_job},    {LP_BASEBACKUP, on_job},  {LP_REWIND, on_job},
    {LP_FORGET, on_job},    {LP_START, on_start},     {LP_FOLLOW, on_follow},
    {LP_SEAL, on_seal},     {LP_PROMOTE, on_promote}, {LP_STOP, on_stop},
    {LP_RELOAD, on_reload}, {LP_PERMIT, on_permit},   {LP_SYNC, on_sync},
    {LP_FENCE, on_fence},   {LP_UNFENCE, on_unfence}, {LP_HISTORY, on_history},
};

void request_handle(Launcher *l, Client *c, const LpMsg *m)
{
    AUTO_ARENA a = arena_new_sized(512);
    Error err = {0};
    Answer answer = {.arena = a};
    Handler fn = NULL;
    for (size_t i = 0; i < sizeof HANDLERS / sizeof *HANDLERS; i++)
        if (HANDLERS[i].type == m->type)
            fn = HANDLERS[i].fn;
    err.code = fn ? fn(l, c, m, &answer, &err)
                  : err_set(&err, ERR_UNIMPLEMENTED, "this launcher knows no request %u", m->type);
    if (err.code)
        log_warn("request", "refused", "type=%s err=%s", lp_type_name(m->type), log_quote(err.msg));
    launcher_push_state(l);
    if (!answer.later || err.code)
        client_answer(c, m->id, &err, &answer.m);
}
