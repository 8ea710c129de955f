#include "core/vec.h"
#include "kubelet/parts.h"
#include <stdlib.h>

enum { RETRY_MS = 3000 };
#define SERVICE_LABEL "metadata.labels[kubernetes.io/service-name]"

struct Services {
    App *app;
    SvcNet *net;
    StoreWatch *watches[2];
    Timer *retry;
    bool queued, gone;
};

typedef VEC(SvcPort) Ports;
typedef VEC(SvcBackend) Backends;

static void add_slice(const Obj *slice, const char *port_name, Backends *out)
{
    const cJSON *port, *ep;
    js_each(port, js_get(slice->json, "ports"))
    {
        if (!str_eq(js_text(port, "name"), port_name))
            continue;
        js_each(ep, js_get(slice->json, "endpoints"))
        {
            uint32_t addr;
            if (js_bool(ep, "conditions.ready", true) &&
                ip_parse(js_str(ep, "addresses[0]"), &addr))
                vec_push(out, ((SvcBackend){addr, (uint16_t)js_int(port, "port", 0)}));
        }
    }
}

static void add_service(Arena *a, const Obj *svc, const Obj **slices, Ports *out)
{
    const char *ip = js_text(svc->json, "spec.clusterIP");
    const cJSON *port;
    uint32_t addr = 0;
    if (str_eq(ip, "None") || (*ip && !ip_parse(ip, &addr)))
        return;
    js_each(port, js_at(svc->json, "spec.ports"))
    {
        Backends found = {0};
        const char *name = js_text(port, "name");
        if (!str_eq(str_or(js_str(port, "protocol"), "TCP"), "TCP"))
            continue; /* only TCP is proxied */
        for (const Obj **s = slices; *s; s++)
            if (str_eq((*s)->ns, svc->ns) && str_eq(js_text((*s)->json, SERVICE_LABEL), svc->name))
                add_slice(*s, name, &found);
        SvcPort p = {.key = arena_printf(a, "%s/%s/%s", svc->ns, svc->name, name),
                     .addr = addr,
                     .port = (uint16_t)js_int(port, "port", 0),
                     .node_port = (uint16_t)js_int(port, "nodePort", 0),
                     .n = found.n,
                     .backends =
                         found.n ? arena_memdup(a, found.at, found.n * sizeof *found.at) : NULL};
        vec_push(out, p);
        vec_done(&found);
    }
}

static void sync_all(void *ctx)
{
    Services *s = ctx;
    s->queued = false;
    if (s->gone) {
        free(s);
        return;
    }
    AUTO_ARENA a = arena_new();
    Ports ports = {0};
    const Obj **slices =
        store_list(s->app->store, a, &(StoreQuery){.kind = K(ENDPOINTSLICE)}, NULL);
    const Obj **svcs = store_list(s->app->store, a, &(StoreQuery){.kind = K(SERVICE)}, NULL);
    for (; *svcs; svcs++)
        add_service(a, *svcs, slices, &ports);
    if (!svcnet_sync(s->net, ports.at, ports.n))
        timer_again(s->retry, RETRY_MS);
    vec_done(&ports);
}

static void on_change(void *ctx, StoreChange ch, const Obj *now, const Obj *old)
{
    (void)ch;
    (void)now;
    (void)old;
    Services *s = ctx;
    if (!s->queued)
        loop_defer(s->app->loop, sync_all, s);
    s->queued = true;
}

static void on_retry(void *ctx)
{
    on_change(ctx, STORE_MODIFIED, NULL, NULL);
}

Services *services_start(App *app, HostNet *host)
{
    Services *s = xnew(Services);
    s->app = app;
    s->net = svcnet_new(app->loop, host);
    s->retry = timer_start(app->loop, RETRY_MS, 0, on_retry, s);
    s->watches[0] = store_watch(app->store, K(SERVICE), on_change, s);
    s->watches[1] = store_watch(app->store, K(ENDPOINTSLICE), on_change, s);
    on_change(s, STORE_ADDED, NULL, NULL);
    return s;
}

ErrCode services_forward(Services *s, uint32_t gateway, Error *err)
{
    for (size_t i = 0; i < s->app->cfg.forward_count; i++) {
        const Forward *f = &s->app->cfg.forwards[i];
        if (svcnet_forward(s->net, gateway, f->port, f->port, err))
            return err_wrap(err, "forward %s=%s", f->name, f->target);
    }
    return ERR_OK;
}

void services_stop(Services *s)
{
    if (!s)
        return;
    store_watch_stop(s->watches[0]);
    store_watch_stop(s->watches[1]);
    timer_stop(s->retry);
    svcnet_free(s->net);
    s->gone = true;
    if (!s->queued)
        free(s);
}
