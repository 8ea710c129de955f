#include "gitstore/gitstore_priv.h"

#include "core/ident.h"
#include "core/map.h"
#include "core/vec.h"
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>

struct GitObjects {
    Map *by_hex; /* GitObject, in the arena */
    Arena *arena;
    VEC(GitObject *) made;
    size_t bytes;
    git_repository *repo;
};

typedef struct Backend {
    git_odb_backend base;
    GitObjects *set;
} Backend;

void gitstore_init(void)
{
    git_libgit2_init();
    /* A new commit names its parent by id; the row that it came from is the proof that it exists.
     */
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0);
    /* Objects come from our own table, whose key they were stored under. */
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
}

void gitstore_done(void)
{
    git_libgit2_shutdown();
}

ErrCode gitstore_err(Error *err, int rc, const char *what)
{
    const git_error *e = git_error_last();
    ErrCode code = rc == GIT_ENOTFOUND ? ERR_NOT_FOUND : ERR_INTERNAL;
    return err_set(err, code, "git: %s: %s", what, e ? e->message : "failed");
}

static GitObject *find(const GitObjects *o, const unsigned char *oid)
{
    char hex[GIT_OID_HEX + 1];
    hex_encode(hex, oid, GIT_OID_RAW);
    return map_get(o->by_hex, hex);
}

static GitObject *put(GitObjects *o, const unsigned char *oid, int kind, StrView data)
{
    char hex[GIT_OID_HEX + 1];
    GitObject *g = arena_new_of(o->arena, GitObject);
    memcpy(g->oid, oid, GIT_OID_RAW);
    g->kind = kind;
    g->data = sv_n(arena_memdup(o->arena, data.p, data.n), data.n);
    hex_encode(hex, oid, GIT_OID_RAW);
    map_put(o->by_hex, hex, g);
    o->bytes += data.n;
    return g;
}

/* ---- libgit2's side ---- */

static int be_read(void **ret, size_t *ret_n, git_object_t *ret_kind, git_odb_backend *be,
                   const git_oid *oid)
{
    const GitObject *g = find(((Backend *)be)->set, oid->id);
    if (!g)
        return GIT_ENOTFOUND;
    *ret = git_odb_backend_data_alloc(be, g->data.n + 1);
    if (!*ret)
        return GIT_ERROR;
    memcpy(*ret, g->data.p, g->data.n);
    ((char *)*ret)[g->data.n] = 0;
    *ret_n = g->data.n;
    *ret_kind = (git_object_t)g->kind;
    return 0;
}

static int be_read_header(size_t *ret_n, git_object_t *ret_kind, git_odb_backend *be,
                          const git_oid *oid)
{
    const GitObject *g = find(((Backend *)be)->set, oid->id);
    if (!g)
        return GIT_ENOTFOUND;
    *ret_n = g->data.n;
    *ret_kind = (git_object_t)g->kind;
    return 0;
}

static int be_exists(git_odb_backend *be, const git_oid *oid)
{
    return find(((Backend *)be)->set, oid->id) != NULL;
}

static int be_write(git_odb_backend *be, const git_oid *oid, const void *data, size_t n,
                    git_object_t kind)
{
    GitObjects *o = ((Backend *)be)->set;
    if (!find(o, oid->id))
        vec_push(&o->made, put(o, oid->id, (int)kind, sv_n(data, n)));
    return 0;
}

static void be_free(git_odb_backend *be)
{
    free(be);
}

git_repository *gitobjs_repo(GitObjects *o)
{
    if (o->repo)
        return o->repo;
    git_odb *odb = NULL;
    Backend *be = xnew(Backend);
    git_odb_init_backend(&be->base, GIT_ODB_BACKEND_VERSION);
    be->set = o;
    be->base.read = be_read;
    be->base.read_header = be_read_header;
    be->base.exists = be_exists;
    be->base.write = be_write;
    be->base.free = be_free;
    if (git_odb_new(&odb) || git_odb_add_backend(odb, &be->base, 1) ||
        git_repository_wrap_odb(&o->repo, odb))
        BUG("libgit2 refuses an object database of our own: was gitstore_init called?");
    git_odb_free(odb); /* the repository holds it */
    return o->repo;
}

/* ---- our side ---- */

GitObjects *gitobjs_new(void)
{
    GitObjects *o = xnew(GitObjects);
    o->by_hex = map_new();
    o->arena = arena_new();
    return o;
}

void gitobjs_free(GitObjects *o)
{
    if (!o)
        return;
    git_repository_free(o->repo);
    map_free(o->by_hex);
    vec_done(&o->made);
    arena_free(o->arena);
    free(o);
}

void gitobjs_add(GitObjects *o, StrView oid, int kind, StrView data)
{
    if (oid.n == GIT_OID_RAW && !find(o, (const unsigned char *)oid.p))
        put(o, (const unsigned char *)oid.p, kind, data);
}

bool gitobjs_has(const GitObjects *o, const char *hex)
{
    return map_get(o->by_hex, hex) != NULL;
}

size_t gitobjs_bytes(const GitObjects *o)
{
    return o->bytes;
}

bool gitobjs_made(const GitObjects *o, size_t i, GitObject *ret)
{
    if (i >= o->made.n)
        return false;
    *ret = *o->made.at[i];
    return true;
}
