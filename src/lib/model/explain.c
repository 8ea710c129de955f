#include "model/explain.h"

#include "core/clock.h"

#include <inttypes.h>
#include <stdlib.h>

/* Kinds by which something moved; a dot at the end stands for all of that family. */
static const char *const MOVES[] = {"election.",
                                    "promote.",
                                    "demote.",
                                    "fence.",
                                    "rejoin.",
                                    "postgres.",
                                    "operation.",
                                    "paused.",
                                    "lease.taken",
                                    "lease.lost",
                                    "lease.released",
                                    "lease.handed_over",
                                    "sync.degraded",
                                    "sync.upgraded",
                                    "sync.held",
                                    "sync.overridden",
                                    NULL};
/* Kinds that tell who holds the epoch. */
static const char *const HOLDS[] = {"lease.created", "lease.taken", "lease.adopted",
                                    "election.won",  "promote.",    NULL};

static bool is_one_of(const char *kind, const char *const *list)
{
    for (; *list; list++)
        if (str_ends(*list, ".") ? str_starts(kind, *list) : str_eq(kind, *list))
            return true;
    return false;
}

static int by_time(const void *a, const void *b)
{
    const DecisionRecord *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    int c = strcmp(x->member, y->member);
    return c ? c : x->number < y->number ? -1 : x->number > y->number;
}

static bool out_of_order(const DecisionRecord *x, const DecisionRecord *y)
{
    return x->epoch == y->epoch && str_eq(x->member, y->member) && str_eq(x->chain, y->chain) &&
           x->number > y->number;
}

/* Of one member the order is that of its chain, whatever its clock did meanwhile: it keeps its
 * places among the others, but fills them in the order of its numbers. */
static void keep_chain_order(DecisionRecord *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n && at[k].epoch == at[i].epoch; k++)
            if (out_of_order(&at[i], &at[k])) {
                DecisionRecord d = at[k];
                at[k] = at[i];
                at[i] = d;
            }
}

static ObjList chains_of(Arena *a, const DecisionRecord *at, size_t n, const ObjList *breaks)
{
    ExplainChain *c = arena_array(a, ExplainChain, n + 1);
    const ChainBreak *broken = breaks->at;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (!k || !str_eq(c[k - 1].member, at[i].member) || !str_eq(c[k - 1].chain, at[i].chain))
            c[k++] = (ExplainChain){at[i].member, at[i].chain, at[i].number, 0, true};
        c[k - 1].to = at[i].number;
    }
    for (size_t i = 0; i < k; i++)
        for (size_t b = 0; b < breaks->n; b++)
            if (str_eq(c[i].member, broken[b].member) && str_eq(c[i].chain, broken[b].chain))
                c[i].whole = false;
    return (ObjList){c, k};
}

/* The newest run of decisions without a pause in which something moved, else the newest run. */
static void last_incident(const DecisionRecord *at, size_t n, size_t *ret_first, size_t *ret_n,
                          bool *ret_moved)
{
    size_t end = n;
    *ret_moved = false;
    while (end) {
        size_t first = end - 1;
        bool moved = is_one_of(at[first].kind, MOVES);
        while (first &&
               at[first].at_us - at[first - 1].at_us < EXPLAIN_PAUSE_S * INT64_C(1000000)) {
            first--;
            moved |= is_one_of(at[first].kind, MOVES);
        }
        if (moved || end == n) {
            *ret_first = first;
            *ret_n = end - first;
        }
        *ret_moved = moved;
        if (moved)
            return;
        end = first;
    }
}

static ObjList epochs_of(Arena *a, const DecisionRecord *at, size_t n)
{
    ExplainEpoch *e = arena_array(a, ExplainEpoch, n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (!k || e[k - 1].epoch != at[i].epoch)
            e[k++] = (ExplainEpoch){.epoch = at[i].epoch, .holder = "", .first = i};
        e[k - 1].n++;
        if (is_one_of(at[i].kind, HOLDS))
            e[k - 1].holder = at[i].member;
    }
    return (ObjList){e, k};
}

Explanation explain_decisions(Arena *a, DecisionRecord *at, size_t n, bool all)
{
    Explanation e = {0};
    decisions_verify(a, at, &n, &e.breaks);
    e.chains = chains_of(a, at, n, &e.breaks);
    if (!n)
        return e;
    qsort(at, n, sizeof *at, by_time);
    size_t first = 0, count = n;
    last_incident(at, n, &first, &count, &e.incident);
    if (all) {
        first = 0;
        count = n;
    }
    e.at = at + first;
    e.n = count;
    e.from_us = at[first].at_us;
    e.to_us = at[first + count - 1].at_us;
    decisions_order(at + first, count);
    keep_chain_order(at + first, count);
    e.epochs = epochs_of(a, e.at, e.n);
    return e;
}

/* ---- for people ---- */

static void add_clock(StrBuf *b, int64_t us)
{
    char at[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(at, us);
    strbuf_add(b, at + 11, 12); /* 07:01:12.345 */
}

static void add_decision(StrBuf *b, const DecisionRecord *d, int64_t from_us)
{
    strbuf_adds(b, "  ");
    add_clock(b, d->at_us);
    strbuf_addf(b, " %+8.3f s  %s: %s\n", (double)(d->at_us - from_us) / 1e6, d->member,
                *d->did ? d->did : d->kind);
    if (*d->saw)
        strbuf_addf(b, "                             saw: %s\n", d->saw);
    if (*d->why)
        strbuf_addf(b, "                             why: %s\n", d->why);
}

static void add_chains(StrBuf *b, const Explanation *e)
{
    const ChainBreak *br = e->breaks.at;
    const ExplainChain *c = e->chains.at;
    uint64_t records = 0;
    for (size_t i = 0; i < e->chains.n; i++)
        records += c[i].to - c[i].from + 1;
    if (!e->breaks.n) {
        strbuf_addf(b, "\nThe record: %" PRIu64 " decisions in %zu chain%s, every hash fits.\n",
                    records, e->chains.n, e->chains.n == 1 ? "" : "s");
        return;
    }
    strbuf_adds(b, "\nThe record is BROKEN; what is told above may be incomplete or false:\n");
    for (size_t i = 0; i < e->breaks.n; i++)
        strbuf_addf(b, "  %s\n", br[i].text);
}

void explain_text(StrBuf *b, const Explanation *e, const char *cluster)
{
    char day[CLOCK_RFC3339_LEN + 1];
    if (!e->n) {
        strbuf_addf(b, "%s: no decisions are kept of that time\n", cluster);
        return;
    }
    clock_rfc3339(day, e->from_us);
    strbuf_addf(b, "%s: %s on %.10s from ", cluster,
                e->incident ? "what happened" : "nothing moved; the newest decisions", day);
    add_clock(b, e->from_us);
    strbuf_adds(b, " to ");
    add_clock(b, e->to_us);
    strbuf_addf(b, " UTC (%.1f s)\n", (double)(e->to_us - e->from_us) / 1e6);
    const ExplainEpoch *ep = e->epochs.at;
    for (size_t i = 0; i < e->epochs.n; i++) {
        strbuf_addf(b, "\nEpoch %" PRIu64 "%s%s\n", ep[i].epoch, *ep[i].holder ? ", held by " : "",
                    ep[i].holder);
        for (size_t k = 0; k < ep[i].n; k++)
            add_decision(b, &e->at[ep[i].first + k], e->from_us);
    }
    add_chains(b, e);
}

/* ---- for scripts ---- */

static void put_decision(JsonOut *j, const DecisionRecord *d)
{
    json_obj(j);
    json_put_time(j, "at", d->at_us);
    json_put_str(j, "member", d->member);
    json_put_str(j, "kind", d->kind);
    json_put_str(j, "saw", d->saw);
    json_put_str(j, "did", d->did);
    json_put_str(j, "why", d->why);
    json_put_str(j, "chain", d->chain);
    json_put_uint(j, "number", d->number);
    json_put_str(j, "hash", d->hash);
    json_obj_end(j);
}

static void put_record(JsonOut *j, const Explanation *e)
{
    const ExplainChain *c = e->chains.at;
    const ChainBreak *br = e->breaks.at;
    json_put_bool(j, "whole", e->breaks.n == 0);
    json_key(j, "chains");
    json_arr(j);
    for (size_t i = 0; i < e->chains.n; i++) {
        json_obj(j);
        json_put_str(j, "member", c[i].member);
        json_put_str(j, "chain", c[i].chain);
        json_put_uint(j, "from", c[i].from);
        json_put_uint(j, "to", c[i].to);
        json_put_bool(j, "whole", c[i].whole);
        json_obj_end(j);
    }
    json_arr_end(j);
    json_key(j, "breaks");
    json_arr(j);
    for (size_t i = 0; i < e->breaks.n; i++) {
        json_obj(j);
        json_put_str(j, "fault", chain_fault_name(br[i].fault));
        json_put_str(j, "member", br[i].member);
        json_put_str(j, "chain", br[i].chain);
        json_put_uint(j, "number", br[i].number);
        json_put_str(j, "text", br[i].text);
        json_obj_end(j);
    }
    json_arr_end(j);
}

void explain_json(JsonOut *j, const Explanation *e, const char *cluster)
{
    const ExplainEpoch *ep = e->epochs.at;
    json_obj(j);
    json_put_str(j, "cluster", cluster);
    json_put_bool(j, "incident", e->incident);
    json_put_time(j, "from", e->from_us);
    json_put_time(j, "to", e->to_us);
    json_key(j, "epochs");
    json_arr(j);
    for (size_t i = 0; i < e->epochs.n; i++) {
        json_obj(j);
        json_put_uint(j, "epoch", ep[i].epoch);
        json_put_str(j, "holder", ep[i].holder);
        json_key(j, "decisions");
        json_arr(j);
        for (size_t k = 0; k < ep[i].n; k++)
            put_decision(j, &e->at[ep[i].first + k]);
        json_arr_end(j);
        json_obj_end(j);
    }
    json_arr_end(j);
    put_record(j, e);
    json_obj_end(j);
}
