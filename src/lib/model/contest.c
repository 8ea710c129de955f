#include "model/contest.h"

#include "codec/json.h"
#include "codec/json_out.h"
#include "model/lsn.h"
#include <stdio.h>

enum { POSITION_MAX = 2048 };

/* ---- the annotation ---- */

bool position_parse(const char *text, Position *ret)
{
    AUTO_ARENA a = arena_new_sized(512);
    cJSON *o;
    memset(ret, 0, sizeof *ret);
    if (str_empty(text) || json_parse(a, sv(text), POSITION_MAX, &o, NULL))
        return false;
    Position p = {.known = true};
    int64_t epoch = json_int_at(o, "epoch", -1), timeline = json_int_at(o, "timeline", -1),
            priority = json_int_at(o, "priority", -1);
    if (epoch < 0 || timeline < 0 || timeline > UINT32_MAX || priority < 0 ||
        priority > UINT32_MAX || !lsn_parse(json_str_at(o, "received", ""), &p.received) ||
        !lsn_parse(json_str_at(o, "replayed", ""), &p.replayed))
        return false;
    p.epoch = (uint64_t)epoch;
    p.timeline = (uint32_t)timeline;
    p.priority = (uint32_t)priority;
    p.sealed = json_bool_at(o, "sealed", false);
    p.eligible = json_bool_at(o, "eligible", false);
    snprintf(p.why, sizeof p.why, "%s", json_str_at(o, "why", ""));
    *ret = p;
    return true;
}

char *position_json(Arena *a, const Position *p)
{
    char lsn[LSN_TEXT_MAX];
    AUTO_STRBUF b = {0};
    JsonOut j = json_out(&b);
    json_obj(&j);
    json_put_uint(&j, "epoch", p->epoch);
    json_put_bool(&j, "sealed", p->sealed);
    json_put_uint(&j, "timeline", p->timeline);
    json_put_str(&j, "received", lsn_text(lsn, p->received));
    json_put_str(&j, "replayed", lsn_text(lsn, p->replayed));
    json_put_bool(&j, "eligible", p->eligible);
    json_put_str(&j, "why", p->why);
    json_put_uint(&j, "priority", p->priority);
    json_obj_end(&j);
    return arena_strndup(a, b.p, b.n);
}

/* ---- the order ---- */

static int by_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int position_compare(const Position *a, unsigned ai, const Position *b, unsigned bi)
{
    int d = by_number(a->timeline, b->timeline);
    d = d ? d : by_number(a->received, b->received);
    d = d ? d : by_number(a->priority, b->priority);
    return d ? d : by_number(bi, ai);
}

/* ---- the verdict ---- */

static bool votes(const Contest *c, unsigned i)
{
    return c->at[i].known && c->at[i].sealed && c->at[i].epoch == c->epoch;
}

uint32_t contest_votes(const Contest *c)
{
    uint32_t set = 0;
    for (unsigned i = 0; i < c->replicas && i < CONTEST_MEMBERS; i++)
        if (votes(c, i))
            set |= 1u << i;
    return set;
}

uint32_t contest_backing(const Contest *c)
{
    const Position *own = &c->at[c->self];
    uint32_t set = contest_votes(c);
    for (unsigned i = 0; i < c->replicas && i < CONTEST_MEMBERS; i++)
        if (c->at[i].timeline > own->timeline ||
            (c->at[i].timeline == own->timeline && c->at[i].received > own->received))
            set &= ~(1u << i);
    return set;
}

static bool may_lead(const Contest *c, unsigned i)
{
    return votes(c, i) && (c->at[i].eligible || c->forced);
}

/* Whom a forced failover names goes before all others. */
static bool before(const Contest *c, unsigned a, unsigned b)
{
    if (c->preferred >= 0 && (a == (unsigned)c->preferred) != (b == (unsigned)c->preferred))
        return a == (unsigned)c->preferred;
    return position_compare(&c->at[a], a, &c->at[b], b) > 0;
}

static unsigned rank_of_self(const Contest *c)
{
    unsigned rank = 0;
    for (unsigned i = 0; i < c->replicas && i < CONTEST_MEMBERS; i++)
        rank += i != c->self && may_lead(c, i) && before(c, i, c->self);
    return rank;
}

static uint32_t all_expected(const Contest *c)
{
    uint32_t all = c->replicas >= 32 ? ~0u : (1u << c->replicas) - 1;
    return all & ~c->absent;
}

static ContestResult wait_for(ContestResult r, uint64_t until, uint64_t now, const char *why)
{
    r.verdict = CONTEST_WAIT;
    r.again = until == UINT64_MAX ? until : until - now;
    r.why = why;
    return r;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* For how long nothing but the others has kept us back. */
static uint64_t open_ms(const Contest *c)
{
    return least(least(c->published_ms, c->over_ms),
                 least(c->changed_ms, c->sealed_ms - c->seal_wait_ms));
}

/* Whoever goes before us has not taken the lease in this time: it is gone. */
static uint64_t grace(const Contest *c, const ContestResult *r)
{
    bool other = c->preferred >= 0 && (unsigned)c->preferred != c->self;
    return (other ? CONTEST_PREFERRED_MS : 0) + (uint64_t)r->rank * CONTEST_GRACE_MS;
}

ContestResult contest_verdict(const Contest *c)
{
    ContestResult r = {.votes = contest_votes(c), .again = UINT64_MAX, .why = NULL};
    if (!votes(c, c->self))
        return wait_for(r, UINT64_MAX, 0, "the own position is not published yet");
    r.rank = rank_of_self(c);
    if (!may_lead(c, c->self))
        return wait_for(r, UINT64_MAX, 0, "this member may not lead");
    if (!c->lease_over)
        return wait_for(r, UINT64_MAX, 0, "the lease is not over yet");
    if (c->sealed_ms < c->seal_wait_ms)
        return wait_for(r, c->seal_wait_ms, c->sealed_ms,
                        "the last one may still count on this member's answers");
    bool whole = (all_expected(c) & ~r.votes) == 0;
    if (!whole && c->published_ms < c->gather_ms)
        return wait_for(r, c->gather_ms, c->published_ms, "the others are still awaited");
    if (open_ms(c) < grace(c, &r))
        return wait_for(r, grace(c, &r), open_ms(c), "another one goes first");
    bool unproven = c->mood != CONTEST_ASYNC && !c->proven && !c->forced;
    if (unproven && c->mood == CONTEST_PROOF)
        return wait_for(r, UINT64_MAX, 0, "votes are missing");
    if (unproven && c->published_ms < c->lease_ms)
        return wait_for(r, c->lease_ms, c->published_ms, "votes are missing");
    r.verdict = CONTEST_TAKE;
    r.lossy = c->mood != CONTEST_ASYNC && !c->proven;
    return r;
}
