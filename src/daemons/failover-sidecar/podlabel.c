#include "podlabel.h"

#include "core/log.h"
#include <stdlib.h>

#define LABEL "pg-swarm.io/role"
enum { RETRY_MS = 2000 };

struct PodLabel {
    Kube *kube;
    const char *ns, *pod;
    const char *want, *have; /* static texts */
    const char *writing;
    bool asked, known; /* known: `have` is what the API server has */
    KubeCall *call;
    Timer *retry;
};

static void work(PodLabel *p);

static const char *static_role(const char *s)
{
    return str_eq(s, "primary") ? "primary" : str_eq(s, "replica") ? "replica" : s ? "?" : NULL;
}

static void retry(void *ctx)
{
    PodLabel *p = ctx;
    timer_stop(p->retry);
    p->retry = NULL;
    work(p);
}

static void retry_later(PodLabel *p, const Error *err)
{
    log_warn("label", "the role label cannot be written now", "err=%s", log_quote(err->msg));
    if (!p->retry)
        p->retry = timer_start(kube_loop(p->kube), RETRY_MS, 0, retry, p);
}

static void on_pod(void *ctx, const Error *err, const cJSON *obj)
{
    PodLabel *p = ctx;
    p->call = NULL;
    if (err) {
        retry_later(p, err);
        return;
    }
    p->known = true;
    p->have = static_role(kube_label(obj, LABEL));
    work(p);
}

static void on_patched(void *ctx, const Error *err, const cJSON *obj)
{
    (void)obj;
    PodLabel *p = ctx;
    p->call = NULL;
    if (err) {
        p->known = false;
        retry_later(p, err);
        return;
    }
    p->have = p->writing;
    log_info("label", "written", "role=%s", str_or(p->have, "-"));
    work(p);
}

static void write_label(PodLabel *p)
{
    cJSON *patch = cJSON_CreateObject();
    cJSON *meta = cJSON_AddObjectToObject(patch, "metadata");
    cJSON *labels = cJSON_AddObjectToObject(meta, "labels");
    if (p->want)
        cJSON_AddStringToObject(labels, LABEL, p->want);
    else
        cJSON_AddNullToObject(labels, LABEL);
    p->writing = p->want;
    KubePatch kp = {.ns = p->ns, .name = p->pod, .patch = patch};
    p->call = kube_merge_patch(p->kube, &KUBE_POD, &kp, on_patched, p);
    cJSON_Delete(patch);
}

static void work(PodLabel *p)
{
    if (p->call || p->retry || !p->asked)
        return;
    if (!p->known)
        p->call = kube_get(p->kube, &KUBE_POD, p->ns, p->pod, on_pod, p);
    else if (!str_eq(p->want, p->have))
        write_label(p);
}

PodLabel *podlabel_new(Kube *kube, const char *ns, const char *pod)
{
    PodLabel *p = xnew(PodLabel);
    p->kube = kube;
    p->ns = ns;
    p->pod = pod;
    return p;
}

void podlabel_free(PodLabel *p)
{
    if (!p)
        return;
    kube_cancel(p->call);
    timer_stop(p->retry);
    free(p);
}

void podlabel_set(PodLabel *p, const char *role)
{
    p->asked = true;
    p->want = static_role(role);
    work(p);
}

bool podlabel_is(const PodLabel *p, const char *role)
{
    return p->known && !p->call && str_eq(p->have, role);
}
