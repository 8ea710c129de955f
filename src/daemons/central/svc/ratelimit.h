/* central/svc/ratelimit.h - so many hits in a window per key (an address). Pure: `now` is given. */
#pragma once
#include "core/arena.h"
#include <stdint.h>

typedef struct RateLimit RateLimit;
RateLimit *ratelimit_new(unsigned hits, uint64_t window_ms);
void ratelimit_free(RateLimit *r);
/* Fewer than the allowed hits in the window. */
bool ratelimit_ok(const RateLimit *r, const char *key, uint64_t now_ms);
void ratelimit_hit(RateLimit *r, const char *key, uint64_t now_ms);
/* "192.0.2.7" of "192.0.2.7:4711"; an IPv6 address counts as its /64. */
const char *ratelimit_key(Arena *a, const char *peer);
