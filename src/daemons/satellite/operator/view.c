#include "kube/kube.h"
#include "operator/watches.h"

/* Reasons of a waiting container that only another config (or another site) cures. */
static const char *const REFUSING[] = {"ErrImagePull",
                                       "ImagePullBackOff",
                                       "InvalidImageName",
                                       "ErrImageNeverPull",
                                       "CreateContainerConfigError",
                                       "CreateContainerError",
                                       "RunContainerError",
                                       NULL};

static bool is_refusing(const char *reason)
{
    for (const char *const *r = REFUSING; *r; r++)
        if (str_eq(*r, reason))
            return true;
    return false;
}

static void view_containers(Arena *a, const cJSON *statuses, PodView *v)
{
    const cJSON *cs;
    cJSON_ArrayForEach(cs, statuses)
    {
        const char *reason = kube_str(cs, "state.waiting.reason");
        const char *name = str_or(kube_str(cs, "name"), "?");
        if (str_empty(reason) || v->refused)
            continue;
        v->refused = is_refusing(reason);
        if (!v->refused && !str_eq(reason, "CrashLoopBackOff"))
            continue;
        v->problem =
            arena_printf(a, "container %s: %s: %s", name, reason,
                         str_or(kube_str(cs, "state.waiting.message"), "no more is known"));
    }
}

static const char *condition(const cJSON *obj, const char *type, const char *field)
{
    const cJSON *c;
    cJSON_ArrayForEach(c, kube_at(obj, "status.conditions"))
    {
        if (str_eq(kube_str(c, "type"), type))
            return kube_str(c, field);
    }
    return NULL;
}

PodView pod_view(Arena *a, const cJSON *obj)
{
    PodView v = {.role = str_or(kube_label(obj, LABEL_ROLE), ""),
                 .ready = str_eq(condition(obj, "Ready", "status"), "True"),
                 .terminating = kube_str(obj, "metadata.deletionTimestamp") != NULL};
    view_containers(a, kube_at(obj, "status.initContainerStatuses"), &v);
    view_containers(a, kube_at(obj, "status.containerStatuses"), &v);
    const char *unscheduled = condition(obj, "PodScheduled", "status");
    if (!v.problem && str_eq(unscheduled, "False"))
        v.problem = arena_printf(a, "cannot be scheduled: %s",
                                 str_or(condition(obj, "PodScheduled", "message"), "no reason"));
    if (v.ready)
        v.problem = NULL;
    return v;
}

static const cJSON *pg_port(const cJSON *service)
{
    const cJSON *p;
    cJSON_ArrayForEach(p, kube_at(service, "spec.ports"))
    {
        if (str_eq(kube_str(p, "name"), "postgres"))
            return p;
    }
    return NULL;
}

Endpoint service_endpoint(Arena *a, const cJSON *service, const char *node_ip)
{
    const char *type = kube_str(service, "spec.type"), *host = "";
    const cJSON *port = pg_port(service);
    int64_t number = kube_int(port, "port", 0);
    if (str_eq(type, "NodePort")) {
        host = str_or(node_ip, "");
        number = kube_int(port, "nodePort", 0);
    } else if (str_eq(type, "LoadBalancer")) {
        const char *ip = kube_str(service, "status.loadBalancer.ingress[0].ip");
        host = str_or(str_or(ip, kube_str(service, "status.loadBalancer.ingress[0].hostname")), "");
    } else if (!str_eq(kube_str(service, "spec.clusterIP"), "None")) {
        host = str_or(kube_str(service, "spec.clusterIP"), "");
    }
    if (number <= 0 || number > 65535)
        host = "";
    return (Endpoint){arena_strdup(a, host), *host ? (uint32_t)number : 0};
}
