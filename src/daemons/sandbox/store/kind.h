/* store/kind.h - the kind table: what is served under which path, with which subresources. */
#pragma once
#include "core/str.h"

enum {
    KF_NS = 1,     /* lives in a namespace */
    KF_STATUS = 2, /* status subresource: a plain write leaves .status alone */
    KF_SCALE = 4,  /* scale subresource */
    KF_LOG = 8,    /* log subresource */
    KF_EVICTION = 16,
    KF_BINDING = 32,
    KF_FINALIZE = 64,
    KF_TOKEN = 128,
    KF_NO_GEN = 256, /* metadata.generation is not kept */
};

typedef struct Kind {
    const char *group, *version, *plural, *singular, *kind;
    const char *short_names, *categories; /* comma lists, "" for none */
    unsigned flags;
} Kind;

typedef enum KindId {
#define KIND(id, ...) KIND_##id,
#include "store/kinds.def"
#undef KIND
    KIND_COUNT
} KindId;

extern const Kind kinds[KIND_COUNT];
#define K(id) (&kinds[KIND_##id])
static inline KindId kind_id(const Kind *k)
{
    return (KindId)(k - kinds);
}
static inline bool kind_namespaced(const Kind *k)
{
    return (k->flags & KF_NS) != 0;
}
/* "v1", "apps/v1" */
const char *kind_api_version(const Kind *k);
/* By path: NULL when we do not serve it. */
const Kind *kind_by_plural(StrView group, StrView version, StrView plural);
/* By "apps/v1" and "StatefulSet", as ownerReferences name them. */
const Kind *kind_by_name(const char *api_version, const char *kind);
