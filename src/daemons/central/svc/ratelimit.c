#include "svc/ratelimit.h"

#include "core/map.h"
#include <stdlib.h>

enum { KEYS_MAX = 10000 };

typedef struct Window {
    uint64_t from_ms;
    unsigned hits;
} Window;

struct RateLimit {
    Map *by_key;
    unsigned hits;
    uint64_t window_ms;
};

RateLimit *ratelimit_new(unsigned hits, uint64_t window_ms)
{
    RateLimit *r = xnew(RateLimit);
    *r = (RateLimit){map_new(), hits, window_ms};
    return r;
}

static void drop(RateLimit *r, uint64_t before_ms)
{
    for (MapIter it = {0}; map_next(r->by_key, &it);)
        if (((Window *)it.value)->from_ms <= before_ms)
            free(map_remove(r->by_key, it.key));
}

void ratelimit_free(RateLimit *r)
{
    if (!r)
        return;
    drop(r, UINT64_MAX);
    map_free(r->by_key);
    free(r);
}

bool ratelimit_ok(const RateLimit *r, const char *key, uint64_t now_ms)
{
    const Window *w = map_get(r->by_key, key);
    return !w || now_ms - w->from_ms >= r->window_ms || w->hits < r->hits;
}

void ratelimit_hit(RateLimit *r, const char *key, uint64_t now_ms)
{
    Window *w = map_get(r->by_key, key);
    if (!w) {
        if (map_count(r->by_key) >= KEYS_MAX) {
            drop(r, now_ms > r->window_ms ? now_ms - r->window_ms : 0);
            if (map_count(r->by_key) >= KEYS_MAX)
                drop(r, UINT64_MAX); /* a flood from everywhere: start over rather than grow */
        }
        w = xnew(Window);
        w->from_ms = now_ms;
        map_put(r->by_key, key, w);
    }
    if (now_ms - w->from_ms >= r->window_ms)
        *w = (Window){now_ms, 0};
    w->hits++;
}

const char *ratelimit_key(Arena *a, const char *peer)
{
    const char *colon = peer ? strrchr(peer, ':') : NULL;
    if (!colon)
        return str_or(peer, "?");
    if (*peer != '[')
        return arena_strndup(a, peer, (size_t)(colon - peer));
    size_t n = 0;
    for (int groups = 0; peer[n] && peer[n] != ']'; n++)
        if (peer[n] == ':' && ++groups == 4)
            break;
    return arena_strndup(a, peer, n);
}
