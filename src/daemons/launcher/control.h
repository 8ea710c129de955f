/* launcher/control.h - what PostgreSQL's control file says. Read without PostgreSQL's headers: its
 * head has had the same layout from 13 to 18. */
#pragma once
#include "core/launcher_proto.h"

typedef struct ControlData {
    uint64_t system_id;
    LpDb state;
    uint64_t checkpoint, redo; /* of the last checkpoint or restartpoint */
    uint32_t timeline;         /* of that */
    uint64_t min_recovery;     /* a standby is consistent from here on */
    uint32_t min_timeline;
} ControlData;

/* Of any folder: PGDATA, or one that is still being built. */
ErrCode control_read(const char *dir, ControlData *ret, Error *err) MUST_USE;
bool control_parse(StrView bytes, ControlData *ret);
/* The newest timeline that the data is known to be on. */
uint32_t control_newest(const ControlData *c);
