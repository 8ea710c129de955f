#include "election/strip.h"

#include "core/log.h"
#include <stdio.h>
#include <stdlib.h>

enum { STRIP_MEMBERS = 16, RETRY_MS = 300 };

typedef struct Other {
    Strip *all;
    char pod[300];
    KubeCall *call;
    bool clean;
} Other;

struct Strip {
    StripConfig cfg;
    uint64_t epoch;
    unsigned replicas;
    Other at[STRIP_MEMBERS];
    Timer *retry;
};

static void look(Other *o);

static bool all_clean(const Strip *s)
{
    for (unsigned i = 0; i < s->replicas; i++)
        if (i != s->cfg.self && !s->at[i].clean)
            return false;
    return true;
}

static void again(void *ctx)
{
    Strip *s = ctx;
    timer_stop(s->retry);
    s->retry = NULL;
    for (unsigned i = 0; i < s->replicas; i++)
        if (i != s->cfg.self && !s->at[i].clean && !s->at[i].call)
            look(&s->at[i]);
}

/* A pod that is not there has no label. One that changed since it was looked at is looked at again:
 * it may be a replica now, whose own label stays. */
static void settle(Other *o, const Error *err)
{
    Strip *s = o->all;
    o->clean = !err || err->code == ERR_NOT_FOUND;
    if (!o->clean) {
        log_warn("label", "the old primary's label cannot be taken away now", "pod=%s err=%s",
                 o->pod, log_quote(err->msg));
        if (!s->retry)
            s->retry = timer_start(kube_loop(s->cfg.kube), RETRY_MS, 0, again, s);
    } else if (all_clean(s)) {
        s->cfg.on_done(s->cfg.ctx);
    }
}

static void on_patched(void *ctx, const Error *err, const cJSON *obj)
{
    (void)obj;
    Other *o = ctx;
    o->call = NULL;
    if (err && err->code == ERR_CONFLICT)
        look(o);
    else
        settle(o, err);
}

static void take_away(Other *o, const char *version)
{
    cJSON *patch = cJSON_CreateObject(), *meta = cJSON_AddObjectToObject(patch, "metadata");
    cJSON_AddStringToObject(meta, "resourceVersion", version);
    cJSON_AddNullToObject(cJSON_AddObjectToObject(meta, "labels"), "pg-swarm.io/role");
    KubePatch kp = {.ns = o->all->cfg.ns, .name = o->pod, .patch = patch};
    o->call = kube_merge_patch(o->all->cfg.kube, &KUBE_POD, &kp, on_patched, o);
    cJSON_Delete(patch);
}

static void on_pod(void *ctx, const Error *err, const cJSON *obj)
{
    Other *o = ctx;
    o->call = NULL;
    if (!err && str_eq(kube_label(obj, "pg-swarm.io/role"), "primary"))
        take_away(o, str_or(kube_str(obj, "metadata.resourceVersion"), ""));
    else
        settle(o, err);
}

static void look(Other *o)
{
    o->call = kube_get(o->all->cfg.kube, &KUBE_POD, o->all->cfg.ns, o->pod, on_pod, o);
}

Strip *strip_new(const StripConfig *cfg)
{
    Strip *s = xnew(Strip);
    s->cfg = *cfg;
    for (unsigned i = 0; i < STRIP_MEMBERS; i++) {
        s->at[i].all = s;
        snprintf(s->at[i].pod, sizeof s->at[i].pod, "%s-%u", cfg->base, i);
    }
    return s;
}

static void cancel(Strip *s)
{
    for (unsigned i = 0; i < STRIP_MEMBERS; i++) {
        kube_cancel(s->at[i].call);
        s->at[i].call = NULL;
        s->at[i].clean = false;
    }
}

void strip_free(Strip *s)
{
    if (!s)
        return;
    cancel(s);
    timer_stop(s->retry);
    free(s);
}

void strip_begin(Strip *s, uint64_t epoch, unsigned replicas)
{
    if (s->epoch == epoch && s->replicas == replicas)
        return;
    cancel(s);
    s->epoch = epoch;
    s->replicas = replicas < STRIP_MEMBERS ? replicas : STRIP_MEMBERS;
    for (unsigned i = 0; i < s->replicas; i++)
        if (i != s->cfg.self)
            look(&s->at[i]);
}

bool strip_is_done(const Strip *s, uint64_t epoch)
{
    return s->epoch == epoch && all_clean(s);
}
