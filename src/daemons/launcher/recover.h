/* launcher/recover.h - put the data volume in order after whatever happened to the launcher. */
#pragma once
#include "journal.h"

/* Ends what still runs in PGDATA (a launcher killed outside of a container leaves PostgreSQL
 * behind), then removes its lock files. */
ErrCode recover_processes(const Paths *p, Error *err) MUST_USE;
/* Finishes or throws away the job that the journal names. */
ErrCode recover_volume(const Paths *p, Error *err) MUST_USE;
/* The second half of a job, from the journal's SWAP on. */
ErrCode volume_swap(const Paths *p, Journal *j, Error *err) MUST_USE;
const char *journal_folder(const Paths *p, const Journal *j); /* that is being built */
char *journal_waldir(Arena *a, const Paths *p, const Journal *j);
