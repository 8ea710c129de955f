#include "model/durability.h"

#include "codec/json.h"
#include "codec/json_out.h"
#include <inttypes.h>
#include <stdio.h>

static const char *const MODES[] = {"performance", "available", "protected"};

Durability durability_of(const char *name)
{
    for (int i = DURABILITY_PROTECTED; i > 0; i--)
        if (str_eq(name, MODES[i]))
            return (Durability)i;
    return DURABILITY_PERFORMANCE;
}

const char *durability_name(Durability d)
{
    return MODES[(unsigned)d <= DURABILITY_PROTECTED ? d : 0];
}

static unsigned count(uint32_t bits)
{
    return (unsigned)__builtin_popcount(bits);
}

static uint32_t bit(unsigned ordinal)
{
    return ordinal < SYNC_MEMBERS ? 1u << ordinal : 0;
}

static uint32_t others(unsigned replicas, unsigned self)
{
    uint32_t all = replicas >= SYNC_MEMBERS ? (1u << SYNC_MEMBERS) - 1 : (1u << replicas) - 1;
    return all & ~bit(self);
}

/* ---- sets ---- */

/* How many followers surely have a row, by this set. */
static unsigned proven_k(const SyncSet *s)
{
    return s->degraded ? 0 : s->k;
}

bool sync_equal(const SyncSet *a, const SyncSet *b)
{
    return a->mode == b->mode && a->k == b->k && a->degraded == b->degraded &&
           (!a->k || a->members == b->members);
}

bool sync_weaker(const SyncSet *a, const SyncSet *b)
{
    if (!proven_k(a))
        return true;
    return proven_k(b) >= proven_k(a) && !(b->members & ~a->members);
}

SyncSet sync_meet(const SyncSet *a, const SyncSet *b)
{
    unsigned ka = proven_k(a), kb = proven_k(b), k = ka < kb ? ka : kb;
    SyncSet m = {.mode = b->mode, .k = k, .members = k ? a->members | b->members : 0};
    m.degraded = !k && b->mode == DURABILITY_AVAILABLE;
    return m;
}

/* What PostgreSQL does is the same, whatever the record calls it. */
static bool acts_alike(const SyncSet *a, const SyncSet *b)
{
    return a->k == b->k && (!a->k || a->members == b->members);
}

/* ---- text ---- */

const char *sync_text(char buf[SYNC_TEXT_MAX], const SyncSet *s, const char *base, uint64_t epoch)
{
    *buf = '\0';
    if (!s->k || !s->members)
        return buf;
    size_t n = (size_t)snprintf(buf, SYNC_TEXT_MAX, "ANY %u (", s->k);
    const char *comma = "";
    for (unsigned i = 0; i < SYNC_MEMBERS; i++) {
        if (!(s->members & bit(i)))
            continue;
        n += (size_t)snprintf(buf + n, SYNC_TEXT_MAX - n, "%s\"%.63s-%u.e%" PRIu64 "\"", comma,
                              base, i, epoch);
        comma = ",";
    }
    snprintf(buf + n, SYNC_TEXT_MAX - n, ")");
    return buf;
}

/* "db-2" of base "db" is 2; `name` may go on with a suffix that must be `rest`. -1: it is not. */
static int ordinal_of(StrView name, const char *base, const char *rest)
{
    size_t n = strlen(base);
    if (name.n <= n + 1 || memcmp(name.p, base, n) != 0 || name.p[n] != '-')
        return -1;
    StrView tail = sv_n(name.p + n + 1, name.n - n - 1);
    for (int i = 0; i < SYNC_MEMBERS; i++) {
        char want[48];
        snprintf(want, sizeof want, "%d%s", i, rest);
        if (sv_eqs(tail, want))
            return i;
    }
    return -1;
}

bool sync_text_parse(const char *text, const char *base, uint64_t epoch, SyncSet *ret)
{
    SyncSet s = {0};
    StrView v = sv_trim(sv(str_or(text, "")));
    if (!v.n) {
        ret->k = ret->members = 0;
        return true;
    }
    if (!sv_starts(v, "ANY ") || !sv_ends(v, ")"))
        return false;
    v = sv_n(v.p + 4, v.n - 5);
    StrView num = sv_trim(sv_cut(&v, '('));
    for (size_t i = 0; i < num.n; i++) {
        if (num.p[i] < '0' || num.p[i] > '9' || num.n > 2)
            return false;
        s.k = s.k * 10 + (unsigned)(num.p[i] - '0');
    }
    char rest[32];
    snprintf(rest, sizeof rest, ".e%" PRIu64, epoch);
    while (v.p && v.n) {
        StrView name = sv_trim(sv_cut(&v, ','));
        if (name.n >= 2 && name.p[0] == '"')
            name = sv_n(name.p + 1, name.n - 2);
        int i = ordinal_of(name, base, rest);
        if (i >= 0)
            s.members |= bit((unsigned)i);
    }
    if (!s.k)
        return false;
    ret->k = s.k;
    ret->members = s.members;
    return true;
}

int sync_ordinal(const char *pod, const char *base)
{
    return str_empty(pod) ? -1 : ordinal_of(sv(pod), base, "");
}

char *sync_json(Arena *a, const SyncSet *s, const char *base)
{
    AUTO_STRBUF b = {0};
    JsonOut j = json_out(&b);
    json_obj(&j);
    json_put_str(&j, "mode", durability_name(s->mode));
    json_put_uint(&j, "k", s->k);
    json_key(&j, "names");
    json_arr(&j);
    for (unsigned i = 0; s->k && i < SYNC_MEMBERS; i++)
        if (s->members & bit(i))
            json_str(&j, arena_printf(a, "%s-%u", base, i));
    json_arr_end(&j);
    json_put_bool(&j, "degraded", s->degraded);
    json_obj_end(&j);
    return arena_strndup(a, b.p, b.n);
}

bool sync_json_parse(const char *text, const char *base, SyncSet *ret)
{
    AUTO_ARENA a = arena_new_sized(512);
    cJSON *root;
    if (str_empty(text) || json_parse(a, sv(text), SYNC_TEXT_MAX, &root, NULL))
        return false;
    int64_t k = json_int_at(root, "k", -1);
    const cJSON *names = json_at(root, "names"), *name;
    const char *mode = json_str_at(root, "mode", "");
    SyncSet s = {.mode = durability_of(mode), .degraded = json_bool_at(root, "degraded", true)};
    if (k < 0 || k >= SYNC_MEMBERS || !cJSON_IsArray(names) ||
        !str_eq(durability_name(s.mode), mode))
        return false;
    s.k = (unsigned)k;
    cJSON_ArrayForEach(name, names)
    {
        int i = cJSON_IsString(name) ? ordinal_of(sv(name->valuestring), base, "") : -1;
        if (i < 0)
            return false; /* a set that cannot be read whole proves nothing */
        s.members |= bit((unsigned)i);
    }
    *ret = s;
    return true;
}

/* ---- election ---- */

SyncSet sync_at_takeover(Durability mode, unsigned replicas, unsigned self, bool proven)
{
    SyncSet s = {.mode = mode, .members = others(replicas, self)};
    if (mode == DURABILITY_PERFORMANCE || replicas < 2)
        return (SyncSet){.mode = mode};
    s.k = mode == DURABILITY_PROTECTED ? replicas / 2 : 1;
    s.degraded = mode == DURABILITY_AVAILABLE && !proven;
    return s;
}

SyncElectors sync_electors(const char *text, const char *base, Durability mode, unsigned replicas,
                           int holder)
{
    SyncElectors e = {.old = holder >= 0 ? (unsigned)holder : SYNC_MEMBERS};
    if (!sync_json_parse(text, base, &e.rec))
        e.rec = sync_at_takeover(mode, replicas, e.old, true);
    if (!bit(e.old) || (e.rec.members & bit(e.old))) {
        e.old = SYNC_MEMBERS;
        e.rec.members |= others(replicas, e.old);
    }
    return e;
}

SyncVotes sync_votes(const SyncSet *rec, unsigned old, uint32_t sealed)
{
    uint32_t electors = rec->members | bit(old);
    unsigned n = count(electors), w = proven_k(rec) + 1;
    SyncVotes v = {.have = count(sealed & electors)};
    if (w == 1 || w > n)
        return v;
    v.wanted = true;
    v.need = n - w + 1;
    /* The old primary wrote every row to its own disk before anybody was told. */
    v.proven = v.have >= v.need || (sealed & bit(old));
    v.missing = v.proven ? 0 : electors & ~sealed;
    return v;
}

static void add_names(StrBuf *b, uint32_t bits, const char *base, const char *last)
{
    unsigned left = count(bits);
    for (unsigned i = 0; i < SYNC_MEMBERS; i++) {
        if (!(bits & bit(i)))
            continue;
        strbuf_addf(b, "%s-%u", base, i);
        left--;
        strbuf_adds(b, left > 1 ? ", " : left == 1 ? last : "");
    }
}

char *sync_votes_text(Arena *a, const SyncVotes *v, const char *base)
{
    AUTO_STRBUF b = {0};
    if (!v->wanted)
        return arena_strdup(a, "the record asks for no votes");
    strbuf_addf(&b, "%u of %u votes %s here", v->have, v->need, v->have == 1 ? "is" : "are");
    if (v->missing) {
        unsigned lack = v->need - v->have;
        strbuf_adds(&b, "; ");
        if (count(v->missing) > lack)
            strbuf_addf(&b, "%u of ", lack);
        add_names(&b, v->missing, base, count(v->missing) > lack ? ", " : " and ");
        strbuf_adds(&b, lack == 1 ? " is missing" : " are missing");
    }
    return arena_strdup(a, strbuf_str(&b));
}

/* ---- a primary ---- */

static SyncSet wanted(const SyncView *v, const char **why)
{
    SyncSet s = {.mode = v->mode};
    uint32_t all = others(v->replicas, v->self);
    if (v->mode == DURABILITY_PERFORMANCE || !all) {
        *why = v->mode == DURABILITY_PERFORMANCE ? "the profile asks for none"
                                                 : "there is no other member";
        return s;
    }
    if (v->mode == DURABILITY_PROTECTED) {
        s.k = v->replicas / 2;
        s.members = all;
        *why = "a majority must have every row";
        return s;
    }
    s.k = 1;
    if (v->streaming & all) {
        s.members = v->recent & all;
        *why = "one follower must have every row";
    } else if (!v->alone) {
        s.members = v->in_force.k ? v->in_force.members & all : 0;
        if (!s.members)
            s = (SyncSet){.mode = v->mode, .degraded = true};
        *why = "the followers went away just now";
    } else {
        s = (SyncSet){.mode = v->mode, .degraded = true};
        *why = "no follower streams";
    }
    return s;
}

/* Towards `want` without a moment in which the record claims too much. Without a record nothing is
 * claimed; but nothing is weakened before it is on record. */
static SyncPlan towards(const SyncView *v, SyncSet want, const char *why)
{
    SyncSet record = v->has_record ? v->record : (SyncSet){.mode = want.mode};
    if (!acts_alike(&v->in_force, &want)) {
        bool strengthens = sync_weaker(&v->in_force, &want);
        if ((v->has_record || strengthens) && sync_weaker(&record, &want))
            return (SyncPlan){SYNC_APPLY, want, why};
        return (SyncPlan){SYNC_RECORD, sync_meet(&record, &want), why};
    }
    if (v->has_record && sync_equal(&record, &want))
        return (SyncPlan){SYNC_STAY, want, why};
    if (v->confirmed || !proven_k(&want) || (v->has_record && sync_weaker(&want, &record)))
        return (SyncPlan){SYNC_RECORD, want, why};
    return (SyncPlan){SYNC_CONFIRM, want, why};
}

SyncPlan sync_plan(const SyncView *v)
{
    const char *why;
    SyncSet want = wanted(v, &why);
    /* What the lease says must be in force before anything else is thought of. */
    if (v->has_record && !sync_weaker(&v->record, &v->in_force))
        return (SyncPlan){SYNC_APPLY, v->record, "the record asks for more than is in force"};
    SyncPlan p = towards(v, want, why);
    bool weakens =
        p.step == SYNC_RECORD || (p.step == SYNC_APPLY && !sync_weaker(&v->in_force, &p.set));
    if (weakens && !v->may_write)
        return (SyncPlan){SYNC_HOLD, want, "nothing may be recorded now"};
    return p;
}

/* ---- for people ---- */

const char *loss_name(LossVerdict v)
{
    static const char *const NAMES[] = {"unknown", "none", "possible", "nobody", "refused"};
    return NAMES[(unsigned)v < sizeof NAMES / sizeof *NAMES ? v : 0];
}

static char *bytes_text(Arena *a, int64_t n)
{
    static const char *const UNITS[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)n;
    size_t u = 0;
    while (v >= 1024 && u < 4) {
        v /= 1024;
        u++;
    }
    return arena_printf(a, u ? "%.1f %s" : "%.0f %s", v, UNITS[u]);
}

static LossStatement possible(Arena *a, const LossView *v, const char *base, const char *because)
{
    if (v->behind_bytes < 0)
        return (LossStatement){LOSS_POSSIBLE, -1,
                               arena_printf(a, "yes, how much is not known: %s", because)};
    if (!v->behind_bytes)
        return (LossStatement){
            LOSS_POSSIBLE, 0,
            arena_printf(a,
                         "only what is written in the next moment: %s-%u has all that was "
                         "written until now, but %s",
                         base, v->best, because)};
    return (LossStatement){LOSS_POSSIBLE, v->behind_bytes,
                           arena_printf(a, "yes, up to %s (%.1f s): %s-%u is the most advanced; %s",
                                        bytes_text(a, v->behind_bytes), v->behind_seconds, base,
                                        v->best, because)};
}

LossStatement loss_state(Arena *a, const LossView *v, const char *base)
{
    if (!v->has_primary)
        return (LossStatement){LOSS_UNKNOWN, -1, "not known: there is no primary now"};
    if (!v->candidates)
        return (LossStatement){LOSS_NOBODY, -1, "there is nobody to fail over to"};
    if (!v->has_record)
        return (LossStatement){LOSS_UNKNOWN, -1, "not known: no durability is recorded yet"};
    if (!proven_k(&v->record)) {
        if (v->record.degraded)
            return possible(a, v, base, "no follower has to acknowledge now (degraded)");
        return possible(a, v, base, "writes do not wait for a follower (performance)");
    }
    SyncVotes votes = sync_votes(&v->record, v->primary, v->candidates);
    if (votes.proven)
        return (LossStatement){LOSS_NONE, 0,
                               arena_printf(a, "no: every acknowledged row is on %u member%s",
                                            v->record.k + 1, v->record.k ? "s" : "")};
    const char *text = sync_votes_text(a, &votes, base);
    if (v->record.mode == DURABILITY_PROTECTED)
        return (LossStatement){
            LOSS_REFUSED, 0,
            arena_printf(a, "no, but nobody would be promoted by itself: %s", text)};
    return possible(a, v, base, text);
}
