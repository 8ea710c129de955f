/* Every interleaving of up to three members built from the real table and the real contest, with a
 * small model of the lease, the launcher and the receivers around them: steps in any order, time,
 * lost answers, crashes of PostgreSQL, of the sidecar, of the pod, API servers and primaries that
 * cannot be reached, a lease that is deleted. In no state do two primaries hold a permit, and from
 * every state one primary comes when the faults end. The same search finds the two primaries when a
 * rule is taken away: so it looks where it must.
 *
 * With two members the search is complete up to the next epoch, with three it is cut after a number
 * of states. Time is in ticks. Whoever does not step is frozen. Who has the turn does not wait for
 * the others: that allows more than the real contest does. */
#include "election_world.inc"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the search ---- */

typedef struct Node {
    World w;
    uint32_t from;
    uint8_t who, event;
} Node;

typedef struct Search {
    const Rules *r;
    Node *at;
    uint32_t n, *table, mask, two, stuck;
} Search;

static uint32_t hash(const World *w)
{
    const uint8_t *p = (const uint8_t *)w;
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < sizeof *w; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return (uint32_t)(h ^ h >> 32);
}

static bool add(Search *s, const World *w, uint32_t from, unsigned who, Event e)
{
    uint32_t slot = hash(w) & s->mask;
    for (; s->table[slot]; slot = (slot + 1) & s->mask)
        if (memcmp(&s->at[s->table[slot]].w, w, sizeof *w) == 0)
            return false;
    s->at[s->n] = (Node){*w, from, (uint8_t)who, (uint8_t)e};
    s->table[slot] = s->n++;
    return true;
}

static unsigned primaries(const World *w)
{
    unsigned n = 0;
    for (unsigned i = 0; i < MEMBERS; i++)
        n += w->m[i].pg == PG_PRIMARY && w->m[i].permit;
    return n;
}

static World healthy(const Rules *r)
{
    World w;
    memset(&w, 0, sizeof w);
    w.lease = (LeaseM){.exists = 1, .holder = 0, .epoch = 1, .addr = 1};
    for (unsigned i = 0; i < r->members; i++)
        w.m[i] = (MemberM){.known = 1,
                           .latest = 1,
                           .seen = w.lease,
                           .hold = i ? 0 : (uint8_t)r->permit,
                           .permit = i ? 0 : (uint8_t)r->permit,
                           .pg = i ? PG_STANDBY : PG_PRIMARY,
                           .data = i ? DATA_STANDBY : DATA_PRIMARY,
                           .stamp = 1,
                           .timeline = 1,
                           .follow = i ? 0 : NOBODY};
    return w;
}

/* The faults end, and everybody does what it does: one leads within a while. */
static bool recovers(const World *from, const Rules *r)
{
    World w = *from;
    for (unsigned i = 0; i < r->members; i++)
        w.m[i].no_api = w.m[i].cut = 0;
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned k = 0; k < 6; k++)
            for (unsigned i = 0; i < r->members; i++) {
                deliver(&w, i, !w.m[i].latest);
                step(&w, r, i, true, false);
            }
        bool all = primaries(&w) == 1;
        for (unsigned i = 0; i < r->members; i++)
            all = all && (w.m[i].pg == PG_PRIMARY ? w.lease.holder == i : receives(&w, i));
        if (all)
            return true;
        tick(&w, r);
    }
    return false;
}

static void explore(Search *s)
{
    World w = healthy(s->r);
    s->n = 1; /* slot 0 of the table means: empty */
    add(s, &w, 0, 0, EV_TICK);
    for (uint32_t k = 1; k < s->n && s->n < s->r->max_states; k++) {
        if (primaries(&s->at[k].w) > 1) {
            s->two = k;
            return;
        }
        if (k % 32 == 0 && s->r->let_go_first && !recovers(&s->at[k].w, s->r)) {
            s->stuck = k;
            return;
        }
        for (unsigned i = 0; i < s->r->members; i++)
            for (Event e = 0; e < EV_COUNT; e++) {
                w = s->at[k].w;
                if (apply(&w, s->r, i, e) && w.lease.epoch <= LAST_EPOCH && s->n < s->r->max_states)
                    add(s, &w, k, i, e);
            }
    }
}

static void show(const Search *s, uint32_t k)
{
    if (k <= 1)
        return;
    show(s, s->at[k].from);
    const World *w = &s->at[k].w;
    printf("%u %-18s lease %u e%u:", s->at[k].who, EVENTS[s->at[k].event], w->lease.holder,
           w->lease.epoch);
    for (unsigned i = 0; i < s->r->members; i++)
        printf("  %u: pg %u data %u e%u sealed %u/%u told %u permit %u hold %u age %u view %u", i,
               w->m[i].pg, w->m[i].data, w->m[i].stamp, w->m[i].sealed, w->m[i].sealed_for,
               w->m[i].told, w->m[i].permit, w->m[i].hold, w->m[i].age, view_of(&w->m[i], i));
    printf("\n");
}

/* Which state breaks what: 'p' two primaries, 's' stuck, 0 none. */
static char search(const Rules *r, bool tell)
{
    Search s = {.r = r, .mask = (1u << 22) - 1};
    s.at = calloc(r->max_states + 1, sizeof *s.at);
    s.table = calloc(s.mask + 1u, sizeof *s.table);
    assert_non_null(s.at);
    assert_non_null(s.table);
    explore(&s);
    if (tell) {
        bool cut = s.n >= r->max_states;
        printf("%u members: %u states%s\n", r->members, s.n - 1,
               cut ? ", the search was cut there" : ", all there are");
        assert_true(r->members > 2 || !cut);
        show(&s, s.two ? s.two : s.stuck);
    }
    char what = s.two ? 'p' : s.stuck ? 's' : 0;
    free(s.at);
    free(s.table);
    return what;
}

#define FAULT(e) (1u << EV_##e)

static const struct {
    const char *name;
    unsigned faults;
} STORIES[] = {
    {"deaths", FAULT(PG_DIES) | FAULT(POD_DIES)},
    {"sidecars and pods", FAULT(SIDECAR_DIES) | FAULT(POD_DIES)},
    {"the network", FAULT(API_AWAY) | FAULT(CUT)},
    {"API away and deaths", FAULT(API_AWAY) | FAULT(PG_DIES)},
    {"the lease vanishes", FAULT(LEASE_DELETED) | FAULT(POD_DIES)},
    {"the lease vanishes without API", FAULT(LEASE_DELETED) | FAULT(API_AWAY)},
};

/* A sanitizer makes it many times slower, and looks at the code, not at the rules. */
#if defined(__SANITIZE_ADDRESS__)
enum { STORY_COUNT = 1 };
#else
enum { STORY_COUNT = sizeof STORIES / sizeof *STORIES };
#endif

static void every_story(unsigned members)
{
    for (size_t i = 0; i < STORY_COUNT; i++) {
        Rules r = GOOD;
        r.members = members;
        r.max_states = members == 2 ? GOOD.max_states : 250 * 1000;
        r.faults = STORIES[i].faults;
        printf("%s, ", STORIES[i].name);
        assert_int_equal(search(&r, true), 0);
    }
}

static void two_members(void **state)
{
    (void)state;
    every_story(2);
}

static void three_members(void **state)
{
    (void)state;
    every_story(3);
}

static void without_a_rule_it_breaks(void **state)
{
    (void)state;
    Rules r = GOOD;
    r.faults = FAULT(API_AWAY) | FAULT(CUT);
    r.seal_wait = 2; /* shorter than what a cut-off primary may still count on */
    assert_int_equal(search(&r, false), 'p');
    r.seal_wait = GOOD.seal_wait;
    r.permit = LEASE_TICKS + 4; /* longer than lease and wait */
    assert_int_equal(search(&r, false), 'p');
    r = GOOD;
    r.faults = FAULT(PG_DIES);
    r.let_go_first = false;
    assert_int_equal(search(&r, false), 'p');
    r = GOOD;
    r.faults = FAULT(API_AWAY);
    r.compare = false;
    assert_int_equal(search(&r, false), 'p');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_members),
        cmocka_unit_test(three_members),
        cmocka_unit_test(without_a_rule_it_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
