#include "net/conn.h"

#include "core/limits.h"
#include "net/tls_priv.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

enum {
    HANDSHAKE_MS = 10 * 1000,
    LAST_WORDS_MS = 30 * 1000, /* for a slow peer to take what is queued when we end */
    LINGER_MS = 2 * 1000,      /* and then to close its side */
    TLS_RECORD = 16 * 1024,
    GATHER = 64 * 1024, /* output that is not held back until the end of the turn */
    KEEP = 2 * GATHER,  /* scratch memory that is kept */
};

/* Phases: opening (until on_open), open, ending (conn_shutdown: flush, say goodbye, wait shortly
 * for the peer's end, so that what it has not read yet is not lost to a reset), closing (the stream
 * is being closed; no event but on_close). A pending call_flush keeps the memory past on_close. */
struct Conn {
    Stream *s;
    Loop *loop;
    SSL *ssl;
    ConnEvents ev;
    void *ctx;
    StrBuf out; /* written, not yet flushed; empty and without memory between turns */
    /* What the TLS engine may read now: the rest of the chunk that just arrived. */
    const char *in;
    size_t in_n;
    Timer *timer; /* handshake, then linger */
    char *peer_cert;
    Error *err;
    bool server, opened, ending, fin_sent, closing, gone;
    bool flush_pending, paused, choked, had_unsent;
};

/* Between turns no connection owns output memory: plain and TLS output are put together here. Both
 * are used within one call and never across a callback. */
static _Thread_local StrBuf gather_buf, record_buf;

static void conn_flush(Conn *c);

/* ---- the TLS engine's view of the wire ---- */

static int wire_read(BIO *b, char *p, int n)
{
    Conn *c = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (c->in_n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    size_t take = c->in_n < (size_t)n ? c->in_n : (size_t)n;
    memcpy(p, c->in, take);
    c->in += take;
    c->in_n -= take;
    return (int)take;
}

static int wire_write(BIO *b, const char *p, int n)
{
    BIO_clear_retry_flags(b);
    strbuf_add(&record_buf, p, (size_t)n);
    return n;
}

static long wire_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *wire_method(void)
{
    static BIO_METHOD *m;
    if (!m) {
        m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
        BIO_meth_set_read(m, wire_read);
        BIO_meth_set_write(m, wire_write);
        BIO_meth_set_ctrl(m, wire_ctrl);
    }
    return m;
}

/* Send what the engine produced. */
static void ship_records(Conn *c)
{
    if (record_buf.n)
        stream_write(c->s, record_buf.p, record_buf.n);
    strbuf_reset(&record_buf);
    if (record_buf.cap > KEEP)
        strbuf_done(&record_buf);
}

/* ---- ends ---- */

static void conn_free(Conn *c)
{
    SSL_free(c->ssl);
    strbuf_done(&c->out);
    free(c->peer_cert);
    free(c->err);
    free(c);
}

static void on_stream_close(void *ctx, const Error *err)
{
    Conn *c = ctx;
    c->closing = c->gone = true;
    timer_stop(c->timer);
    c->timer = NULL;
    c->ev.on_close(c->ctx, c->err ? c->err : err);
    if (!c->flush_pending)
        conn_free(c);
}

void conn_close(Conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    stream_close(c->s);
}

static void fail(Conn *c, const Error *err)
{
    if (!c->err && !c->closing) {
        c->err = xnew(Error);
        *c->err = *err;
    }
    conn_close(c);
}

static void on_timer(void *ctx)
{
    Conn *c = ctx;
    if (c->opened) {
        conn_close(c); /* lingered long enough */
        return;
    }
    Error err;
    err_set(&err, ERR_TIMEOUT, "TLS with %s: no handshake in time", stream_peer(c->s));
    fail(c, &err);
}

static void tls_failed(Conn *c, int ssl_error)
{
    Error err;
    const char *why = c->opened ? NULL : tls_verify_failure(c->ssl);
    ship_records(c); /* the alert that tells the peer why */
    if (ssl_error == SSL_ERROR_ZERO_RETURN)
        err_set(&err, ERR_UNAVAILABLE, "TLS with %s: closed in the handshake", stream_peer(c->s));
    else if (why)
        err_set(&err, ERR_UNAUTHENTICATED, "TLS with %s: %s", stream_peer(c->s), why);
    else
        tls_err(&err, ERR_UNAVAILABLE, "TLS with %s", stream_peer(c->s));
    ERR_clear_error();
    fail(c, &err);
}

/* Our side is flushed: say that nothing follows, and give the peer time to read it. */
static void send_fin(Conn *c)
{
    c->fin_sent = true;
    if (c->ssl && c->opened) {
        ERR_clear_error();
        SSL_shutdown(c->ssl);
        ship_records(c);
    }
    stream_shutdown(c->s);
    stream_resume(c->s);
    uint64_t grace = stream_unsent(c->s) ? LAST_WORDS_MS : LINGER_MS;
    c->timer = timer_start(c->loop, grace, 0, on_timer, c);
}

/* ---- output ---- */

static void encrypt(Conn *c, const char *p, size_t n)
{
    ERR_clear_error();
    while (n && !c->closing) {
        size_t done = 0;
        size_t piece = n < TLS_RECORD ? n : TLS_RECORD;
        if (SSL_write_ex(c->ssl, p, piece, &done) != 1) {
            tls_failed(c, SSL_ERROR_SSL);
            return;
        }
        p += done;
        n -= done;
    }
    ship_records(c);
}

/* Send c->out; keeps its memory for gather_buf only. */
static void send_out(Conn *c)
{
    if (c->out.n == 0 || c->closing)
        return;
    if (c->ssl)
        encrypt(c, c->out.p, c->out.n);
    else
        stream_write(c->s, c->out.p, c->out.n);
    strbuf_reset(&c->out);
}

/* A client that takes no answers is not read either. Only servers do so: with both ends at it, each
 * could wait for the other. */
static void note_pressure(Conn *c)
{
    size_t unsent = c->closing ? 0 : stream_unsent(c->s);
    c->had_unsent = c->had_unsent || unsent > 0;
    if (c->server && unsent > LIMIT_OUT_HIGH && !c->choked) {
        c->choked = true;
        stream_pause(c->s);
    }
}

static void conn_flush(Conn *c)
{
    if (!c->opened)
        return;
    StrBuf own = c->out;
    if (own.n == 0) {
        strbuf_done(&own);
        c->out = gather_buf;
        gather_buf = (StrBuf){0};
    }
    if (c->ev.on_flush && !c->fin_sent)
        c->ev.on_flush(c->ctx);
    send_out(c);
    if (gather_buf.p == NULL && c->out.cap <= KEEP) {
        gather_buf = c->out;
        c->out = (StrBuf){0};
    }
    strbuf_done(&c->out);
    if (c->ending && !c->fin_sent && !c->closing)
        send_fin(c);
    note_pressure(c);
}

static void call_flush(void *ctx)
{
    Conn *c = ctx;
    c->flush_pending = false;
    if (c->gone)
        conn_free(c);
    else if (!c->closing)
        conn_flush(c);
}

void conn_wake(Conn *c)
{
    if (c->flush_pending || c->closing)
        return;
    c->flush_pending = true;
    loop_defer(c->loop, call_flush, c);
}

void conn_write(Conn *c, const void *p, size_t n)
{
    if (c->closing || c->fin_sent)
        return;
    strbuf_add(&c->out, p, n);
    if (c->opened && c->out.n >= GATHER) {
        send_out(c);
        note_pressure(c);
    } else {
        conn_wake(c);
    }
}

static void on_stream_drain(void *ctx)
{
    Conn *c = ctx;
    if (c->choked) {
        c->choked = false;
        if (!c->paused || c->fin_sent)
            stream_resume(c->s);
    }
    if (c->fin_sent && c->timer)
        timer_again(c->timer, LINGER_MS);
    if (!c->had_unsent || c->out.n)
        return;
    c->had_unsent = false;
    if (c->ev.on_drain && c->opened && !c->ending)
        c->ev.on_drain(c->ctx);
}

/* ---- input ---- */

static void got_eof(Conn *c)
{
    if (c->closing)
        return;
    if (c->fin_sent)
        conn_close(c);
    else if (!c->opened)
        tls_failed(c, SSL_ERROR_ZERO_RETURN);
    else if (c->ev.on_eof)
        c->ev.on_eof(c->ctx);
    else
        conn_shutdown(c);
}

static void open_now(void *ctx)
{
    Conn *c = ctx;
    c->opened = true;
    timer_stop(c->timer);
    c->timer = NULL;
    c->ev.on_open(c->ctx);
    if (c->out.n)
        conn_wake(c);
}

static bool handshake(Conn *c)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(c->ssl);
    int why = SSL_get_error(c->ssl, rc);
    if (rc != 1 && why != SSL_ERROR_WANT_READ) {
        tls_failed(c, why);
        return false;
    }
    ship_records(c);
    if (rc == 1)
        open_now(c);
    return rc == 1;
}

static void decrypt(Conn *c)
{
    char plain[TLS_RECORD];
    while (!c->closing && !c->fin_sent) {
        ERR_clear_error();
        int n = SSL_read(c->ssl, plain, sizeof plain);
        int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, n);
        if (why == SSL_ERROR_NONE) {
            c->ev.on_read(c->ctx, plain, (size_t)n);
            continue;
        }
        if (why == SSL_ERROR_WANT_READ)
            ship_records(c); /* answers to key updates */
        else if (why == SSL_ERROR_ZERO_RETURN)
            got_eof(c);
        else
            tls_failed(c, why);
        return;
    }
}

static void on_stream_read(void *ctx, const char *p, size_t n)
{
    Conn *c = ctx;
    if (c->closing || c->fin_sent)
        return; /* lingering: read and forget */
    if (!c->ssl) {
        c->ev.on_read(c->ctx, p, n);
        return;
    }
    c->in = p;
    c->in_n = n;
    if (c->opened || handshake(c))
        decrypt(c);
    c->in = NULL;
    c->in_n = 0;
}

static void on_stream_eof(void *ctx)
{
    got_eof(ctx);
}

/* ---- making one ---- */

static void open_plain(void *ctx)
{
    Conn *c = ctx;
    c->flush_pending = false;
    if (c->gone)
        conn_free(c);
    else if (!c->closing)
        open_now(c);
}

static void start_tls(Conn *c, TlsCtx *tls, const char *host)
{
    Error err;
    if (tls_session_new(tls, host, &c->ssl, &err)) {
        fail(c, &err);
        return;
    }
    BIO *wire = BIO_new(wire_method());
    BIO_set_data(wire, c);
    BIO_set_init(wire, 1);
    SSL_set_bio(c->ssl, wire, wire);
    c->timer = timer_start(c->loop, HANDSHAKE_MS, 0, on_timer, c);
    if (!SSL_is_server(c->ssl))
        handshake(c);
}

static Conn *conn_new(Stream *s, TlsCtx *tls, const char *host, const ConnEvents *ev, void *ctx)
{
    static const StreamEvents events = {
        .on_read = on_stream_read,
        .on_eof = on_stream_eof,
        .on_drain = on_stream_drain,
        .on_close = on_stream_close,
    };
    Conn *c = xnew(Conn);
    c->s = s;
    c->loop = stream_loop(s);
    c->ev = *ev;
    c->ctx = ctx;
    stream_set_events(s, &events, c);
    if (tls) {
        start_tls(c, tls, host);
    } else {
        c->flush_pending = true; /* open_plain holds c as call_flush does */
        loop_defer(c->loop, open_plain, c);
    }
    return c;
}

Conn *conn_server(Stream *s, TlsCtx *tls, const ConnEvents *ev, void *ctx)
{
    Conn *c = conn_new(s, tls, NULL, ev, ctx);
    c->server = true;
    return c;
}

Conn *conn_client(Stream *s, TlsCtx *tls, const char *host, const ConnEvents *ev, void *ctx)
{
    return conn_new(s, tls, host, ev, ctx);
}

void conn_set_events(Conn *c, const ConnEvents *ev, void *ctx)
{
    c->ev = *ev;
    c->ctx = ctx;
}

size_t conn_unsent(const Conn *c)
{
    return c->closing ? 0 : stream_unsent(c->s) + c->out.n;
}

void conn_pause(Conn *c)
{
    c->paused = true;
    if (!c->closing && !c->fin_sent)
        stream_pause(c->s);
}

void conn_resume(Conn *c)
{
    c->paused = false;
    if (!c->choked && !c->closing)
        stream_resume(c->s);
}

void conn_shutdown(Conn *c)
{
    if (c->closing || c->ending)
        return;
    c->ending = true;
    if (c->opened)
        conn_wake(c);
    else
        conn_close(c);
}

/* ---- what is known of the peer ---- */

const char *conn_alpn(const Conn *c)
{
    const unsigned char *name = NULL;
    unsigned n = 0;
    if (c->ssl)
        SSL_get0_alpn_selected(c->ssl, &name, &n);
    if (n == 2 && memcmp(name, "h2", 2) == 0)
        return "h2";
    return n == 8 && memcmp(name, "http/1.1", 8) == 0 ? "http/1.1" : "";
}

const char *conn_peer(const Conn *c)
{
    return stream_peer(c->s);
}

bool conn_is_tls(const Conn *c)
{
    return c->ssl != NULL;
}

const char *conn_peer_cert(Conn *c)
{
    if (c->peer_cert || !c->ssl || !c->opened || SSL_get_verify_result(c->ssl) != X509_V_OK)
        return c->peer_cert;
    X509 *cert = SSL_get0_peer_certificate(c->ssl);
    BIO *mem = cert ? BIO_new(BIO_s_mem()) : NULL;
    char *text = NULL;
    if (mem && PEM_write_bio_X509(mem, cert)) {
        long n = BIO_get_mem_data(mem, &text);
        c->peer_cert = xstrndup(text, (size_t)n);
    }
    BIO_free(mem);
    return c->peer_cert;
}

Loop *conn_loop(const Conn *c)
{
    return c->loop;
}
