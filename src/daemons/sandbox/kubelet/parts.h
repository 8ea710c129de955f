/* kubelet/parts.h - the parts of the node beside its pods. */
#pragma once
#include "app.h"
#include "kubelet/volumes.h"
#include "netns/svcnet.h"

/* services.c: keeps the proxies as the Services and EndpointSlices say. */
typedef struct Services Services;
Services *services_start(App *app, HostNet *host);
void services_stop(Services *s);
/* Pods reach what the configuration names at GATEWAY:PORT. */
ErrCode services_forward(Services *s, uint32_t gateway, Error *err) MUST_USE;

/* node.c: the Node object, with a heartbeat. */
typedef struct NodeStatus NodeStatus;
NodeStatus *node_start(App *app);
void node_stop(NodeStatus *n);
