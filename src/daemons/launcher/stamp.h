/* launcher/stamp.h - PGDATA/pgswarm.stamp: as what and under which epoch this data last ran.
 *
 * It moves with the data when the folder is renamed. It is on disk before PostgreSQL may write
 * under what it says, and what it says is not believed alone: see datadir_inspect. */
#pragma once
#include "core/launcher_proto.h"

typedef struct Stamp {
    LpRole role;
    uint64_t epoch, system_id;
    uint64_t sealed;         /* for this epoch; 0: it is not */
    uint32_t promoting_from; /* a promotion was asked for, on this timeline; 0: none is under way */
    uint64_t promoted_epoch; /* at which a timeline began here, and which one */
    uint32_t promoted_timeline;
} Stamp;

ErrCode stamp_write(const char *dir, const Stamp *s, Error *err) MUST_USE;
/* False when there is none, or not one of ours. */
bool stamp_read(const char *dir, Stamp *ret);
bool stamp_parse(StrView text, Stamp *ret);
