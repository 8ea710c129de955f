#include "operator/reconcile.h"
#include "render/tpl.h"

enum { NUDGE_MIN_MS = 10000, NUDGE_BASE_MS = 10000, NUDGE_MAX_MS = 110000 };

static void on_nudged(void *ctx, const Error *err, const cJSON *obj)
{
    Cluster *c = ctx;
    (void)obj;
    c->nudge_call = NULL;
    if (err)
        log_debug("operator", "the StatefulSet could not be touched", "cluster=%s err=%s", c->key,
                  log_quote(err->msg));
    operator_nudge(c);
}

static void on_timer(void *ctx)
{
    Cluster *c = ctx;
    char at[CLOCK_RFC3339_LEN + 1];
    timer_stop(c->nudge);
    c->nudge = NULL;
    if (!c->quota_problem || c->deleting || c->site->suspended)
        return;
    clock_rfc3339(at, clock_wall_us());
    cJSON *patch = tpl("{'metadata': {'annotations': {'pg-swarm.io/retried-at': %s}}}", at);
    KubePatch kp = {c->ns, c->name, NULL, patch};
    c->nudge_call = kube_merge_patch(c->site->kube, &KUBE_STATEFULSET, &kp, on_nudged, c);
    cJSON_Delete(patch);
}

void operator_nudge(Cluster *c)
{
    if (!c->quota_problem) {
        timer_stop(c->nudge);
        c->nudge = NULL;
        c->nudge_backoff = (Backoff){.base_ms = NUDGE_BASE_MS, .max_ms = NUDGE_MAX_MS};
        return;
    }
    if (c->nudge || c->nudge_call)
        return;
    if (!c->nudge_backoff.base_ms)
        c->nudge_backoff = (Backoff){.base_ms = NUDGE_BASE_MS, .max_ms = NUDGE_MAX_MS};
    uint64_t ms = NUDGE_MIN_MS + backoff_next(&c->nudge_backoff);
    c->nudge = timer_start(c->site->loop, ms, 0, on_timer, c);
}
