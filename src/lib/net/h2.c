#include "core/limits.h"
#include "net/h2_priv.h"
#include <stdlib.h>

enum {
    MAX_STREAMS = 100,
    STREAM_WINDOW = 256 * 1024,
    CONN_WINDOW = 1024 * 1024,
    KEEPALIVE_MS = 30 * 1000,
    KEEPALIVE_TIMEOUT_MS = 20 * 1000,
    PING_STRIKES = 2,
    QUIET_PING_MS = 2 * 3600 * 1000, /* how often a peer without streams may ping */
    RESET_BURST = 100,               /* resets a peer may send, or make us send, at once... */
    RESET_PER_S = 10,                /* ...and in the long run */
    HEADER_LIMIT_HARD = 4,           /* times header_limit: the peer means harm */
};

void h2_wake(H2 *h)
{
    if (h->wake)
        h->wake(h->wake_ctx);
}

StrView h2_header(const H2Headers *h, const char *name)
{
    for (size_t i = 0; i < h->n; i++)
        if (sv_eqs(h->at[i].name, name))
            return h->at[i].value;
    return (StrView){0};
}

/* ---- header blocks ---- */

static void block_reset(HeaderBlock *b)
{
    strbuf_done(&b->text);
    vec_done(&b->fields);
    *b = (HeaderBlock){0};
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    H2 *h = user;
    block_reset(&h->block);
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        H2Stream *s = h2_stream_new(h, frame->hd.stream_id);
        nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, s);
    }
    return 0;
}

/* nghttp2 limits one field, not the list. */
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    (void)ng, (void)frame, (void)flags;
    H2 *h = user;
    HeaderBlock *b = &h->block;
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
    b->listed += n.len + v.len + 32;
    if (b->listed > h->cfg.header_limit || b->fields.n >= LIMIT_HTTP_HEADER_COUNT) {
        b->too_large = true;
        if (b->listed > HEADER_LIMIT_HARD * h->cfg.header_limit)
            h2_kill(h, H2_ENHANCE_YOUR_CALM, "header list too large");
        return 0;
    }
    FieldAt f = {(uint32_t)b->text.n, (uint32_t)n.len, (uint32_t)(b->text.n + n.len),
                 (uint32_t)v.len};
    strbuf_add(&b->text, n.base, n.len);
    strbuf_add(&b->text, v.base, v.len);
    vec_push(&b->fields, f);
    return 0;
}

static H2Block block_kind(H2Stream *s, const H2Headers *headers, bool *ret_interim)
{
    *ret_interim = false;
    if (!s->h->cfg.client) {
        bool first = !s->announced;
        s->announced = true;
        return first ? H2_REQUEST : H2_TRAILERS;
    }
    if (s->answered)
        return H2_TRAILERS;
    StrView status = h2_header(headers, ":status");
    *ret_interim = status.n && status.p[0] == '1';
    s->answered = !*ret_interim;
    return H2_RESPONSE;
}

static void got_headers(H2 *h, H2Stream *s, bool end)
{
    HeaderBlock *b = &h->block;
    H2Field *at = xcalloc(b->fields.n, sizeof *at);
    for (size_t i = 0; i < b->fields.n; i++) {
        const FieldAt *f = &b->fields.at[i];
        at[i].name = sv_n(b->text.p + f->name, f->name_n);
        at[i].value = sv_n(b->text.p + f->value, f->value_n);
    }
    H2Headers headers = {at, b->fields.n, b->too_large};
    bool interim;
    H2Block kind = block_kind(s, &headers, &interim);
    if (!interim && h->ev.on_headers)
        h->ev.on_headers(h->ctx, s, kind, &headers, end);
    free(at);
    block_reset(b);
}

/* ---- what arrives ---- */

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *user)
{
    (void)flags;
    H2 *h = user;
    H2Stream *s = nghttp2_session_get_stream_user_data(ng, id);
    if (!s)
        return 0;
    s->unconsumed += n;
    if (s->resetting || h->killed || !h->ev.on_data)
        h2_consume(s, n);
    else
        h->ev.on_data(h->ctx, s, (const char *)p, n);
    return 0;
}

/* PINGs must be rare, unless we sent something in between: grpc measures bandwidth with those. */
static void police_ping(H2 *h)
{
    uint64_t least = h->stream_count ? h->cfg.min_ping_ms : QUIET_PING_MS;
    h->stats.pings_in++;
    if (!h->cfg.min_ping_ms)
        return;
    if (h->last_ping_in && h->now - h->last_ping_in < least && ++h->ping_strikes > PING_STRIKES)
        h2_kill(h, H2_ENHANCE_YOUR_CALM, "too_many_pings");
    h->last_ping_in = h->now ? h->now : 1;
}

static void got_goaway(H2 *h, const nghttp2_goaway *g)
{
    if (h->ev.on_goaway)
        h->ev.on_goaway(h->ctx, (int)g->error_code,
                        sv_n((const char *)g->opaque_data, g->opaque_data_len));
}

static void got_end(H2 *h, H2Stream *s)
{
    s->remote_ended = true;
    if (h->ev.on_half_close && !s->resetting)
        h->ev.on_half_close(h->ctx, s);
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    H2 *h = user;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    H2Stream *s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (h->killed)
        return 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (s && !s->resetting)
            got_headers(h, s, end);
        if (s && end)
            got_end(h, s);
        break;
    case NGHTTP2_DATA:
        if (s && end)
            got_end(h, s);
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            h->ping_open = false;
        else
            police_ping(h);
        break;
    case NGHTTP2_RST_STREAM:
        h->stats.resets_in++;
        break;
    case NGHTTP2_GOAWAY:
        got_goaway(h, &frame->goaway);
        break;
    default:
        break;
    }
    return 0;
}

static void note_bad(H2 *h)
{
    h->stats.bad_frames++;
    if (h->ev.on_bad_frame)
        h->ev.on_bad_frame(h->ctx);
}

static int on_bad_frame(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *user)
{
    (void)ng, (void)frame, (void)code;
    note_bad(user);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
    (void)user;
    H2Stream *s = nghttp2_session_get_stream_user_data(ng, id);
    if (s)
        h2_stream_drop(s, s->refused ? H2_REFUSED_STREAM : (int)code);
    return 0;
}

/* ---- what leaves ---- */

/* A peer that makes us reset streams costs as much as one that resets them itself. */
static void count_reset_out(H2 *h)
{
    uint64_t back = (h->now - h->resets_since) * RESET_PER_S / 1000;
    if (back) {
        h->resets_out = back < h->resets_out ? h->resets_out - (unsigned)back : 0;
        h->resets_since = h->now;
    }
    if (++h->resets_out > RESET_BURST)
        h2_kill(h, H2_ENHANCE_YOUR_CALM, "too many stream errors");
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    H2 *h = user;
    H2Stream *s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        h->ping_strikes = 0;
        h->last_ping_in = 0;
        if (s)
            h2_stream_sent(s, frame);
        break;
    case NGHTTP2_RST_STREAM:
        if (!h->cfg.client && !(s && s->resetting) &&
            frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
            count_reset_out(h);
        break;
    case NGHTTP2_GOAWAY:
        h->goaway_out = h->killed;
        /* What ends the session at once (no frames at all, say) has no event of its own. */
        if (!h->killed && frame->goaway.error_code != NGHTTP2_NO_ERROR)
            note_bad(h);
        break;
    default:
        break;
    }
    return 0;
}

static int on_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *user)
{
    (void)user;
    H2Stream *s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (s && frame->hd.type == NGHTTP2_HEADERS &&
        (code == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED || code == NGHTTP2_ERR_SESSION_CLOSING))
        s->refused = true;
    return 0;
}

void h2_pump(H2 *h, size_t most, void (*sink)(void *arg, const void *p, size_t n), void *arg)
{
    const uint8_t *p;
    ssize_t n;
    size_t sent = 0;
    while (sent < most && !h->goaway_out && (n = nghttp2_session_mem_send(h->ng, &p)) != 0) {
        if (n < 0) {
            h->dead = true;
            return;
        }
        sink(arg, p, (size_t)n);
        sent += (size_t)n;
    }
}

bool h2_over(const H2 *h)
{
    if (h->dead || (h->killed && h->goaway_out))
        return true;
    return !nghttp2_session_want_read(h->ng) && !nghttp2_session_want_write(h->ng);
}

/* ---- the session ---- */

static nghttp2_session_callbacks *callbacks(void)
{
    static nghttp2_session_callbacks *cb;
    if (cb)
        return cb;
    if (nghttp2_session_callbacks_new(&cb))
        BUG("nghttp2 callbacks");
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_bad_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_not_sent);
    return cb;
}

static const nghttp2_option *options(void)
{
    static nghttp2_option *o;
    if (o)
        return o;
    if (nghttp2_option_new(&o))
        BUG("nghttp2 options");
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_stream_reset_rate_limit(o, RESET_BURST, RESET_PER_S);
    return o;
}

static void submit_settings(H2 *h)
{
    nghttp2_settings_entry all[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, h->cfg.stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)h->cfg.header_limit},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h->cfg.client ? 0 : h->cfg.max_streams},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    size_t n = sizeof all / sizeof *all - (h->cfg.client ? 0 : 1);
    if (nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, all, n))
        BUG("nghttp2 refuses our settings");
    nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0, (int32_t)h->cfg.conn_window);
}

static H2Config with_defaults(const H2Config *cfg)
{
    H2Config c = *cfg;
    c.max_streams = c.max_streams ? c.max_streams : MAX_STREAMS;
    c.stream_window = c.stream_window ? c.stream_window : STREAM_WINDOW;
    c.conn_window = c.conn_window ? c.conn_window : CONN_WINDOW;
    c.header_limit = c.header_limit ? c.header_limit : LIMIT_HTTP_HEADERS;
    c.keepalive_ms = c.keepalive_ms ? c.keepalive_ms : KEEPALIVE_MS;
    c.keepalive_timeout_ms = c.keepalive_timeout_ms ? c.keepalive_timeout_ms : KEEPALIVE_TIMEOUT_MS;
    return c;
}

H2 *h2_new(const H2Config *cfg, const H2Events *ev, void *ctx, void (*wake)(void *ctx))
{
    H2 *h = xnew(H2);
    h->cfg = with_defaults(cfg);
    h->ev = *ev;
    h->ctx = ctx;
    h->wake = wake;
    h->wake_ctx = ctx;
    int rc = cfg->client ? nghttp2_session_client_new2(&h->ng, callbacks(), h, options())
                         : nghttp2_session_server_new2(&h->ng, callbacks(), h, options());
    if (rc)
        BUG("nghttp2 session: %s", nghttp2_strerror(rc));
    submit_settings(h);
    return h;
}

void h2_free(H2 *h)
{
    if (!h)
        return;
    h->wake = NULL;
    h->dead = true; /* takes no streams any more */
    while (h->streams)
        h2_stream_drop(h->streams, H2_LINK_LOST);
    nghttp2_session_del(h->ng);
    block_reset(&h->block);
    strbuf_done(&h->first);
    free(h->err);
    free(h);
}

ErrCode h2_recv(H2 *h, const char *p, size_t n, uint64_t now_ms, Error *err)
{
    h->now = h->last_in = now_ms;
    if (h->killed || h->dead)
        return ERR_OK;
    ssize_t rc = nghttp2_session_mem_recv(h->ng, (const uint8_t *)p, n);
    if (rc < 0) {
        h->dead = true;
        note_bad(h);
        return err_set(err, ERR_MALFORMED, "HTTP/2: %s", nghttp2_strerror((int)rc));
    }
    if (nghttp2_session_want_write(h->ng))
        h2_wake(h);
    return ERR_OK;
}

static void to_buf(void *arg, const void *p, size_t n)
{
    strbuf_add(arg, p, n);
}

bool h2_pull(H2 *h, StrBuf *out, size_t most)
{
    h2_pump(h, most, to_buf, out);
    return !h2_over(h);
}

H2Stream *h2_request(H2 *h, const H2Field *f, size_t n, bool end)
{
    if (!h2_takes_streams(h))
        return NULL;
    H2Stream *s = h2_stream_new(h, 0);
    nghttp2_nv *nv = h2_nv(f, n);
    nghttp2_data_provider body = h2_provider(s);
    s->announced = true;
    s->ending = s->ended = end;
    s->id = nghttp2_submit_request(h->ng, NULL, nv, n, end ? NULL : &body, s);
    free(nv);
    if (s->id < 0) {
        s->announced = false;
        h2_stream_drop(s, H2_REFUSED_STREAM);
        return NULL;
    }
    h2_wake(h);
    return s;
}

bool h2_takes_streams(const H2 *h)
{
    return !h->killed && !h->dead && nghttp2_session_check_request_allowed(h->ng);
}

/* ---- keepalive and the end ---- */

static void lost(H2 *h)
{
    if (!h->err) {
        h->err = xnew(Error);
        err_set(h->err, ERR_UNAVAILABLE, "HTTP/2: no answer to a PING in %llu ms",
                (unsigned long long)h->cfg.keepalive_timeout_ms);
    }
    h->dead = true;
    if (h->conn)
        conn_close(h->conn);
}

void h2_tick(H2 *h, uint64_t now_ms)
{
    h->now = now_ms;
    if (h->killed || h->dead)
        return;
    if (h->ping_open) {
        uint64_t alive = h->last_in > h->ping_sent ? h->last_in : h->ping_sent;
        if (now_ms >= alive + h->cfg.keepalive_timeout_ms)
            lost(h);
        return;
    }
    /* Stock servers send a client away that pings without a stream. */
    if (now_ms < h->last_in + h->cfg.keepalive_ms || (h->cfg.client && !h->stream_count))
        return;
    h->ping_open = true;
    h->ping_sent = now_ms;
    nghttp2_submit_ping(h->ng, NGHTTP2_FLAG_NONE, NULL);
    h2_wake(h);
}

void h2_drain_notice(H2 *h)
{
    nghttp2_submit_shutdown_notice(h->ng);
    h2_wake(h);
}

void h2_drain(H2 *h)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->ng);
    nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    h2_wake(h);
}

void h2_kill(H2 *h, int h2_error, const char *debug)
{
    if (h->killed)
        return;
    h->killed = true;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->ng);
    nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, last, (uint32_t)h2_error,
                          (const uint8_t *)debug, strlen(debug));
    h2_wake(h);
}

size_t h2_stream_count(const H2 *h)
{
    return h->stream_count;
}

const H2Stats *h2_stats(const H2 *h)
{
    return &h->stats;
}
