/* netns/netcut.h - packets of a pod dropped in its own network namespace, as by a cut wire: what is
 * connected hangs, what connects waits, nobody is told.
 *
 * By nf_tables, spoken over netlink: no tool is needed, and inside our user namespace no root. Only
 * eth0 is concerned, never the pod's loopback. netcut_apply replaces everything in one transaction
 * of the kernel; it may wait a little, so it belongs on a thread of the pool. */
#pragma once
#include "core/err.h"
#include <stddef.h>
#include <stdint.h>

typedef struct NetRule {
    bool accept;   /* let it pass, before later rules; else drop it */
    uint32_t addr; /* the other end's; 0: anybody's. Host byte order */
    uint16_t port; /* 0: any */
    bool own_port; /* port is the pod's own; else the other end's */
} NetRule;

/* `home`: a descriptor of the network namespace that the calling thread goes back to. No rules:
 * nothing is dropped any more. */
ErrCode netcut_apply(int pod_ns, int home, const NetRule *rules, size_t n, Error *err) MUST_USE;
