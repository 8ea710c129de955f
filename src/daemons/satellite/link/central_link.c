#include "link/central_link.h"

#include "core/clock.h"
#include "grpc/client.h"
#include <stdlib.h>

enum {
    HEARTBEAT_MS = 10000,
    SILENCE_MS = 45000, /* no word from central, not even to a heartbeat: this stream is dead */
    HEALTHY_MS = 30000,
    REFUSED_MS = 10000, /* and more with each time */
};

struct Link {
    Loop *l;
    const SatConfig *cfg;
    const Identity *id;
    LinkEvents ev;
    GrpcChannel *channel;
    TlsCtx *tls; /* of the channel */
    GrpcStream *stream;
    Timer *timer;     /* the next dial */
    Timer *heartbeat; /* while a stream is open */
    Backoff backoff;
    uint64_t opened_ms, heard_ms;
    bool accepted, acks_heartbeats, freeing;
    LinkStats stats;
};

static void dial(Link *k);

static void on_timer(void *ctx)
{
    Link *k = ctx;
    timer_stop(k->timer);
    k->timer = NULL;
    dial(k);
}

static void dial_after(Link *k, uint64_t ms)
{
    timer_stop(k->timer);
    k->timer = timer_start(k->l, ms, 0, on_timer, k);
}

/* ---- sending ---- */

bool link_is_open(const Link *k)
{
    return k && k->stream;
}

bool link_is_accepted(const Link *k)
{
    return k && k->stream && k->accepted;
}

size_t link_queued(const Link *k)
{
    return k->stream ? grpc_stream_queued(k->stream) : 0;
}

const LinkStats *link_stats(const Link *k)
{
    return &k->stats;
}

ErrCode link_send(Link *k, const SatelliteUp *m)
{
    AUTO_STRBUF b = {0};
    if (!link_is_open(k))
        return ERR_UNAVAILABLE;
    wire_up_encode(m, &b);
    ErrCode rc = grpc_stream_send(k->stream, sv_n(strbuf_str(&b), b.n), NULL);
    if (rc)
        k->stats.dropped++;
    else
        k->stats.sent++;
    return rc;
}

static void on_heartbeat(void *ctx)
{
    Link *k = ctx;
    uint64_t now = loop_now(k->l);
    if (k->acks_heartbeats && now - k->heard_ms > SILENCE_MS) {
        log_warn("link", "central has fallen silent; dialling again", "silent_ms=%llu",
                 (unsigned long long)(now - k->heard_ms));
        grpc_stream_cancel(k->stream);
        return;
    }
    link_send(k,
              &(SatelliteUp){.id = "", .kind = UP_HEARTBEAT, .heartbeat_at_us = clock_wall_us()});
}

/* ---- the stream ---- */

static void accepted(Link *k)
{
    k->heard_ms = loop_now(k->l);
    if (k->accepted)
        return;
    k->accepted = true;
    log_info("link", "connected to central", "addr=%s", log_quote(k->cfg->central_addr));
    k->ev.on_accepted(k->ev.ctx);
}

static void on_headers(void *ctx, GrpcStream *s)
{
    (void)s;
    accepted(ctx);
}

static void on_message(void *ctx, GrpcStream *s, StrView msg)
{
    Link *k = ctx;
    AUTO_ARENA a = arena_new();
    SatelliteDown m;
    Error err;
    (void)s;
    accepted(k);
    k->stats.received++;
    if (wire_down_decode(a, msg, &m, &err)) {
        k->stats.bad++;
        log_warn("link", "central sent what is not a message; dropped", "err=%s",
                 log_quote(err.msg));
        return;
    }
    if (m.kind == DOWN_HEARTBEAT_ACK)
        k->acks_heartbeats = true;
    else
        k->ev.on_message(k->ev.ctx, &m);
}

static void on_drain(void *ctx, GrpcStream *s)
{
    Link *k = ctx;
    (void)s;
    k->ev.on_drain(k->ev.ctx);
}

static void on_end(void *ctx, GrpcStream *s, GrpcCode code, const char *message)
{
    Link *k = ctx;
    (void)s;
    k->stream = NULL;
    timer_stop(k->heartbeat);
    k->heartbeat = NULL;
    if (k->freeing)
        return;
    if (k->accepted && loop_now(k->l) - k->opened_ms >= HEALTHY_MS)
        backoff_reset(&k->backoff);
    bool refused = code == GRPC_UNAUTHENTICATED || code == GRPC_PERMISSION_DENIED;
    uint64_t wait = refused ? REFUSED_MS + backoff_next(&k->backoff) : backoff_next(&k->backoff);
    log_warn("link", "the stream to central has ended", "code=%d why=%s again_ms=%llu", (int)code,
             log_quote(str_or(message, "")), (unsigned long long)wait);
    k->accepted = false;
    k->ev.on_down(k->ev.ctx);
    if (refused)
        k->ev.on_refused(k->ev.ctx, str_or(message, "not known"));
    dial_after(k, wait);
}

static bool make_channel(Link *k)
{
    Error err;
    grpc_channel_free(k->channel);
    k->channel = NULL;
    tls_ctx_free(k->tls);
    k->tls = NULL;
    if (identity_tls(k->id, &k->tls, &err)) {
        log_error("link", "TLS to central cannot be set up", "err=%s", log_quote(err.msg));
        return false;
    }
    k->channel = grpc_channel_new(
        k->l, &(GrpcChannelConfig){
                  .target = k->cfg->central_addr,
                  .tls = k->tls,
                  .server_name = str_empty(k->cfg->central_name) ? NULL : k->cfg->central_name});
    return true;
}

static void dial(Link *k)
{
    static const GrpcClientHandler HANDLER = {on_headers, on_message, on_drain, on_end};
    AUTO_ARENA a = arena_new();
    if (!make_channel(k)) {
        dial_after(k, backoff_next(&k->backoff));
        return;
    }
    const char *token = identity_auth_token(k->id);
    GrpcMeta meta[] = {
        {"authorization", sv(arena_printf(a, "Bearer %s", str_or(token, "")))},
        {NULL, {0}},
    };
    GrpcCallSpec call = {.path = "/pgswarm.v1.SatelliteStreamService/Connect",
                         .meta = str_empty(token) ? NULL : meta};
    k->stats.streams++;
    k->opened_ms = k->heard_ms = loop_now(k->l);
    k->acks_heartbeats = false;
    k->stream = grpc_open(k->channel, &call, &HANDLER, k);
    k->heartbeat = timer_start(k->l, HEARTBEAT_MS, HEARTBEAT_MS, on_heartbeat, k);
    k->ev.on_open(k->ev.ctx);
}

/* ---- life ---- */

Link *link_new(Loop *l, const SatConfig *cfg, const Identity *id, const LinkEvents *ev)
{
    Link *k = xnew(Link);
    k->l = l;
    k->cfg = cfg;
    k->id = id;
    k->ev = *ev;
    k->backoff = (Backoff){.base_ms = 1000, .max_ms = 30000};
    return k;
}

void link_start(Link *k)
{
    dial_after(k, 0);
}

void link_free(Link *k)
{
    if (!k)
        return;
    k->freeing = true;
    timer_stop(k->timer);
    grpc_channel_free(k->channel);
    tls_ctx_free(k->tls);
    timer_stop(k->heartbeat);
    free(k);
}
