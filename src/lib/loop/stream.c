#include "loop/stream.h"

#include "loop/stream_priv.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sock_text(char *out, size_t cap, const struct sockaddr *sa)
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

Stream *stream_new(Loop *l, bool is_unix)
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

void stream_ready(Stream *s)
{
    struct sockaddr_storage sa = {0};
    int len = sizeof sa;
    snprintf(s->peer, sizeof s->peer, "unix");
    if (s->uv.handle.type != UV_TCP)
        return;
    uv_tcp_nodelay(&s->uv.tcp, 1);
    if (uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&sa, &len) == 0)
        sock_text(s->peer, sizeof s->peer, (struct sockaddr *)&sa);
}

void stream_discard(Stream *s)
{
    uv_close(&s->uv.handle, free_owner);
}

static void on_closed(uv_handle_t *h)
{
    Stream *s = h->data;
    if (s->ev.on_close && (s->owner_closed || !s->loop->closing))
        s->ev.on_close(s->ctx, s->err);
    free(s->err);
    free(s);
}

void stream_close(Stream *s)
{
    if (!s || s->closing)
        return;
    s->closing = s->owner_closed = true;
    uv_close(&s->uv.handle, on_closed);
}

static void fail(Stream *s, int rc, const char *what)
{
    if (!s->err && !s->closing) {
        s->err = xnew(Error);
        uv_err(s->err, rc, "%s %s", what, s->peer);
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
    stream_ready(s);
    return s;
}

bool split_addr(const char *addr, char host[HOST_LEN], char port[PORT_LEN])
{
    const char *colon = strrchr(addr, ':');
    if (!colon || colon == addr + strlen(addr) - 1)
        return false;
    size_t n = (size_t)(colon - addr);
    if (n >= 2 && addr[0] == '[' && addr[n - 1] == ']')
        addr++, n -= 2;
    if (n >= HOST_LEN || strlen(colon + 1) >= PORT_LEN)
        return false;
    memcpy(host, addr, n);
    host[n] = 0;
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}
