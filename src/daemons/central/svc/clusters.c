#include "svc/clusters.h"

#include "svc/tx.h"

typedef struct Removal {
    SvcTx tx;
    App *app;
    Arena *a;
    ClusterRemoval in;
    ClusterRow row;
    bool forget;
    ClusterDone done;
    void *ctx;
} Removal;

static void finished(void *ctx, const Error *err)
{
    Removal *m = ctx;
    m->done(m->ctx, err, err ? NULL : &m->row);
}

static void audited(void *ctx, const Error *err)
{
    Removal *m = ctx;
    if (err)
        svc_tx_fail(&m->tx, err);
    else
        svc_tx_commit(&m->tx);
}

static void read_back(void *ctx, const Error *err, const ClusterRow *row)
{
    Removal *m = ctx;
    Error why;
    bool gone = err && err->code == ERR_NOT_FOUND && m->forget;
    if (!err && !str_eq(row->api.state, "deleting")) {
        err_set(&why, ERR_PRECONDITION,
                "cluster '%s': it was changed meanwhile (version %lld): read it again",
                row->api.name, (long long)row->api.config_version);
        err = &why;
    }
    if (err && !gone) {
        svc_tx_fail(&m->tx, err);
        return;
    }
    m->row = gone ? *m->in.cluster : *row;
    m->row.api.state = "deleting";
    audit_add(m->app, m->tx.c, &m->in.audit, audited, m);
}

static void marked(void *ctx, const Error *err)
{
    Removal *m = ctx;
    if (err)
        svc_tx_fail(&m->tx, err);
    else
        cluster_find(m->app, m->tx.c, m->a, m->in.cluster->api.id, read_back, m);
}

static void begin(void *ctx)
{
    Removal *m = ctx;
    m->forget = !str_eq(m->in.cluster->satellite_state, "approved");
    cluster_tombstone(m->app, m->tx.c,
                      &(ClusterTombstone){.id = m->in.cluster->api.id,
                                          .delete_volumes = m->in.delete_volumes,
                                          .if_match = m->in.if_match,
                                          .forget = m->forget},
                      marked, m);
}

static void refused(void *ctx, const Error *err)
{
    Removal *m = ctx;
    m->done(m->ctx, err, NULL);
}

void cluster_remove(App *app, Arena *a, const ClusterRemoval *in, ClusterDone done, void *ctx)
{
    Error err;
    Removal *m = arena_new_of(a, Removal);
    ClusterRow *copy = arena_memdup(a, in->cluster, sizeof *copy);
    m->app = app;
    m->a = a;
    m->in = *in;
    m->in.cluster = copy;
    m->done = done;
    m->ctx = ctx;
    if (in->delete_volumes && copy->deletion_protection) {
        err_set(&err, ERR_PRECONDITION,
                "cluster '%s': its profile has deletion_protection: remove it with volumes=keep, "
                "or end the protection first",
                copy->api.name);
        store_fail(app, &err, refused, m);
        return;
    }
    svc_tx_begin(&m->tx, app, begin, finished, m);
}
