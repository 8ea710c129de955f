#include "controllers/stsplan.h"

static bool healthy(const StsPod *p)
{
    return p->running_ready && !p->terminating;
}

/* Bring up ordinals 0 .. replicas-1. False: wait before anything else is done. */
static bool plan_replicas(const StsSpec *spec, const StsPod *pods, StsAction *out, size_t *k)
{
    for (size_t i = 0; i < spec->replicas; i++) {
        const StsPod *p = &pods[i];
        if (p->exists && p->ended && !p->terminating)
            out[(*k)++] = (StsAction){.verb = STS_DELETE, .ordinal = i};
        else if (!p->exists)
            out[(*k)++] = (StsAction){
                .verb = STS_CREATE, .ordinal = i, .current_revision = i < spec->partition};
        else if (healthy(p) || spec->parallel)
            continue;
        if (!spec->parallel)
            return false;
    }
    return true;
}

/* Remove what is above replicas, the highest first. False: wait. */
static bool plan_surplus(const StsSpec *spec, const StsPod *pods, size_t n, StsAction *out,
                         size_t *k)
{
    for (size_t i = n; i-- > spec->replicas;) {
        if (!pods[i].exists)
            continue;
        if (!pods[i].terminating)
            out[(*k)++] = (StsAction){.verb = STS_DELETE, .ordinal = i};
        if (!spec->parallel)
            return false;
    }
    return true;
}

static void plan_update(const StsSpec *spec, const StsPod *pods, StsAction *out, size_t *k)
{
    for (size_t i = spec->replicas; i-- > spec->partition;) {
        if (!pods[i].exists)
            return;
        if (!pods[i].is_updated && !pods[i].terminating) {
            out[(*k)++] = (StsAction){.verb = STS_DELETE, .ordinal = i};
            return;
        }
        if (!healthy(&pods[i]))
            return;
    }
}

size_t sts_plan(const StsSpec *spec, const StsPod *pods, size_t n, StsAction *out)
{
    size_t k = 0;
    if (!plan_replicas(spec, pods, out, &k) || !plan_surplus(spec, pods, n, out, &k))
        return k;
    if (k == 0 && !spec->on_delete)
        plan_update(spec, pods, out, &k);
    return k;
}

bool sts_update_done(const StsSpec *spec, const StsPod *pods, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i >= spec->replicas ? pods[i].exists : !pods[i].exists)
            return false;
        if (i < spec->replicas && (!pods[i].is_updated || !healthy(&pods[i])))
            return false;
    }
    return !spec->on_delete;
}
