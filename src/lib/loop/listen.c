#include "core/str.h"
#include "loop/stream_priv.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

enum { BACKLOG = 512 };

struct Listener {
    SockHandle uv;
    Loop *loop;
    AcceptFn fn;
    void *ctx;
    bool is_unix;
    int port;
    char addr[HOST_LEN];
};

static void on_connection(uv_stream_t *h, int status)
{
    Listener *ln = h->data;
    if (status)
        return; /* out of descriptors, say: the peer will try again */
    Stream *s = stream_new(ln->loop, ln->is_unix);
    if (uv_accept(h, &s->uv.stream)) {
        stream_discard(s);
        return;
    }
    stream_ready(s);
    ln->fn(ln->ctx, s);
}

static int listen_tcp(Listener *ln, const char *addr)
{
    char host[HOST_LEN], port[PORT_LEN];
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
    unlink(path); /* of a process that died; a live one is guarded by its owner's lock */
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
        uv_close(&ln->uv.handle, free_owner);
}
