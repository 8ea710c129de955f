/* gitstore/gitstore.h - git history without a repository: objects live in rows of a table, refs are
 * version rows.
 *
 * libgit2 blocks, so nothing here touches a database. A GitObjects is a set of objects in memory:
 * load rows into it with SQL, call githist_* or gitserve_* on loop_work, then insert what it made
 * (gitobjs_made) in the SQL transaction that also writes the version row. One thread at a time per
 * set; any number of sets. */
#pragma once
#include "core/str.h"

enum { GIT_OID_RAW = 20, GIT_OID_HEX = 40 };
enum { GIT_KIND_COMMIT = 1, GIT_KIND_TREE = 2, GIT_KIND_BLOB = 3, GIT_KIND_TAG = 4 };

/* Once per process, before any thread; gitstore_done at its end. */
void gitstore_init(void);
void gitstore_done(void);

typedef struct GitObjects GitObjects;
typedef struct GitObject {
    unsigned char oid[GIT_OID_RAW];
    int kind;
    StrView data; /* lives as long as the set */
} GitObject;

GitObjects *gitobjs_new(void);
void gitobjs_free(GitObjects *o);
/* One row of the table; copied. Known ones are ignored. */
void gitobjs_add(GitObjects *o, StrView oid, int kind, StrView data);
bool gitobjs_has(const GitObjects *o, const char *hex);
size_t gitobjs_bytes(const GitObjects *o);
/* What was made since gitobjs_new: for (size_t i = 0; gitobjs_made(o, i, &obj); i++) */
bool gitobjs_made(const GitObjects *o, size_t i, GitObject *ret);

/* ---- versions ---- */

typedef struct GitFile {
    const char *path; /* one name, no folders */
    StrView data;
} GitFile;

typedef struct GitCommitSpec {
    const GitFile *files;
    size_t n;
    const char *parent; /* hex, or NULL for a first version; needs not be in the set */
    const char *author, *email, *message;
    int64_t at_us;
} GitCommitSpec;
/* Same files, author, time and parent give the same id. */
ErrCode githist_commit(GitObjects *o, const GitCommitSpec *spec, char ret_hex[GIT_OID_HEX + 1],
                       Error *err) MUST_USE;

typedef struct GitVersion {
    const char *author, *email, *message, *parent; /* parent NULL: the first */
    int64_t at_us;
    GitFile *files; /* in git's order */
    size_t n;
} GitVersion;
/* ERR_NOT_FOUND names the object that is not in the set: load it and call again (a commit, then its
 * tree, then its blobs: githist_missing lists them all at once). */
ErrCode githist_read(GitObjects *o, Arena *a, const char *hex, GitVersion *ret,
                     Error *err) MUST_USE;
/* Ids (hex, ends with NULL) of what reading this commit needs and the set does not have yet. */
const char *const *githist_missing(GitObjects *o, Arena *a, const char *hex);
/* Unified diff, as `git diff` prints it; "" when nothing differs. */
ErrCode githist_diff(Arena *a, const GitVersion *from, const GitVersion *to, StrView *ret,
                     Error *err) MUST_USE;

/* ---- serving: git-upload-pack over smart HTTP, protocol versions 0 and 1, read only ---- */

enum {
    GITSERVE_REQUEST_LIMIT = 1024 * 1024,
    GITSERVE_PACK_LIMIT = 256 * 1024 * 1024, /* also of the objects loaded for it */
};

typedef struct GitRef {
    const char *name; /* "refs/heads/std", "refs/tags/std/v3" */
    const char *hex;
} GitRef;
/* Body of GET info/refs?service=git-upload-pack; content type
 * application/x-git-upload-pack-advertisement. head: the branch that a clone checks out, or NULL.
 * refs must be in order of name. */
StrView gitserve_advertise(Arena *a, const GitRef *refs, size_t n, const char *head);
/* Body of POST git-upload-pack to its answer (application/x-git-upload-pack-result). The set must
 * hold all objects. gzip: the request came with Content-Encoding: gzip. A request that is not git's
 * is ERR_MALFORMED; one for unknown objects is answered in git's own words. */
ErrCode gitserve_upload_pack(GitObjects *o, Arena *a, StrView request, bool gzip, StrView *ret,
                             Error *err) MUST_USE;
