/* wire/wire_util.h - what the files of wire share; nobody else includes it. */
#pragma once
#include "codec/pbarena.h"
#include "core/limits.h"
#include "core/strmap.h"

enum { WIRE_ITEMS_MAX = 2000 };

/* What a site says is kept, shown and sent on many times: texts have an end, between characters. */
enum { WIRE_NAME_MAX = 253, WIRE_SENTENCE_MAX = 2000 };

static inline char *wire_cut(char *s, size_t max)
{
    size_t n = strnlen(s, max + 1);
    if (n <= max)
        return s;
    while (max > 0 && ((unsigned char)s[max] & 0xC0) == 0x80)
        max--;
    s[max] = '\0';
    return s;
}

/* protobuf-c wants char * that is never NULL; it does not write to it. */
static inline char *pb_text(const char *s)
{
    return (char *)(s ? s : "");
}

/* Entries of any map<string, string> to a StrMap; too many are ERR_TOO_LARGE. The last of equal
 * keys wins, as in proto3. */
#define WIRE_MAP_GET(a, count, entries, ret_map)                                  \
    do {                                                                          \
        for (size_t i_ = 0; i_ < (count) && i_ < WIRE_ITEMS_MAX; i_++)            \
            strmap_put((a), (ret_map), (entries)[i_]->key, (entries)[i_]->value); \
    } while (0)

#define WIRE_MAP_PUT(a, map, count, entries, EntryType, init)                      \
    do {                                                                           \
        (count) = (map).n;                                                         \
        (entries) = arena_calloc((a), (map).n ? (map).n : 1, sizeof(EntryType *)); \
        for (size_t i_ = 0; i_ < (map).n; i_++) {                                  \
            EntryType *e_ = arena_new_of((a), EntryType);                          \
            init(e_);                                                              \
            e_->key = pb_text((map).at[i_].key);                                   \
            e_->value = pb_text((map).at[i_].value);                               \
            (entries)[i_] = e_;                                                    \
        }                                                                          \
    } while (0)

static inline StrList wire_list_get(Arena *a, size_t n, char **at)
{
    StrList l = {0};
    for (size_t i = 0; i < n && i < WIRE_ITEMS_MAX; i++)
        strlist_add(a, &l, at[i]);
    return l;
}

static inline char **wire_list_put(Arena *a, StrList l, size_t *ret_n)
{
    char **at = arena_calloc(a, l.n ? l.n : 1, sizeof *at);
    for (size_t i = 0; i < l.n; i++)
        at[i] = pb_text(l.at[i]);
    *ret_n = l.n;
    return at;
}

/* Unpack as TYPE of the generated code: WIRE_UNPACK(a, b, pgswarm__v1__hello, &m, err). */
#define WIRE_UNPACK(a, bytes, prefix, ret, err)                                                    \
    pb_unpack((a), &prefix##__descriptor, (bytes), LIMIT_GRPC_MESSAGE, (ProtobufCMessage **)(ret), \
              (err))
