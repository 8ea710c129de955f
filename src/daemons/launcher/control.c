#include "control.h"

#include "core/file.h"

/* System identifier (8), version, catalog version, state, pad, time (8), checkpoint (8), the
 * checkpoint's copy (88: redo, timeline, ...), unlogged LSN (8), then the recovery minimum. */
enum {
    AT_SYSTEM_ID = 0,
    AT_STATE = 16,
    AT_CHECKPOINT = 32,
    AT_REDO = 40,
    AT_TIMELINE = 48,
    AT_MIN_RECOVERY = 136,
    AT_MIN_TIMELINE = 144,
    CONTROL_NEEDED = 148,
    CONTROL_MAX = 64 * 1024,
};

bool control_parse(StrView v, ControlData *ret)
{
    if (v.n < CONTROL_NEEDED)
        return false;
    uint32_t state;
    ControlData c = {0};
    memcpy(&c.system_id, v.p + AT_SYSTEM_ID, sizeof c.system_id);
    memcpy(&state, v.p + AT_STATE, sizeof state);
    memcpy(&c.checkpoint, v.p + AT_CHECKPOINT, sizeof c.checkpoint);
    memcpy(&c.redo, v.p + AT_REDO, sizeof c.redo);
    memcpy(&c.timeline, v.p + AT_TIMELINE, sizeof c.timeline);
    memcpy(&c.min_recovery, v.p + AT_MIN_RECOVERY, sizeof c.min_recovery);
    memcpy(&c.min_timeline, v.p + AT_MIN_TIMELINE, sizeof c.min_timeline);
    c.state = (LpDb)state;
    *ret = c;
    return true;
}

ErrCode control_read(const char *dir, ControlData *ret, Error *err)
{
    AUTO_ARENA a = arena_new_sized(10 * 1024);
    const char *path = arena_printf(a, "%s/global/pg_control", dir);
    StrView v;
    if (file_read(a, path, CONTROL_MAX, &v, err))
        return err->code;
    if (!control_parse(v, ret))
        return err_set(err, ERR_DATA_LOSS, "%s has %zu bytes only", path, v.n);
    return ERR_OK;
}

uint32_t control_newest(const ControlData *c)
{
    return c->min_timeline > c->timeline ? c->min_timeline : c->timeline;
}
