#include "kubelet/pod.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "faults/faults.h"
#include "kubelet/voldir.h"
#include <stdio.h>
#include <stdlib.h>

enum { RETRY_MS = 1000, DEFAULT_GRACE_S = 30 };

static void sync_pod(Pod *p);

PodVolumes pod_volumes(Pod *p)
{
    return (PodVolumes){.app = p->app,
                        .facts = {.store = p->app->store,
                                  .pod = p->obj->json,
                                  .ns = p->ns,
                                  .pod_ip = p->net ? podnet_ip_text(p->net) : "",
                                  .host_ip = p->app->net.gateway,
                                  .node = p->app->node_name,
                                  .api_host = p->app->net.gateway,
                                  .api_port = p->app->net.api_port},
                        .disk_dir = p->dir,
                        .mem_dir = p->mem_dir,
                        .token_renew_us = &p->token_renew_us};
}

/* ---- coming and going ---- */

static RestartPolicy policy_of(const Pod *p)
{
    return restart_policy(js_text(p->obj->json, "spec.restartPolicy"));
}

/* What an earlier run of this sandbox left in the status: the containers are gone with it. */
static void remember(Pod *p, Ctr *c)
{
    const char *list = c->init ? "status.initContainerStatuses" : "status.containerStatuses";
    const cJSON *st = js_find(js_at(p->obj->json, list), "name", c->name);
    if (str_empty(js_str(st, "containerID")))
        return;
    c->restarts = (int)js_int(st, "restartCount", 0);
    const cJSON *was = js_at(st, "state.terminated");
    c->phase = CTR_EXITED;
    c->exit_code = (int)js_int(was, "exitCode", 137);
    snprintf(c->reason, sizeof c->reason, "%s", str_or(js_str(was, "reason"), "Unknown"));
    snprintf(c->id, sizeof c->id, "%s", js_text(st, "containerID"));
    c->finished_us = clock_wall_us();
    clock_parse_rfc3339(str_or(js_str(was, "finishedAt"), "-"), &c->finished_us);
    c->started_us = c->finished_us;
    clock_parse_rfc3339(str_or(js_str(was, "startedAt"), js_text(st, "state.running.startedAt")),
                        &c->started_us);
    /* A node that comes back runs the init containers again, and what is to be restarted. */
    if (c->init && policy_of(p) != RESTART_NEVER) {
        c->phase = CTR_WAITING;
        c->exit_code = 0;
        c->restarts++;
    }
}

static size_t take_containers(Pod *p, const char *member, size_t at)
{
    const cJSON *spec;
    js_each(spec, js_at(p->first->json, member))
    {
        if (at == POD_CONTAINERS_MAX)
            break;
        ctr_init(p, &p->ctrs[at], spec, str_eq(member, "spec.initContainers"));
        remember(p, &p->ctrs[at++]);
    }
    return at;
}

Pod *pod_new(Kubelet *k, App *app, const Obj *o)
{
    Pod *p = xnew(Pod);
    p->kubelet = k;
    p->app = app;
    p->obj = obj_ref(o);
    p->first = obj_ref(o);
    p->ns = xstrdup(o->ns);
    p->name = xstrdup(o->name);
    p->uid = xstrdup(o->uid);
    p->dir = xasprintf("%s/pods/%s", app->cfg.state_dir, o->uid);
    p->mem_dir = xasprintf("%s/run/%s", app->cfg.state_dir, o->uid);
    p->log_dir = xasprintf("%s/%s_%s_%s", app->log_dir, o->ns, o->name, o->uid);
    p->started_us = clock_wall_us();
    clock_parse_rfc3339(js_text(o->json, "status.startTime"), &p->started_us);
    p->ctrs = xcalloc(POD_CONTAINERS_MAX, sizeof *p->ctrs);
    p->n = take_containers(p, "spec.initContainers", 0);
    p->n = take_containers(p, "spec.containers", p->n);
    const char *phase = js_text(o->json, "status.phase");
    p->over = str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
    pod_kick(p);
    return p;
}

void pod_free(Pod *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++)
        ctr_done(&p->ctrs[i]);
    timer_stop(p->wake);
    p->wake = NULL;
    podnet_free(p->net);
    p->net = NULL;
    p->gone = true;
    if (p->queued || p->net_pending)
        return; /* who still holds it frees the rest */
    obj_unref(p->obj);
    obj_unref(p->first);
    free(p->ctrs);
    free(p->ns);
    free(p->name);
    free(p->uid);
    free(p->dir);
    free(p->mem_dir);
    free(p->log_dir);
    free(p);
}

static void on_turn(void *ctx)
{
    Pod *p = ctx;
    p->queued = false;
    if (p->gone)
        pod_free(p);
    else
        sync_pod(p);
}

void pod_kick(Pod *p)
{
    if (p->queued || p->gone)
        return;
    p->queued = true;
    loop_defer(p->app->loop, on_turn, p);
}

static uint64_t grace_of(const Pod *p)
{
    int64_t s = js_int(p->obj->json, "metadata.deletionGracePeriodSeconds",
                       js_int(p->obj->json, "spec.terminationGracePeriodSeconds", DEFAULT_GRACE_S));
    return s > 0 ? (uint64_t)s * 1000 : 0;
}

void pod_update(Pod *p, const Obj *o)
{
    uint64_t grace = grace_of(p);
    obj_unref(p->obj);
    p->obj = obj_ref(o);
    if (obj_deleting(o) && (!p->stopping || grace_of(p) < grace))
        pod_stop(p, grace_of(p), false);
    pod_kick(p);
}

void pod_stop(Pod *p, uint64_t grace_ms, bool quiet)
{
    if (!p->stopping && !quiet && !pod_is_still(p))
        store_event(p->app->store, p->obj, "kubelet", "Normal", "Killing", "Stopping containers");
    p->stopping = true;
    p->quiet |= quiet;
    for (size_t i = 0; i < p->n; i++)
        ctr_stop(&p->ctrs[i], grace_ms);
    pod_kick(p);
}

static void remove_dirs(Pod *p)
{
    PodVolumes v = pod_volumes(p);
    volumes_remove(&v);
    voldir_remove_later(p->app->loop, p->log_dir);
}

void pod_removed(Pod *p)
{
    for (size_t i = 0; i < p->n; i++)
        ctr_done(&p->ctrs[i]);
    remove_dirs(p);
    pod_free(p);
}

bool pod_is_still(const Pod *p)
{
    if (p->net_pending)
        return false; /* a thread still works for it */
    for (size_t i = 0; i < p->n; i++)
        if (p->ctrs[i].run)
            return false;
    return true;
}

/* ---- network and volumes ---- */

static void trouble(Pod *p, const char *reason, const Error *err)
{
    p->retry_at = loop_now(p->app->loop) + RETRY_MS;
    if (str_eq(p->trouble, err->msg))
        return;
    snprintf(p->trouble, sizeof p->trouble, "%.*s", (int)sizeof p->trouble - 1, err->msg);
    store_event(p->app->store, p->obj, "kubelet", "Warning", reason, "%s", p->trouble);
}

/* What is to be cut off is cut off; that it cannot be was logged. */
static void on_cut(void *ctx, const Error *err)
{
    (void)err;
    Pod *p = ctx;
    p->net_pending = false;
    if (p->gone)
        pod_free(p);
    else
        pod_kick(p);
}

static void on_net(void *ctx, const Error *err, PodNet *net)
{
    Pod *p = ctx;
    if (p->gone) {
        podnet_free(net);
    } else {
        p->net = net;
        if (err)
            trouble(p, "FailedCreatePodSandBox", err);
        else if (faults_net_changed(p->app->faults, on_cut, p))
            return;
    }
    on_cut(p, NULL);
}

/* True when the containers can be started. */
static bool ready_to_run(Pod *p)
{
    if (p->retry_at > loop_now(p->app->loop))
        return false;
    if (!p->net) {
        const char *host = str_or(js_str(p->obj->json, "spec.hostname"), p->name);
        if (!p->net_pending)
            podnet_create(kubelet_sitenet(p->kubelet), p->app->loop, host, on_net, p);
        p->net_pending = true;
    }
    if (p->net_pending)
        return false;
    if (p->volumes_ready)
        return true;
    AUTO_ARENA a = arena_new();
    Error err;
    PodVolumes v = pod_volumes(p);
    if (volumes_prepare(&v, a, &err)) {
        trouble(p, "FailedMount", &err);
        return false;
    }
    p->trouble[0] = 0;
    p->volumes_ready = true;
    return true;
}

void pod_refresh(Pod *p)
{
    if (p->over || p->stopping)
        return;
    p->retry_at = 0;
    if (!p->volumes_ready) {
        pod_kick(p);
        return;
    }
    AUTO_ARENA a = arena_new();
    Error err;
    PodVolumes v = pod_volumes(p);
    if (volumes_prepare(&v, a, &err))
        trouble(p, "FailedMount", &err);
}

/* ---- doing what the plan says ---- */

static PodPlan plan_of(const Pod *p)
{
    CtrView view[POD_CONTAINERS_MAX] = {0};
    for (size_t i = 0; i < p->n; i++)
        view[i] = (CtrView){.init = p->ctrs[i].init,
                            .was_started = p->ctrs[i].started_us != 0,
                            .phase = p->ctrs[i].phase,
                            .exit_code = p->ctrs[i].exit_code,
                            .start_at = p->ctrs[i].start_at};
    return pod_plan(view, p->n, policy_of(p), p->stopping, loop_now(p->app->loop));
}

static void write_status(Pod *p, const PodPlan *plan)
{
    cJSON *st = podstatus_build(p, plan);
    Error err;
    if (js_equal(st, js_get(p->obj->json, "status"))) {
        cJSON_Delete(st);
        return;
    }
    if (store_set_status(p->app->store, p->obj, st, &err) && err.code != ERR_NOT_FOUND)
        log_warn("kubelet", "pod status not written", "pod=%s/%s error=%s", p->ns, p->name,
                 log_quote(err.msg));
}

static void on_wake(void *ctx)
{
    pod_kick(ctx);
}

static void wake_at(Pod *p, uint64_t at)
{
    uint64_t now = loop_now(p->app->loop), after = at > now ? at - now : 1;
    if (p->wake)
        timer_again(p->wake, after);
    else
        p->wake = timer_start(p->app->loop, after, 0, on_wake, p);
}

/* All processes have ended: the network goes; a pod that is to be deleted goes with it. */
static void finish(Pod *p)
{
    podnet_free(p->net);
    p->net = NULL;
    p->over = true;
    if (obj_deleting(p->obj) && !p->quiet) {
        AUTO_ARENA a = arena_new();
        Error err;
        StoreDelete d = {.kind = K(POD), .ns = p->ns, .name = p->name, .uid = p->uid};
        if (store_delete(p->app->store, a, &d, NULL, &err) && err.code != ERR_NOT_FOUND)
            log_warn("kubelet", "pod not removed", "pod=%s/%s error=%s", p->ns, p->name,
                     log_quote(err.msg));
    }
    kubelet_pod_over(p->kubelet, p);
}

static void sync_pod(Pod *p)
{
    if (p->over) {
        if (p->stopping || obj_deleting(p->obj))
            finish(p);
        return;
    }
    if (obj_deleting(p->obj))
        p->stopping = true;
    bool can_run = !p->stopping && ready_to_run(p);
    PodPlan plan = plan_of(p);
    for (size_t i = 0; can_run && i < p->n; i++)
        if (plan.start >> i & 1)
            ctr_start(&p->ctrs[i]);
    if (can_run && plan.start)
        plan = plan_of(p);
    if (!p->quiet)
        write_status(p, &plan);
    if (plan.over && !p->net_pending)
        finish(p);
    else if (!p->stopping && p->retry_at > loop_now(p->app->loop))
        wake_at(p, p->retry_at);
    else if (can_run && plan.wake_at)
        wake_at(p, plan.wake_at);
}
