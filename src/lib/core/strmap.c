#include "core/strmap.h"

/* Capacity is not stored: room is made whenever the count reaches a power of two from 4 up. */
static bool full_at(size_t n)
{
    return n == 0 || (n >= 4 && (n & (n - 1)) == 0);
}

static size_t room_after(size_t n)
{
    return n < 4 ? 4 : n * 2;
}

void strlist_add(Arena *a, StrList *l, const char *s)
{
    if (full_at(l->n)) {
        const char **grown = arena_array(a, const char *, room_after(l->n));
        if (l->n)
            memcpy(grown, l->at, l->n * sizeof *grown);
        l->at = grown;
    }
    l->at[l->n++] = s;
}

StrList strlist_dup(Arena *a, StrList l)
{
    StrList r = {0};
    for (size_t i = 0; i < l.n; i++)
        strlist_add(a, &r, arena_strdup(a, l.at[i]));
    return r;
}

bool strlist_has(StrList l, const char *s)
{
    for (size_t i = 0; i < l.n; i++)
        if (str_eq(l.at[i], s))
            return true;
    return false;
}

bool strlist_eq(StrList a, StrList b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (!str_eq(a.at[i], b.at[i]))
            return false;
    return true;
}

/* Where `key` stands or would stand; *ret_found tells which. */
static size_t map_find(StrMap m, const char *key, bool *ret_found)
{
    size_t lo = 0, hi = m.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(m.at[mid].key, key);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret_found = false;
    return lo;
}

const char *strmap_get(StrMap m, const char *key)
{
    bool found;
    size_t i = map_find(m, key, &found);
    return found ? m.at[i].value : NULL;
}

void strmap_put(Arena *a, StrMap *m, const char *key, const char *value)
{
    bool found;
    size_t i = map_find(*m, key, &found);
    if (found) {
        m->at[i].value = value;
        return;
    }
    if (full_at(m->n)) {
        StrPair *grown = arena_array(a, StrPair, room_after(m->n));
        if (m->n)
            memcpy(grown, m->at, m->n * sizeof *grown);
        m->at = grown;
    }
    memmove(m->at + i + 1, m->at + i, (m->n - i) * sizeof *m->at);
    m->at[i] = (StrPair){key, value};
    m->n++;
}

bool strmap_remove(StrMap *m, const char *key)
{
    bool found;
    size_t i = map_find(*m, key, &found);
    if (!found)
        return false;
    memmove(m->at + i, m->at + i + 1, (m->n - i - 1) * sizeof *m->at);
    m->n--;
    return true;
}

StrMap strmap_dup(Arena *a, StrMap m)
{
    StrMap r = {0};
    for (size_t i = 0; i < m.n; i++)
        strmap_put(a, &r, arena_strdup(a, m.at[i].key), arena_strdup(a, m.at[i].value));
    return r;
}

bool strmap_eq(StrMap a, StrMap b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (!str_eq(a.at[i].key, b.at[i].key) || !str_eq(a.at[i].value, b.at[i].value))
            return false;
    return true;
}
