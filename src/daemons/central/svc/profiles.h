/* central/svc/profiles.h - saving a profile: a git commit, a version row and an audit row, all or
 * nothing. */
#pragma once
#include "store/audit.h"
#include "store/profiles.h"

typedef struct ProfileSave {
    const Profile *profile; /* valid; message inside */
    bool create;            /* else a new version of the one that is there */
    int64_t if_match;       /* version it was made from; 0: whatever is the newest */
    const char *author;
    AuditNew audit; /* its `after` is written as given */
} ProfileSave;
/* A save that changes nothing makes no version: the newest one comes back. Stale if_match:
 * ERR_PRECONDITION that names both versions. `in` is copied, what it points to lives in the arena.
 */
void profile_save(App *app, Arena *a, const ProfileSave *in, ProfileDone done, void *ctx);
