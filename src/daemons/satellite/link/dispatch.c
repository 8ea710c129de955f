#include "app.h"
#include "core/ident.h"
#include "operator/reconcile.h"
#include <stdlib.h>

/* ---- commands ---- */

static void on_cluster_config(App *app, const SatelliteDown *m)
{
    operator_config(app->site, &m->cluster);
}

static void on_delete_cluster(App *app, const SatelliteDown *m)
{
    operator_delete(app->site, &m->delete_cluster);
}

static void on_event_ack(App *app, const SatelliteDown *m)
{
    events_acked(app->events, m->event_sequence);
}

static void on_set_log_level(App *app, const SatelliteDown *m)
{
    LogLevel level;
    StrView name = sv(str_or(m->log_level.target, "")), ns = sv_cut(&name, '/');
    if (!log_level_from_name(m->log_level.level, &level)) {
        log_warn("dispatch", "no such log level", "level=%s", log_quote(m->log_level.level));
        return;
    }
    if (str_empty(m->log_level.target)) {
        log_set_level(level);
        log_info("dispatch", "log level", "level=%s", log_level_name(level));
        return;
    }
    AUTO_ARENA a = arena_new();
    Cluster *c = name.p ? site_find(app->site, sv_dup(a, ns), sv_dup(a, name)) : NULL;
    unsigned n = c ? sidecars_set_log_level(app->sidecars, c, m->log_level.level) : 0;
    log_info("dispatch", "log level of sidecars", "target=%s level=%s told=%u",
             log_quote(m->log_level.target), log_level_name(level), n);
}

static void send_classes(App *app, const char *id)
{
    link_send(app->link, &(SatelliteUp){.id = id,
                                        .kind = UP_STORAGE_CLASSES,
                                        .storage_classes = app->site->storage_classes});
}

static void on_request_classes(App *app, const SatelliteDown *m)
{
    send_classes(app, m->id);
}

static void on_pod_log(App *app, const SatelliteDown *m)
{
    podlogs_request(app->podlogs, m->id, &m->pod_log);
}

/* ---- credentials: read from the Secret when asked for, never kept for it ---- */

typedef struct Asked {
    App *app;
    char *id, *ns, *cluster;
} Asked;

static void reply_credential(Asked *q, const CredentialReply *r)
{
    link_send(q->app->link, &(SatelliteUp){.id = q->id, .kind = UP_CREDENTIAL, .credential = *r});
    free(q->id);
    free(q->ns);
    free(q->cluster);
    free(q);
}

static void on_credential_secret(void *ctx, const Error *err, const cJSON *obj)
{
    Asked *q = ctx;
    AUTO_ARENA a = arena_new();
    CredentialReply r = {.user = "", .password = "", .error = ""};
    const char *b64 = kube_str(obj, "data['superuser-password']");
    size_t n = 0;
    char *password = b64 ? (char *)base64_decode(a, b64, strlen(b64), &n) : NULL;
    Cluster *c = site_find(q->app->site, q->ns, q->cluster);
    if (err)
        r.error = err->msg;
    else if (!c || str_empty(password))
        r.error = "this cluster has no superuser password here";
    else
        r = (CredentialReply){.user = "postgres",
                              .password = password,
                              .error = "",
                              .rw = {str_or(c->rw.host, ""), c->rw.port},
                              .ro = {str_or(c->ro.host, ""), c->ro.port}};
    reply_credential(q, &r);
}

static void on_credential(App *app, const SatelliteDown *m)
{
    AUTO_ARENA a = arena_new();
    Asked *q = xnew(Asked);
    *q = (Asked){app, xstrdup(m->id), xstrdup(m->credential.ns),
                 xstrdup(m->credential.cluster_name)};
    /* Only Secrets of our own clusters can be asked for. */
    if (!site_find(app->site, q->ns, q->cluster)) {
        reply_credential(
            q, &(CredentialReply){.user = "", .password = "", .error = "no such cluster here"});
        return;
    }
    kube_get(app->kube, &KUBE_SECRET, q->ns, arena_printf(a, "%s-secret", q->cluster),
             on_credential_secret, q);
}

static void on_other(App *app, const SatelliteDown *m)
{
    (void)app;
    log_warn("dispatch", "central asks for what this version does not do", "field=%d id=%s",
             m->other, log_quote(m->id));
}

static void on_operation(App *app, const SatelliteDown *m)
{
    ops_request(app->ops, &m->operation);
}

static void on_operation_step(App *app, const SatelliteDown *m)
{
    ops_word(app->ops, &m->operation_step);
}

static void on_operation_ack(App *app, const SatelliteDown *m)
{
    ops_acked(app->ops, m->operation_id);
}

static void on_heartbeat_ack(App *app, const SatelliteDown *m)
{
    (void)app, (void)m; /* the link has taken note */
}

static void (*const HANDLERS[DOWN_KIND_COUNT])(App *, const SatelliteDown *) = {
    [DOWN_OTHER] = on_other,
    [DOWN_CLUSTER_CONFIG] = on_cluster_config,
    [DOWN_DELETE_CLUSTER] = on_delete_cluster,
    [DOWN_HEARTBEAT_ACK] = on_heartbeat_ack,
    [DOWN_EVENT_ACK] = on_event_ack,
    [DOWN_SET_LOG_LEVEL] = on_set_log_level,
    [DOWN_REQUEST_STORAGE_CLASSES] = on_request_classes,
    [DOWN_POD_LOG] = on_pod_log,
    [DOWN_CREDENTIAL] = on_credential,
    [DOWN_OPERATION] = on_operation,
    [DOWN_OPERATION_STEP] = on_operation_step,
    [DOWN_OPERATION_ACK] = on_operation_ack,
};
_Static_assert(sizeof HANDLERS / sizeof *HANDLERS == DOWN_KIND_COUNT, "one handler a kind");

void dispatch(App *app, const SatelliteDown *m)
{
    HANDLERS[m->kind](app, m);
}

/* ---- the first word ---- */

void send_hello(App *app)
{
    AUTO_ARENA a = arena_new();
    Site *s = app->site;
    AppliedCluster *at = arena_array(a, AppliedCluster, map_count(s->clusters) + 1);
    size_t n = 0;
    for (MapIter it = {0}; map_next(s->clusters, &it);) {
        const Cluster *c = it.value;
        if (c->has_spec && !str_empty(c->cluster_id))
            at[n++] = (AppliedCluster){c->cluster_id, c->applied_version};
    }
    Hello h = {.satellite_id = identity_satellite_id(app->identity),
               .version = PGSWARM_VERSION,
               .kubernetes_version = identity_kubernetes_version(app->identity),
               .applied = {at, n},
               .next_event_sequence = events_next_sequence(app->events),
               .storage_classes = s->storage_classes};
    link_send(app->link, &(SatelliteUp){.id = "", .kind = UP_HELLO, .hello = h});
}
