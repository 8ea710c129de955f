#include "link/podlogs.h"

#include "core/map.h"
#include <stdlib.h>

typedef struct Follow {
    struct PodLogs *owner;
    char *id;
    KubeCall *call;
    bool paused;
} Follow;

struct PodLogs {
    Kube *k;
    Link *link;
    Map *by_id;
};

static ErrCode send_chunk(PodLogs *p, const char *id, StrView data, bool end, const char *error)
{
    SatelliteUp m = {.id = id,
                     .kind = UP_POD_LOG,
                     .pod_log = {.data = data, .end = end, .error = str_or(error, "")}};
    return link_send(p->link, &m);
}

static void follow_free(Follow *f)
{
    map_remove(f->owner->by_id, f->id);
    kube_cancel(f->call);
    free(f->id);
    free(f);
}

static bool on_data(void *ctx, const char *data, size_t n)
{
    Follow *f = ctx;
    send_chunk(f->owner, f->id, sv_n(data, n), false, NULL);
    f->paused = link_queued(f->owner->link) >= PODLOGS_QUEUE_HIGH;
    return !f->paused;
}

static void on_end(void *ctx, const Error *err)
{
    Follow *f = ctx;
    f->call = NULL;
    send_chunk(f->owner, f->id, (StrView){0}, true, err ? err->msg : NULL);
    follow_free(f);
}

void podlogs_request(PodLogs *p, const char *id, const PodLogRequest *m)
{
    Follow *f = map_get(p->by_id, id);
    if (m->cancel) {
        if (f) {
            send_chunk(p, id, (StrView){0}, true, NULL);
            follow_free(f);
        }
        return;
    }
    if (f || str_empty(id) || map_count(p->by_id) >= PODLOGS_MAX) {
        send_chunk(p, id, (StrView){0}, true,
                   f ? "a log with this id is followed already" : "too many logs are followed");
        return;
    }
    f = xnew(Follow);
    f->owner = p;
    f->id = xstrdup(id);
    map_put(p->by_id, id, f);
    f->call = kube_log(p->k, &(KubeLogSpec){.ns = m->ns,
                                            .pod = m->pod_name,
                                            .container = m->container,
                                            .tail_lines = m->tail_lines,
                                            .since_seconds = m->since_seconds,
                                            .follow = m->follow,
                                            .on_data = on_data,
                                            .on_end = on_end,
                                            .ctx = f});
}

void podlogs_resume(PodLogs *p)
{
    for (MapIter it = {0}; map_next(p->by_id, &it);) {
        Follow *f = it.value;
        if (!f->paused)
            continue;
        f->paused = false;
        kube_log_resume(f->call);
    }
}

void podlogs_end_all(PodLogs *p)
{
    for (MapIter it = {0}; map_next(p->by_id, &it);)
        follow_free(it.value);
}

PodLogs *podlogs_new(Kube *k, Link *link)
{
    PodLogs *p = xnew(PodLogs);
    p->k = k;
    p->link = link;
    p->by_id = map_new();
    return p;
}

void podlogs_free(PodLogs *p)
{
    if (!p)
        return;
    podlogs_end_all(p);
    map_free(p->by_id);
    free(p);
}
