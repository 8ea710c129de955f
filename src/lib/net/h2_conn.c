#include "core/limits.h"
#include "net/h2_priv.h"

static void eat(H2 *h, const char *p, size_t n)
{
    Error err;
    if (h2_recv(h, p, n, loop_now(conn_loop(h->conn)), &err) && !h->err) {
        h->err = xnew(Error);
        *h->err = err;
    }
    if (h->dead)
        conn_wake(h->conn); /* flush what explains it, then close */
}

static void eat_first(H2 *h)
{
    if (h->first.n == 0)
        return;
    StrBuf first = h->first;
    h->first = (StrBuf){0};
    eat(h, first.p, first.n);
    strbuf_done(&first);
}

static void on_read(void *ctx, const char *p, size_t n)
{
    H2 *h = ctx;
    eat_first(h);
    eat(h, p, n);
}

static void to_conn(void *arg, const void *p, size_t n)
{
    conn_write(arg, p, n);
}

static void on_flush(void *ctx)
{
    H2 *h = ctx;
    eat_first(h);
    size_t unsent = conn_unsent(h->conn);
    if (unsent < LIMIT_OUT_HIGH)
        h2_pump(h, LIMIT_OUT_HIGH - unsent, to_conn, h->conn);
    if (h2_over(h))
        conn_shutdown(h->conn);
    else if (conn_unsent(h->conn) < LIMIT_OUT_HIGH && nghttp2_session_want_write(h->ng))
        conn_wake(h->conn);
}

static void on_drain(void *ctx)
{
    H2 *h = ctx;
    conn_wake(h->conn);
}

static void on_eof(void *ctx)
{
    H2 *h = ctx;
    conn_close(h->conn);
}

static void on_close(void *ctx, const Error *err)
{
    H2 *h = ctx;
    void (*on_end)(void *, const Error *) = h->ev.on_end;
    void *user = h->ctx;
    Error why;
    if (h->err)
        err = h->err;
    if (err)
        why = *err;
    h->conn = NULL;
    h2_free(h);
    on_end(user, err ? &why : NULL);
}

static void wake_conn(void *ctx)
{
    H2 *h = ctx;
    if (h->conn)
        conn_wake(h->conn);
}

H2 *h2_attach(Conn *c, const H2Config *cfg, const H2Events *ev, void *ctx, StrView first)
{
    static const ConnEvents events = {
        .on_read = on_read,
        .on_eof = on_eof,
        .on_drain = on_drain,
        .on_flush = on_flush,
        .on_close = on_close,
    };
    H2 *h = h2_new(cfg, ev, ctx, NULL);
    h->conn = c;
    h->wake = wake_conn;
    h->wake_ctx = h;
    h->now = h->last_in = h->resets_since = loop_now(conn_loop(c));
    strbuf_add(&h->first, first.p, first.n);
    conn_set_events(c, &events, h);
    conn_wake(c);
    return h;
}

Conn *h2_conn(const H2 *h)
{
    return h->conn;
}

void h2_close(H2 *h)
{
    h->dead = true;
    if (h->conn)
        conn_close(h->conn);
}
