#include "model/decision.h"

#include "codec/digest.h"
#include <inttypes.h>
#include <stdlib.h>

static void add_field(StrBuf *b, const char *s)
{
    s = str_or(s, "");
    strbuf_addf(b, "%zu:", strlen(s));
    strbuf_adds(b, s);
    strbuf_addc(b, ',');
}

static void add_number(StrBuf *b, uint64_t n)
{
    strbuf_addf(b, "%" PRIu64 ",", n);
}

void decision_hash(const DecisionRecord *d, char ret[DECISION_HASH + 1])
{
    AUTO_STRBUF b = {0};
    strbuf_adds(&b, "pg-swarm decision 1,");
    add_field(&b, d->prev);
    add_field(&b, d->member);
    add_field(&b, d->chain);
    add_number(&b, d->number);
    add_number(&b, (uint64_t)d->at_us);
    add_number(&b, d->epoch);
    add_field(&b, d->kind);
    add_field(&b, d->saw);
    add_field(&b, d->did);
    add_field(&b, d->why);
    sha256_hex(ret, b.p, b.n);
}

StrMap decision_to_map(Arena *a, const DecisionRecord *d)
{
    StrMap m = {0};
    strmap_put(a, &m, "chain", d->chain);
    strmap_put(a, &m, "number", arena_printf(a, "%" PRIu64, d->number));
    strmap_put(a, &m, "at_us", arena_printf(a, "%" PRId64, d->at_us));
    strmap_put(a, &m, "epoch", arena_printf(a, "%" PRIu64, d->epoch));
    strmap_put(a, &m, "decision", d->kind);
    strmap_put(a, &m, "saw", str_or(d->saw, ""));
    strmap_put(a, &m, "did", str_or(d->did, ""));
    strmap_put(a, &m, "why", str_or(d->why, ""));
    strmap_put(a, &m, "prev", str_or(d->prev, ""));
    strmap_put(a, &m, "hash", d->hash);
    return m;
}

static const char *text_of(StrMap m, const char *key)
{
    return str_or(strmap_get(m, key), "");
}

bool decision_from_map(const char *member, StrMap m, DecisionRecord *ret)
{
    DecisionRecord d = {.member = member,
                        .chain = text_of(m, "chain"),
                        .kind = text_of(m, "decision"),
                        .saw = text_of(m, "saw"),
                        .did = text_of(m, "did"),
                        .why = text_of(m, "why"),
                        .prev = text_of(m, "prev"),
                        .hash = text_of(m, "hash")};
    size_t chain = strlen(d.chain);
    if (!chain || chain > 2 * DECISION_CHAIN || strlen(d.hash) != DECISION_HASH ||
        strlen(d.prev) > DECISION_HASH || str_empty(d.kind) ||
        !str_to_u64(text_of(m, "number"), &d.number) || !d.number || d.number > INT64_MAX ||
        !str_to_u64(text_of(m, "epoch"), &d.epoch) || d.epoch > INT64_MAX ||
        !str_to_i64(text_of(m, "at_us"), &d.at_us) || d.at_us < 0)
        return false;
    *ret = d;
    return true;
}

const char *chain_fault_name(ChainFault f)
{
    static const char *const NAMES[] = {"ok", "altered", "gap", "forked"};
    return (unsigned)f < sizeof NAMES / sizeof *NAMES ? NAMES[f] : NAMES[0];
}

static int order_u64(uint64_t x, uint64_t y)
{
    return x < y ? -1 : x > y;
}

static int by_chain(const void *a, const void *b)
{
    const DecisionRecord *x = a, *y = b;
    int c = strcmp(x->member, y->member);
    if (!c)
        c = strcmp(x->chain, y->chain);
    if (!c)
        c = order_u64(x->number, y->number);
    return c ? c : strcmp(x->hash, y->hash);
}

static int by_story(const void *a, const void *b)
{
    const DecisionRecord *x = a, *y = b;
    int c = order_u64(x->epoch, y->epoch);
    if (!c)
        c = x->at_us < y->at_us ? -1 : x->at_us > y->at_us;
    if (!c)
        c = strcmp(x->member, y->member);
    if (!c)
        c = strcmp(x->chain, y->chain);
    return c ? c : order_u64(x->number, y->number);
}

void decisions_order(DecisionRecord *at, size_t n)
{
    if (n)
        qsort(at, n, sizeof *at, by_story);
}

static bool same_chain(const DecisionRecord *x, const DecisionRecord *y)
{
    return str_eq(x->member, y->member) && str_eq(x->chain, y->chain);
}

static size_t drop_repeats(DecisionRecord *at, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!kept || by_chain(&at[kept - 1], &at[i]) != 0)
            at[kept++] = at[i];
    return kept;
}

/* What is wrong with `d`, which follows `before` (NULL: the oldest that is kept of its chain). */
static ChainFault check(const DecisionRecord *before, const DecisionRecord *d)
{
    char hash[DECISION_HASH + 1];
    decision_hash(d, hash);
    if (!str_eq(hash, d->hash))
        return CHAIN_ALTERED;
    if (!before)
        return d->number == 1 && !str_empty(d->prev) ? CHAIN_FORKED : CHAIN_OK;
    if (d->number == before->number)
        return CHAIN_FORKED;
    if (d->number != before->number + 1)
        return CHAIN_GAP;
    return str_eq(d->prev, before->hash) ? CHAIN_OK : CHAIN_FORKED;
}

static const char *fault_text(Arena *a, ChainFault f, const DecisionRecord *before,
                              const DecisionRecord *d)
{
    switch (f) {
    case CHAIN_ALTERED:
        return arena_printf(
            a, "record %" PRIu64 " of %s is not what was written: its hash does not fit", d->number,
            d->member);
    case CHAIN_GAP:
        return arena_printf(a, "records %" PRIu64 " to %" PRIu64 " of %s are missing",
                            before->number + 1, d->number - 1, d->member);
    case CHAIN_FORKED:
        return arena_printf(a, "record %" PRIu64 " of %s does not continue the one before it",
                            d->number, d->member);
    case CHAIN_OK:
        break;
    }
    return "";
}

void decisions_verify(Arena *a, DecisionRecord *at, size_t *n, ObjList *ret_breaks)
{
    if (*n)
        qsort(at, *n, sizeof *at, by_chain);
    *n = drop_repeats(at, *n);
    ChainBreak *breaks = arena_array(a, ChainBreak, *n + 1);
    size_t found = 0;
    for (size_t i = 0; i < *n; i++) {
        const DecisionRecord *before = i && same_chain(&at[i - 1], &at[i]) ? &at[i - 1] : NULL;
        ChainFault f = check(before, &at[i]);
        if (f)
            breaks[found++] = (ChainBreak){.fault = f,
                                           .member = at[i].member,
                                           .chain = at[i].chain,
                                           .number = at[i].number,
                                           .text = fault_text(a, f, before, &at[i])};
    }
    *ret_breaks = (ObjList){breaks, found};
}
