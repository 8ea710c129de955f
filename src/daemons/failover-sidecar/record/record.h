/* record/record.h - the decisions of this member: numbered, hash-chained, kept, handed over.
 *
 * Kept in RUN_DIR/decisions, so a sidecar that is killed goes on in its chain; given to the
 * satellite in order until it says that it has them. Bounded: when nobody takes them, the oldest go
 * first (a gap then shows in the chain). Never blocks a decision: what cannot be written is logged.
 */
#pragma once
#include "loop/loop.h"
#include "model/decision.h"

typedef struct Record Record;
typedef struct RecordConfig {
    Loop *loop;
    const char *dir;    /* the run volume */
    const char *member; /* this pod */
    /* Hand one over; false: no stream now, record_resume goes on. */
    bool (*send)(void *ctx, const DecisionRecord *d);
    void *ctx;
} RecordConfig;

enum { RECORD_MAX = 500 };

Record *record_new(const RecordConfig *cfg); /* strings are kept, not copied */
void record_free(Record *r);

/* Fields are copied and cut at DECISION_TEXT. kind is dotted and says what was decided:
 *   lease.*     created, adopted, taken, released, lost, handed_over
 *   election.*  sealed, published, ranked, won, lost, waiting, unproven
 *   promote.*   begun, done, failed      demote.*   begun, done
 *   fence.*     deadline, rival, operation, lifted
 *   follow.*    leader                   rejoin.*   stream, rewind, clone, wait, failed
 *   postgres.*  died, restarted, frozen  sync.*     recorded, degraded, upgraded, held
 *   operation.* begun, step, ended       paused.*   on, off
 * saw: what this member knew; did: what it does now; why: the rule. Write them for a person who was
 * asleep: "lease of db-0 at epoch 7 not renewed for 15.0 s, own receiver gone". */
typedef struct DecisionNote {
    const char *kind;
    uint64_t epoch; /* the lease's, as this member knows it */
    const char *saw, *did, *why;
} DecisionNote;
/* r NULL: nothing. The same note as the last one (kind, epoch, did, why) is not taken twice. */
void decision_note(Record *r, const DecisionNote *n);

void record_resume(Record *r); /* a new stream: everything not acknowledged, from the first */
/* The satellite has everything of `chain` up to this number. */
void record_acked(Record *r, const char *chain, uint64_t number);
