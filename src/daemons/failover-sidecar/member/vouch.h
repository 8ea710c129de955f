/* member/vouch.h - who vouches for a primary that cannot reach the API server: its own standbys.
 *
 * A standby whose receiver is healthy never lets itself be promoted, so while every other member
 * streams from us at our epoch and keeps answering, nobody else can be primary, whatever the API
 * server knows. An answer counts when its time stamp changed by our own clock: the stamp itself is
 * the standby's wall clock and never compared with ours. A primary that is cut off does not see
 * that a receiver was dropped: it goes on for as long as the last answer counts as fresh, and then
 * for as long as the last look lets it. So a member that drops its receiver in order to be promoted
 * lets VOUCH_OVER_MS pass first. Pure. */
#pragma once
#include "core/str.h"

enum {
    VOUCH_MEMBERS = 16,
    VOUCH_FRESH_MS = 2500, /* standbys answer every second */
    VOUCH_GRANT_MS = 1500, /* how long one look lets the primary go on */
    VOUCH_EVERY_MS = 400,
    VOUCH_OVER_MS = VOUCH_FRESH_MS + VOUCH_GRANT_MS + VOUCH_EVERY_MS,
};

typedef struct Vouch {
    char stamp[VOUCH_MEMBERS][40];
    uint64_t seen_at[VOUCH_MEMBERS]; /* when the stamp last changed; 0: never did */
} Vouch;

/* "prod-pg-2.e7" is ordinal 2 when base is "prod-pg" and epoch 7; -1 when it is none of that. */
int vouch_ordinal(const char *application_name, const char *base, uint64_t epoch);
/* A standby streams, and this is the stamp of its last answer. */
void vouch_note(Vouch *v, int ordinal, const char *stamp, uint64_t now);
/* Whoever is not in this set of ordinals (bits) does not stream now: what it said is forgotten. */
void vouch_keep(Vouch *v, unsigned present);
/* Every member of 0..replicas-1 but `self` has answered lately. */
bool vouch_holds(const Vouch *v, unsigned replicas, unsigned self, uint64_t now);
