/* launcher/journal.h - which job is under way in the data volume, on disk before each step.
 *
 * A job builds a cluster in PGDATA.new or PGDATA.clone (step BUILD: whatever lies there is thrown
 * away after a crash) and then puts it in PGDATA's place (step SWAP: after a crash the renames are
 * finished). No other step exists, so every instant of a job is one of: nothing happened yet, start
 * over, finish the renames, done. */
#pragma once
#include "datadir.h"

typedef enum JournalStep { STEP_NONE, STEP_BUILD, STEP_SWAP } JournalStep;
typedef struct Journal {
    LpJob job;
    JournalStep step;
    char id[17]; /* hex; names the WAL folder of the new cluster and the folder of the old one */
} Journal;

void journal_begin(Journal *ret, LpJob job); /* in memory: a new id, step NONE */
ErrCode journal_write(const Paths *p, Journal *j, JournalStep step, Error *err) MUST_USE;
ErrCode journal_clear(const Paths *p, Error *err) MUST_USE;
/* STEP_NONE when there is none. ERR_DATA_LOSS when it cannot be understood. */
ErrCode journal_read(const Paths *p, Journal *ret, Error *err) MUST_USE;
bool journal_parse(StrView text, Journal *ret);

/* Tests stop a job at each named point of its life by setting this; NULL otherwise. */
extern void (*journal_point)(const char *where);
void journal_at(const char *where);
