/* netns/hostnet.h - into namespaces of our own, and still at home on the host's loopback.
 *
 * hostnet_enter forks a broker, which stays in the host's network namespace, and moves this process
 * into a user namespace (our uid is 0 there), a network namespace and a mount namespace. A socket
 * belongs to the namespace it was made in, so all that the broker does is to make sockets: they
 * come in batches by SCM_RIGHTS and wait here in a small pool; bind, listen and connect are done by
 * us. The broker ends with this process, however that ends. One per process. */
#pragma once
#include "core/err.h"

typedef struct HostNet HostNet;
/* Before any thread exists. Works as root and as a plain user where user namespaces are allowed. */
ErrCode hostnet_enter(HostNet **ret, Error *err) MUST_USE;
void hostnet_free(HostNet *h);
/* A TCP socket of the host: non-blocking, close-on-exec, not bound. */
ErrCode hostnet_socket(HostNet *h, int *ret_fd, Error *err) MUST_USE;
/* One that is bound to 127.0.0.1:port (0: any); it listens when listener_adopt takes it. */
ErrCode hostnet_bind(HostNet *h, int port, int *ret_fd, Error *err) MUST_USE;
/* One whose connect to 127.0.0.1:port is under way. */
ErrCode hostnet_connect(HostNet *h, int port, int *ret_fd, Error *err) MUST_USE;
