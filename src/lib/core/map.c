#include "core/map.h"

#include "core/ident.h"
#include <stdlib.h>

/* Open addressing with linear probing; a removed slot becomes a tombstone until the next growth. */
typedef struct Slot {
    char *key;
    void *value;
    uint64_t hash;
} Slot;

struct Map {
    Slot *slots;
    size_t cap, live, used; /* used = live + tombstones */
};

static char TOMB[1];

/* wyhash-style multiply-fold; good spread, a few cycles a byte. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
    const unsigned char *s = p;
    uint64_t h = seed ^ 0x9E3779B97F4A7C15ull ^ n;
    while (n >= 8) {
        uint64_t v;
        memcpy(&v, s, 8);
        h = fold(h ^ v, 0xE7037ED1A0B428DBull);
        s += 8, n -= 8;
    }
    uint64_t v = 0;
    if (n)
        memcpy(&v, s, n);
    return fold(h ^ v, 0xA0761D6478BD642Full);
}

static uint64_t key_hash(const char *key)
{
    static uint64_t seed;
    if (!seed) {
        random_bytes(&seed, sizeof seed);
        seed |= 1;
    }
    return hash_bytes(key, strlen(key), seed);
}

Map *map_new(void)
{
    return xnew(Map);
}

void map_free(Map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].key && m->slots[i].key != TOMB)
            free(m->slots[i].key);
    free(m->slots);
    free(m);
}

size_t map_count(const Map *m)
{
    return m->live;
}

static Slot *find(const Map *m, const char *key, uint64_t hash)
{
    if (!m->cap)
        return NULL;
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        Slot *s = &m->slots[i];
        if (!s->key)
            return NULL;
        if (s->key != TOMB && s->hash == hash && strcmp(s->key, key) == 0)
            return s;
    }
}

static void grow(Map *m)
{
    size_t cap = 16;
    while (cap < m->live * 3)
        cap *= 2;
    Slot *old = m->slots;
    size_t old_cap = m->cap;
    m->slots = xcalloc(cap, sizeof *m->slots);
    m->cap = cap;
    m->used = m->live;
    for (size_t i = 0; i < old_cap; i++) {
        if (!old[i].key || old[i].key == TOMB)
            continue;
        size_t j = old[i].hash & (cap - 1);
        while (m->slots[j].key)
            j = (j + 1) & (cap - 1);
        m->slots[j] = old[i];
    }
    free(old);
}

void *map_get(const Map *m, const char *key)
{
    Slot *s = find(m, key, key_hash(key));
    return s ? s->value : NULL;
}

void *map_put(Map *m, const char *key, void *value)
{
    uint64_t hash = key_hash(key);
    Slot *s = find(m, key, hash);
    if (s) {
        void *old = s->value;
        s->value = value;
        return old;
    }
    if ((m->used + 1) * 4 > m->cap * 3)
        grow(m);
    size_t i = hash & (m->cap - 1);
    while (m->slots[i].key && m->slots[i].key != TOMB)
        i = (i + 1) & (m->cap - 1);
    if (!m->slots[i].key)
        m->used++;
    m->slots[i] = (Slot){xstrdup(key), value, hash};
    m->live++;
    return NULL;
}

void *map_remove(Map *m, const char *key)
{
    Slot *s = find(m, key, key_hash(key));
    if (!s)
        return NULL;
    void *old = s->value;
    free(s->key);
    *s = (Slot){.key = TOMB};
    m->live--;
    return old;
}

bool map_next(const Map *m, MapIter *it)
{
    while (it->i < m->cap) {
        Slot *s = &m->slots[it->i++];
        if (s->key && s->key != TOMB) {
            it->key = s->key;
            it->value = s->value;
            return true;
        }
    }
    return false;
}
