/* netns/sitenet.h - a site's network: one /20 of 198.18.0.0/15 in the process's own network
 * namespace.
 *
 * The first half is the pods' (the very first address is the gateway, on the bridge), the second
 * half the Services': every address of it is local to the site, so that the proxies of svcnet can
 * listen on any of them. A pod is a set of network, UTS and IPC namespaces held open by
 * descriptors: no process has to sit in them. Addresses are in host byte order; one that was given
 * back is not given out again soon. */
#pragma once
#include "loop/loop.h"
#include <stdint.h>

enum { SITENET_PREFIX = 20, SITENET_HALF = 1 << 11, SITENET_COUNT = 32 };
typedef struct SiteNet SiteNet;
/* Which /20 a site has: by its name, so that it is the same after a restart. */
uint32_t sitenet_base(const char *site);
/* Bring up lo and the bridge. Call after hostnet_enter. */
ErrCode sitenet_open(uint32_t base, SiteNet **ret, Error *err) MUST_USE;
void sitenet_free(SiteNet *n);
uint32_t sitenet_gateway(const SiteNet *n);
int sitenet_netns_fd(const SiteNet *n);
uint32_t sitenet_services(const SiteNet *n); /* first address of the Services' half */

/* Pure: addresses 2 .. SITENET_HALF-2 of the pods' half, next fit. 0: none is free. */
typedef struct IpPool {
    uint64_t used[SITENET_HALF / 64];
    unsigned next;
} IpPool;
unsigned ippool_take(IpPool *p);
void ippool_give(IpPool *p, unsigned i);

enum { IP_TEXT = 16 };
void ip_text(char ret[IP_TEXT], uint32_t addr);
bool ip_parse(const char *s, uint32_t *ret);

/* ---- pods ---- */
typedef struct PodNet PodNet;
typedef void (*PodNetFn)(void *ctx, const Error *err, PodNet *pn);
/* Made on the thread pool; exactly one call of done. */
void podnet_create(SiteNet *n, Loop *l, const char *hostname, PodNetFn done, void *ctx);
uint32_t podnet_ip(const PodNet *pn);
const char *podnet_ip_text(const PodNet *pn);
/* Put the calling process into the pod's namespaces. For the child between fork and exec; -1 and
 * errno on failure. */
int podnet_join(const PodNet *pn);
int podnet_netns_fd(const PodNet *pn);
/* Cut the wire, forget the namespaces (they end with their last process), give the address back. */
void podnet_free(PodNet *pn);
