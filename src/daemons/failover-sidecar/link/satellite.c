#include "link/satellite.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/vec.h"
#include "grpc/client.h"

enum {
    HEARTBEAT_MS = 10 * 1000,
    STABLE_MS = 30 * 1000,
    RETRY_MAX_MS = 5 * 1000,    /* what happens here is worth nothing late */
    REFUSED_MAX_MS = 30 * 1000, /* the satellite knows us not: asking does not change that */
    ANSWER_MS = 8 * 1000,       /* for a heartbeat, or for the opening of a stream */
    EVENTS_MAX = 256,
    CA_MAX = 256 * 1024,
    MESSAGE_MAX = 1024 * 1024,
};

struct Link {
    Loop *loop;
    const Config *cfg;
    LinkEvents ev;
    void *ctx;
    TlsCtx *tls;
    GrpcChannel *channel;
    GrpcStream *stream;
    bool up; /* the satellite accepted the stream */
    uint64_t opened_at;
    Timer *retry, *heartbeat;
    Timer *silence; /* runs while something is to be answered */
    Backoff backoff, refused;
    /* Encoded events, oldest first. The first `sent` of them went out on this stream; the first
     * `marked` before the heartbeat of `mark_us` (0: none is awaited), whose answer says that they
     * came. What a stream leaves unanswered goes again on the next; the satellite knows it. */
    VEC(StrBuf) waiting;
    size_t sent, marked;
    int64_t mark_us;
};

static void open_stream(void *ctx);

static bool send_bytes(Link *k, const StrBuf *b)
{
    Error err = {0};
    if (!k->stream || !grpc_stream_send(k->stream, sv_n(b->p, b->n), &err))
        return k->stream != NULL;
    log_warn("link", "a message was not sent", "err=%s", log_quote(err.msg));
    return false;
}

static void send_up(Link *k, const SidecarUp *m)
{
    AUTO_STRBUF b = {0};
    wire_sidecar_up_encode(m, &b);
    send_bytes(k, &b);
}

static void heard(Link *k)
{
    timer_stop(k->silence);
    k->silence = NULL;
}

static void flush_events(Link *k)
{
    while (k->sent < k->waiting.n && send_bytes(k, &k->waiting.at[k->sent]))
        k->sent++;
}

static void drop_event(Link *k)
{
    strbuf_done(&k->waiting.at[0]);
    vec_remove(&k->waiting, 0);
    k->sent -= k->sent > 0;
    k->marked -= k->marked > 0;
}

static void on_heartbeat_ack(Link *k, int64_t at_us)
{
    if (at_us != k->mark_us)
        return;
    while (k->marked)
        drop_event(k);
    k->mark_us = 0;
    flush_events(k); /* when there was no room before */
}

static void on_headers(void *ctx, GrpcStream *s)
{
    (void)s;
    Link *k = ctx;
    k->up = true;
    log_info("link", "connected to the satellite", "addr=%s", k->cfg->satellite_addr);
    flush_events(k);
    k->ev.on_up(k->ctx);
}

static void on_message(void *ctx, GrpcStream *s, StrView msg)
{
    (void)s;
    Link *k = ctx;
    AUTO_ARENA a = arena_new_sized(1024);
    SidecarDown down;
    Error err = {0};
    heard(k);
    if (wire_sidecar_down_decode(a, msg, &down, &err))
        log_warn("link", "a command cannot be read", "err=%s", log_quote(err.msg));
    else if (down.kind == SIDECAR_DOWN_HEARTBEAT_ACK)
        on_heartbeat_ack(k, down.heartbeat_at_us);
    else
        k->ev.on_command(k->ctx, &down);
}

static void on_end(void *ctx, GrpcStream *s, GrpcCode code, const char *message)
{
    Link *k = ctx;
    bool stable = k->up && clock_mono_ms() - k->opened_at >= STABLE_MS;
    bool refused = s && (code == GRPC_UNAUTHENTICATED || code == GRPC_PERMISSION_DENIED);
    if (stable)
        backoff_reset(&k->backoff);
    if (!refused)
        backoff_reset(&k->refused);
    uint32_t wait = backoff_next(refused ? &k->refused : &k->backoff);
    log_warn("link", "the stream ended", "code=%d reason=%s retry_ms=%u", (int)code,
             log_quote(message), wait);
    k->stream = NULL;
    k->up = false;
    k->sent = k->marked = 0;
    k->mark_us = 0;
    heard(k);
    timer_stop(k->retry);
    k->retry = timer_start(k->loop, wait, 0, open_stream, k);
}

static GrpcChannel *new_channel(const Link *k)
{
    return grpc_channel_new(k->loop, &(GrpcChannelConfig){.target = k->cfg->satellite_addr,
                                                          .tls = k->tls,
                                                          .max_message = MESSAGE_MAX});
}

/* Its connection is as good as dead, and the next stream would open on it: away with both. */
static void on_silence(void *ctx)
{
    Link *k = ctx;
    GrpcChannel *dead = k->channel;
    log_warn("link", "the satellite does not answer; another connection", "addr=%s stream=%s",
             k->cfg->satellite_addr, k->up ? "up" : "opening");
    k->channel = new_channel(k);
    grpc_channel_free(dead); /* on_end */
}

static void send_heartbeat(Link *k)
{
    int64_t now = clock_wall_us();
    if (!k->mark_us) {
        k->mark_us = now;
        k->marked = k->sent;
    }
    send_up(k, &(SidecarUp){.id = "", .kind = SIDECAR_UP_HEARTBEAT, .heartbeat_at_us = now});
    if (!k->silence)
        k->silence = timer_start(k->loop, ANSWER_MS, 0, on_silence, k);
}

static void on_heartbeat(void *ctx)
{
    Link *k = ctx;
    if (k->stream)
        send_heartbeat(k);
}

static void send_identity(Link *k)
{
    send_up(k, &(SidecarUp){.id = "",
                            .kind = SIDECAR_UP_IDENTITY,
                            .identity = {.pod_name = k->cfg->pod,
                                         .cluster_name = k->cfg->cluster,
                                         .ns = k->cfg->ns,
                                         .version = PGSWARM_VERSION,
                                         .pod_uid = k->cfg->uid}});
}

static void open_stream(void *ctx)
{
    static const GrpcClientHandler HANDLER = {
        .on_headers = on_headers, .on_message = on_message, .on_end = on_end};
    Link *k = ctx;
    AUTO_ARENA a = arena_new_sized(1024);
    Error err = {0};
    const char *token;
    if (config_secret(a, k->cfg, "sidecar-stream-token", &token, &err)) {
        on_end(k, NULL, GRPC_UNAUTHENTICATED, err.msg);
        return;
    }
    GrpcMeta meta[] = {{"authorization", sv(arena_printf(a, "Bearer %s", token))}, {0}};
    GrpcCallSpec spec = {.path = "/pgswarm.v1.SidecarStreamService/Connect", .meta = meta};
    k->opened_at = clock_mono_ms();
    k->stream = grpc_open(k->channel, &spec, &HANDLER, k);
    send_identity(k);
    send_heartbeat(k); /* its answer is the first sign that we were accepted */
}

static ErrCode load_tls(Link *k, Error *err)
{
    static const char *const ALPN[] = {"h2", NULL};
    if (str_empty(k->cfg->satellite_ca_file))
        return ERR_OK;
    AUTO_ARENA a = arena_new();
    StrView ca;
    if (file_read(a, k->cfg->satellite_ca_file, CA_MAX, &ca, err))
        return err->code;
    TlsConfig tls = {.ca_pem = ca.p, .verify = TLS_VERIFY_REQUIRED, .alpn = ALPN};
    return tls_client_new(&tls, &k->tls, err);
}

ErrCode link_new(Loop *l, const Config *cfg, const LinkEvents *ev, void *ctx, Link **ret,
                 Error *err)
{
    Link *k = xnew(Link);
    k->loop = l;
    k->cfg = cfg;
    k->ev = *ev;
    k->ctx = ctx;
    k->backoff = (Backoff){.base_ms = 1000, .max_ms = RETRY_MAX_MS};
    k->refused = (Backoff){.base_ms = 1000, .max_ms = REFUSED_MAX_MS};
    if (load_tls(k, err)) {
        free(k);
        return err_wrap(err, "SATELLITE_CA_FILE");
    }
    if (!str_empty(cfg->satellite_addr)) {
        k->channel = new_channel(k);
        k->heartbeat = timer_start(l, HEARTBEAT_MS, HEARTBEAT_MS, on_heartbeat, k);
        k->retry = timer_start(l, 0, 0, open_stream, k);
    }
    *ret = k;
    return ERR_OK;
}

void link_free(Link *k)
{
    if (!k)
        return;
    grpc_channel_free(k->channel);
    timer_stop(k->retry);
    timer_stop(k->heartbeat);
    timer_stop(k->silence);
    tls_ctx_free(k->tls);
    for (size_t i = 0; i < k->waiting.n; i++)
        strbuf_done(&k->waiting.at[i]);
    vec_done(&k->waiting);
    free(k);
}

bool link_up(const Link *k)
{
    return k->up;
}

void link_health(Link *k, const InstanceHealth *h)
{
    if (k->up)
        send_up(k, &(SidecarUp){.id = "", .kind = SIDECAR_UP_HEALTH, .health = *h});
}

void link_answer(Link *k, const char *id, const CommandResult *r)
{
    if (k->up)
        send_up(k, &(SidecarUp){.id = id, .kind = SIDECAR_UP_RESULT, .result = *r});
}

void link_event(Link *k, Severity severity, const char *kind, const char *message)
{
    log_write(severity >= SEV_ERROR     ? LOG_ERROR
              : severity == SEV_WARNING ? LOG_WARN
                                        : LOG_INFO,
              "event", message, "kind=%s", kind);
    if (!k->channel)
        return;
    SidecarUp up = {.id = "",
                    .kind = SIDECAR_UP_EVENT,
                    .event = {.at_us = clock_wall_us(),
                              .severity = severity,
                              .kind = kind,
                              .cluster_name = k->cfg->cluster,
                              .ns = k->cfg->ns,
                              .pod_name = k->cfg->pod,
                              .message = message,
                              .operation_id = "",
                              .source = "sidecar"}};
    StrBuf b = {0};
    wire_sidecar_up_encode(&up, &b);
    if (k->waiting.n >= EVENTS_MAX) {
        if (!k->sent)
            log_warn("link", "an event was dropped: too many wait for the satellite", "%s", "");
        drop_event(k);
    }
    vec_push(&k->waiting, b);
    if (k->up)
        flush_events(k);
}

bool link_decision(Link *k, const DecisionRecord *d)
{
    if (!k->up)
        return false;
    AUTO_ARENA a = arena_new_sized(1024);
    SidecarUp up = {.id = "",
                    .kind = SIDECAR_UP_EVENT,
                    .event = {.at_us = d->at_us,
                              .severity = SEV_INFO,
                              .kind = DECISION_EVENT,
                              .cluster_name = k->cfg->cluster,
                              .ns = k->cfg->ns,
                              .pod_name = k->cfg->pod,
                              .message = d->did,
                              .operation_id = "",
                              .source = "sidecar",
                              .data = decision_to_map(a, d)}};
    send_up(k, &up);
    return true;
}
