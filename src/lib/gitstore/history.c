#include "gitstore/gitstore_priv.h"

#include "core/ident.h"
#include "core/vec.h"

static bool name_ok(const char *path)
{
    return !str_empty(path) && !strchr(path, '/') && !str_starts(path, ".git") &&
           !str_eq(path, ".") && !str_eq(path, "..");
}

static int fill_tree(git_repository *repo, const GitCommitSpec *spec, git_oid *ret_tree)
{
    git_treebuilder *tb = NULL;
    git_oid blob;
    int rc = git_treebuilder_new(&tb, repo, NULL);
    for (size_t i = 0; !rc && i < spec->n; i++) {
        const GitFile *f = &spec->files[i];
        rc = git_blob_create_from_buffer(&blob, repo, f->data.p ? f->data.p : "", f->data.n);
        if (!rc)
            rc = git_treebuilder_insert(NULL, tb, f->path, &blob, GIT_FILEMODE_BLOB);
    }
    if (!rc)
        rc = git_treebuilder_write(ret_tree, tb);
    git_treebuilder_free(tb);
    return rc;
}

/* libgit2 makes commits from parents it can read; ours may not be loaded, so the commit's text is
 * written here. Angle brackets and line ends cannot stand in a name. */
static void put_person(StrBuf *b, const char *role, const GitCommitSpec *spec)
{
    strbuf_addf(b, "%s ", role);
    size_t start = b->n;
    for (const char *p = str_or(spec->author, "unknown"); *p; p++)
        if (*p != '<' && *p != '>' && (unsigned char)*p >= ' ')
            strbuf_addc(b, *p);
    if (b->n == start)
        strbuf_adds(b, "unknown");
    strbuf_adds(b, " <");
    for (const char *p = str_or(spec->email, ""); *p; p++)
        if (*p != '<' && *p != '>' && (unsigned char)*p > ' ')
            strbuf_addc(b, *p);
    strbuf_addf(b, "> %lld +0000\n", (long long)(spec->at_us / 1000000));
}

static void put_message(StrBuf *b, const char *message)
{
    strbuf_addc(b, '\n');
    strbuf_adds(b, str_or(message, "(no message)"));
    if (b->p[b->n - 1] != '\n')
        strbuf_addc(b, '\n');
}

ErrCode githist_commit(GitObjects *o, const GitCommitSpec *spec, char ret_hex[GIT_OID_HEX + 1],
                       Error *err)
{
    AUTO_STRBUF b = {0};
    git_repository *repo = gitobjs_repo(o);
    git_odb *odb = NULL;
    git_oid tree, commit;
    for (size_t i = 0; i < spec->n; i++)
        if (!name_ok(spec->files[i].path))
            return err_set(err, ERR_INVALID, "file name '%s': one plain name is right",
                           str_or(spec->files[i].path, ""));
    if (spec->parent && strlen(spec->parent) != GIT_OID_HEX)
        return err_set(err, ERR_INVALID, "parent '%s': not a commit id", spec->parent);
    int rc = fill_tree(repo, spec, &tree);
    if (rc)
        return gitstore_err(err, rc, "write the tree");
    strbuf_addf(&b, "tree %s\n", git_oid_tostr_s(&tree));
    if (spec->parent)
        strbuf_addf(&b, "parent %s\n", spec->parent);
    put_person(&b, "author", spec);
    put_person(&b, "committer", spec);
    put_message(&b, spec->message);
    rc = git_repository_odb(&odb, repo);
    if (!rc)
        rc = git_odb_write(&commit, odb, b.p, b.n, GIT_OBJECT_COMMIT);
    git_odb_free(odb);
    if (rc)
        return gitstore_err(err, rc, "write the commit");
    git_oid_tostr(ret_hex, GIT_OID_HEX + 1, &commit);
    return ERR_OK;
}

/* ---- reading ---- */

static ErrCode lookup_tree(GitObjects *o, const char *hex, git_commit **ret_commit,
                           git_tree **ret_tree, Error *err)
{
    git_oid id;
    if (git_oid_fromstr(&id, hex))
        return err_set(err, ERR_INVALID, "'%s' is not a commit id", hex);
    int rc = git_commit_lookup(ret_commit, gitobjs_repo(o), &id);
    if (rc)
        return gitstore_err(err, rc, "read the commit");
    rc = git_commit_tree(ret_tree, *ret_commit);
    return rc ? gitstore_err(err, rc, "read the tree") : ERR_OK;
}

static void free_commit(void *c)
{
    git_commit_free(c);
}

static void free_tree(void *t)
{
    git_tree_free(t);
}

static void free_blob(void *b)
{
    git_blob_free(b);
}

static ErrCode read_files(GitObjects *o, Arena *a, git_tree *tree, GitVersion *v, Error *err)
{
    v->n = git_tree_entrycount(tree);
    v->files = arena_array(a, GitFile, v->n);
    for (size_t i = 0; i < v->n; i++) {
        const git_tree_entry *e = git_tree_entry_byindex(tree, i);
        git_blob *blob = NULL;
        int rc = git_blob_lookup(&blob, gitobjs_repo(o), git_tree_entry_id(e));
        if (rc)
            return gitstore_err(err, rc, git_tree_entry_name(e));
        arena_on_free(a, free_blob, blob);
        v->files[i].path = git_tree_entry_name(e);
        v->files[i].data = sv_n(git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
    }
    return ERR_OK;
}

ErrCode githist_read(GitObjects *o, Arena *a, const char *hex, GitVersion *ret, Error *err)
{
    git_commit *commit = NULL;
    git_tree *tree = NULL;
    GitVersion v = {0};
    ErrCode rc = lookup_tree(o, hex, &commit, &tree, err);
    if (commit)
        arena_on_free(a, free_commit, commit);
    if (tree)
        arena_on_free(a, free_tree, tree);
    if (rc)
        return rc;
    const git_signature *who = git_commit_author(commit);
    v.author = who->name;
    v.email = who->email;
    v.at_us = (int64_t)who->when.time * 1000000;
    v.message = git_commit_message(commit);
    if (git_commit_parentcount(commit))
        v.parent = arena_strdup(a, git_oid_tostr_s(git_commit_parent_id(commit, 0)));
    rc = read_files(o, a, tree, &v, err);
    if (rc)
        return rc;
    *ret = v;
    return ERR_OK;
}

const char *const *githist_missing(GitObjects *o, Arena *a, const char *hex)
{
    git_commit *commit = NULL;
    git_tree *tree = NULL;
    const char **out = arena_array(a, const char *, 2);
    if (lookup_tree(o, hex, &commit, &tree, NULL)) {
        out[0] = commit ? arena_strdup(a, git_oid_tostr_s(git_commit_tree_id(commit)))
                        : arena_strdup(a, hex);
    } else {
        size_t n = git_tree_entrycount(tree), k = 0;
        out = arena_array(a, const char *, n + 1);
        for (size_t i = 0; i < n; i++) {
            const char *id = git_oid_tostr_s(git_tree_entry_id(git_tree_entry_byindex(tree, i)));
            if (!gitobjs_has(o, id))
                out[k++] = arena_strdup(a, id);
        }
    }
    git_tree_free(tree);
    git_commit_free(commit);
    return out;
}

/* ---- diff ---- */

static int one_diff(StrBuf *out, const char *path, const GitFile *from, const GitFile *to)
{
    git_patch *patch = NULL;
    git_buf text = {0};
    git_diff_options opts;
    git_diff_options_init(&opts, GIT_DIFF_OPTIONS_VERSION);
    int rc = git_patch_from_buffers(&patch, from ? from->data.p : NULL, from ? from->data.n : 0,
                                    from ? path : NULL, to ? to->data.p : NULL, to ? to->data.n : 0,
                                    to ? path : NULL, &opts);
    if (!rc)
        rc = git_patch_to_buf(&text, patch);
    if (!rc)
        strbuf_add(out, text.ptr, text.size);
    git_buf_dispose(&text);
    git_patch_free(patch);
    return rc;
}

/* Both lists are in git's order, so one walk over both finds what each has alone. */
ErrCode githist_diff(Arena *a, const GitVersion *from, const GitVersion *to, StrView *ret,
                     Error *err)
{
    AUTO_STRBUF out = {0};
    size_t i = 0, j = 0;
    while (i < from->n || j < to->n) {
        const GitFile *f = i < from->n ? &from->files[i] : NULL;
        const GitFile *t = j < to->n ? &to->files[j] : NULL;
        int order = !f ? 1 : !t ? -1 : strcmp(f->path, t->path);
        if (order > 0)
            f = NULL;
        if (order < 0)
            t = NULL;
        i += f != NULL;
        j += t != NULL;
        if (f && t && sv_eq(f->data, t->data))
            continue;
        int rc = one_diff(&out, f ? f->path : t->path, f, t);
        if (rc)
            return gitstore_err(err, rc, "diff");
    }
    *ret = sv_n(arena_memdup(a, strbuf_str(&out), out.n + 1), out.n);
    return ERR_OK;
}
