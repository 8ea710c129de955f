/* netns/proxy.h - two byte streams joined: what one end sends the other gets, with backpressure,
 * and an end of file is passed on. */
#pragma once
#include "loop/stream.h"

/* All the pairs of one owner, so that they can end with it. */
typedef struct ProxySet ProxySet;
ProxySet *proxy_set_new(void);
/* Closes every pair; the set goes with the last of them, in later turns of the loop. */
void proxy_set_end(ProxySet *set);
/* Takes both over; ends by itself. */
void proxy_join(ProxySet *set, Stream *a, Stream *b);
