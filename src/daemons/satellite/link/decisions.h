/* link/decisions.h - decisions of members on their way to central, among the events.
 *
 * A member is told that it may forget one when it is kept at the site. When central is away for
 * long and half of the room for events is used, no more are taken: the member keeps them, and says
 * them again. Of one member they stay in order; one that is said twice may go out twice. */
#pragma once
#include "link/events.h"
#include "model/decision.h"

typedef struct Decisions Decisions;
typedef struct DecisionsSpec {
    Events *events;
    /* To the member: everything of this chain up to `number` is kept. */
    void (*ack)(void *ctx, const DecisionRecord *upto, const char *ns);
    void *ctx;
} DecisionsSpec;

enum { DECISIONS_ROOM = EVENTS_MAX / 2, DECISIONS_SKIP_MS = 30000 };

Decisions *decisions_new(const DecisionsSpec *spec);
void decisions_free(Decisions *d);
/* An event of kind DECISION_EVENT from its member. now_ms: loop time. */
void decisions_take(Decisions *d, const EventReport *e, uint64_t now_ms);
/* Events up to this sequence are written at the site. */
void decisions_kept(Decisions *d, uint64_t sequence);
