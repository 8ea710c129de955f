/* wire/wire_config.h - messages of config.proto inside other messages. For files of wire only. */
#pragma once
#include "model/cluster_spec.h"
#include "pgswarm/v1/config.pb-c.h"

void wire_cluster_config_get(Arena *a, const Pgswarm__V1__ClusterConfig *m, ClusterSpec *ret);
Pgswarm__V1__ClusterConfig *wire_cluster_config_put(Arena *a, const ClusterSpec *s);
