/* model/decision.h - one decision of one member: what it saw, what it did and why. Pure.
 *
 * A member's decisions are a chain: numbered from 1 without gaps, each with the hash of the one
 * before. The hash is SHA-256 over that hash and the canonical text (every field with its length in
 * front), so a record that was changed, taken out or put between shows. A new run volume begins a
 * new chain with another name. */
#pragma once
#include "codec/fields.h"

enum { DECISION_TEXT = 480, DECISION_HASH = 64, DECISION_CHAIN = 16 };
#define DECISION_EVENT "decision" /* kind of the EventReport that carries one */

typedef struct DecisionRecord {
    const char *member, *chain;
    uint64_t number, epoch;
    int64_t at_us;
    const char *kind;            /* dotted: election.won, fence.deadline, sync.degraded */
    const char *saw, *did, *why; /* sentences or clauses without a full stop */
    const char *prev, *hash;     /* 64 hex digits; prev "" in the first of a chain */
} DecisionRecord;

/* The hash of a record, from all its other fields. */
void decision_hash(const DecisionRecord *d, char ret[DECISION_HASH + 1]);
/* As the data of an EventReport, and back (false: not a decision). Strings are shared. */
StrMap decision_to_map(Arena *a, const DecisionRecord *d);
bool decision_from_map(const char *member, StrMap m, DecisionRecord *ret);

typedef enum ChainFault {
    CHAIN_OK,
    CHAIN_ALTERED, /* the hash is not that of the text */
    CHAIN_GAP,     /* numbers are missing */
    CHAIN_FORKED,  /* it does not continue the record before it */
} ChainFault;
const char *chain_fault_name(ChainFault f);

typedef struct ChainBreak {
    ChainFault fault;
    const char *member, *chain;
    uint64_t number;  /* the first record that does not fit */
    const char *text; /* one sentence */
} ChainBreak;
/* Sorts by member, chain, number, drops exact repeats (*n), and tells every break: ret holds
 * ChainBreak. The oldest record kept of a chain may continue one that is no longer kept. */
void decisions_verify(Arena *a, DecisionRecord *at, size_t *n, ObjList *ret_breaks);
/* By epoch, then time, then member and number: the order in which they are told. */
void decisions_order(DecisionRecord *at, size_t n);
