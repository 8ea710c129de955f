/* netns/rtnl.h - the few rtnetlink requests that a site's network needs.
 *
 * An Rtnl speaks to the network namespace that its thread was in when it was opened. Requests are
 * answered by the kernel at once; errors name the request. Addresses are in host byte order. */
#pragma once
#include "core/err.h"
#include <stdint.h>

typedef struct Rtnl {
    int fd;
    uint32_t seq;
} Rtnl;

ErrCode rtnl_open(Rtnl *ret, Error *err) MUST_USE;
void rtnl_close(Rtnl *r);
/* Its own address stays: else it would take the least one of its ports, ever another, and whoever
 * has the old one in his ARP cache would speak to nobody for most of a minute. */
ErrCode rtnl_bridge_add(Rtnl *r, const char *name, int ifindex, const uint8_t mac[6],
                        Error *err) MUST_USE;
/* `name` here, attached to the bridge; its peer "eth0" with index 2 in the namespace `peer_ns`. */
ErrCode rtnl_veth_add(Rtnl *r, const char *name, int bridge_ifindex, int peer_ns,
                      Error *err) MUST_USE;
ErrCode rtnl_link_del(Rtnl *r, const char *name, Error *err) MUST_USE;
ErrCode rtnl_link_up(Rtnl *r, int ifindex, Error *err) MUST_USE;
ErrCode rtnl_addr_add(Rtnl *r, int ifindex, uint32_t addr, int prefix, Error *err) MUST_USE;
ErrCode rtnl_route_default(Rtnl *r, uint32_t gateway, Error *err) MUST_USE;
/* Every address of net/prefix is ours, as if each were on the loopback device. */
ErrCode rtnl_route_local(Rtnl *r, uint32_t net, int prefix, Error *err) MUST_USE;
