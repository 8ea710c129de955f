/* election/strip.h - takes the label role=primary from every other member's pod, so that the -rw
 * Service never has two: a new primary does it before it labels itself. */
#pragma once
#include "kube/kube.h"

typedef struct Strip Strip;
typedef struct StripConfig {
    Kube *kube;
    const char *ns, *base; /* pods are BASE-0, BASE-1, ... */
    unsigned self;
    void (*on_done)(void *ctx);
    void *ctx;
} StripConfig;

Strip *strip_new(const StripConfig *cfg); /* strings are kept */
void strip_free(Strip *s);
/* Begin, for members up to `replicas`, unless it was done for this epoch. */
void strip_begin(Strip *s, uint64_t epoch, unsigned replicas);
/* All of this epoch are without the label, or gone. */
bool strip_is_done(const Strip *s, uint64_t epoch);
