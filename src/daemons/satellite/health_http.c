#include "app.h"
#include "kube/watch.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* /healthz: the process answers. /readyz: it knows its site (central may be away: the site goes on
 * without it). /metrics: Prometheus text. */

static void metric(StrBuf *b, const char *name, const char *type, const char *help, uint64_t value)
{
    strbuf_addf(b, "# HELP pgswarm_satellite_%s %s\n# TYPE pgswarm_satellite_%s %s\n", name, help,
                name, type);
    strbuf_addf(b, "pgswarm_satellite_%s %" PRIu64 "\n", name, value);
}

static uint64_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void site_metrics(StrBuf *b, const Site *s)
{
    uint64_t states[CLUSTER_STATE_COUNT] = {0};
    for (MapIter it = {0}; map_next(s->clusters, &it);)
        states[((Cluster *)it.value)->state]++;
    strbuf_adds(b, "# HELP pgswarm_satellite_clusters Clusters by state.\n"
                   "# TYPE pgswarm_satellite_clusters gauge\n");
    for (int i = 0; i < CLUSTER_STATE_COUNT; i++)
        strbuf_addf(b, "pgswarm_satellite_clusters{state=\"%s\"} %" PRIu64 "\n",
                    cluster_state_name((ClusterState)i), states[i]);
    metric(b, "passes_total", "counter", "Reconcile passes.", s->stats.passes);
    metric(b, "passes_failed_total", "counter", "Passes that failed or were refused.",
           s->stats.passes_failed);
    metric(b, "refusals_total", "counter", "Configs refused.", s->stats.refusals);
    metric(b, "drift_total", "counter", "Objects found changed by others.", s->stats.drift);
    metric(b, "writes_total", "counter", "Objects written.", s->stats.writes);
}

static void link_metrics(StrBuf *b, const App *app)
{
    const LinkStats *l = link_stats(app->link);
    EventsStats e = events_stats(app->events);
    metric(b, "central_connected", "gauge", "1: the stream to central is up.",
           link_is_accepted(app->link));
    metric(b, "central_streams_total", "counter", "Streams to central that were tried.",
           l->streams);
    metric(b, "central_sent_total", "counter", "Messages to central.", l->sent);
    metric(b, "central_received_total", "counter", "Messages from central.", l->received);
    metric(b, "central_bad_total", "counter", "Messages from central that were none.", l->bad);
    metric(b, "central_dropped_total", "counter", "Messages that did not fit.", l->dropped);
    metric(b, "events_kept", "gauge", "Events central has not stored yet.", e.kept);
    metric(b, "events_dropped_total", "counter", "Events that did not fit.", e.dropped);
    metric(b, "log_lines_dropped_total", "counter", "Log lines that did not fit.",
           logstream_dropped(app->logstream));
}

static void on_metrics(App *app, HttpReq *r)
{
    AUTO_STRBUF b = {0};
    const KubeWatchStats *w = kube_watch_stats();
    metric(&b, "resident_bytes", "gauge", "Resident memory.", resident_bytes());
    if (app->site)
        site_metrics(&b, app->site);
    link_metrics(&b, app);
    metric(&b, "watch_events_total", "counter", "Events of watches.", w->events);
    metric(&b, "watch_lists_total", "counter", "Lists of watches.", w->relists);
    metric(&b, "watch_reconnects_total", "counter", "Watches opened again.", w->reconnects);
    metric(&b, "watch_bad_lines_total", "counter", "Lines of watches that were none.",
           w->bad_lines);
    if (app->sidecars) {
        const GrpcServerStats *g = sidecars_stats(app->sidecars);
        metric(&b, "sidecars_connected", "gauge", "Streams of sidecars.", g->streams_open);
        metric(&b, "sidecar_messages_total", "counter", "Messages of sidecars.", g->messages_in);
        metric(&b, "sidecar_bad_frames_total", "counter", "Frames of sidecars that were none.",
               g->bad_frames);
    }
    http_reply(r, 200, "text/plain; version=0.0.4", sv_n(b.p, b.n));
}

static void handler(void *ctx, HttpReq *r)
{
    App *app = ctx;
    const char *path = http_path(r), *method = http_method(r);
    bool known = str_eq(path, "/healthz") || str_eq(path, "/readyz") || str_eq(path, "/metrics");
    if (!known) {
        http_reply(r, 404, "text/plain", SV("not found\n"));
    } else if (!str_eq(method, "GET") && !str_eq(method, "HEAD")) {
        http_reply_header(r, "Allow", "GET, HEAD");
        http_reply(r, 405, "text/plain", SV("GET only\n"));
    } else if (str_eq(path, "/metrics")) {
        on_metrics(app, r);
    } else if (str_eq(path, "/readyz") && !site_ready(app->site)) {
        http_reply(r, 503, "text/plain", SV("the site is not known yet\n"));
    } else {
        http_reply(r, 200, "text/plain", SV("ok\n"));
    }
}

ErrCode health_http_start(App *app, Error *err)
{
    HttpServerConfig cfg = {.addr = app->cfg->health_addr,
                            .body_limit = 1024,
                            .max_conns = 64,
                            .handler = handler,
                            .ctx = app};
    if (http_server_start(app->loop, &cfg, &app->http, err))
        return err_wrap(err, "health");
    return ERR_OK;
}
