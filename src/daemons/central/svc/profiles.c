#include "svc/profiles.h"

#include "core/clock.h"
#include "model/profile_files.h"
#include "svc/tx.h"

typedef struct Save {
    SvcTx tx;
    App *app;
    Arena *a;
    ProfileSave in;
    Profile canonical; /* without the message, as it is stored */
    ProfileRow row;    /* first what was there, then what is */
    bool was_there;
    const char *message;
    Arena *work; /* of the thread that makes the commit */
    GitObjects *objs;
    char commit[GIT_OID_HEX + 1];
    Error git_err;
    ErrCode git_rc;
    int64_t at_us;
    ProfileDone done;
    void *ctx;
} Save;

static void finished(void *ctx, const Error *err)
{
    Save *s = ctx;
    gitobjs_free(s->objs);
    arena_free(s->work);
    s->done(s->ctx, err, err ? NULL : &s->row);
}

static void audited(void *ctx, const Error *err)
{
    Save *s = ctx;
    if (err)
        svc_tx_fail(&s->tx, err);
    else
        svc_tx_commit(&s->tx);
}

static void write_audit(Save *s)
{
    audit_add(s->app, s->tx.c, &s->in.audit, audited, s);
}

static void version_written(void *ctx, const Error *err)
{
    Save *s = ctx;
    Error why;
    if (err && err->code == ERR_EXISTS) {
        err_set(&why, ERR_EXISTS, "profile '%s': it is there already", s->canonical.name);
        err = &why;
    }
    if (err)
        svc_tx_fail(&s->tx, err);
    else
        write_audit(s);
}

static void objects_written(void *ctx, const Error *err)
{
    Save *s = ctx;
    if (err) {
        svc_tx_fail(&s->tx, err);
        return;
    }
    ProfileVersionNew v = {
        .id = s->was_there ? s->row.id : NULL,
        .name = s->canonical.name,
        .version = s->was_there ? s->row.newest + 1 : 1,
        .commit = s->commit,
        .doc = profile_doc(s->a, &s->canonical),
        .author = s->in.author,
        .message = s->message,
    };
    profile_version_insert(s->app, s->tx.c, &v, version_written, s);
    s->row.newest = s->row.api.version = v.version;
    s->row.api.p = s->canonical;
    s->row.api.commit = s->commit;
    s->row.api.author = s->in.author;
    s->row.api.updated_at = s->at_us;
}

/* ---- the commit, off the loop: libgit2 compresses and hashes ---- */

static void commit_work(void *ctx)
{
    Save *s = ctx;
    ProfileFiles files;
    GitFile git[PROFILE_FILES];
    profile_to_files(s->work, &s->canonical, &files);
    for (size_t i = 0; i < PROFILE_FILES; i++)
        git[i] = (GitFile){files.at[i].name, files.at[i].text};
    GitCommitSpec spec = {
        .files = git,
        .n = PROFILE_FILES,
        .parent = s->was_there ? s->row.api.commit : NULL,
        .author = s->in.author,
        .email = arena_printf(s->work, "%s@pg-swarm", s->in.author),
        .message = s->message,
        .at_us = s->at_us,
    };
    s->git_rc = githist_commit(s->objs, &spec, s->commit, &s->git_err);
}

static void commit_made(void *ctx)
{
    Save *s = ctx;
    if (s->git_rc)
        svc_tx_fail(&s->tx, &s->git_err);
    else
        git_objects_insert(s->app, s->tx.c, s->objs, objects_written, s);
}

static void make_commit(Save *s)
{
    const char *said = s->in.profile->message;
    s->message = !str_empty(said) ? said
                                  : arena_printf(s->a, "%s profile %s",
                                                 s->was_there ? "Edit" : "Add", s->canonical.name);
    s->work = arena_new();
    s->objs = gitobjs_new();
    loop_work(s->app->loop, commit_work, commit_made, s);
}

/* ---- the version it is made from ---- */

static bool same(Save *s)
{
    ObjList changes;
    profile_diff(s->a, &s->row.api.p, &s->canonical, &changes);
    return changes.n == 0;
}

static void current_found(void *ctx, const Error *err, const ProfileRow *row)
{
    Save *s = ctx;
    Error why;
    if (err) {
        svc_tx_fail(&s->tx, err);
        return;
    }
    s->row = *row;
    s->was_there = true;
    if (s->in.if_match && s->in.if_match != row->newest) {
        err_set(&why, ERR_PRECONDITION,
                "profile '%s': made from version %lld, but the newest is %lld: read it, and edit "
                "again",
                s->canonical.name, (long long)s->in.if_match, (long long)row->newest);
        svc_tx_fail(&s->tx, &why);
    } else if (same(s)) {
        write_audit(s);
    } else {
        make_commit(s);
    }
}

static void begin(void *ctx)
{
    Save *s = ctx;
    if (s->in.create)
        make_commit(s);
    else
        profile_find(s->app, s->tx.c, s->a, &(ProfileRef){.name = s->canonical.name, .lock = true},
                     current_found, s);
}

void profile_save(App *app, Arena *a, const ProfileSave *in, ProfileDone done, void *ctx)
{
    Save *s = arena_new_of(a, Save);
    s->app = app;
    s->a = a;
    s->in = *in;
    s->canonical = *in->profile;
    s->canonical.message = "";
    s->at_us = clock_wall_us();
    s->done = done;
    s->ctx = ctx;
    svc_tx_begin(&s->tx, app, begin, finished, s);
}
