#include "net/ws.h"

#include "core/ident.h"
#include <openssl/sha.h>
#include <stdlib.h>
#include <wslay/wslay.h>

struct Ws {
    wslay_event_context_ptr wslay;
    WsEvents ev;
    void *ctx;
    StrView in;  /* what ws_recv was given, while it runs */
    StrBuf *out; /* where ws_pull wants it, while it runs */
    unsigned fragments;
    bool client, receiving, closing, failed, told, freed;
};

static ssize_t on_recv(wslay_event_context_ptr c, uint8_t *buf, size_t len, int flags, void *ctx)
{
    Ws *w = ctx;
    (void)flags;
    if (w->in.n == 0 || w->freed) {
        wslay_event_set_error(c, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = len < w->in.n ? len : w->in.n;
    memcpy(buf, w->in.p, n);
    w->in.p += n;
    w->in.n -= n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr c, const uint8_t *data, size_t len, int flags,
                       void *ctx)
{
    Ws *w = ctx;
    (void)c, (void)flags;
    strbuf_add(w->out, data, len);
    return (ssize_t)len;
}

static int on_mask(wslay_event_context_ptr c, uint8_t *buf, size_t len, void *ctx)
{
    (void)c, (void)ctx;
    random_bytes(buf, len);
    return 0;
}

static void on_frame(wslay_event_context_ptr c, const struct wslay_event_on_frame_recv_start_arg *f,
                     void *ctx)
{
    Ws *w = ctx;
    (void)c;
    if (wslay_is_ctrl_frame(f->opcode))
        return;
    w->fragments = f->opcode == WSLAY_CONTINUATION_FRAME ? w->fragments + 1 : 1;
    if (w->fragments > WS_MAX_FRAGMENTS) {
        ws_close(w, WS_POLICY, "more than 64 fragments");
        wslay_event_shutdown_read(w->wslay);
    }
}

static void on_msg(wslay_event_context_ptr c, const struct wslay_event_on_msg_recv_arg *m,
                   void *ctx)
{
    Ws *w = ctx;
    (void)c;
    if (!wslay_is_ctrl_frame(m->opcode) && !w->freed && !w->closing)
        w->ev.on_message(w->ctx, m->msg_length ? (const char *)m->msg : "", m->msg_length,
                         m->opcode == WSLAY_BINARY_FRAME);
}

Ws *ws_new(bool client, size_t max_message, const WsEvents *ev, void *ctx)
{
    static const struct wslay_event_callbacks CALLBACKS = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .genmask_callback = on_mask,
        .on_frame_recv_start_callback = on_frame,
        .on_msg_recv_callback = on_msg,
    };
    Ws *w = xnew(Ws);
    w->ev = *ev;
    w->ctx = ctx;
    w->client = client;
    int rc = client ? wslay_event_context_client_init(&w->wslay, &CALLBACKS, w)
                    : wslay_event_context_server_init(&w->wslay, &CALLBACKS, w);
    if (rc)
        BUG("wslay gives no context: %d", rc);
    wslay_event_config_set_max_recv_msg_length(w->wslay, max_message);
    return w;
}

static void release(Ws *w)
{
    wslay_event_context_free(w->wslay);
    free(w);
}

void ws_free(Ws *w)
{
    if (!w)
        return;
    w->freed = true;
    if (!w->receiving)
        release(w);
}

void ws_recv(Ws *w, const char *p, size_t n)
{
    if (w->receiving || w->failed)
        return;
    w->receiving = true;
    w->in = (StrView){p, n};
    if (wslay_event_recv(w->wslay))
        w->failed = true;
    w->in = (StrView){0};
    w->receiving = false;
    if (w->freed)
        release(w);
}

void ws_pull(Ws *w, StrBuf *out)
{
    /* Some breaches (control frames in pieces, or long ones) wslay gives up on with a close frame
     * that names no reason; ours names it. */
    static const unsigned char CLOSE[] = {0x88, 0x02, WS_PROTOCOL >> 8, WS_PROTOCOL & 0xff};
    static const unsigned char MASKED[] = {
        0x88, 0x82, 0, 0, 0, 0, WS_PROTOCOL >> 8, WS_PROTOCOL & 0xff};
    w->out = out;
    if (!w->failed && wslay_event_send(w->wslay))
        w->failed = true;
    w->out = NULL;
    if (w->failed && !w->told && !wslay_event_get_close_sent(w->wslay))
        strbuf_add(out, w->client ? MASKED : CLOSE, w->client ? sizeof MASKED : sizeof CLOSE);
    w->told = w->told || w->failed;
}

bool ws_over(const Ws *w)
{
    if (w->failed)
        return w->told;
    return (!wslay_event_want_write(w->wslay) &&
            (wslay_event_get_close_sent(w->wslay) || !wslay_event_want_read(w->wslay)));
}

void ws_send(Ws *w, const void *p, size_t n, bool binary)
{
    struct wslay_event_msg msg = {binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME, p, n};
    wslay_event_queue_msg(w->wslay, &msg);
}

void ws_ping(Ws *w)
{
    struct wslay_event_msg msg = {WSLAY_PING, (const uint8_t *)"", 0};
    wslay_event_queue_msg(w->wslay, &msg);
}

void ws_close(Ws *w, int code, const char *reason)
{
    size_t n = reason ? strlen(reason) : 0;
    w->closing = true;
    wslay_event_queue_close(w->wslay, (uint16_t)code, (const uint8_t *)str_or(reason, ""),
                            n < 123 ? n : 123);
}

int ws_close_code(const Ws *w)
{
    return wslay_event_get_close_received(w->wslay) ? wslay_event_get_status_code_received(w->wslay)
                                                    : 0;
}

bool ws_accept_key(const char *key, char ret[WS_ACCEPT_LEN + 1])
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    AUTO_ARENA a = arena_new_sized(512);
    size_t n = 0;
    unsigned char sha[SHA_DIGEST_LENGTH];
    if (strlen(key) != 24 || !base64_decode(a, key, 24, &n) || n != 16)
        return false;
    const char *both = arena_printf(a, "%s%s", key, GUID);
    SHA1((const unsigned char *)both, strlen(both), sha);
    memcpy(ret, base64_encode(a, sha, sizeof sha), WS_ACCEPT_LEN + 1);
    return true;
}
