#include "netns/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A request is built in one buffer: header, family struct, attributes. */
typedef struct Req {
    struct nlmsghdr h;
    char body[512];
} Req;

enum { LO_INDEX = 1, ETH0_INDEX = 2 };

static void req_init(Req *q, int type, int flags, const void *head, size_t n)
{
    memset(q, 0, sizeof *q);
    q->h.nlmsg_type = (uint16_t)type;
    q->h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    q->h.nlmsg_len = (uint32_t)NLMSG_LENGTH(n);
    memcpy(q->body, head, n);
}

static void *req_end(Req *q)
{
    return (char *)q + NLMSG_ALIGN(q->h.nlmsg_len);
}

/* Append raw bytes (a family struct within a nested attribute). */
static void req_raw(Req *q, const void *p, size_t n)
{
    if (NLMSG_ALIGN(q->h.nlmsg_len) + n > sizeof *q)
        BUG("netlink request too long");
    memcpy(req_end(q), p, n);
    q->h.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->h.nlmsg_len) + n);
}

static struct rtattr *req_attr(Req *q, int type, const void *p, size_t n)
{
    struct rtattr a = {.rta_type = (uint16_t)type, .rta_len = (uint16_t)RTA_LENGTH(n)};
    struct rtattr *at = req_end(q);
    req_raw(q, &a, sizeof a);
    if (n)
        req_raw(q, p, n);
    return at;
}

static void req_attr_u32(Req *q, int type, uint32_t v)
{
    req_attr(q, type, &v, sizeof v);
}

static void req_attr_str(Req *q, int type, const char *s)
{
    req_attr(q, type, s, strlen(s) + 1);
}

static void req_nest_end(Req *q, struct rtattr *at)
{
    q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len); /* what is nested counts with its padding */
    at->rta_len = (uint16_t)((char *)req_end(q) - (char *)at);
}

static ErrCode talk(Rtnl *r, Req *q, const char *what, Error *err)
{
    q->h.nlmsg_seq = ++r->seq;
    if (send(r->fd, q, q->h.nlmsg_len, 0) < 0)
        return err_errno(err, errno, "netlink: %s", what);
    for (;;) {
        union {
            struct nlmsghdr h;
            char buf[4096];
        } in;
        ssize_t n = recv(r->fd, &in, sizeof in, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
            return err_set(err, ERR_INTERNAL, "netlink: %s: short answer", what);
        if (in.h.nlmsg_seq != q->h.nlmsg_seq || in.h.nlmsg_type != NLMSG_ERROR)
            continue;
        const struct nlmsgerr *e = NLMSG_DATA(&in.h);
        return e->error ? err_errno(err, -e->error, "netlink: %s", what) : ERR_OK;
    }
}

ErrCode rtnl_open(Rtnl *ret, Error *err)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return err_errno(err, errno, "netlink socket");
    *ret = (Rtnl){.fd = fd};
    return ERR_OK;
}

void rtnl_close(Rtnl *r)
{
    if (r->fd > 0)
        close(r->fd);
    r->fd = -1;
}

ErrCode rtnl_bridge_add(Rtnl *r, const char *name, int ifindex, const uint8_t mac[6], Error *err)
{
    Req q;
    struct ifinfomsg m = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
    req_init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
    req_attr_str(&q, IFLA_IFNAME, name);
    req_attr(&q, IFLA_ADDRESS, mac, 6);
    struct rtattr *info = req_attr(&q, IFLA_LINKINFO, NULL, 0);
    req_attr_str(&q, IFLA_INFO_KIND, "bridge");
    req_nest_end(&q, info);
    return talk(r, &q, "add the bridge", err);
}

ErrCode rtnl_veth_add(Rtnl *r, const char *name, int bridge_ifindex, int peer_ns, Error *err)
{
    Req q;
    struct ifinfomsg m = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct ifinfomsg peer = {.ifi_family = AF_UNSPEC, .ifi_index = ETH0_INDEX};
    req_init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
    req_attr_str(&q, IFLA_IFNAME, name);
    req_attr_u32(&q, IFLA_MASTER, (uint32_t)bridge_ifindex);
    struct rtattr *info = req_attr(&q, IFLA_LINKINFO, NULL, 0);
    req_attr_str(&q, IFLA_INFO_KIND, "veth");
    struct rtattr *data = req_attr(&q, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *pa = req_attr(&q, VETH_INFO_PEER, NULL, 0);
    req_raw(&q, &peer, sizeof peer);
    req_attr_str(&q, IFLA_IFNAME, "eth0");
    req_attr_u32(&q, IFLA_NET_NS_FD, (uint32_t)peer_ns);
    req_nest_end(&q, pa);
    req_nest_end(&q, data);
    req_nest_end(&q, info);
    return talk(r, &q, "add a pod's veth pair", err);
}

ErrCode rtnl_link_del(Rtnl *r, const char *name, Error *err)
{
    Req q;
    struct ifinfomsg m = {.ifi_family = AF_UNSPEC};
    req_init(&q, RTM_DELLINK, 0, &m, sizeof m);
    req_attr_str(&q, IFLA_IFNAME, name);
    return talk(r, &q, "remove a pod's veth pair", err);
}

ErrCode rtnl_link_up(Rtnl *r, int ifindex, Error *err)
{
    Req q;
    struct ifinfomsg m = {
        .ifi_family = AF_UNSPEC, .ifi_index = ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    req_init(&q, RTM_NEWLINK, 0, &m, sizeof m);
    return talk(r, &q, "bring a link up", err);
}

ErrCode rtnl_addr_add(Rtnl *r, int ifindex, uint32_t addr, int prefix, Error *err)
{
    Req q;
    uint32_t be = htonl(addr);
    struct ifaddrmsg m = {.ifa_family = AF_INET,
                          .ifa_prefixlen = (uint8_t)prefix,
                          .ifa_scope = RT_SCOPE_UNIVERSE,
                          .ifa_index = (uint32_t)ifindex};
    req_init(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
    req_attr(&q, IFA_LOCAL, &be, sizeof be);
    req_attr(&q, IFA_ADDRESS, &be, sizeof be);
    return talk(r, &q, "add an address", err);
}

ErrCode rtnl_route_default(Rtnl *r, uint32_t gateway, Error *err)
{
    Req q;
    uint32_t be = htonl(gateway);
    struct rtmsg m = {.rtm_family = AF_INET,
                      .rtm_table = RT_TABLE_MAIN,
                      .rtm_protocol = RTPROT_STATIC,
                      .rtm_scope = RT_SCOPE_UNIVERSE,
                      .rtm_type = RTN_UNICAST};
    req_init(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
    req_attr(&q, RTA_GATEWAY, &be, sizeof be);
    return talk(r, &q, "add the default route", err);
}

ErrCode rtnl_route_local(Rtnl *r, uint32_t net, int prefix, Error *err)
{
    Req q;
    uint32_t be = htonl(net);
    struct rtmsg m = {.rtm_family = AF_INET,
                      .rtm_dst_len = (uint8_t)prefix,
                      .rtm_table = RT_TABLE_LOCAL,
                      .rtm_protocol = RTPROT_STATIC,
                      .rtm_scope = RT_SCOPE_HOST,
                      .rtm_type = RTN_LOCAL};
    req_init(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
    req_attr(&q, RTA_DST, &be, sizeof be);
    req_attr_u32(&q, RTA_OIF, LO_INDEX);
    return talk(r, &q, "route the service addresses", err);
}
