#include "link/decisions.h"

#include "core/log.h"
#include "core/map.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What one member has said. */
typedef struct Teller {
    char *ns, *pod;
    char chain[2 * DECISION_CHAIN + 1];
    uint64_t taken, sequence; /* the last one taken, and the event that carries it */
    uint64_t told;            /* acknowledged up to here */
    uint64_t skipped;         /* the first one that found no room; 0: none */
    uint64_t skipped_at;
} Teller;

struct Decisions {
    DecisionsSpec spec;
    Map *tellers; /* "NS/POD" */
    uint64_t kept;
};

Decisions *decisions_new(const DecisionsSpec *spec)
{
    Decisions *d = xnew(Decisions);
    d->spec = *spec;
    d->tellers = map_new();
    return d;
}

static void teller_free(Teller *t)
{
    free(t->ns);
    free(t->pod);
    free(t);
}

void decisions_free(Decisions *d)
{
    if (!d)
        return;
    for (MapIter it = {0}; map_next(d->tellers, &it);)
        teller_free(it.value);
    map_free(d->tellers);
    free(d);
}

static Teller *teller_of(Decisions *d, const EventReport *e)
{
    AUTO_ARENA a = arena_new_sized(256);
    const char *key = arena_printf(a, "%s/%s", e->ns, e->pod_name);
    Teller *t = map_get(d->tellers, key);
    if (!t) {
        t = xnew(Teller);
        t->ns = xstrdup(e->ns);
        t->pod = xstrdup(e->pod_name);
        map_put(d->tellers, key, t);
    }
    return t;
}

static void tell(Decisions *d, Teller *t)
{
    if (!t->taken || t->sequence > d->kept)
        return;
    t->told = t->taken;
    d->spec.ack(d->spec.ctx,
                &(DecisionRecord){.member = t->pod, .chain = t->chain, .number = t->taken}, t->ns);
}

/* What came after one that found no room waits until that one comes again. */
static bool must_wait(Decisions *d, Teller *t, const DecisionRecord *r, uint64_t now_ms)
{
    if (t->skipped && r->number > t->skipped && now_ms - t->skipped_at < DECISIONS_SKIP_MS)
        return true;
    t->skipped = 0;
    if (events_stats(d->spec.events).kept < DECISIONS_ROOM)
        return false;
    t->skipped = r->number;
    t->skipped_at = now_ms;
    return true;
}

void decisions_take(Decisions *d, const EventReport *e, uint64_t now_ms)
{
    DecisionRecord r;
    if (!decision_from_map(e->pod_name, e->data, &r)) {
        log_warn("decisions", "a member said a decision that cannot be read", "pod=%s/%s",
                 log_quote(e->ns), log_quote(e->pod_name));
        return;
    }
    Teller *t = teller_of(d, e);
    if (!str_eq(t->chain, r.chain)) {
        snprintf(t->chain, sizeof t->chain, "%s", r.chain);
        t->taken = t->sequence = t->told = t->skipped = 0;
    }
    if (r.number <= t->taken) {
        tell(d, t); /* it has not heard us */
        return;
    }
    if (must_wait(d, t, &r, now_ms))
        return;
    events_add(d->spec.events, e);
    t->taken = r.number;
    t->sequence = events_next_sequence(d->spec.events) - 1;
}

void decisions_kept(Decisions *d, uint64_t sequence)
{
    if (!d)
        return;
    d->kept = sequence;
    for (MapIter it = {0}; map_next(d->tellers, &it);) {
        Teller *t = it.value;
        if (t->told < t->taken)
            tell(d, t);
    }
}
