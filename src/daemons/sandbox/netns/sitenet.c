#include "netns/sitenet.h"

#include "core/map.h"
#include "netns/rtnl.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NET_FIRST 0xC6120000u /* 198.18.0.0 */
enum { LO_INDEX = 1, BRIDGE_INDEX = 100, ETH0_INDEX = 2, NS_COUNT = 3 };

/* The namespaces of a pod; /proc/thread-self/ns/NAME names them. */
static const struct NsKind {
    const char *name;
    int flag;
} ns_kinds[NS_COUNT] = {
    {"net", CLONE_NEWNET},
    {"uts", CLONE_NEWUTS},
    {"ipc", CLONE_NEWIPC},
};
enum { NS_FLAGS = CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC };

struct SiteNet {
    uint32_t base;
    IpPool pool;
    int home[NS_COUNT]; /* where a pool thread goes back to */
};

struct PodNet {
    SiteNet *site;
    unsigned index;
    int ns[NS_COUNT];
    char ip[IP_TEXT], link[16], hostname[65];
    Error err;
    PodNetFn done;
    void *ctx;
};

uint32_t sitenet_base(const char *site)
{
    /* FNV-1a: any spread will do, but it must be the same in every run, unlike hash_bytes. */
    uint32_t h = 2166136261u;
    for (const char *p = site; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return NET_FIRST + ((h ^ (h >> 16)) % SITENET_COUNT << (32 - SITENET_PREFIX));
}

void ip_text(char ret[IP_TEXT], uint32_t addr)
{
    snprintf(ret, IP_TEXT, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255,
             addr & 255);
}

bool ip_parse(const char *s, uint32_t *ret)
{
    struct in_addr a;
    if (!s || inet_pton(AF_INET, s, &a) != 1)
        return false;
    *ret = ntohl(a.s_addr);
    return true;
}

unsigned ippool_take(IpPool *p)
{
    const unsigned lo = 2, n = SITENET_HALF - 3;
    for (unsigned k = 0; k < n; k++) {
        unsigned i = lo + (p->next + k) % n;
        if (p->used[i / 64] & 1ull << i % 64)
            continue;
        p->used[i / 64] |= 1ull << i % 64;
        p->next = (p->next + k + 1) % n;
        return i;
    }
    return 0;
}

void ippool_give(IpPool *p, unsigned i)
{
    p->used[i / 64] &= ~(1ull << i % 64);
}

uint32_t sitenet_gateway(const SiteNet *n)
{
    return n->base + 1;
}

int sitenet_netns_fd(const SiteNet *n)
{
    return n->home[0];
}

uint32_t sitenet_services(const SiteNet *n)
{
    return n->base + SITENET_HALF;
}

static ErrCode open_namespaces(int ret[NS_COUNT], Error *err)
{
    for (int i = 0; i < NS_COUNT; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/thread-self/ns/%s", ns_kinds[i].name);
        ret[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (ret[i] < 0)
            return err_errno(err, errno, "%s", path);
    }
    return ERR_OK;
}

static void close_namespaces(int ns[NS_COUNT])
{
    for (int i = 0; i < NS_COUNT; i++)
        if (ns[i] > 0)
            close(ns[i]);
}

static int join(const int ns[NS_COUNT])
{
    for (int i = 0; i < NS_COUNT; i++)
        if (setns(ns[i], ns_kinds[i].flag) < 0)
            return -1;
    return 0;
}

static ErrCode site_links(Rtnl *r, const SiteNet *n, Error *err)
{
    static const uint8_t MAC[6] = {0x02, 'p', 'g', 's', 0, 1}; /* 02: given locally */
    ErrCode rc = rtnl_link_up(r, LO_INDEX, err);
    if (!rc)
        rc = rtnl_bridge_add(r, "pods", BRIDGE_INDEX, MAC, err);
    if (!rc)
        rc = rtnl_addr_add(r, BRIDGE_INDEX, sitenet_gateway(n), SITENET_PREFIX, err);
    if (!rc)
        rc = rtnl_link_up(r, BRIDGE_INDEX, err);
    if (!rc)
        rc = rtnl_route_local(r, sitenet_services(n), SITENET_PREFIX + 1, err);
    return rc;
}

ErrCode sitenet_open(uint32_t base, SiteNet **ret, Error *err)
{
    Rtnl r;
    ErrCode rc = rtnl_open(&r, err);
    if (rc)
        return rc;
    SiteNet *n = xnew(SiteNet);
    n->base = base;
    rc = site_links(&r, n, err);
    rtnl_close(&r);
    if (!rc)
        rc = open_namespaces(n->home, err);
    if (rc) {
        sitenet_free(n);
        return rc;
    }
    *ret = n;
    return ERR_OK;
}

void sitenet_free(SiteNet *n)
{
    if (!n)
        return;
    close_namespaces(n->home);
    free(n);
}

/* ---- pods ---- */

/* In the pod's namespaces: our end of eth0 exists already. */
static ErrCode configure_inside(const PodNet *pn, Rtnl *inside, Error *err)
{
    ErrCode rc = rtnl_link_up(inside, LO_INDEX, err);
    if (!rc)
        rc = rtnl_addr_add(inside, ETH0_INDEX, pn->site->base + pn->index, SITENET_PREFIX, err);
    if (!rc)
        rc = rtnl_link_up(inside, ETH0_INDEX, err);
    if (!rc)
        rc = rtnl_route_default(inside, sitenet_gateway(pn->site), err);
    return rc;
}

/* On a thread of the pool. Namespaces belong to the thread: it makes new ones, opens what it needs
 * in them, and goes home before it configures anything. */
static void create_work(void *ctx)
{
    PodNet *pn = ctx;
    Rtnl inside = {.fd = -1}, site = {.fd = -1};
    Error *err = &pn->err;
    if (unshare(NS_FLAGS) < 0) {
        err_errno(err, errno, "make a pod's namespaces");
        return;
    }
    ErrCode rc = open_namespaces(pn->ns, err);
    if (!rc && sethostname(pn->hostname, strlen(pn->hostname)) < 0)
        rc = err_errno(err, errno, "set the host name %s", pn->hostname);
    if (!rc)
        rc = rtnl_open(&inside, err);
    if (join(pn->site->home) < 0)
        BUG("a thread is lost in a pod's namespaces: %s", strerror(errno));
    if (!rc)
        rc = rtnl_open(&site, err);
    if (!rc)
        rc = rtnl_veth_add(&site, pn->link, BRIDGE_INDEX, pn->ns[0], err);
    if (!rc)
        rc = configure_inside(pn, &inside, err);
    rtnl_close(&inside);
    rtnl_close(&site);
}

static void create_done(void *ctx)
{
    PodNet *pn = ctx;
    if (!pn->err.code) {
        pn->done(pn->ctx, NULL, pn);
        return;
    }
    Error e = pn->err;
    PodNetFn done = pn->done;
    void *their = pn->ctx;
    podnet_free(pn);
    done(their, &e, NULL);
}

void podnet_create(SiteNet *n, Loop *l, const char *hostname, PodNetFn done, void *ctx)
{
    PodNet *pn = xnew(PodNet);
    pn->site = n;
    pn->done = done;
    pn->ctx = ctx;
    snprintf(pn->hostname, sizeof pn->hostname, "%.63s", hostname);
    pn->index = ippool_take(&n->pool);
    ip_text(pn->ip, n->base + pn->index);
    snprintf(pn->link, sizeof pn->link, "veth%u", pn->index);
    if (pn->index) {
        loop_work(l, create_work, create_done, pn);
        return;
    }
    err_set(&pn->err, ERR_EXHAUSTED, "no pod address is free");
    loop_defer(l, create_done, pn);
}

uint32_t podnet_ip(const PodNet *pn)
{
    return pn->site->base + pn->index;
}

const char *podnet_ip_text(const PodNet *pn)
{
    return pn->ip;
}

int podnet_join(const PodNet *pn)
{
    return join(pn->ns);
}

int podnet_netns_fd(const PodNet *pn)
{
    return pn->ns[0];
}

void podnet_free(PodNet *pn)
{
    if (!pn)
        return;
    Rtnl r;
    Error err;
    /* The kernel removes the pair with the namespace, but later: the old pod must not answer while
     * a new one has the address. A pair that was never made is no error. */
    if (pn->ns[0] > 0 && rtnl_open(&r, &err) == ERR_OK) {
        (void)!rtnl_link_del(&r, pn->link, &err);
        rtnl_close(&r);
    }
    close_namespaces(pn->ns);
    if (pn->index)
        ippool_give(&pn->site->pool, pn->index);
    free(pn);
}
