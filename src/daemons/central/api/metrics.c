#include "api/call_priv.h"
#include "core/clock.h"
#include "fleet/fleet.h"
#include "hub/hub.h"
#include <math.h>
#include <stdio.h>

static const unsigned BUCKET_MS[API_BUCKETS] = {1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000};

void metrics_note(Api *api, const ApiRouteInfo *route, int status, uint64_t ms)
{
    size_t i = 0;
    if (!route) {
        api->unrouted++;
        return;
    }
    api->routes[route->id].by_class[status / 100 < 6 ? status / 100 : 5]++;
    api->routes[route->id].seconds += (double)ms / 1000;
    while (i < API_BUCKETS && ms > BUCKET_MS[i])
        i++;
    api->buckets[i]++;
}

/* ---- Prometheus text, version 0.0.4 ---- */

static void head(StrBuf *b, const char *name, const char *type, const char *help)
{
    strbuf_addf(b, "# HELP pgswarm_%s %s\n# TYPE pgswarm_%s %s\n", name, help, name, type);
}

static void one(StrBuf *b, const char *name, const char *type, const char *help, double value)
{
    head(b, name, type, help);
    strbuf_addf(b, "pgswarm_%s %.17g\n", name, value);
}

static void add_routes(StrBuf *b, const Api *api)
{
    head(b, "http_requests_total", "counter", "Requests by route and class of status.");
    for (int i = 0; i < API_ROUTE_COUNT; i++)
        for (int k = 1; k < 6; k++)
            if (api->routes[i].by_class[k])
                strbuf_addf(b, "pgswarm_http_requests_total{route=\"%s\",code=\"%dxx\"} %llu\n",
                            api_route((ApiRoute)i)->name, k,
                            (unsigned long long)api->routes[i].by_class[k]);
    uint64_t below = 0;
    double seconds = 0;
    head(b, "http_request_seconds", "histogram", "Time from the whole request to its answer.");
    for (size_t i = 0; i < API_BUCKETS; i++) {
        below += api->buckets[i];
        strbuf_addf(b, "pgswarm_http_request_seconds_bucket{le=\"%g\"} %llu\n",
                    BUCKET_MS[i] / 1000.0, (unsigned long long)below);
    }
    below += api->buckets[API_BUCKETS];
    for (int i = 0; i < API_ROUTE_COUNT; i++)
        seconds += api->routes[i].seconds;
    strbuf_addf(b,
                "pgswarm_http_request_seconds_bucket{le=\"+Inf\"} %llu\n"
                "pgswarm_http_request_seconds_sum %.3f\npgswarm_http_request_seconds_count %llu\n",
                (unsigned long long)below, seconds, (unsigned long long)below);
}

static void add_http(StrBuf *b, const Api *api)
{
    const HttpServerStats *h = http_server_stats(api->app->http);
    one(b, "http_connections", "gauge", "Open HTTP connections.", (double)h->conns_open);
    one(b, "http_connections_total", "counter", "HTTP connections since start.",
        (double)h->conns_total);
    one(b, "http_bad_requests_total", "counter",
        "Requests refused before routing: malformed, too large, too slow.",
        (double)h->bad_requests);
    one(b, "http_bad_connections_total", "counter",
        "Connections ended because they spoke neither TLS nor HTTP/2 properly, or nothing at all.",
        (double)h->bad_conns);
    one(b, "http_unrouted_total", "counter", "Requests for a path or method that is not served.",
        (double)api->unrouted);
    one(b, "http_received_bytes_total", "counter", "Bytes of HTTP received.", (double)h->bytes_in);
    one(b, "http_sent_bytes_total", "counter", "Bytes of HTTP sent.", (double)h->bytes_out);
    one(b, "audit_failures_total", "counter", "Accepted requests whose audit row was lost.",
        (double)api->audit_failed);
}

static void add_hub(StrBuf *b, const App *app)
{
    const HubStats *h = hub_stats(app->hub);
    one(b, "ws_clients", "gauge", "WebSocket clients.", (double)h->clients);
    one(b, "ws_messages_total", "counter", "WebSocket messages sent.", (double)h->messages);
    one(b, "ws_refreshes_total", "counter", "Times the hub read what changed.",
        (double)h->refreshes);
    one(b, "ws_resyncs_total", "counter", "Times a slow client was made to start anew.",
        (double)h->resyncs);
}

static void add_grpc(StrBuf *b, const App *app)
{
    GrpcServerStats sum = {0};
    const GrpcServer *both[] = {app->grpc, app->grpc_plain};
    for (size_t i = 0; i < 2; i++) {
        if (!both[i])
            continue;
        const GrpcServerStats *s = grpc_server_stats(both[i]);
        sum.conns_open += s->conns_open;
        sum.streams_open += s->streams_open;
        sum.messages_in += s->messages_in;
        sum.messages_out += s->messages_out;
        sum.bad_frames += s->bad_frames;
    }
    one(b, "grpc_connections", "gauge", "Open gRPC connections.", (double)sum.conns_open);
    one(b, "grpc_streams", "gauge", "Open gRPC streams.", (double)sum.streams_open);
    one(b, "grpc_messages_received_total", "counter", "gRPC messages received.",
        (double)sum.messages_in);
    one(b, "grpc_messages_sent_total", "counter", "gRPC messages sent.", (double)sum.messages_out);
    one(b, "grpc_bad_frames_total", "counter", "HTTP/2 and gRPC frames that were refused.",
        (double)sum.bad_frames);
}

static void add_fleet(StrBuf *b, const App *app)
{
    const FleetStats *f = fleet_stats(app->fleet);
    one(b, "satellite_streams", "gauge", "Satellites on this central.", (double)f->streams);
    one(b, "health_reports_total", "counter", "Cluster health reports received.",
        (double)f->health_reports);
    one(b, "events_received_total", "counter", "Events received from satellites.",
        (double)f->events);
    one(b, "config_acks_total", "counter", "Answers to configurations.", (double)f->acks);
    one(b, "configs_sent_total", "counter", "Configurations sent.", (double)f->configs_sent);
    one(b, "satellite_refused_total", "counter", "Streams and calls refused to satellites.",
        (double)f->refused);
    one(b, "satellite_bad_messages_total", "counter", "Messages of satellites that made no sense.",
        (double)f->bad_messages);
}

static void add_process(StrBuf *b, const App *app)
{
    one(b, "start_time_seconds", "gauge", "When this central started.",
        (double)app->started_at_us / 1e6);
    one(b, "database_up", "gauge", "1: at least one connection works.", pg_pool_up(app->pool));
    one(b, "changes_up", "gauge", "1: news of other centrals arrive.", changes_up(app->changes));
}

/* ---- what only the database knows ---- */

static void add_counts(StrBuf *b, const PgResult *r)
{
    head(b, "satellites", "gauge", "Satellites by state.");
    for (int i = 0; i < pg_rows(r); i++)
        if (str_eq(pg_get(r, i, 0), "satellite"))
            strbuf_addf(b, "pgswarm_satellites{state=\"%s\"} %s\n", pg_get(r, i, 1),
                        pg_get(r, i, 2));
    head(b, "clusters", "gauge", "Clusters by state.");
    for (int i = 0; i < pg_rows(r); i++)
        if (str_eq(pg_get(r, i, 0), "cluster"))
            strbuf_addf(b, "pgswarm_clusters{state=\"%s\"} %s\n", pg_get(r, i, 1), pg_get(r, i, 2));
    head(b, "operations", "gauge", "Operations that have not ended, by state.");
    for (int i = 0; i < pg_rows(r); i++)
        if (str_eq(pg_get(r, i, 0), "operation"))
            strbuf_addf(b, "pgswarm_operations{state=\"%s\"} %s\n", pg_get(r, i, 1),
                        pg_get(r, i, 2));
}

static void on_counts(void *ctx, const Error *err, PgResult *r)
{
    ApiCall *c = ctx;
    AUTO_STRBUF b = {0};
    add_process(&b, c->app);
    add_routes(&b, c->priv->api);
    add_http(&b, c->priv->api);
    add_hub(&b, c->app);
    add_grpc(&b, c->app);
    add_fleet(&b, c->app);
    if (!err)
        add_counts(&b, r);
    call_reply_text(c, "text/plain; version=0.0.4; charset=utf-8", (StrView){b.p, b.n});
}

void api_METRICS(ApiCall *c)
{
    pg_query(
        c->app->pool,
        "SELECT 'satellite', state, count(*) FROM satellites GROUP BY 2 UNION ALL "
        "SELECT 'operation', state, count(*) FROM operations WHERE finished_at IS NULL GROUP BY 2"
        " UNION ALL "
        "SELECT 'cluster', state, count(*) FROM cluster_list GROUP BY 2 ORDER BY 1, 2",
        PG_NO_PARAMS, on_counts, c);
}
