#include "controllers/ctl.h"

#include "controllers/jobplan.h"
#include "core/clock.h"

static bool has_condition(const Obj *job, const char *type)
{
    const cJSON *c = js_find(js_at(job->json, "status.conditions"), "type", type);
    return str_eq(js_text(c, "status"), "True");
}

static int64_t finished_at(const Obj *pod)
{
    const cJSON *s;
    int64_t last = 0, t;
    js_each(s, js_at(pod->json, "status.containerStatuses"))
    {
        if (clock_parse_rfc3339(js_text(s, "state.terminated.finishedAt"), &t) && t > last)
            last = t;
    }
    return last;
}

static JobState state_of(Ctl *c, const Obj *job, const Obj **pods)
{
    const cJSON *o = job->json;
    int64_t now = store_now_us(c->store), start = now, failure = 0;
    clock_parse_rfc3339(js_text(o, "status.startTime"), &start);
    JobState s = {.parallelism = (int)js_int(o, "spec.parallelism", 1),
                  .completions = (int)js_int(o, "spec.completions", 0),
                  .backoff_limit = (int)js_int(o, "spec.backoffLimit", 6),
                  .deadline_s = js_int(o, "spec.activeDeadlineSeconds", 0),
                  .age_s = (now - start) / 1000000,
                  .suspended = js_bool(o, "spec.suspend", false),
                  .finished = has_condition(job, "Complete") || has_condition(job, "Failed")};
    for (; *pods; pods++) {
        const char *phase = js_text((*pods)->json, "status.phase");
        if (str_eq(phase, "Succeeded")) {
            s.succeeded++;
        } else if (str_eq(phase, "Failed")) {
            s.failed++;
            int64_t t = finished_at(*pods);
            failure = t > failure ? t : failure;
        } else if (!obj_deleting(*pods)) {
            s.active++;
        }
    }
    s.since_failure_ms = (now - failure) / 1000;
    return s;
}

static cJSON *pod_of(const Obj *job)
{
    cJSON *pod = pod_from_template(job, js_at(job->json, "spec.template"), NULL);
    js_set_str(pod, "metadata.labels[controller-uid]", job->uid);
    js_set_str(pod, "metadata.labels[job-name]", job->name);
    js_set_str(pod, "metadata.labels[batch.kubernetes.io/controller-uid]", job->uid);
    js_set_str(pod, "metadata.labels[batch.kubernetes.io/job-name]", job->name);
    return pod;
}

static void add_end(Ctl *c, const Obj *job, cJSON *st, JobEnd end)
{
    static const struct {
        const char *type, *reason, *message;
    } ends[] = {
        [JOB_COMPLETE] = {"Complete", "", ""},
        [JOB_BACKOFF_EXCEEDED] = {"Failed", "BackoffLimitExceeded",
                                  "Job has reached the specified backoff limit"},
        [JOB_DEADLINE] = {"Failed", "DeadlineExceeded",
                          "Job was active longer than specified deadline"},
    };
    cJSON *cond = cJSON_CreateObject();
    js_set_str(cond, "type", ends[end].type);
    js_set_str(cond, "status", "True");
    if (*ends[end].reason) {
        js_set_str(cond, "reason", ends[end].reason);
        js_set_str(cond, "message", ends[end].message);
    }
    js_set(cond, "lastProbeTime", js_now(store_now_us(c->store)));
    js_set(cond, "lastTransitionTime", js_now(store_now_us(c->store)));
    cJSON_AddItemToArray(js_arr(st, "conditions"), cond);
    if (end == JOB_COMPLETE)
        js_set(st, "completionTime", js_now(store_now_us(c->store)));
    store_event(c->store, job, "job-controller", end == JOB_COMPLETE ? "Normal" : "Warning",
                end == JOB_COMPLETE ? "Completed" : ends[end].reason, "%s",
                end == JOB_COMPLETE ? "Job completed" : ends[end].message);
}

static ErrCode write_status(Ctl *c, const Obj *job, const JobState *s, JobEnd end, Error *err)
{
    const cJSON *old = js_get(job->json, "status");
    cJSON *st = old ? js_dup(old) : cJSON_CreateObject();
    if (!js_get(st, "startTime") && !s->suspended)
        js_set(st, "startTime", js_now(store_now_us(c->store)));
    bool stopped = end == JOB_BACKOFF_EXCEEDED || end == JOB_DEADLINE;
    ctl_count(st, "active", end == JOB_GOES_ON ? s->active : 0);
    ctl_count(st, "succeeded", s->succeeded);
    ctl_count(st, "failed", s->failed + (stopped ? s->active : 0)); /* those we stop have failed */
    if (end != JOB_GOES_ON)
        add_end(c, job, st, end);
    return ctl_status(c, job, st, err);
}

/* ttlSecondsAfterFinished */
static ErrCode expire(Ctl *c, const Obj *job, CtlKey *key, Error *err)
{
    int64_t ttl = js_int(job->json, "spec.ttlSecondsAfterFinished", -1), at = 0;
    const cJSON *cond;
    js_each(cond, js_at(job->json, "status.conditions"))
    {
        clock_parse_rfc3339(js_text(cond, "lastTransitionTime"), &at);
    }
    if (ttl < 0)
        return ERR_OK;
    int64_t left_ms = (at + ttl * 1000000 - store_now_us(c->store)) / 1000;
    if (left_ms <= 0)
        return ctl_delete(c, job, err);
    key->again_ms = (uint64_t)left_ms + 1;
    return ERR_OK;
}

static ErrCode reconcile(Ctl *c, Arena *a, CtlKey *key, Error *err)
{
    const Obj *job = store_get(c->store, a, K(JOB), key->ns, key->name);
    if (!job || obj_deleting(job))
        return ERR_OK;
    const Obj **pods = ctl_owned(c, a, K(POD), job, NULL);
    JobState s = state_of(c, job, pods);
    JobPlan p = job_plan(&s);
    ErrCode rc = ERR_OK;
    for (int i = 0; !rc && i < p.create; i++) {
        rc = ctl_create(c, K(POD), job->ns, pod_of(job), err);
        s.active += !rc;
    }
    if (rc)
        store_event(c->store, job, "job-controller", "Warning", "FailedCreate",
                    "Error creating: %s", err->msg);
    for (; !rc && p.stop_active && *pods; pods++)
        if (!pod_ended(*pods) && !obj_deleting(*pods))
            rc = ctl_delete(c, *pods, err);
    if (p.again_ms)
        key->again_ms = (uint64_t)p.again_ms;
    if (rc)
        return rc;
    return s.finished ? expire(c, job, key, err) : write_status(c, job, &s, p.end, err);
}

static void on_change(Ctl *c, Arena *a, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)a;
    (void)ch;
    (void)old;
    const char *owner = now->kind == K(POD) ? ctl_owner_name(now, "Job") : NULL;
    if (owner)
        ctl_enqueue(c, CTL_JOB, now->ns, owner);
}

const Controller ctl_job = {"job", K(JOB), reconcile, on_change};
