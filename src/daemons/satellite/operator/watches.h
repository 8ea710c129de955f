/* operator/watches.h - what the API server says about our own objects: drift, pods, claims,
 * addresses, storage classes. One watch per kind over all namespaces, limited by label. */
#pragma once
#include "operator/state.h"

typedef struct Watches Watches;
Watches *watches_start(Site *s);
void watches_stop(Watches *w);

void pod_free(Pod *p);
/* The pure half: what a pod object means. `was` is what was known before, or NULL; problem texts
 * with more to say are kept while the pod stays in trouble. */
typedef struct PodView {
    const char *role, *problem; /* in obj or static; problem NULL: none */
    bool refused, ready, terminating;
} PodView;
PodView pod_view(Arena *a, const cJSON *obj);
/* host "" when there is none yet. node_ip may be NULL. */
Endpoint service_endpoint(Arena *a, const cJSON *service, const char *node_ip);
