/* launcher/recover.h - put the data volume in order after whatever happened to the launcher. */
#pragma once
#include "journal.h"

/* Ends what still runs in PGDATA (a launcher killed outside of a container leaves PostgreSQL
 * behind), then removes its lock files. */
/* What a PostgreSQL that is dead left: the pid in these files can only mean somebody else. */
ErrCode recover_lock_files(const Paths *p, Error *err) MUST_USE;
ErrCode recover_processes(const Paths *p, Error *err) MUST_USE;
/* Finishes or throws away the job that the journal names. */
ErrCode recover_volume(const Paths *p, Error *err) MUST_USE;
/* The second half of a job, from the journal's SWAP on. */
ErrCode volume_swap(const Paths *p, Journal *j, Error *err) MUST_USE;
const char *journal_folder(const Paths *p, const Journal *j); /* that is being built */
/* The folders that clones have put aside, with their WAL: how big they are, and away with them. */
uint64_t old_folders_bytes(const Paths *p);
ErrCode old_folders_remove(const Paths *p, Error *err) MUST_USE;
char *journal_waldir(Arena *a, const Paths *p, const Journal *j);
