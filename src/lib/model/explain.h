/* model/explain.h - the decisions of all members as one story: the last incident, epoch by epoch,
 * with who held each. Pure.
 *
 * An incident is a run of decisions of all members with no pause of EXPLAIN_PAUSE_S in it, in which
 * leadership, a fence, PostgreSQL's life or durability moved. Times are the members' own clocks:
 * within an epoch they order what different members did only as well as those clocks agree; what
 * one member did is in the order of its chain. */
#pragma once
#include "model/decision.h"

enum { EXPLAIN_PAUSE_S = 60 };

typedef struct ExplainEpoch {
    uint64_t epoch;
    const char *holder; /* "" when no record tells */
    size_t first, n;    /* of `at` */
} ExplainEpoch;

typedef struct ExplainChain {
    const char *member, *chain;
    uint64_t from, to; /* numbers that were looked at */
    bool whole;
} ExplainChain;

typedef struct Explanation {
    const DecisionRecord *at; /* in the order they are told */
    size_t n;
    bool incident; /* false: nothing moved; `at` is the newest run all the same */
    int64_t from_us, to_us;
    ObjList epochs; /* ExplainEpoch */
    ObjList chains; /* ExplainChain, of all that was given */
    ObjList breaks; /* ChainBreak, of all that was given */
} Explanation;

/* `at` is sorted in place. all: everything instead of the last incident. */
Explanation explain_decisions(Arena *a, DecisionRecord *at, size_t n, bool all);
/* For people, ready to print. */
void explain_text(StrBuf *b, const Explanation *e, const char *cluster);
void explain_json(JsonOut *j, const Explanation *e, const char *cluster);
