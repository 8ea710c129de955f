#include "core/clock.h"
#include "kubelet/pod.h"

static cJSON *terminated(int code, const char *reason, int64_t from, int64_t to, const char *id)
{
    cJSON *t = cJSON_CreateObject();
    js_set_int(t, "exitCode", code);
    js_set_str(t, "reason", reason);
    if (from)
        js_set(t, "startedAt", js_now(from));
    js_set(t, "finishedAt", js_now(to));
    if (id && *id)
        js_set_str(t, "containerID", id);
    return t;
}

static cJSON *ctr_state(const Ctr *c, bool backoff)
{
    cJSON *s = cJSON_CreateObject();
    if (c->phase == CTR_RUNNING) {
        js_set(s, "running.startedAt", js_now(c->started_us));
    } else if (c->phase == CTR_EXITED && !backoff) {
        js_set(s, "terminated",
               terminated(c->exit_code, c->reason, c->started_us, c->finished_us, c->id));
    } else if (c->phase == CTR_EXITED) {
        AUTO_ARENA a = arena_new();
        js_set_str(s, "waiting.reason", "CrashLoopBackOff");
        js_set_str(s, "waiting.message",
                   arena_printf(a, "back-off %llus restarting failed container=%s pod=%s_%s(%s)",
                                (unsigned long long)pod_backoff_ms(c->failures) / 1000, c->name,
                                c->pod->name, c->pod->ns, c->pod->uid));
    } else {
        js_set_str(s, "waiting.reason", c->reason);
        if (*c->message)
            js_set_str(s, "waiting.message", c->message);
    }
    return s;
}

static cJSON *ctr_status(const Ctr *c, bool backoff)
{
    cJSON *s = cJSON_CreateObject(), *last = cJSON_CreateObject();
    js_set_str(s, "name", c->name);
    js_set(s, "state", ctr_state(c, backoff));
    if (c->phase == CTR_EXITED && backoff)
        js_set(last, "terminated",
               terminated(c->exit_code, c->reason, c->started_us, c->finished_us, c->id));
    else if (c->last.is)
        js_set(last, "terminated",
               terminated(c->last.code, c->last.reason, c->last.started_us, c->last.finished_us,
                          NULL));
    js_set(s, "lastState", last);
    bool done = c->init && c->phase == CTR_EXITED && c->exit_code == 0;
    js_set_bool(s, "ready", c->init ? done : c->phase == CTR_RUNNING && c->ready);
    js_set_int(s, "restartCount", c->restarts);
    js_set_str(s, "image", js_text(c->spec, "image"));
    js_set_str(s, "imageID", *c->id ? js_text(c->spec, "image") : "");
    if (*c->id)
        js_set_str(s, "containerID", c->id);
    js_set_bool(s, "started", c->phase == CTR_RUNNING && c->started);
    return s;
}

/* A condition keeps the time of its last change. */
static void set_condition(cJSON *conditions, const char *type, bool is, const char *reason)
{
    const char *value = is ? "True" : "False";
    cJSON *c = js_find(conditions, "type", type);
    if (!c) {
        c = cJSON_CreateObject();
        js_set_str(c, "type", type);
        js_set(c, "lastProbeTime", cJSON_CreateNull());
        cJSON_AddItemToArray(conditions, c);
    }
    if (!str_eq(js_text(c, "status"), value))
        js_set(c, "lastTransitionTime", js_now(clock_wall_us()));
    js_set_str(c, "status", value);
    js_del(c, "message");
    if (is || !reason)
        js_del(c, "reason");
    else
        js_set_str(c, "reason", reason);
}

static bool all_ready(const Pod *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (!p->ctrs[i].init && (p->ctrs[i].phase != CTR_RUNNING || !p->ctrs[i].ready))
            return false;
    return true;
}

/* "containers with unready status: [a b]", as the two conditions about readiness say. */
static void name_unready(const Pod *p, cJSON *conditions)
{
    AUTO_STRBUF b = {0};
    for (size_t i = 0; i < p->n; i++)
        if (!p->ctrs[i].init && (p->ctrs[i].phase != CTR_RUNNING || !p->ctrs[i].ready))
            strbuf_addf(&b, "%s%s", b.n ? " " : "containers with unready status: [",
                        p->ctrs[i].name);
    strbuf_addc(&b, ']');
    js_set_str(js_find(conditions, "type", "Ready"), "message", strbuf_str(&b));
    js_set_str(js_find(conditions, "type", "ContainersReady"), "message", strbuf_str(&b));
}

static void set_containers(const Pod *p, const PodPlan *plan, cJSON *st)
{
    cJSON *init = cJSON_CreateArray(), *plain = cJSON_CreateArray();
    for (size_t i = 0; i < p->n; i++)
        cJSON_AddItemToArray(p->ctrs[i].init ? init : plain,
                             ctr_status(&p->ctrs[i], plan->backoff >> i & 1));
    if (cJSON_GetArraySize(init))
        js_set(st, "initContainerStatuses", init);
    else
        cJSON_Delete(init);
    js_set(st, "containerStatuses", plain);
}

static void set_addresses(const Pod *p, cJSON *st)
{
    js_set_str(st, "hostIP", p->app->net.gateway);
    if (!p->net)
        return;
    cJSON *ips = cJSON_CreateArray(), *ip = cJSON_CreateObject();
    js_set_str(st, "podIP", podnet_ip_text(p->net));
    js_set_str(ip, "ip", podnet_ip_text(p->net));
    cJSON_AddItemToArray(ips, ip);
    js_set(st, "podIPs", ips);
}

cJSON *podstatus_build(const Pod *p, const PodPlan *plan)
{
    const cJSON *old = js_get(p->obj->json, "status");
    cJSON *st = old ? js_dup(old) : cJSON_CreateObject();
    bool ended = plan->phase >= PHASE_SUCCEEDED;
    bool ready = !ended && plan->initialized && all_ready(p);
    const char *why = plan->phase == PHASE_SUCCEEDED ? "PodCompleted" : "ContainersNotReady";
    js_set_str(st, "phase", pod_phase_name(plan->phase));
    cJSON *conditions = js_arr(st, "conditions");
    set_condition(conditions, "Initialized", plan->initialized, "ContainersNotInitialized");
    if (plan->phase == PHASE_SUCCEEDED)
        js_set_str(js_find(conditions, "type", "Initialized"), "reason", why);
    set_condition(conditions, "Ready", ready, why);
    set_condition(conditions, "ContainersReady", ready, why);
    set_condition(conditions, "PodScheduled", true, NULL);
    if (!ready && plan->phase != PHASE_SUCCEEDED)
        name_unready(p, conditions);
    set_addresses(p, st);
    js_set(st, "startTime", js_now(p->started_us));
    set_containers(p, plan, st);
    return st;
}
