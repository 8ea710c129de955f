#include "store/kind.h"
#include <stdio.h>

const Kind kinds[KIND_COUNT] = {
#define KIND(id, ...) [KIND_##id] = {__VA_ARGS__},
#include "store/kinds.def"
#undef KIND
};

const char *kind_api_version(const Kind *k)
{
    static char text[KIND_COUNT][64];
    char *t = text[kind_id(k)];
    if (!*t) {
        snprintf(t, sizeof text[0], "%s%s%s", k->group, *k->group ? "/" : "", k->version);
    }
    return t;
}

const Kind *kind_by_plural(StrView group, StrView version, StrView plural)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        const Kind *k = &kinds[i];
        if (sv_eqs(plural, k->plural) && sv_eqs(group, k->group) && sv_eqs(version, k->version)) {
            return k;
        }
    }
    return NULL;
}

const Kind *kind_by_name(const char *api_version, const char *kind)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (str_eq(kinds[i].kind, kind) && str_eq(kind_api_version(&kinds[i]), api_version)) {
            return &kinds[i];
        }
    }
    return NULL;
}
