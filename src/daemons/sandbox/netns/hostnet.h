/* netns/hostnet.h - into namespaces of our own, and still at home on the host's loopback.
 *
 * hostnet_enter leaves three processes. The first, which was called, only waits: it passes signals
 * on and ends as the second ends. The second, in which hostnet_enter returns, is PID 1 of a PID
 * namespace, so that the kernel itself ends everything in it when it ends, however that happens;
 * it also has user (our uid is 0 there), network, mount, UTS and IPC namespaces, and dies with the
 * first. The third, the broker, stays in the host's network namespace. A socket
 * belongs to the namespace it was made in, so all that the broker does is to make sockets: they
 * come in batches by SCM_RIGHTS and wait here in a small pool; bind, listen and connect are done by
 * us. The broker ends with this process, however that ends. One per process. */
#pragma once
#include "core/err.h"

typedef struct HostNet HostNet;
/* Before any thread exists, and before descriptors are open that must not stay so in the first
 * process: it closes all. Works as root and as a plain user where user namespaces are allowed. */
ErrCode hostnet_enter(HostNet **ret, Error *err) MUST_USE;
void hostnet_free(HostNet *h);
/* The first process, as the host numbers it: who wants to end us, ends that one. */
long hostnet_pid(const HostNet *h);
/* A TCP socket of the host: non-blocking, close-on-exec, not bound. */
ErrCode hostnet_socket(HostNet *h, int *ret_fd, Error *err) MUST_USE;
/* One that is bound to 127.0.0.1:port (0: any); it listens when listener_adopt takes it. */
ErrCode hostnet_bind(HostNet *h, int port, int *ret_fd, Error *err) MUST_USE;
/* One whose connect to 127.0.0.1:port is under way. */
ErrCode hostnet_connect(HostNet *h, int port, int *ret_fd, Error *err) MUST_USE;
