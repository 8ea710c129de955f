/* core/strmap.h - small ordered collections of text in an arena: a list, and a map sorted by key.
 *
 * Plain values: zero-initialised is empty, copying the struct shares the items (then only one of
 * the two may grow). Both are for tens or hundreds of items (labels, parameters, HBA lines);
 * core/map.h is for more. */
#pragma once
#include "core/str.h"

typedef struct StrList {
    const char **at;
    size_t n;
} StrList;

typedef struct StrPair {
    const char *key, *value;
} StrPair;

typedef struct StrMap {
    StrPair *at; /* sorted by key (bytes), keys unique */
    size_t n;
} StrMap;

/* Append; `s` is not copied. */
void strlist_add(Arena *a, StrList *l, const char *s);
StrList strlist_dup(Arena *a, StrList l);
bool strlist_has(StrList l, const char *s);
bool strlist_eq(StrList a, StrList b);

/* NULL when absent. */
const char *strmap_get(StrMap m, const char *key);
/* Insert or replace, keeping the order; key and value are not copied. */
void strmap_put(Arena *a, StrMap *m, const char *key, const char *value);
bool strmap_remove(StrMap *m, const char *key);
StrMap strmap_dup(Arena *a, StrMap m);
bool strmap_eq(StrMap a, StrMap b);
