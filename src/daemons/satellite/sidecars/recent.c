#include "sidecars/recent.h"

#include <string.h>

/* FNV-1a; the NUL of a text is part of it, so that "ab","c" is not "a","bc". */
static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001b3;
    return h;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
    text = str_or(text, "");
    return mix(h, text, strlen(text) + 1);
}

static uint64_t digest(const EventReport *e)
{
    uint64_t h = mix(0xcbf29ce484222325, &e->at_us, sizeof e->at_us);
    h = mix_text(h, e->ns);
    h = mix_text(h, e->pod_name);
    h = mix_text(h, e->kind);
    h = mix_text(h, e->message);
    return h ? h : 1;
}

bool recent_take(Recent *r, const EventReport *e)
{
    uint64_t d = digest(e);
    for (size_t i = 0; i < RECENT_MAX; i++)
        if (r->at[i] == d)
            return false;
    r->at[r->next] = d;
    r->next = (r->next + 1) % RECENT_MAX;
    return true;
}
