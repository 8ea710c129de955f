/* election/peers.h - the other members' pods, watched by name while there is an election: the
 * positions they publish. At rest nothing is watched. */
#pragma once
#include "kube/watch.h"
#include "model/contest.h"

#define POSITION_ANNOTATION "pg-swarm.io/position"

typedef struct Peers Peers;
typedef struct PeersConfig {
    Kube *kube;
    const char *ns, *base; /* pods are BASE-0, BASE-1, ... */
    unsigned self;
    void (*on_change)(void *ctx);
    void *ctx;
} PeersConfig;

Peers *peers_new(const PeersConfig *cfg); /* strings are kept */
void peers_free(Peers *p);
/* Watch all members up to `replicas`; 0: stop, and forget. */
void peers_watch(Peers *p, unsigned replicas);
/* Not known until the pod was seen. */
const Position *peers_position(const Peers *p, unsigned ordinal);
