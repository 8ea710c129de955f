/* netns/svcnet.h - what a kube-proxy does: Services' addresses and node ports, and forwards to the
 * host, by userspace proxies.
 *
 * A port is listened on only while it has an endpoint: without one a client is refused at once. A
 * new connection goes to the next endpoint in turn (one that refuses is passed over); a connection
 * that exists is left to its ends. */
#pragma once
#include "loop/loop.h"
#include "netns/hostnet.h"
#include "netns/sitenet.h"

typedef struct SvcBackend {
    uint32_t addr;
    uint16_t port;
} SvcBackend;

/* One port of one Service. */
typedef struct SvcPort {
    const char *key;    /* "ns/name/port": who it is, from one sync to the next */
    uint32_t addr;      /* the clusterIP; 0: none */
    uint16_t port;      /* on the clusterIP */
    uint16_t node_port; /* on the host's loopback; 0: none */
    const SvcBackend *backends;
    size_t n;
} SvcPort;

typedef struct SvcNet SvcNet;
SvcNet *svcnet_new(Loop *l, HostNet *h);
void svcnet_free(SvcNet *s);
/* Make it so: these ports and no others. False: a port could not be opened (somebody else of the
 * machine has it); it is logged when that is news, and tried again by the next sync. */
bool svcnet_sync(SvcNet *s, const SvcPort *ports, size_t n);
/* Pods reach the host's 127.0.0.1:port at gateway:port. */
ErrCode svcnet_forward(SvcNet *s, uint32_t gateway, int port, int host_port, Error *err) MUST_USE;
