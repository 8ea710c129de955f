#include "controllers/rollplan.h"

#include <stdlib.h>

int roll_amount(const cJSON *value, int total, bool up, int absent)
{
    const char *text = cJSON_GetStringValue(value);
    long percent = absent;
    if (cJSON_IsNumber(value))
        return (int)value->valuedouble;
    if (text)
        percent = strtol(text, NULL, 10);
    return (int)((percent * total + (up ? 99 : 0)) / 100);
}

static int clamp(int v, int lo, int hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

RollStep roll_step(const RollState *s)
{
    if (s->recreate)
        return (RollStep){.new_replicas = s->old_pods ? s->new_replicas : s->replicas};
    RollStep r;
    int surge = s->max_surge, missing = s->max_unavailable;
    if (surge == 0 && missing == 0)
        missing = 1;
    int room = s->replicas + surge - s->new_replicas - s->old_replicas;
    r.new_replicas = s->new_replicas > s->replicas
                         ? s->replicas
                         : clamp(s->new_replicas + (room > 0 ? room : 0), 0, s->replicas);
    /* Old pods that are not available may go at once; of the others as many as stay enough. */
    int spare = s->new_available + s->old_available - (s->replicas - missing);
    int broken = s->old_replicas - s->old_available;
    int remove = (spare > 0 ? spare : 0) + (broken > 0 ? broken : 0);
    r.old_replicas = clamp(s->old_replicas - remove, 0, s->old_replicas);
    return r;
}
