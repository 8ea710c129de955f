#include "election/announce.h"

#include "election/peers.h"
#include <stdlib.h>

struct Announce {
    Kube *kube;
    const char *ns, *pod;
    bool known;
    char *have; /* NULL: nothing */
    char *want;
    KubeCall *call;
    AnnounceDone done;
    void *ctx;
};

Announce *announce_new(Kube *kube, const char *ns, const char *pod)
{
    Announce *an = xnew(Announce);
    an->kube = kube;
    an->ns = ns;
    an->pod = pod;
    return an;
}

void announce_free(Announce *an)
{
    if (!an)
        return;
    kube_cancel(an->call);
    free(an->have);
    free(an->want);
    free(an);
}

bool announce_may_be(const Announce *an)
{
    return !an->known || an->have;
}

const char *announce_text(const Announce *an)
{
    return an->known ? an->have : NULL;
}

static void keep(Announce *an, const char *text)
{
    char *copy = text ? xstrdup(text) : NULL;
    free(an->have);
    an->have = copy;
    an->known = true;
}

static void finish(Announce *an, const Error *err)
{
    AnnounceDone done = an->done;
    an->done = NULL;
    done(an->ctx, err);
}

static void on_patched(void *ctx, const Error *err, const cJSON *obj)
{
    Announce *an = ctx;
    an->call = NULL;
    an->known = false; /* an error does not say whether it was written */
    if (!err)
        keep(an, kube_annotation(obj, POSITION_ANNOTATION));
    finish(an, err);
}

static void write_it(Announce *an)
{
    cJSON *patch = cJSON_CreateObject(), *meta = cJSON_AddObjectToObject(patch, "metadata");
    cJSON *notes = cJSON_AddObjectToObject(meta, "annotations");
    if (an->want)
        cJSON_AddStringToObject(notes, POSITION_ANNOTATION, an->want);
    else
        cJSON_AddNullToObject(notes, POSITION_ANNOTATION);
    KubePatch kp = {.ns = an->ns, .name = an->pod, .patch = patch};
    an->call = kube_merge_patch(an->kube, &KUBE_POD, &kp, on_patched, an);
    cJSON_Delete(patch);
}

static void on_pod(void *ctx, const Error *err, const cJSON *obj)
{
    Announce *an = ctx;
    an->call = NULL;
    if (!err)
        keep(an, kube_annotation(obj, POSITION_ANNOTATION));
    if (err || !an->have)
        finish(an, err);
    else
        write_it(an);
}

void announce_set(Announce *an, const char *text, AnnounceDone done, void *ctx)
{
    char *copy = text ? xstrdup(text) : NULL;
    free(an->want);
    an->want = copy;
    an->done = done;
    an->ctx = ctx;
    if (!copy && !an->known)
        an->call = kube_get(an->kube, &KUBE_POD, an->ns, an->pod, on_pod, an);
    else
        write_it(an);
}
