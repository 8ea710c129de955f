/* wire/wire_health.h - messages of health.proto inside other messages. For files of wire only:
 * elsewhere satellite_stream.h and sidecar_stream.h. */
#pragma once
#include "model/health.h"
#include "pgswarm/v1/health.pb-c.h"

void wire_instance_get(Arena *a, const Pgswarm__V1__InstanceHealth *m, InstanceHealth *ret);
Pgswarm__V1__InstanceHealth *wire_instance_put(Arena *a, const InstanceHealth *h);
void wire_cluster_health_get(Arena *a, const Pgswarm__V1__ClusterHealthReport *m,
                             ClusterHealth *ret);
Pgswarm__V1__ClusterHealthReport *wire_cluster_health_put(Arena *a, const ClusterHealth *h);
void wire_event_get(Arena *a, const Pgswarm__V1__EventReport *m, EventReport *ret);
Pgswarm__V1__EventReport *wire_event_put(Arena *a, const EventReport *e);
Endpoint wire_endpoint_get(const Pgswarm__V1__Endpoint *m);
Pgswarm__V1__Endpoint *wire_endpoint_put(Arena *a, Endpoint e); /* NULL when there is none */
