/* model/profile_files.h - a profile as a folder of canonical text files, as git keeps it.
 *
 * profile.json, postgresql.conf, pg_hba.conf, databases.json, backups.json, recovery.json: stable,
 * so that equal profiles give equal bytes and a diff reads well. */
#pragma once
#include "model/param_class.h"
#include "model/profile.h"

typedef struct ProfileFile {
    const char *name;
    StrView text;
} ProfileFile;
enum { PROFILE_FILES = 6 };
typedef struct ProfileFiles {
    ProfileFile at[PROFILE_FILES]; /* in order of name */
} ProfileFiles;

void profile_to_files(Arena *a, const Profile *p, ProfileFiles *ret);
ErrCode profile_from_files(Arena *a, const ProfileFiles *f, Profile *ret, Error *err) MUST_USE;

/* One changed field and what applying it costs. */
typedef struct ProfileChange {
    const char *field;          /* "parameters.work_mem", "storage.size" */
    const char *before, *after; /* "" absent */
    const char *mode;           /* reload, sequential, full, scale, immutable, none */
} ProfileChange;
/* `ret` holds ProfileChange. */
void profile_diff(Arena *a, const Profile *before, const Profile *after, ObjList *ret);
/* Unified diff of the files of two versions (3 lines of context); "" when equal. */
char *profile_diff_text(Arena *a, const Profile *before, const Profile *after);
/* Unified diff of two texts. */
void text_diff(StrBuf *out, const char *name, StrView before, StrView after);
