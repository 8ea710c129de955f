#include "loop/stream.h"

#include "core/str.h"
#include "loop/loop_priv.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512, PEER_LEN = 64 };

struct Stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    Loop *loop;
    StreamEvents ev;
    void *ctx;
    Error err;
    bool failed, closing, reading, had_queue;
    char peer[PEER_LEN];
};

struct Listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    Loop *loop;
    AcceptFn fn;
    void *ctx;
    bool is_unix;
    int port;
    char addr[PEER_LEN + 64];
};

struct Dial {
    Loop *loop;
    DialFn done;
    void *ctx;
    Stream *s;
    Resolve *resolve;
    Timer *timer;
    uv_connect_t req;
    Error err;
    bool connecting;
    char addr[128];
};

/* ---- one stream ---- */

static void sock_text(char *out, size_t cap, const struct sockaddr *sa)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        snprintf(out, cap, "%s:%d", ip, ntohs(in->sin_port));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)sa;
        inet_ntop(AF_INET6, &in->sin6_addr, ip, sizeof ip);
        snprintf(out, cap, "[%s]:%d", ip, ntohs(in->sin6_port));
    } else {
        snprintf(out, cap, "unix");
    }
}

static void note_peer(Stream *s)
{
    struct sockaddr_storage sa = {0};
    int len = sizeof sa;
    snprintf(s->peer, sizeof s->peer, "unix");
    if (s->uv.handle.type == UV_TCP &&
        uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&sa, &len) == 0)
        sock_text(s->peer, sizeof s->peer, (struct sockaddr *)&sa);
}

static Stream *stream_new(Loop *l, bool is_unix)
{
    Stream *s = xnew(Stream);
    s->loop = l;
    if (is_unix)
        uv_pipe_init(&l->uv, &s->uv.pipe, 0);
    else
        uv_tcp_init(&l->uv, &s->uv.tcp);
    s->uv.handle.data = s;
    return s;
}

static void on_closed(uv_handle_t *h)
{
    Stream *s = h->data;
    if (s->ev.on_close && !s->loop->closing)
        s->ev.on_close(s->ctx, s->failed ? &s->err : NULL);
    free(s);
}

void stream_close(Stream *s)
{
    if (!s || s->closing)
        return;
    s->closing = true;
    uv_close(&s->uv.handle, on_closed);
}

static void fail(Stream *s, int rc, const char *what)
{
    if (!s->failed && !s->closing) {
        uv_err(&s->err, rc, "%s %s", what, s->peer);
        s->failed = true;
    }
    stream_close(s);
}

static void alloc_shared(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    (void)hint;
    Stream *s = h->data;
    *buf = uv_buf_init(s->loop->read_buf, sizeof s->loop->read_buf);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
    Stream *s = h->data;
    if (n > 0)
        s->ev.on_read(s->ctx, buf->base, (size_t)n);
    else if (n == UV_EOF && s->ev.on_eof) {
        uv_read_stop(h);
        s->reading = false;
        s->ev.on_eof(s->ctx);
    } else if (n == UV_EOF)
        stream_close(s);
    else if (n < 0)
        fail(s, (int)n, "read from");
}

void stream_set_events(Stream *s, const StreamEvents *ev, void *ctx)
{
    s->ev = *ev;
    s->ctx = ctx;
    stream_resume(s);
}

void stream_pause(Stream *s)
{
    if (s->reading && !s->closing)
        uv_read_stop(&s->uv.stream);
    s->reading = false;
}

void stream_resume(Stream *s)
{
    if (s->reading || s->closing)
        return;
    int rc = uv_read_start(&s->uv.stream, alloc_shared, on_read);
    if (rc)
        fail(s, rc, "read from");
    else
        s->reading = true;
}

typedef struct WriteReq {
    uv_write_t uv;
    char data[];
} WriteReq;

static void on_written(uv_write_t *req, int status)
{
    Stream *s = req->handle->data;
    free(req->data); /* the WriteReq around it */
    if (status && status != UV_ECANCELED)
        fail(s, status, "write to");
    if (!s->closing && s->had_queue && s->uv.stream.write_queue_size == 0) {
        s->had_queue = false;
        if (s->ev.on_drain)
            s->ev.on_drain(s->ctx);
    }
}

void stream_write(Stream *s, const void *p, size_t n)
{
    if (s->closing || n == 0)
        return;
    if (s->uv.stream.write_queue_size == 0) {
        uv_buf_t now = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
        int took = uv_try_write(&s->uv.stream, &now, 1);
        if (took < 0 && took != UV_EAGAIN) {
            fail(s, took, "write to");
            return;
        }
        if (took > 0) {
            p = (const char *)p + took;
            n -= (size_t)took;
        }
    }
    if (n == 0)
        return;
    WriteReq *w = xmalloc(sizeof *w + n);
    memcpy(w->data, p, n);
    w->uv.data = w;
    s->had_queue = true;
    uv_buf_t buf = uv_buf_init(w->data, (unsigned)n);
    int rc = uv_write(&w->uv, &s->uv.stream, &buf, 1, on_written);
    if (rc) {
        free(w);
        fail(s, rc, "write to");
    }
}

size_t stream_unsent(const Stream *s)
{
    return s->uv.stream.write_queue_size;
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status;
    free(req);
}

void stream_shutdown(Stream *s)
{
    if (s->closing)
        return;
    uv_shutdown_t *req = xnew(uv_shutdown_t);
    if (uv_shutdown(req, &s->uv.stream, on_shutdown))
        free(req);
}

Loop *stream_loop(const Stream *s)
{
    return s->loop;
}

const char *stream_peer(const Stream *s)
{
    return s->peer;
}

int stream_fd(const Stream *s)
{
    uv_os_fd_t fd = -1;
    uv_fileno(&s->uv.handle, &fd);
    return fd;
}

Stream *stream_adopt(Loop *l, int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    getsockname(fd, (struct sockaddr *)&sa, &len);
    bool is_unix = sa.ss_family == AF_UNIX;
    Stream *s = stream_new(l, is_unix);
    int rc = is_unix ? uv_pipe_open(&s->uv.pipe, fd) : uv_tcp_open(&s->uv.tcp, fd);
    if (rc)
        BUG("adopt descriptor %d: %s", fd, uv_strerror(rc));
    if (!is_unix)
        uv_tcp_nodelay(&s->uv.tcp, 1);
    note_peer(s);
    return s;
}

/* ---- addresses ---- */

/* Split "host:port" or "[v6]:port"; host may be empty. */
static bool split_addr(const char *addr, char host[128], char port[16])
{
    const char *colon = strrchr(addr, ':');
    if (!colon || colon == addr + strlen(addr) - 1)
        return false;
    size_t n = (size_t)(colon - addr);
    if (n >= 2 && addr[0] == '[' && addr[n - 1] == ']')
        addr++, n -= 2;
    if (n >= 128 || strlen(colon + 1) >= 16)
        return false;
    memcpy(host, addr, n);
    host[n] = 0;
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

static void close_early(uv_handle_t *h)
{
    free(h->data);
}

/* ---- dialling ---- */

static void dial_free(Dial *d)
{
    timer_stop(d->timer);
    resolve_cancel(d->resolve);
    free(d);
}

/* Hand over the outcome. The connect request lives in *d, so an unfinished one is let end by
 * closing the stream. */
static void dial_end(Dial *d, const Error *err)
{
    DialFn done = d->done;
    void *ctx = d->ctx;
    Stream *s = d->s;
    d->done = NULL;
    if (!d->connecting) {
        Error copy;
        if (err)
            copy = *err;
        if (err && s)
            uv_close(&s->uv.handle, close_early);
        dial_free(d);
        if (done)
            done(ctx, err ? &copy : NULL, err ? NULL : s);
        return;
    }
    uv_close(&s->uv.handle, close_early); /* on_connect(UV_ECANCELED) frees d */
    if (done)
        done(ctx, err, NULL);
}

static void on_connect(uv_connect_t *req, int status)
{
    Dial *d = req->data;
    d->connecting = false;
    if (!d->done) {
        dial_free(d);
        return;
    }
    if (status) {
        uv_err(&d->err, status, "connect to %s", d->addr);
        dial_end(d, &d->err);
        return;
    }
    if (d->s->uv.handle.type == UV_TCP)
        uv_tcp_nodelay(&d->s->uv.tcp, 1);
    note_peer(d->s);
    dial_end(d, NULL);
}

static void on_dial_timeout(void *ctx)
{
    Dial *d = ctx;
    err_set(&d->err, ERR_TIMEOUT, "connect to %s: no answer in time", d->addr);
    dial_end(d, &d->err);
}

static void on_dial_resolved(void *ctx, const Error *err, const struct sockaddr *addr)
{
    Dial *d = ctx;
    d->resolve = NULL;
    if (err) {
        dial_end(d, err);
        return;
    }
    d->s = stream_new(d->loop, false);
    int rc = uv_tcp_connect(&d->req, &d->s->uv.tcp, addr, on_connect);
    if (rc) {
        uv_err(&d->err, rc, "connect to %s", d->addr);
        dial_end(d, &d->err);
        return;
    }
    d->connecting = true;
}

static void dial_bad_address(void *ctx)
{
    Dial *d = ctx;
    err_set(&d->err, ERR_INVALID, "'%s' is not HOST:PORT or unix:PATH", d->addr);
    if (d->done)
        dial_end(d, &d->err);
    else
        dial_free(d);
}

Dial *stream_dial(Loop *l, const char *addr, uint64_t timeout_ms, DialFn done, void *ctx)
{
    Dial *d = xnew(Dial);
    char host[128], port[16];
    d->loop = l;
    d->done = done;
    d->ctx = ctx;
    d->req.data = d;
    snprintf(d->addr, sizeof d->addr, "%s", addr);
    if (timeout_ms)
        d->timer = timer_start(l, timeout_ms, 0, on_dial_timeout, d);
    if (str_starts(addr, "unix:")) {
        d->s = stream_new(l, true);
        d->connecting = true;
        uv_pipe_connect(&d->req, &d->s->uv.pipe, addr + 5, on_connect);
    } else if (split_addr(addr, host, port)) {
        d->resolve = loop_resolve(l, host, port, on_dial_resolved, d);
    } else {
        timer_stop(d->timer);
        d->timer = NULL;
        loop_defer(l, dial_bad_address, d);
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
    if (d->connecting) {
        uv_close(&d->s->uv.handle, close_early);
    } else if (d->resolve) {
        resolve_cancel(d->resolve);
        d->resolve = NULL;
        loop_defer(d->loop, dial_free_later, d);
    } /* else dial_bad_address is pending and frees d */
}

/* ---- listening ---- */

static void on_connection(uv_stream_t *h, int status)
{
    Listener *ln = h->data;
    if (status)
        return; /* out of descriptors, say: the peer will try again */
    Stream *s = stream_new(ln->loop, ln->is_unix);
    if (uv_accept(h, &s->uv.stream)) {
        uv_close(&s->uv.handle, close_early);
        return;
    }
    if (!ln->is_unix)
        uv_tcp_nodelay(&s->uv.tcp, 1);
    note_peer(s);
    ln->fn(ln->ctx, s);
}

static int listen_tcp(Listener *ln, const char *addr)
{
    char host[128], port[16];
    if (!split_addr(addr, host, port))
        return UV_EINVAL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *res;
    hints.ai_family = *host ? AF_UNSPEC : AF_INET;
    uv_getaddrinfo_t req;
    int rc = uv_getaddrinfo(&ln->loop->uv, &req, NULL, *host ? host : NULL, port, &hints);
    if (rc)
        return rc;
    res = req.addrinfo;
    rc = uv_tcp_bind(&ln->uv.tcp, res->ai_addr, 0);
    uv_freeaddrinfo(res);
    return rc;
}

static int listen_unix(Listener *ln, const char *path)
{
    unlink(path); /* a stale socket of a process that died; a live one is guarded by its owner's
                     lock */
    return uv_pipe_bind(&ln->uv.pipe, path);
}

static void note_listen_addr(Listener *ln, const char *addr)
{
    struct sockaddr_storage sa = {0};
    int len = sizeof sa;
    snprintf(ln->addr, sizeof ln->addr, "%s", addr);
    if (ln->is_unix || uv_tcp_getsockname(&ln->uv.tcp, (struct sockaddr *)&sa, &len))
        return;
    sock_text(ln->addr, sizeof ln->addr, (struct sockaddr *)&sa);
    ln->port = ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
                                              : ((struct sockaddr_in *)&sa)->sin_port);
}

static Listener *listener_new(Loop *l, bool is_unix, AcceptFn fn, void *ctx)
{
    Listener *ln = xnew(Listener);
    ln->loop = l;
    ln->fn = fn;
    ln->ctx = ctx;
    ln->is_unix = is_unix;
    if (is_unix)
        uv_pipe_init(&l->uv, &ln->uv.pipe, 0);
    else
        uv_tcp_init(&l->uv, &ln->uv.tcp);
    ln->uv.handle.data = ln;
    return ln;
}

static ErrCode listener_go(Listener *ln, int rc, const char *addr, Listener **ret, Error *err)
{
    if (rc == 0)
        rc = uv_listen(&ln->uv.stream, BACKLOG, on_connection);
    if (rc) {
        listener_close(ln);
        return uv_err(err, rc, "listen on %s", addr);
    }
    note_listen_addr(ln, addr);
    *ret = ln;
    return ERR_OK;
}

ErrCode listener_open(Loop *l, const char *addr, AcceptFn fn, void *ctx, Listener **ret, Error *err)
{
    Listener *ln = listener_new(l, str_starts(addr, "unix:"), fn, ctx);
    int rc = ln->is_unix ? listen_unix(ln, addr + 5) : listen_tcp(ln, addr);
    return listener_go(ln, rc, addr, ret, err);
}

ErrCode listener_adopt(Loop *l, int fd, AcceptFn fn, void *ctx, Listener **ret, Error *err)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return err_errno(err, errno, "adopt descriptor %d", fd);
    Listener *ln = listener_new(l, sa.ss_family == AF_UNIX, fn, ctx);
    int rc = ln->is_unix ? uv_pipe_open(&ln->uv.pipe, fd) : uv_tcp_open(&ln->uv.tcp, fd);
    return listener_go(ln, rc, "adopted descriptor", ret, err);
}

const char *listener_addr(const Listener *ln)
{
    return ln->addr;
}

int listener_port(const Listener *ln)
{
    return ln->port;
}

void listener_close(Listener *ln)
{
    if (ln)
        uv_close(&ln->uv.handle, close_early);
}
