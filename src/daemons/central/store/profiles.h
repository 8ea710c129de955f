/* central/store/profiles.h - rows of profiles, of their versions, and of the git objects behind
 * them. */
#pragma once
#include "gitstore/gitstore.h"
#include "store/store.h"

typedef struct ProfileRow {
    ApiProfile api; /* api.p is the version that was asked for */
    const char *id;
    int64_t newest; /* ETag */
} ProfileRow;
typedef void (*ProfileDone)(void *ctx, const Error *err, const ProfileRow *p);

/* PROFILE_INPUT as it is stored: without the commit message, the name inside. */
char *profile_doc(Arena *a, const Profile *p);
/* Lenient: what was accepted once is shown, whatever today's rules say. */
void profile_from_doc(Arena *a, const char *json, Profile *ret);

/* version 0: the newest. lock: FOR UPDATE, only inside a transaction. */
typedef struct ProfileRef {
    const char *name;
    int64_t version;
    bool lock;
} ProfileRef;
void profile_find(App *app, PgConn *tx, Arena *a, const ProfileRef *ref, ProfileDone done,
                  void *ctx);
/* Items: ApiProfile, by name; name: a part of it, or NULL. */
void profile_list(App *app, Arena *a, const char *name, const Page *p, ListDone done, void *ctx);
/* Items: ApiProfileVersion, newest first. */
void profile_versions(App *app, Arena *a, const char *name, const Page *p, ListDone done,
                      void *ctx);

/* ---- inside a transaction ---- */
void git_objects_insert(App *app, PgConn *tx, const GitObjects *objs, AppDone done, void *ctx);
typedef struct ProfileVersionNew {
    const char *id; /* of the profile; NULL: a new one */
    const char *name;
    int64_t version;
    const char *commit; /* hex */
    const char *doc, *author, *message;
} ProfileVersionNew;
/* The profile's row and its new version; a name that is taken is ERR_EXISTS. */
void profile_version_insert(App *app, PgConn *tx, const ProfileVersionNew *v, AppDone done,
                            void *ctx);
/* ERR_PRECONDITION with numbers while clusters or rules use it. */
void profile_delete(App *app, Arena *a, const char *name, AppDone done, void *ctx);
