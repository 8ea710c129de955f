/* launcher/datadir.h - what lies in the data volume, and the marks PG-Swarm leaves there.
 *
 * What the data is follows from the directory, not from the stamp alone: standby.signal or a
 * backup_label make it a standby's whatever the stamp says; a promotion that was asked for counts
 * once the control file shows the new timeline. A standby's data that lost its standby.signal
 * unasked (somebody's pg_promote) is marked, like one under rewind: never started.
 *
 * The held marker (beside PGDATA) says that the volume once had a cluster; it is never removed, and
 * initdb refuses wherever it is. The rewind marker (beside it) stands from before the first changed
 * byte of a rewind until PGDATA is whole again, by that rewind or by a clone in its place. */
#pragma once
#include "control.h"
#include "paths.h"
#include "stamp.h"

typedef struct DataInfo {
    LpData kind;
    LpRole role; /* what the data is, of READY */
    Stamp stamp;
    ControlData control;
    uint32_t major;
    bool standby_signal, backup_label;
    bool held; /* the volume once had a cluster */
} DataInfo;

void datadir_inspect(const Paths *p, DataInfo *ret);
/* Pure half of it: role and kind of data that has a stamp, a control file and no rewind marker. */
LpData datadir_judge(const DataInfo *d, LpRole *ret_role);
/* The highest timeline that PostgreSQL would find from `from` on: the history files in pg_wal. */
uint32_t datadir_newest_history(const char *dir, uint32_t from);
/* What a promotion that did not get there wrote of its new timeline: history and segments of every
 * timeline above `timeline` go, so that PostgreSQL does not take them for the cluster's. */
ErrCode datadir_drop_above(const char *dir, uint32_t timeline, Error *err) MUST_USE;
ErrCode standby_signal_write(const char *dir, Error *err) MUST_USE;

ErrCode held_write(const Paths *p, uint64_t system_id, Error *err) MUST_USE;
ErrCode mark_write(const Paths *p, Error *err) MUST_USE;
ErrCode mark_remove(const Paths *p, Error *err) MUST_USE;

/* Not there, or there and without entries. */
bool dir_is_empty(const char *path);
ErrCode dir_sync(const char *path, Error *err) MUST_USE;
/* Everything written to the volume that `path` lies on. One sync for a thousand new files is many
 * times faster than a thousand syncs. */
ErrCode volume_sync(const char *path, Error *err) MUST_USE;
/* rm -r, never following a symbolic link. A path that is not there is fine. */
ErrCode dir_remove(const char *path, Error *err) MUST_USE;
/* Bytes on disk of everything below, links not followed. */
uint64_t dir_bytes(const char *path);
