#include "grpc/server.h"

#include "core/limits.h"
#include "grpc/health.h"
#include "grpc/stream_priv.h"
#include "grpc/text.h"
#include "loop/stream.h"
#include <stdlib.h>

enum {
    DEADLINE_SLACK_MS = 50,
    TICK_MS = 1000,
    MIN_PING_MS = 10 * 1000,
    MAX_CONNS = 10 * 1000,
    DRAIN_STEP_MS = 100,
    NOTICE_MS = 1000, /* between the two GOAWAYs: more than a round trip */
};

typedef struct GrpcConn {
    GrpcServer *srv;
    struct GrpcConn *prev, *next;
    Conn *conn;
    H2 *h2; /* NULL until the handshake is done */
    StreamList streams;
} GrpcConn;

struct GrpcServer {
    Loop *loop;
    GrpcServerConfig cfg;
    Listener *listener;
    int port;
    GrpcServerStats stats;
    GrpcHealth *health;
    GrpcConn *conns;
    Timer *tick, *drain;
    uint64_t drain_began, drain_grace_ms;
    bool draining, second_goaway, freed;
    void (*drained)(void *ctx);
    void *drained_ctx;
};

/* ---- answering ---- */

static const H2Field CONTENT_TYPE = {{"content-type", 12}, {"application/grpc", 16}};

static void add_reply_meta(Arena *a, FieldList *f, const GrpcStream *s, bool trailing)
{
    for (size_t i = 0; s && i < s->sent_meta.n; i++)
        if (s->sent_meta.at[i].trailing == trailing)
            call_add_meta_field(a, f, s->sent_meta.at[i].name, s->sent_meta.at[i].value);
}

static void add_status(Arena *a, FieldList *f, GrpcCode code, const char *message)
{
    call_add_field(f, "grpc-status", sv(arena_printf(a, "%d", (int)code)));
    if (!str_empty(message))
        call_add_field(f, "grpc-message", sv(grpc_message_encode(a, message)));
}

void grpc_stream_accept(GrpcStream *s)
{
    if (s->headers_sent || s->sent_end || !s->h2)
        return;
    AUTO_ARENA a = arena_new();
    FieldList f = {0};
    s->headers_sent = true;
    call_add_field(&f, ":status", SV("200"));
    vec_push(&f, CONTENT_TYPE);
    add_reply_meta(a, &f, s, false);
    h2_respond(s->h2, f.at, f.n, false);
    vec_done(&f);
}

/* Headers and status in one block: the call ends before it began. s may be NULL. */
static void trailers_only(H2Stream *h2, GrpcStream *s, GrpcCode code, const char *message)
{
    AUTO_ARENA a = arena_new();
    FieldList f = {0};
    call_add_field(&f, ":status", SV("200"));
    vec_push(&f, CONTENT_TYPE);
    add_reply_meta(a, &f, s, false);
    add_reply_meta(a, &f, s, true);
    add_status(a, &f, code, message);
    if (code == GRPC_UNIMPLEMENTED)
        call_add_field(&f, "grpc-accept-encoding", SV("identity,gzip"));
    h2_respond(h2, f.at, f.n, true);
    vec_done(&f);
}

static void send_trailers(GrpcStream *s, GrpcCode code, const char *message)
{
    AUTO_ARENA a = arena_new();
    FieldList f = {0};
    add_status(a, &f, code, message);
    add_reply_meta(a, &f, s, true);
    h2_send_trailers(s->h2, f.at, f.n);
    vec_done(&f);
}

void grpc_stream_finish(GrpcStream *s, GrpcCode code, const char *message)
{
    if (s->ended || s->sent_end || !s->h2)
        return;
    call_verdict(s, code, message);
    s->sent_end = s->broken = true;
    if (code == GRPC_RESOURCE_EXHAUSTED && call_queue_full(s)) {
        h2_reset(s->h2, H2_ENHANCE_YOUR_CALM);
        call_end_later(s);
    } else if (s->headers_sent) {
        send_trailers(s, code, message);
    } else {
        trailers_only(s->h2, s, code, message);
    }
}

static void reject_http(H2Stream *h2, const char *status)
{
    const H2Field f[] = {{SV(":status"), sv(status)}};
    h2_respond(h2, f, 1, true);
}

/* ---- a call, as the server plays it ---- */

static const GrpcHandler *handler_of(const GrpcStream *s)
{
    return s->handler;
}

static void server_message(GrpcStream *s, StrView msg)
{
    if (handler_of(s)->on_message)
        handler_of(s)->on_message(s->ctx, s, msg);
}

static void server_half_close(GrpcStream *s)
{
    if (handler_of(s)->on_half_close)
        handler_of(s)->on_half_close(s->ctx, s);
}

static void server_drain_queue(GrpcStream *s)
{
    if (handler_of(s)->on_drain)
        handler_of(s)->on_drain(s->ctx, s);
}

/* Past its deadline nobody waits for an answer; otherwise the client learns why. */
static void server_fail(GrpcStream *s, GrpcCode code, const char *message)
{
    if (code != GRPC_DEADLINE_EXCEEDED) {
        grpc_stream_finish(s, code, message);
        return;
    }
    call_verdict(s, code, message);
    s->broken = true;
    if (s->h2)
        h2_reset(s->h2, H2_CANCEL);
    call_end(s);
}

static void server_end(GrpcStream *s)
{
    s->stats->streams_open--;
    if (handler_of(s)->on_end)
        handler_of(s)->on_end(s->ctx, s, s->code);
}

static const StreamRole SERVER_ROLE = {
    .on_message = server_message,
    .on_half_close = server_half_close,
    .on_drain = server_drain_queue,
    .fail = server_fail,
    .on_end = server_end,
};

/* ---- a request arrives ---- */

static const GrpcMethod *find(const GrpcMethod *m, StrView path)
{
    for (; m && m->path; m++)
        if (sv_eqs(path, m->path))
            return m;
    return NULL;
}

/* The method and its context, or NULL after the request was turned away. */
static const GrpcMethod *admit(GrpcServer *srv, H2Stream *h2, const H2Headers *h, void **ret_ctx)
{
    if (!sv_eqs(h2_header(h, ":method"), "POST")) {
        reject_http(h2, "405");
        return NULL;
    }
    if (!grpc_content_type_ok(h2_header(h, "content-type"))) {
        reject_http(h2, "415");
        return NULL;
    }
    StrView encoding = h2_header(h, "grpc-encoding");
    const GrpcMethod *m = find(srv->cfg.methods, h2_header(h, ":path"));
    *ret_ctx = m ? m->ctx : srv->health;
    if (!m)
        m = find(grpc_health_methods(), h2_header(h, ":path"));
    if (h->too_large)
        trailers_only(h2, NULL, GRPC_RESOURCE_EXHAUSTED, "request headers are too large");
    else if (!m)
        trailers_only(h2, NULL, GRPC_UNIMPLEMENTED, "unknown method");
    else if (encoding.n && !sv_eqs(encoding, "identity") && !sv_eqs(encoding, "gzip"))
        trailers_only(h2, NULL, GRPC_UNIMPLEMENTED, "grpc-encoding: identity or gzip");
    else
        return m;
    return NULL;
}

static void open_stream(GrpcConn *c, H2Stream *h2, const H2Headers *h)
{
    GrpcServer *srv = c->srv;
    void *method_ctx;
    const GrpcMethod *m = admit(srv, h2, h, &method_ctx);
    if (!m)
        return;
    uint64_t timeout = UINT64_MAX;
    StrView text = h2_header(h, "grpc-timeout");
    if (text.n && !grpc_timeout_parse(text, &timeout)) {
        trailers_only(h2, NULL, GRPC_INTERNAL, "grpc-timeout is malformed");
        return;
    }
    GrpcStream *s = call_new(&SERVER_ROLE, srv->loop, &c->streams, srv->cfg.max_message);
    s->h2 = h2;
    s->owner = c;
    s->handler = &m->handler;
    s->ctx = method_ctx;
    s->path = m->path;
    s->stats = &srv->stats;
    s->framer.gzip = sv_eqs(h2_header(h, "grpc-encoding"), "gzip");
    h2_stream_set_data(h2, s);
    call_take_meta(s, h);
    /* The client began to count earlier, but wrote the time down rounded: its own clock comes
     * first, or it is told CANCELLED where it would have said that the deadline is over. */
    call_set_deadline(s, timeout < UINT64_MAX - DEADLINE_SLACK_MS ? timeout + DEADLINE_SLACK_MS
                                                                  : timeout);
    srv->stats.streams_open++;
    srv->stats.streams_total++;
    if (m->handler.on_open) {
        call_ref(s);
        m->handler.on_open(s->ctx, s);
        call_unref(s);
    }
}

static void on_headers(void *ctx, H2Stream *h2, H2Block block, const H2Headers *h, bool end)
{
    (void)end;
    GrpcConn *c = ctx;
    if (block == H2_REQUEST && !c->srv->freed)
        open_stream(c, h2, h);
}

static void on_data(void *ctx, H2Stream *h2, const char *p, size_t n)
{
    (void)ctx;
    GrpcStream *s = h2_stream_data(h2);
    if (s)
        call_take_data(s, p, n);
    else
        h2_consume(h2, n);
}

static void on_half_close(void *ctx, H2Stream *h2)
{
    (void)ctx;
    GrpcStream *s = h2_stream_data(h2);
    if (s)
        call_take_half_close(s);
}

static void on_drain(void *ctx, H2Stream *h2)
{
    (void)ctx;
    GrpcStream *s = h2_stream_data(h2);
    if (s && !s->broken) {
        call_ref(s);
        s->role->on_drain(s);
        call_unref(s);
    }
}

static void on_close(void *ctx, H2Stream *h2, int h2_error)
{
    (void)ctx;
    GrpcStream *s = h2_stream_data(h2);
    if (!s)
        return;
    call_verdict(s, h2_error == H2_NO_ERROR ? GRPC_CANCELLED : grpc_code_from_h2(h2_error), "");
    call_end(s);
}

/* ---- connections ---- */

static void server_gone(GrpcServer *srv)
{
    grpc_health_free(srv->health);
    free(srv);
}

static void drain_done(GrpcServer *srv)
{
    void (*done)(void *) = srv->drained;
    srv->drained = NULL;
    timer_stop(srv->drain);
    srv->drain = NULL;
    if (done)
        done(srv->drained_ctx);
}

static void conn_gone(void *ctx, const Error *err)
{
    (void)err;
    GrpcConn *c = ctx;
    GrpcServer *srv = c->srv;
    if (c->prev)
        c->prev->next = c->next;
    else
        srv->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    srv->stats.conns_open--;
    free(c);
    if (srv->conns)
        return;
    if (srv->freed)
        server_gone(srv);
    else if (srv->draining)
        drain_done(srv);
}

static void on_bad_frame(void *ctx)
{
    GrpcConn *c = ctx;
    c->srv->stats.bad_frames++;
}

static const H2Events H2_EVENTS = {
    .on_headers = on_headers,
    .on_data = on_data,
    .on_half_close = on_half_close,
    .on_drain = on_drain,
    .on_close = on_close,
    .on_end = conn_gone,
    .on_bad_frame = on_bad_frame,
};

static void conn_opened(void *ctx)
{
    GrpcConn *c = ctx;
    GrpcServer *srv = c->srv;
    if (srv->freed || (srv->cfg.tls && !str_eq(conn_alpn(c->conn), "h2"))) {
        conn_close(c->conn);
        return;
    }
    H2Config cfg = {.min_ping_ms = srv->cfg.min_ping_ms, .keepalive_ms = srv->cfg.keepalive_ms};
    c->h2 = h2_attach(c->conn, &cfg, &H2_EVENTS, c, (StrView){0});
    if (srv->draining)
        h2_drain(c->h2);
}

static void on_early_read(void *ctx, const char *p, size_t n)
{
    (void)ctx, (void)p, (void)n; /* h2_attach took over before anything is read */
}

static void on_accept(void *ctx, Stream *s)
{
    GrpcServer *srv = ctx;
    static const ConnEvents events = {
        .on_open = conn_opened, .on_read = on_early_read, .on_close = conn_gone};
    GrpcConn *c = xnew(GrpcConn);
    c->srv = srv;
    c->next = srv->conns;
    if (c->next)
        c->next->prev = c;
    srv->conns = c;
    srv->stats.conns_open++;
    c->conn = conn_server(s, srv->cfg.tls, &events, c);
    if (srv->stats.conns_open > srv->cfg.max_conns)
        conn_close(c->conn);
}

static void on_tick(void *ctx)
{
    GrpcServer *srv = ctx;
    uint64_t now = loop_now(srv->loop);
    for (GrpcConn *c = srv->conns, *next; c; c = next) {
        next = c->next;
        if (c->h2)
            h2_tick(c->h2, now);
    }
}

/* ---- start and end ---- */

ErrCode grpc_server_start(Loop *l, const GrpcServerConfig *cfg, GrpcServer **ret, Error *err)
{
    GrpcServer *srv = xnew(GrpcServer);
    srv->loop = l;
    srv->cfg = *cfg;
    if (!srv->cfg.max_message)
        srv->cfg.max_message = LIMIT_GRPC_MESSAGE;
    if (!srv->cfg.min_ping_ms)
        srv->cfg.min_ping_ms = MIN_PING_MS;
    if (!srv->cfg.max_conns)
        srv->cfg.max_conns = MAX_CONNS;
    ErrCode rc = cfg->adopt_fd > 0
                     ? listener_adopt(l, cfg->adopt_fd, on_accept, srv, &srv->listener, err)
                     : listener_open(l, cfg->addr, on_accept, srv, &srv->listener, err);
    if (rc) {
        free(srv);
        return rc;
    }
    srv->port = listener_port(srv->listener);
    srv->health = grpc_health_new();
    grpc_health_set(srv->health, "", true);
    srv->tick = timer_start(l, TICK_MS, TICK_MS, on_tick, srv);
    *ret = srv;
    return ERR_OK;
}

int grpc_server_port(const GrpcServer *s)
{
    return s->port;
}

const GrpcServerStats *grpc_server_stats(const GrpcServer *s)
{
    return &s->stats;
}

void grpc_server_set_serving(GrpcServer *s, const char *service, bool serving)
{
    grpc_health_set(s->health, service, serving);
}

static void stop_listening(GrpcServer *srv)
{
    listener_close(srv->listener);
    srv->listener = NULL;
}

/* End so many streams now that at this pace all have ended when the grace is over. Calls whose
 * request is complete have until then to answer. */
static void end_some(GrpcServer *srv, uint64_t steps_left)
{
    uint64_t due = (srv->stats.streams_open + steps_left) / (steps_left + 1);
    for (GrpcConn *c = srv->conns; c && due; c = c->next)
        for (GrpcStream *s = c->streams.first, *next; s && due; s = next) {
            next = s->next;
            if (s->sent_end || (s->half_closed && steps_left))
                continue;
            grpc_stream_finish(s, GRPC_UNAVAILABLE, "the server is shutting down");
            due--;
        }
}

static void on_drain_step(void *ctx)
{
    GrpcServer *srv = ctx;
    uint64_t spent = loop_now(srv->loop) - srv->drain_began;
    uint64_t notice = srv->drain_grace_ms / 4 < NOTICE_MS ? srv->drain_grace_ms / 4 : NOTICE_MS;
    if (spent < notice)
        return;
    for (GrpcConn *c = srv->conns; c && !srv->second_goaway; c = c->next)
        if (c->h2)
            h2_drain(c->h2);
    srv->second_goaway = true;
    if (spent < srv->drain_grace_ms) {
        end_some(srv, (srv->drain_grace_ms - spent) / DRAIN_STEP_MS);
        return;
    }
    end_some(srv, 0);
    if (spent < srv->drain_grace_ms + NOTICE_MS) /* a moment for the last words */
        return;
    for (GrpcConn *c = srv->conns; c; c = c->next)
        conn_close(c->conn);
}

static void nobody_left(void *ctx)
{
    GrpcServer *srv = ctx;
    if (!srv->conns)
        drain_done(srv);
}

void grpc_server_drain(GrpcServer *s, uint64_t grace_ms, void (*done)(void *ctx), void *ctx)
{
    if (s->draining)
        return;
    s->draining = true;
    s->drained = done;
    s->drained_ctx = ctx;
    s->drain_began = loop_now(s->loop);
    s->drain_grace_ms = grace_ms;
    stop_listening(s);
    grpc_health_set(s->health, "", false);
    for (GrpcConn *c = s->conns; c; c = c->next)
        if (c->h2)
            h2_drain_notice(c->h2);
    s->drain = timer_start(s->loop, s->conns ? DRAIN_STEP_MS : 0, DRAIN_STEP_MS,
                           s->conns ? on_drain_step : nobody_left, s);
}

void grpc_server_free(GrpcServer *s)
{
    if (!s)
        return;
    s->freed = true;
    s->drained = NULL;
    stop_listening(s);
    timer_stop(s->tick);
    timer_stop(s->drain);
    s->tick = s->drain = NULL;
    for (GrpcConn *c = s->conns; c; c = c->next) {
        while (c->streams.first) {
            call_verdict(c->streams.first, GRPC_UNAVAILABLE, "the server is gone");
            call_end(c->streams.first);
        }
        conn_close(c->conn);
    }
    if (!s->conns)
        server_gone(s);
}
