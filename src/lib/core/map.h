/* core/map.h - hash map from byte-string keys to pointers. Keys are copied; values are the
 * caller's.
 *
 * Iteration order is not defined and the map must not change during map_next, except for removing
 * the current key. The hash is seeded per process, so that keys from outside cannot be chosen to
 * collide. */
#pragma once
#include "core/str.h"

typedef struct Map Map;
typedef struct MapIter {
    size_t i;
    const char *key;
    void *value;
} MapIter;

Map *map_new(void);
void map_free(Map *m); /* values are not freed */
size_t map_count(const Map *m);
void *map_get(const Map *m, const char *key); /* NULL when absent */
/* Returns the value that was there before, or NULL. `value` must not be NULL. */
void *map_put(Map *m, const char *key, void *value);
void *map_remove(Map *m, const char *key); /* the value that was there, or NULL */
/* for (MapIter it = {0}; map_next(m, &it);) */
bool map_next(const Map *m, MapIter *it);

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
