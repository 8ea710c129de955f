/* launcher/datadir.h - what lies in the data volume, and the two marks PG-Swarm leaves there.
 *
 * The stamp (PGDATA/pgswarm.stamp) says as what and under which epoch this data last ran; it moves
 * with the data when the folder is renamed. The held marker (beside PGDATA) says that the volume
 * once had a cluster; it is never removed, and initdb refuses wherever it is. */
#pragma once
#include "core/launcher_proto.h"
#include "paths.h"

typedef struct Stamp {
    LpRole role;
    uint64_t epoch, system_id;
} Stamp;

typedef struct DataInfo {
    LpData kind;
    Stamp stamp;
    uint64_t system_id; /* from the control file */
    uint32_t timeline;
    uint32_t major;
} DataInfo;

void datadir_inspect(const Paths *p, DataInfo *ret);
/* Of any folder: PGDATA, or one that is still being built. */
ErrCode datadir_control(const char *dir, uint64_t *ret_system_id, uint32_t *ret_timeline,
                        Error *err) MUST_USE;
ErrCode stamp_write(const char *dir, const Stamp *s, Error *err) MUST_USE;
/* False when there is none, or not one of ours. */
bool stamp_read(const char *dir, Stamp *ret);
bool stamp_parse(StrView text, Stamp *ret);
ErrCode held_write(const Paths *p, uint64_t system_id, Error *err) MUST_USE;
/* Not there, or there and without entries. */
bool dir_is_empty(const char *path);
ErrCode dir_sync(const char *path, Error *err) MUST_USE;
/* Everything written to the volume that `path` lies on. One sync for a thousand new files is many
 * times faster than a thousand syncs. */
ErrCode volume_sync(const char *path, Error *err) MUST_USE;
/* rm -r, never following a symbolic link. A path that is not there is fine. */
ErrCode dir_remove(const char *path, Error *err) MUST_USE;
