#include "journal.h"

#include "core/file.h"
#include "core/ident.h"
#include <errno.h>
#include <unistd.h>

void (*journal_point)(const char *where);

void journal_at(const char *where)
{
    if (journal_point)
        journal_point(where);
}

void journal_begin(Journal *ret, LpJob job)
{
    *ret = (Journal){.job = job};
    uint64_t r = random_u64();
    hex_encode(ret->id, &r, sizeof r);
}

ErrCode journal_write(const Paths *p, Journal *j, JournalStep step, Error *err)
{
    AUTO_ARENA a = arena_new();
    const char *text = arena_printf(a, "job=%s\nstep=%s\nid=%s\n", lp_job_name(j->job),
                                    step == STEP_SWAP ? "swap" : "build", j->id);
    if (file_write_atomic(p->journal, sv(text), 0600, err))
        return err_wrap(err, "journal");
    j->step = step;
    return ERR_OK;
}

ErrCode journal_clear(const Paths *p, Error *err)
{
    if (unlink(p->journal) && errno != ENOENT)
        return err_errno(err, errno, "remove %s", p->journal);
    return dir_sync(p->volume, err);
}

bool journal_parse(StrView text, Journal *ret)
{
    Journal j = {0};
    while (text.n) {
        StrView value = sv_cut(&text, '\n'), key = sv_cut(&value, '=');
        if (sv_eqs(key, "job"))
            j.job = sv_eqs(value, "initdb")       ? LP_JOB_INITDB
                    : sv_eqs(value, "basebackup") ? LP_JOB_BASEBACKUP
                                                  : LP_JOB_NONE;
        else if (sv_eqs(key, "step"))
            j.step = sv_eqs(value, "build")  ? STEP_BUILD
                     : sv_eqs(value, "swap") ? STEP_SWAP
                                             : STEP_NONE;
        else if (sv_eqs(key, "id") && value.n == sizeof j.id - 1)
            memcpy(j.id, value.p, value.n);
    }
    unsigned char raw[8];
    if (!j.job || !j.step || hex_decode(raw, sizeof raw, j.id, strlen(j.id)) != sizeof raw)
        return false;
    *ret = j;
    return true;
}

ErrCode journal_read(const Paths *p, Journal *ret, Error *err)
{
    AUTO_ARENA a = arena_new();
    StrView text;
    Error local = {0};
    ErrCode rc = file_read(a, p->journal, 4096, &text, &local);
    if (rc == ERR_NOT_FOUND) {
        *ret = (Journal){0};
        return ERR_OK;
    }
    if (rc)
        return err_copy(err, &local);
    if (!journal_parse(text, ret))
        return err_set(err, ERR_DATA_LOSS, "%s cannot be understood; not guessing, nothing changed",
                       p->journal);
    return ERR_OK;
}
