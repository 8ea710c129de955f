/* netns/proxy.h - two byte streams joined: what one end sends the other gets, with backpressure,
 * and an end of file is passed on. */
#pragma once
#include "loop/stream.h"

/* Takes both over; ends by itself. */
void proxy_join(Stream *a, Stream *b);
