/* central/store/decisions.h - what members decided, as they said it. They come in with the events
 * of their satellite (store/events.c). */
#pragma once
#include "store/store.h"

typedef struct DecisionFilter {
    const char *satellite_id, *ns, *cluster;
    int64_t since_us; /* by the members' clocks; 0: all that is kept */
} DecisionFilter;
/* Items: ApiDecision, newest first. */
void decision_list(App *app, Arena *a, const DecisionFilter *f, const Page *p, ListDone done,
                   void *ctx);
