#include "core/str.h"
#include "loop/stream_priv.h"
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

/* Phases: resolving (resolve set), connecting (s set; the request lives in here, so *d must outlive
 * it), or a bad address about to be told. done is NULL once it was called or nobody wants it. */
struct Dial {
    Loop *loop;
    DialFn done;
    void *ctx;
    Stream *s;
    Resolve *resolve;
    struct addrinfo *list, *next; /* addresses of the name, and the one to try next */
    Timer *timer;
    uv_connect_t req;
    Error err;
    char addr[HOST_LEN + PORT_LEN];
};

static void dial_free(Dial *d)
{
    timer_stop(d->timer);
    resolve_cancel(d->resolve);
    uv_freeaddrinfo(d->list);
    free(d);
}

/* Tell, once; d lives on when a connect request is still under way. */
static void tell(Dial *d, const Error *err, Stream *s)
{
    DialFn done = d->loop->closing ? NULL : d->done;
    d->done = NULL;
    if (done)
        done(d->ctx, err, s);
    else if (s)
        stream_discard(s);
}

static void try_next(Dial *d);

static void on_connect(uv_connect_t *req, int status)
{
    Dial *d = req->data;
    Stream *s = d->s;
    d->s = NULL;
    if (!d->done) { /* timed out or cancelled: whoever did that closed the stream */
        dial_free(d);
        return;
    }
    if (status == 0) {
        stream_ready(s);
        tell(d, NULL, s);
        dial_free(d);
        return;
    }
    uv_err(&d->err, status, "connect to %s", d->addr);
    if (!uv_is_closing(&s->uv.handle))
        stream_discard(s);
    try_next(d);
}

static void try_next(Dial *d)
{
    while (d->next && !d->loop->closing) {
        struct addrinfo *ai = d->next;
        d->next = ai->ai_next;
        d->s = stream_new(d->loop, false);
        int rc = uv_tcp_connect(&d->req, &d->s->uv.tcp, ai->ai_addr, on_connect);
        if (rc == 0)
            return;
        uv_err(&d->err, rc, "connect to %s", d->addr);
        stream_discard(d->s);
        d->s = NULL;
    }
    tell(d, &d->err, NULL);
    dial_free(d);
}

static void on_dial_resolved(void *ctx, const Error *err, struct addrinfo *list)
{
    Dial *d = ctx;
    d->resolve = NULL;
    d->list = d->next = list;
    if (err)
        d->err = *err;
    try_next(d);
}

static void on_dial_timeout(void *ctx)
{
    Dial *d = ctx;
    err_set(&d->err, ERR_TIMEOUT, "connect to %s: no answer in time", d->addr);
    Stream *s = d->s;
    if (s)
        stream_discard(s); /* on_connect(UV_ECANCELED) frees d */
    tell(d, &d->err, NULL);
    if (!s)
        dial_free(d);
}

static void refuse(void *ctx)
{
    Dial *d = ctx;
    err_set(&d->err, ERR_INVALID, "'%s' is not HOST:PORT or unix:PATH", d->addr);
    tell(d, &d->err, NULL);
    dial_free(d);
}

Dial *stream_dial(Loop *l, const char *addr, uint64_t timeout_ms, DialFn done, void *ctx)
{
    Dial *d = xnew(Dial);
    char host[HOST_LEN], port[PORT_LEN];
    d->loop = l;
    d->done = done;
    d->ctx = ctx;
    d->req.data = d;
    snprintf(d->addr, sizeof d->addr, "%s", addr);
    bool is_unix = str_starts(addr, "unix:");
    if (!is_unix && (!split_addr(addr, host, port) || !*host)) {
        loop_defer(l, refuse, d);
        return d;
    }
    if (timeout_ms)
        d->timer = timer_start(l, timeout_ms, 0, on_dial_timeout, d);
    if (is_unix) {
        d->s = stream_new(l, true);
        uv_pipe_connect(&d->req, &d->s->uv.pipe, addr + strlen("unix:"), on_connect);
    } else {
        d->resolve = loop_resolve_list(l, host, port, on_dial_resolved, d);
    }
    return d;
}

static void dial_free_later(void *ctx)
{
    dial_free(ctx);
}

void dial_cancel(Dial *d)
{
    if (!d)
        return;
    d->done = NULL;
    timer_stop(d->timer);
    d->timer = NULL;
    if (d->s) {
        stream_discard(d->s);
    } else if (d->resolve) {
        resolve_cancel(d->resolve);
        d->resolve = NULL;
        loop_defer(d->loop, dial_free_later, d);
    } /* else refuse() is to come and frees d */
}
