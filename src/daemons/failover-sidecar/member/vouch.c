#include "member/vouch.h"

#include <inttypes.h>
#include <stdio.h>

int vouch_ordinal(const char *application_name, const char *base, uint64_t epoch)
{
    size_t n = strlen(base);
    if (strncmp(application_name, base, n) != 0 || application_name[n] != '-')
        return -1;
    for (int i = 0; i < VOUCH_MEMBERS; i++) {
        char rest[48];
        snprintf(rest, sizeof rest, "%d.e%" PRIu64, i, epoch);
        if (str_eq(application_name + n + 1, rest))
            return i;
    }
    return -1;
}

void vouch_note(Vouch *v, int ordinal, const char *stamp, uint64_t now)
{
    char *have = v->stamp[ordinal];
    if (strncmp(have, stamp, sizeof v->stamp[0] - 1) == 0)
        return;
    /* The first sight proves nothing: the stamp may be an hour old. */
    v->seen_at[ordinal] = *have ? now : 0;
    snprintf(have, sizeof v->stamp[0], "%s", stamp);
}

void vouch_keep(Vouch *v, unsigned present)
{
    for (int i = 0; i < VOUCH_MEMBERS; i++)
        if (!(present & 1u << i)) {
            v->seen_at[i] = 0;
            *v->stamp[i] = 0;
        }
}

bool vouch_holds(const Vouch *v, unsigned replicas, unsigned self, uint64_t now)
{
    if (replicas > VOUCH_MEMBERS)
        return false;
    for (unsigned i = 0; i < replicas; i++)
        if (i != self && (!v->seen_at[i] || now - v->seen_at[i] > VOUCH_FRESH_MS))
            return false;
    return true;
}
