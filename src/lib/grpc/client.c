#include "grpc/client.h"

#include "core/limits.h"
#include "grpc/stream_priv.h"
#include "grpc/text.h"
#include "loop/stream.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    TICK_MS = 1000,
    CONNECT_MS = 5 * 1000,
    KEEPALIVE_MS = 30 * 1000,
    NAME_LEN = 256,
    STATUS_TEXT = 512,
    LATE_MS = 10,
};

/* One connection. The channel has at most one that takes calls (`link`); older ones, which said
 * GOAWAY, live until their last call ended. */
typedef struct GrpcLink {
    GrpcChannel *ch; /* NULL: the channel is gone */
    struct GrpcLink *prev, *next;
    Conn *conn;
    H2 *h2; /* NULL until the handshake is done */
} GrpcLink;

struct GrpcChannel {
    Loop *loop;
    char *target, *server_name;
    TlsCtx *tls;
    uint64_t connect_ms, keepalive_ms;
    size_t max_message;
    Dial *dial;
    GrpcLink *links, *link;
    StreamList streams; /* those without an h2 wait for the link */
    Timer *tick, *connect_timer;
};

/* ---- a call, as the client plays it ---- */

static const GrpcClientHandler *handler_of(const GrpcStream *s)
{
    return s->handler;
}

static void client_message(GrpcStream *s, StrView msg)
{
    if (handler_of(s)->on_message)
        handler_of(s)->on_message(s->ctx, s, msg);
}

/* What the server said last was its status; a server that is done needs no more of us. */
static void client_half_close(GrpcStream *s)
{
    call_verdict(s, GRPC_INTERNAL, "the server ended the call without a status");
    if (s->h2 && !s->sent_end)
        h2_reset(s->h2, H2_NO_ERROR);
    call_end(s);
}

static void client_drain(GrpcStream *s)
{
    if (handler_of(s)->on_drain)
        handler_of(s)->on_drain(s->ctx, s);
}

static void client_fail(GrpcStream *s, GrpcCode code, const char *message)
{
    s->has_status = false; /* ours, even when the server's came already */
    free(s->message);
    s->message = NULL;
    call_verdict(s, code, message);
    s->broken = true;
    if (s->h2)
        h2_reset(s->h2, H2_CANCEL);
    call_end(s);
}

static void client_end(GrpcStream *s)
{
    handler_of(s)->on_end(s->ctx, s, s->code, s->message);
}

static const StreamRole CLIENT_ROLE = {
    .on_message = client_message,
    .on_half_close = client_half_close,
    .on_drain = client_drain,
    .fail = client_fail,
    .on_end = client_end,
};

/* ---- answers arrive ---- */

static void take_status(GrpcStream *s, const H2Headers *h)
{
    AUTO_ARENA a = arena_new();
    StrView status = h2_header(h, "grpc-status");
    if (status.p)
        call_verdict(s, grpc_code_parse(status),
                     grpc_message_decode(a, h2_header(h, "grpc-message")));
}

/* Not an answer of gRPC: a proxy's, say. */
static bool foreign_answer(GrpcStream *s, const H2Headers *h)
{
    StrView status = h2_header(h, ":status"), type = h2_header(h, "content-type");
    char text[STATUS_TEXT];
    if (sv_eqs(status, "200") && grpc_content_type_ok(type))
        return false;
    if (h2_header(h, "grpc-status").p) {
        take_status(s, h);
        return false;
    }
    char digits[8];
    snprintf(digits, sizeof digits, SV_FMT, SV_ARG(status));
    snprintf(text, sizeof text, "the answer is HTTP %s, content-type '%.100s', not gRPC", digits,
             type.n ? type.p : "");
    uint64_t code = 0;
    str_to_u64(digits, &code);
    client_fail(s, grpc_code_from_http((int)code), text);
    return true;
}

static void on_headers(void *ctx, H2Stream *h2, H2Block block, const H2Headers *h, bool end)
{
    (void)ctx;
    GrpcStream *s = h2_stream_data(h2);
    if (!s)
        return;
    call_ref(s);
    bool foreign = block == H2_RESPONSE && foreign_answer(s, h);
    if (!foreign) {
        call_take_meta(s, h);
        s->framer.gzip = s->framer.gzip || sv_eqs(h2_header(h, "grpc-encoding"), "gzip");
        if (block == H2_TRAILERS || end)
            take_status(s, h);
        else if (handler_of(s)->on_headers)
            handler_of(s)->on_headers(s->ctx, s);
    }
    call_unref(s);
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
        client_drain(s);
        call_unref(s);
    }
}

static void on_close(void *ctx, H2Stream *h2, int h2_error)
{
    (void)ctx;
    GrpcStream *s = h2_stream_data(h2);
    char text[64];
    if (!s)
        return;
    s->h2 = NULL;
    if (s->half_closed && !s->half_close_told && s->has_status)
        return; /* all is here; the user paused and takes the rest when it likes */
    /* The server's clock may be first to see that the deadline has passed. */
    bool late = h2_error == H2_CANCEL && grpc_stream_time_left_ms(s) <= LATE_MS;
    if (late)
        snprintf(text, sizeof text, "deadline exceeded");
    else if (h2_error == H2_LINK_LOST)
        snprintf(text, sizeof text, "the connection was lost");
    else
        snprintf(text, sizeof text, "the server reset the call (HTTP/2 error %d)", h2_error);
    call_verdict(s, late ? GRPC_DEADLINE_EXCEEDED : grpc_code_from_h2(h2_error), text);
    call_end(s);
}

/* ---- calls begin ---- */

/* The deadline counts from grpc_open, so what is left of it is sent. */
static void add_timeout(Arena *a, FieldList *f, const GrpcStream *s)
{
    if (!s->deadline)
        return;
    char *text = arena_alloc(a, GRPC_TIMEOUT_LEN + 1);
    grpc_timeout_format(text, grpc_stream_time_left_ms(s));
    call_add_field(f, "grpc-timeout", sv(text));
}

static void start_call(GrpcChannel *ch, GrpcStream *s)
{
    AUTO_ARENA a = arena_new();
    FieldList f = {0};
    call_add_field(&f, ":method", SV("POST"));
    call_add_field(&f, ":scheme", ch->tls ? SV("https") : SV("http"));
    call_add_field(&f, ":path", sv(s->path));
    call_add_field(&f, ":authority", sv(ch->server_name));
    call_add_field(&f, "te", SV("trailers"));
    call_add_field(&f, "content-type", SV("application/grpc"));
    call_add_field(&f, "user-agent", SV("pg-swarm/" PGSWARM_VERSION));
    add_timeout(a, &f, s);
    for (size_t i = 0; i < s->sent_meta.n; i++)
        call_add_meta_field(a, &f, s->sent_meta.at[i].name, s->sent_meta.at[i].value);
    s->h2 = h2_request(ch->link->h2, f.at, f.n, s->sent_end && s->early.n == 0);
    vec_done(&f);
    if (!s->h2) {
        call_verdict(s, GRPC_UNAVAILABLE, "the connection takes no more calls");
        call_end_later(s);
        return;
    }
    h2_stream_set_data(s->h2, s);
    if (s->early.n) {
        h2_send(s->h2, (StrView){0}, sv_n(s->early.p, s->early.n));
        strbuf_done(&s->early);
        s->early_n = 0;
        if (s->sent_end)
            h2_send_end(s->h2);
    }
}

static GrpcStream *waiting_call(GrpcChannel *ch)
{
    GrpcStream *oldest = NULL;
    for (GrpcStream *s = ch->streams.first; s; s = s->next)
        if (!s->h2 && !s->end_due && !s->half_closed)
            oldest = s;
    return oldest;
}

static void fail_waiting(GrpcChannel *ch, const char *why)
{
    for (GrpcStream *s; (s = waiting_call(ch));) {
        call_verdict(s, GRPC_UNAVAILABLE, why);
        call_end_later(s);
    }
}

/* ---- the link ---- */

static void link_free(GrpcLink *k)
{
    GrpcChannel *ch = k->ch;
    if (ch) {
        if (ch->link == k)
            ch->link = NULL;
        if (k->prev)
            k->prev->next = k->next;
        else
            ch->links = k->next;
        if (k->next)
            k->next->prev = k->prev;
        if (!ch->links) {
            timer_stop(ch->tick);
            ch->tick = NULL;
        }
    }
    free(k);
}

static void on_link_end(void *ctx, const Error *err)
{
    GrpcLink *k = ctx;
    GrpcChannel *ch = k->ch;
    bool never_up = !k->h2;
    char why[sizeof err->msg];
    snprintf(why, sizeof why, "%s", err ? err->msg : "the connection was closed");
    bool current = ch && ch->link == k;
    link_free(k);
    if (!current)
        return;
    timer_stop(ch->connect_timer);
    ch->connect_timer = NULL;
    if (never_up)
        fail_waiting(ch, why);
}

static void on_goaway(void *ctx, int h2_error, StrView debug)
{
    GrpcLink *k = ctx;
    GrpcChannel *ch = k->ch;
    if (!ch)
        return;
    if (h2_error == H2_ENHANCE_YOUR_CALM && sv_eqs(debug, "too_many_pings"))
        ch->keepalive_ms *= 2;
    if (ch->link == k)
        ch->link = NULL; /* the next call dials anew */
}

static const H2Events H2_EVENTS = {
    .on_headers = on_headers,
    .on_data = on_data,
    .on_half_close = on_half_close,
    .on_drain = on_drain,
    .on_close = on_close,
    .on_goaway = on_goaway,
    .on_end = on_link_end,
};

static void on_tick(void *ctx)
{
    GrpcChannel *ch = ctx;
    uint64_t now = loop_now(ch->loop);
    for (GrpcLink *k = ch->links, *next; k; k = next) {
        next = k->next;
        if (k->h2)
            h2_tick(k->h2, now);
    }
}

static void on_link_open(void *ctx)
{
    GrpcLink *k = ctx;
    GrpcChannel *ch = k->ch;
    if (!ch)
        return;
    timer_stop(ch->connect_timer);
    ch->connect_timer = NULL;
    if (ch->tls && !str_eq(conn_alpn(k->conn), "h2")) {
        fail_waiting(ch, "the server does not speak HTTP/2");
        conn_close(k->conn);
        return;
    }
    H2Config cfg = {.client = true, .keepalive_ms = ch->keepalive_ms};
    k->h2 = h2_attach(k->conn, &cfg, &H2_EVENTS, k, (StrView){0});
    for (GrpcStream *s; (s = waiting_call(ch));)
        start_call(ch, s);
}

static void on_early_read(void *ctx, const char *p, size_t n)
{
    (void)ctx, (void)p, (void)n; /* h2_attach took over before anything is read */
}

static void on_connect_timeout(void *ctx)
{
    GrpcChannel *ch = ctx;
    char why[NAME_LEN + 64];
    snprintf(why, sizeof why, "connect to %s: no TLS in time", ch->target);
    timer_stop(ch->connect_timer);
    ch->connect_timer = NULL;
    fail_waiting(ch, why);
    Conn *c = ch->link->conn;
    ch->link = NULL;
    conn_close(c);
}

static void on_dialled(void *ctx, const Error *err, Stream *stream)
{
    static const ConnEvents events = {
        .on_open = on_link_open, .on_read = on_early_read, .on_close = on_link_end};
    GrpcChannel *ch = ctx;
    ch->dial = NULL;
    if (err) {
        fail_waiting(ch, err->msg);
        return;
    }
    GrpcLink *k = xnew(GrpcLink);
    k->ch = ch;
    k->next = ch->links;
    if (k->next)
        k->next->prev = k;
    ch->links = ch->link = k;
    if (!ch->tick)
        ch->tick = timer_start(ch->loop, TICK_MS, TICK_MS, on_tick, ch);
    ch->connect_timer = timer_start(ch->loop, ch->connect_ms, 0, on_connect_timeout, ch);
    k->conn = conn_client(stream, ch->tls, ch->server_name, &events, k);
}

/* Have a link, or be on the way to one. True: it is up. */
static bool need_link(GrpcChannel *ch)
{
    if (ch->link && ch->link->h2 && !h2_takes_streams(ch->link->h2))
        ch->link = NULL;
    if (ch->link)
        return ch->link->h2 != NULL;
    if (!ch->dial)
        ch->dial = stream_dial(ch->loop, ch->target, ch->connect_ms, on_dialled, ch);
    return false;
}

/* ---- the channel ---- */

/* "host:port" to "host", "[v6]:port" to "v6"; a unix socket has no name of its own. */
static char *host_of(const char *target)
{
    const char *colon = strrchr(target, ':');
    if (str_starts(target, "unix:") || !colon)
        return xstrdup("localhost");
    size_t n = (size_t)(colon - target);
    if (n >= 2 && target[0] == '[' && target[n - 1] == ']')
        return xstrndup(target + 1, n - 2);
    return xstrndup(target, n);
}

GrpcChannel *grpc_channel_new(Loop *l, const GrpcChannelConfig *cfg)
{
    GrpcChannel *ch = xnew(GrpcChannel);
    ch->loop = l;
    ch->target = xstrdup(cfg->target);
    ch->server_name = cfg->server_name ? xstrdup(cfg->server_name) : host_of(cfg->target);
    ch->tls = cfg->tls;
    ch->connect_ms = cfg->connect_timeout_ms ? cfg->connect_timeout_ms : CONNECT_MS;
    ch->keepalive_ms = cfg->keepalive_ms ? cfg->keepalive_ms : KEEPALIVE_MS;
    ch->max_message = cfg->max_message ? cfg->max_message : LIMIT_GRPC_MESSAGE;
    return ch;
}

void grpc_channel_free(GrpcChannel *c)
{
    if (!c)
        return;
    dial_cancel(c->dial);
    timer_stop(c->connect_timer);
    timer_stop(c->tick);
    while (c->streams.first) {
        call_verdict(c->streams.first, GRPC_CANCELLED, "the channel is closed");
        call_end(c->streams.first);
    }
    for (GrpcLink *k = c->links, *next; k; k = next) {
        next = k->next;
        k->ch = NULL;
        conn_close(k->conn);
    }
    free(c->target);
    free(c->server_name);
    free(c);
}

GrpcStream *grpc_open(GrpcChannel *c, const GrpcCallSpec *spec, const GrpcClientHandler *h,
                      void *ctx)
{
    GrpcStream *s = call_new(&CLIENT_ROLE, c->loop, &c->streams, c->max_message);
    s->owner = c;
    s->handler = h;
    s->ctx = ctx;
    s->path = s->path_copy = xstrdup(spec->path);
    for (const GrpcMeta *m = spec->meta; m && m->name; m++)
        grpc_stream_reply_meta(s, *m, false);
    call_set_deadline(s, spec->timeout_ms ? spec->timeout_ms : UINT64_MAX);
    if (need_link(c))
        start_call(c, s);
    return s;
}

void grpc_stream_half_close(GrpcStream *s)
{
    if (s->ended || s->sent_end)
        return;
    s->sent_end = true;
    if (s->h2)
        h2_send_end(s->h2);
}

/* ---- unary calls ---- */

typedef struct Unary {
    GrpcUnaryFn done;
    void *ctx;
    StrBuf reply;
    unsigned replies;
} Unary;

static void unary_message(void *ctx, GrpcStream *s, StrView msg)
{
    Unary *u = ctx;
    (void)s;
    if (u->replies++ == 0)
        strbuf_add(&u->reply, msg.p, msg.n);
}

static void unary_end(void *ctx, GrpcStream *s, GrpcCode code, const char *message)
{
    Unary *u = ctx;
    (void)s;
    if (code == GRPC_OK && u->replies != 1) {
        code = GRPC_INTERNAL;
        message = u->replies ? "more than one answer to a unary call" : "no answer to a unary call";
    }
    u->done(u->ctx, code, message, code == GRPC_OK ? sv_n(u->reply.p, u->reply.n) : (StrView){0});
    strbuf_done(&u->reply);
    free(u);
}

GrpcStream *grpc_unary(GrpcChannel *c, const GrpcCallSpec *spec, StrView request, GrpcUnaryFn done,
                       void *ctx)
{
    static const GrpcClientHandler handler = {.on_message = unary_message, .on_end = unary_end};
    Unary *u = xnew(Unary);
    u->done = done;
    u->ctx = ctx;
    GrpcStream *s = grpc_open(c, spec, &handler, u);
    Error err;
    if (grpc_stream_send(s, request, &err)) {
        call_verdict(s, GRPC_RESOURCE_EXHAUSTED, err.msg);
        grpc_stream_cancel(s);
    }
    grpc_stream_half_close(s);
    return s;
}
