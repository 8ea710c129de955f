#include "netns/svcnet.h"

#include "core/log.h"
#include "core/map.h"
#include "core/vec.h"
#include "netns/proxy.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DIAL_TIMEOUT_MS = 10000, ADDR_LEN = 32 };

typedef struct Port {
    SvcNet *net;
    char *key;
    uint32_t addr;
    uint16_t port, node_port;
    SvcBackend *backends;
    size_t n, turn;
    Listener *inside, *outside;
    bool wanted;     /* mark of a sync */
    bool in_trouble; /* and that was logged */
} Port;

typedef struct Forwarder {
    SvcNet *net;
    Listener *ln;
    int host_port;
} Forwarder;

/* A client that waits for its other end. It may outlive the Port: it knows all it needs. */
typedef struct Waiting {
    SvcNet *net;
    Stream *client;
    SvcBackend *backends; /* in the order to try */
    size_t n, i;
    FdWatch *watch; /* of a connect to the host */
    int fd;
} Waiting;

struct SvcNet {
    Loop *loop;
    HostNet *host;
    Map *ports;
    ProxySet *proxies;
    size_t waiting; /* clients that still need it, also when it is gone for everybody else */
    bool gone;
    VEC(Forwarder *) forwards;
};

static Waiting *waiting_new(SvcNet *net, Stream *client)
{
    Waiting *w = xnew(Waiting);
    w->net = net;
    w->client = client;
    net->waiting++;
    return w;
}

static void waiting_free(Waiting *w)
{
    if (--w->net->waiting == 0 && w->net->gone)
        free(w->net);
    free(w->backends);
    free(w);
}

/* The other end is there, or NULL when there is none to be had. */
static void join(Waiting *w, Stream *other)
{
    if (other && !w->net->gone) {
        proxy_join(w->net->proxies, w->client, other);
    } else {
        stream_close(w->client);
        stream_close(other);
    }
    waiting_free(w);
}

static void dial_next(Waiting *w);

static void on_dialled(void *ctx, const Error *err, Stream *backend)
{
    Waiting *w = ctx;
    w->i++;
    if (err)
        dial_next(w);
    else
        join(w, backend);
}

static void dial_next(Waiting *w)
{
    if (w->i == w->n || w->net->gone) {
        join(w, NULL);
        return;
    }
    char ip[IP_TEXT], addr[ADDR_LEN];
    ip_text(ip, w->backends[w->i].addr);
    snprintf(addr, sizeof addr, "%s:%u", ip, w->backends[w->i].port);
    stream_dial(w->net->loop, addr, DIAL_TIMEOUT_MS, on_dialled, w);
}

static void on_client(void *ctx, Stream *s)
{
    Port *p = ctx;
    Waiting *w = waiting_new(p->net, s);
    w->n = p->n;
    w->backends = xcalloc(p->n + 1, sizeof *w->backends);
    for (size_t i = 0; i < p->n; i++)
        w->backends[i] = p->backends[(p->turn + i) % p->n];
    p->turn++;
    dial_next(w);
}

static void cannot_open(Port *p, const char *what, const Error *err)
{
    if (!p->in_trouble)
        log_warn("svcnet", "port cannot be served", "port=%s kind=%s error=%s", log_quote(p->key),
                 what, log_quote(err->msg));
    p->in_trouble = true;
}

static void open_inside(Port *p)
{
    char ip[IP_TEXT], addr[ADDR_LEN];
    Error err;
    ip_text(ip, p->addr);
    snprintf(addr, sizeof addr, "%s:%u", ip, p->port);
    if (listener_open(p->net->loop, addr, on_client, p, &p->inside, &err))
        cannot_open(p, "clusterIP", &err);
}

static void open_outside(Port *p)
{
    Error err;
    int fd;
    ErrCode rc = hostnet_bind(p->net->host, p->node_port, &fd, &err);
    if (!rc) {
        rc = listener_adopt(p->net->loop, fd, on_client, p, &p->outside, &err);
        if (rc)
            p->outside = NULL;
    }
    if (rc)
        cannot_open(p, "nodePort", &err);
}

static void port_close(Port *p)
{
    listener_close(p->inside);
    listener_close(p->outside);
    p->inside = p->outside = NULL;
}

static void port_free(Port *p)
{
    port_close(p);
    free(p->backends);
    free(p->key);
    free(p);
}

static bool port_set(Port *p, const SvcPort *want)
{
    if (p->addr != want->addr || p->port != want->port || p->node_port != want->node_port)
        port_close(p);
    p->addr = want->addr;
    p->port = want->port;
    p->node_port = want->node_port;
    free(p->backends);
    p->backends = xcalloc(want->n + 1, sizeof *p->backends);
    if (want->n)
        memcpy(p->backends, want->backends, want->n * sizeof *p->backends);
    p->n = want->n;
    p->wanted = true;
    if (p->n == 0)
        port_close(p);
    if (p->n && p->addr && !p->inside)
        open_inside(p);
    if (p->n && p->node_port && !p->outside)
        open_outside(p);
    bool ok = !p->n || ((p->inside || !p->addr) && (p->outside || !p->node_port));
    p->in_trouble = p->in_trouble && !ok;
    return ok;
}

bool svcnet_sync(SvcNet *s, const SvcPort *ports, size_t n)
{
    for (MapIter it = {0}; map_next(s->ports, &it);)
        ((Port *)it.value)->wanted = false;
    for (size_t i = 0; i < n; i++) {
        Port *p = map_get(s->ports, ports[i].key);
        if (p)
            p->wanted = true;
    }
    /* First what goes: its addresses and node ports may be another's now. */
    for (MapIter it = {0}; map_next(s->ports, &it);) {
        Port *p = it.value;
        if (p->wanted)
            continue;
        map_remove(s->ports, it.key);
        port_free(p);
    }
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        Port *p = map_get(s->ports, ports[i].key);
        if (!p) {
            p = xnew(Port);
            p->net = s;
            p->key = xstrdup(ports[i].key);
            map_put(s->ports, p->key, p);
        }
        ok = port_set(p, &ports[i]) && ok;
    }
    return ok;
}

/* ---- forwards to the host ---- */

static void on_host_connected(void *ctx, int events, bool failed)
{
    Waiting *w = ctx;
    int e = 0;
    socklen_t len = sizeof e;
    (void)events;
    fdwatch_stop(w->watch);
    getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &e, &len);
    if (failed || e)
        close(w->fd);
    join(w, failed || e ? NULL : stream_adopt(w->net->loop, w->fd));
}

static void on_forward_client(void *ctx, Stream *s)
{
    Forwarder *f = ctx;
    Error err;
    int fd;
    if (hostnet_connect(f->net->host, f->host_port, &fd, &err)) {
        log_debug("svcnet", "forward refused", "error=%s", log_quote(err.msg));
        stream_close(s);
        return;
    }
    Waiting *w = waiting_new(f->net, s);
    w->fd = fd;
    w->watch = fdwatch_start(f->net->loop, fd, FD_WRITE, on_host_connected, w);
}

ErrCode svcnet_forward(SvcNet *s, uint32_t gateway, int port, int host_port, Error *err)
{
    char ip[IP_TEXT], addr[ADDR_LEN];
    ip_text(ip, gateway);
    snprintf(addr, sizeof addr, "%s:%d", ip, port);
    Forwarder *f = xnew(Forwarder);
    f->net = s;
    f->host_port = host_port;
    ErrCode rc = listener_open(s->loop, addr, on_forward_client, f, &f->ln, err);
    if (rc)
        free(f);
    else
        vec_push(&s->forwards, f);
    return rc;
}

SvcNet *svcnet_new(Loop *l, HostNet *h)
{
    SvcNet *s = xnew(SvcNet);
    s->loop = l;
    s->host = h;
    s->ports = map_new();
    s->proxies = proxy_set_new();
    return s;
}

void svcnet_free(SvcNet *s)
{
    if (!s)
        return;
    for (MapIter it = {0}; map_next(s->ports, &it);)
        port_free(it.value);
    map_free(s->ports);
    for (size_t i = 0; i < s->forwards.n; i++) {
        listener_close(s->forwards.at[i]->ln);
        free(s->forwards.at[i]);
    }
    vec_done(&s->forwards);
    proxy_set_end(s->proxies);
    s->gone = true;
    if (s->waiting == 0)
        free(s);
}
