/* A history file as the leader, or our own pg_wal, gives it. */
#include "model/rejoin.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_ARENA a = arena_new();
    const char *text = arena_strndup(a, (const char *)data, n);
    static TimelineHistory h;
    if (!timeline_history_parse(text, &h))
        return 0;
    for (size_t i = 0; i < h.n; i++) {
        if (i && h.at[i].timeline <= h.at[i - 1].timeline)
            __builtin_trap();
        if (timeline_leaves(&h, 0, h.at[i].timeline) != h.at[i].lsn)
            __builtin_trap();
    }
    return 0;
}
