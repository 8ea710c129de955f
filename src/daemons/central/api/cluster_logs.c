#include "api/call.h"
#include "fleet/fleet.h"
#include "model/kname.h"
#include "store/clusters.h"
#include <stdlib.h>

/* A pod's log, from the site through the satellite's stream to the client, as it comes. */

enum { TAIL_MAX = 100000, SINCE_MAX = 30 * 86400, UNSENT_MAX = 4 * 1024 * 1024 };

typedef struct LogCall {
    ApiCall *call; /* until the first chunk */
    PodLogRequest req;
} LogCall;

/* Outlives the call: the answer is a stream then. */
typedef struct LogStream {
    HttpReq *http; /* NULL: the client went away */
    PodLog *log;
    LogCall *waiting; /* nothing came yet: an error still has a status of its own */
} LogStream;

static void on_gone(void *ctx)
{
    LogStream *s = ctx;
    fleet_pod_log_cancel(s->log);
    free(s);
}

static void stream_end(LogStream *s)
{
    http_on_gone(s->http, NULL, NULL);
    http_reply_end(s->http);
    free(s);
}

static void stream_begin(LogStream *s)
{
    s->waiting = NULL;
    http_reply_begin(s->http, 200, "text/plain; charset=utf-8");
}

/* Before the first line the answer can still be an error. */
static void failed(LogStream *s, const Error *err)
{
    http_on_gone(s->http, NULL, NULL);
    if (s->waiting) {
        call_reply_err(s->waiting->call, err);
        free(s);
        return;
    }
    const char *text = err->msg;
    http_reply_chunk(s->http, "\n-- ", 4);
    http_reply_chunk(s->http, text, strlen(text));
    http_reply_chunk(s->http, "\n", 1);
    http_reply_end(s->http);
    free(s);
}

static void on_chunk(void *ctx, const Error *err, const PodLogChunk *chunk)
{
    LogStream *s = ctx;
    Error why;
    if (!err && chunk->end && !str_empty(chunk->error)) {
        err_set(&why, ERR_UNAVAILABLE, "the site: %s", chunk->error);
        err = &why;
    }
    if (err) {
        failed(s, err);
        return;
    }
    if (s->waiting) {
        call_take(s->waiting->call, 200);
        stream_begin(s);
    }
    if (chunk->data.n)
        http_reply_chunk(s->http, chunk->data.p, chunk->data.n);
    if (chunk->end) {
        stream_end(s);
    } else if (http_chunk_unsent(s->http) > UNSENT_MAX) {
        /* A reader this slow would make us keep the log for it. */
        fleet_pod_log_cancel(s->log);
        stream_end(s);
    }
}

static void on_cluster(void *ctx, const Error *err, const ClusterRow *row)
{
    LogCall *l = ctx;
    ApiCall *c = l->call;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    l->req.ns = row->api.ns;
    if (!l->req.pod_name)
        l->req.pod_name = !str_empty(row->api.primary) ? row->api.primary
                                                       : arena_printf(c->a, "%s-0", row->api.name);
    /* Only pods of this cluster: NAME-N. */
    const char *rest =
        str_starts(l->req.pod_name, row->api.name) ? l->req.pod_name + strlen(row->api.name) : "";
    uint64_t ordinal;
    if (*rest != '-' || !str_to_u64(rest + 1, &ordinal) || ordinal > 99) {
        call_reply_bad(c, "pod", l->req.pod_name,
                       arena_printf(c->a, "a pod of this cluster, like %s-0", row->api.name));
        return;
    }
    LogStream *s = xnew(LogStream);
    s->http = c->http;
    s->waiting = l;
    http_on_gone(c->http, on_gone, s);
    s->log = fleet_pod_log(c->app->fleet, row->satellite_id, &l->req, on_chunk, s);
}

void api_CLUSTER_LOGS(ApiCall *c)
{
    LogCall *l = arena_new_of(c->a, LogCall);
    *l = (LogCall){.call = c,
                   .req = {.pod_name = call_query(c, "pod"),
                           .container = str_or(call_query(c, "container"), "postgres"),
                           .tail_lines = 200}};
    const char *pod = l->req.pod_name;
    if (pod && !kname_label(pod))
        call_reply_bad(c, "pod", pod, "the name of a pod");
    else if (!kname_label(l->req.container))
        call_reply_bad(c, "container", l->req.container, "postgres or failover");
    else if (call_query_u32(c, "tail", TAIL_MAX, &l->req.tail_lines) &&
             call_query_u32(c, "since", SINCE_MAX, &l->req.since_seconds) &&
             call_query_bool(c, "follow", &l->req.follow))
        cluster_find(c->app, NULL, c->a, call_param(c, "id"), on_cluster, l);
}
